"""What keeps a wallet waiting before it sends something once more.

A gate or a broker that is asked too often by somebody (429 `rate_limited`) has not looked at what
it refuses, so nothing has moved: the same goes out again once it says it may, as long as that is
soon. What a site of its own answers so, without a problem of ours in it, is the program's to read.
"""

from collections.abc import Generator
from typing import Any, Literal

import msgspec

from farthing import codec
from farthing.errors import Malformed, Throttled
from farthing.wallet.commands import AskMint, Command, Refused, SendRequest, Wait
from farthing.wallet.messages import Response, Sent

PAUSE_MS = 250  # before a message is sent again, times the number of tries
RETRY_AFTER_S_MAX = 5  # longer waits for what is being done are the payer's to decide
THROTTLED_S_MAX = 30  # of one message: a gate or broker of ours says 5; a program waits no longer
AFTER_DIGITS = 4  # of a `Retry-After`: what is longer is a date, or means never
THROTTLED = 429


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What the wallet reads of a refusal's body."""

    type: str = ""
    code: str = ""
    retry: Literal["same", "new", "never", ""] = ""


def problem_of(answer: Response) -> Problem:
    """What a refusal says; nothing where the body is none."""
    try:
        return codec.read_open(answer.body, Problem)
    except Malformed:
        return Problem()


def after_s(text: str) -> int | None:
    """The seconds of a `Retry-After`; None for a date, and where there is none."""
    return int(text) if text.isdecimal() and len(text) <= AFTER_DIGITS else None


def pause_ms(answer: Sent, number: int) -> int:
    """How long to wait after the answer to try `number`: as it says, or a little longer each."""
    said_s = after_s(answer.value("retry-after")) if isinstance(answer, Response) else None
    return PAUSE_MS * number if said_s is None else min(said_s, RETRY_AFTER_S_MAX) * 1000


def patiently(command: SendRequest | AskMint) -> Generator[Command, Any, Any]:
    """The answer to `command`, given again while whoever it goes to asks to wait, and that is soon.

    The last answer where it is not: a refusal like any other.
    """
    waited_s = 0
    while True:
        answer = yield command
        wait_s = throttled_s(answer)
        if not wait_s or waited_s + wait_s > THROTTLED_S_MAX:
            return answer
        yield Wait(delay_ms=wait_s * 1000, throttled=True)
        waited_s += wait_s


def throttled_s(answer: object) -> int:
    """The seconds after which to ask again, at least one; 0 where it is not told to wait."""
    if isinstance(answer, Refused) and isinstance(answer.refusal, Throttled):
        return max(answer.after_s, 1)
    if not isinstance(answer, Response) or answer.status != THROTTLED:
        return 0
    if problem_of(answer).retry != "same":
        return 0
    return max(after_s(answer.value("retry-after")) or 0, 1)
