"""The same request has the same answer, whatever happens between: read along by a world.

Of brokers every answer to a request with an Idempotency-Key, unless it says that nothing was
decided yet; of a settlement what was settled, since it goes on: a reservation may end, and another
one be for less where some of it was claimed meanwhile. Of gates the receipt of a payment.
"""

from collections.abc import Callable, Collection
from http import HTTPStatus

import msgspec

from farthing.broker.answers import KEPT_S
from farthing.lab.faults import JUMP_S
from farthing.lab.network import Message, Reply
from farthing.lab.trace import brief

KEY = b"idempotency-key"
TOKEN = b"authorization"
PAYMENTS = frozenset({TOKEN, b"payment-authorization", b"payment-signature", b"x-cashu"})
RECEIPT, RESPONSE = b"payment-receipt", b"payment-response"
AGAIN = b'"retry":"same"'  # nothing was decided yet
SETTLE = "/settle"
SAME_S = KEPT_S - 2 * JUMP_S  # for so long an answer stays the same, whoever's clock is ahead

Headers = frozenset[tuple[bytes, bytes]]


class _Extra(msgspec.Struct):
    reservation: int = 0


class _Settled(msgspec.Struct):
    """What counts of a settlement."""

    success: bool
    transaction: str = ""
    amount: str = ""
    extra: _Extra = msgspec.field(default_factory=_Extra)


class Repeats:
    """What was answered to whom, in a world."""

    def __init__(
        self, find: Callable[[str], None], brokers: Collection[str], wall_s: Callable[[], int]
    ) -> None:
        """Nothing yet; `wall_s` is the right time."""
        self._find = find
        self._brokers = brokers
        self._wall_s = wall_s
        self._answers: dict[tuple[str, str, Headers, bytes, bool], tuple[int, object]] = {}

    def sent(self, source: str, target: str, message: Message) -> None:
        """As `network.Tap`."""

    def answered(self, source: str, target: str, message: Message, reply: Reply) -> None:
        """As `network.Tap`: compare it with what was answered before."""
        is_broker, is_held = target in self._brokers, False
        names = {KEY, TOKEN} if is_broker else PAYMENTS
        told = frozenset(pair for pair in message.headers if pair[0] in names)
        if not told or (is_broker and len(told) < len(names)):
            return
        if is_broker and message.url.endswith(SETTLE):
            answer, is_held = _settled(reply)
        else:
            answer = _decided(reply) if is_broker else _receipt(reply)
        if answer is None:
            return
        asked, now_s = (target, message.url, told, message.body, is_held), self._wall_s()
        first_s, before = self._answers.setdefault(asked, (now_s, answer))
        if first_s + SAME_S < now_s:
            self._answers[asked] = now_s, answer
        elif before != answer:
            one, other = (brief(repr(said).encode()) for said in (before, answer))
            self._find(f"{target} answered {message.url} of {source} with {one}, then {other}")


def _decided(reply: Reply) -> object:
    """What must not change of a broker's answer; None where nothing was decided."""
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or AGAIN in reply.body:
        return None
    return reply.status, reply.body


def _settled(reply: Reply) -> tuple[object, bool]:
    """What must not change of a settlement, as long as it is reserved, and once it is done."""
    settled = msgspec.json.decode(reply.body, type=_Settled)
    if not settled.success:
        return None, False
    is_held = settled.extra.reservation > 0
    return (settled.transaction if is_held else (settled.transaction, settled.amount)), is_held


def _receipt(reply: Reply) -> object:
    """What a gate says of a payment that it has taken; None where it has not."""
    headers = dict(reply.headers)
    if reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return headers.get(RECEIPT) or headers.get(RESPONSE)
    return headers.get(RECEIPT)
