"""What a gate and its driver say to each other: requests, commands and answers, all frozen.

The drivers (ASGI, proxy, simulator) carry out the commands in order. A refusal or `marks.Stale`
that a command meets is thrown into the generator; `Aborted` is thrown in when the payer has gone.
As in `marks`, nothing here is part of a cycle, and the garbage collector leaves it alone.
"""

from collections.abc import Generator
from typing import TypeVar

import msgspec

from farthing import marks
from farthing.errors import Refusal
from farthing.schemes.contract import Json
from farthing.vendor.metering import Stream
from farthing.wire import problems
from farthing.wire.offers import Credential

Headers = tuple[tuple[bytes, bytes], ...]
T = TypeVar("T")


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """What the private door knows of a request beyond its own words."""

    scheme: str
    """Whose till opened the seal."""
    owner: bytes
    """Under whose key it was sealed."""
    credential: Credential
    amount_micro: int
    """What the payer means to pay."""


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the gate needs of a request; the body stays with the driver."""

    method: str
    scheme: str
    """http or https, as the payer sees it."""
    host: str
    path: str
    path_query: str
    headers: Headers
    """Names in lower case."""
    body_digest: bytes = b""
    """SHA-256 of the body on a route that binds it; empty without a body, and everywhere else."""
    secure: bool = True
    """Whether nobody on the way can read it: over https, or from this very machine."""
    sealed: Sealed | None = None
    """Of a request that came through the private door; its payment is not in the headers."""


class Look(msgspec.Struct, frozen=True, gc=False):
    """Answer: `At`, with fresh entropy."""


class TakeSerial(msgspec.Struct, frozen=True, gc=False):
    """Answer: one serial index of this series, never given before."""

    series: str


class SpareSerial(msgspec.Struct, frozen=True):
    """Answer: None. Give a serial back: nothing that names it is stored or has gone out."""

    series: str
    index: int


class AskOrigin(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Answer: `OriginAnswered`; throws `OriginFailed` or `Aborted`."""

    add: Headers
    """Headers for the origin; the driver strips those of the payer that only we may send."""
    timeout_s: int
    streams: bool = False
    """Whether the answer is paid for while it runs: then its head alone decides."""


class OriginAnswered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The origin's head, and its body where that was short enough to buffer."""

    status: int
    headers: Headers
    body: bytes | None
    """None: it streams, and the driver passes it on after the answer's head."""


class AskBroker(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the facilitator API. Answer: its JSON; throws `Unavailable`, `Undecided`."""

    call: str
    """`settle`, `capture` or `void`."""
    message: Json


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the payer gets; the generator returns it."""

    status: int
    headers: Headers
    body: bytes | None
    """None: the origin's own stream follows."""
    charged_micro: int = 0
    stream: Stream | None = None
    """What it opens: then the origin's stream goes on as long as it is paid for."""
    voucher_for: bytes = b""
    """The record of the stream that it paid on; empty where it paid on none."""
    stream_paid_micro: int = 0
    """At least so much is paid on that stream by now, this voucher included."""


def refuse(refusal: Refusal) -> Answer:
    """A problem, without offers: nothing is sold at these doors, so nothing is 402."""
    status, headers, body = problems.problem(refusal, value_moved=True)
    return Answer(status=status, headers=headers, body=body)


class Aborted(Exception):  # noqa: N818 - a signal from the driver, not an error
    """The payer has gone, or the gate is stopping."""


GateCommand = marks.Command | Look | TakeSerial | SpareSerial | AskOrigin | AskBroker
Walk = Generator[GateCommand, object, Answer]


def expect(kind: type[T], answer: object) -> T:
    """`answer` as `kind`: a driver that answers otherwise is our own mistake."""
    assert isinstance(answer, kind), f"driver answered {type(answer).__name__}"
    return answer
