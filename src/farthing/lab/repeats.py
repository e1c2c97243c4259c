"""The same request has the same answer, whatever happens between: read along by a world.

Of brokers every answer to a request with an Idempotency-Key, unless it says that nothing was
decided yet; of a settlement what was settled, since it goes on. Of gates the receipt of a payment.
"""

from collections.abc import Callable, Collection
from http import HTTPStatus

import msgspec

from farthing.lab.network import Message, Reply

KEY = b"idempotency-key"
TOKEN = b"authorization"
PAYMENTS = frozenset({TOKEN, b"payment-authorization", b"payment-signature", b"x-cashu"})
RECEIPT, RESPONSE = b"payment-receipt", b"payment-response"
AGAIN = b'"retry":"same"'  # nothing was decided yet
SETTLE = "/settle"

Headers = frozenset[tuple[bytes, bytes]]


class _Settled(msgspec.Struct):
    """What does not change of a settlement that goes on."""

    success: bool
    transaction: str = ""
    amount: str = ""


class Repeats:
    """What was answered to whom, in a world."""

    def __init__(self, find: Callable[[str], None], brokers: Collection[str]) -> None:
        """Nothing yet."""
        self._find = find
        self._brokers = brokers
        self._answers: dict[tuple[str, str, Headers, bytes], object] = {}

    def sent(self, source: str, target: str, message: Message) -> None:
        """As `network.Tap`."""

    def answered(self, source: str, target: str, message: Message, reply: Reply) -> None:
        """As `network.Tap`: compare it with what was answered before."""
        if target in self._brokers:
            told = frozenset(pair for pair in message.headers if pair[0] in {KEY, TOKEN})
            answer = _decided(message, reply) if len(told) == len({KEY, TOKEN}) else None
        else:
            told = frozenset(pair for pair in message.headers if pair[0] in PAYMENTS)
            answer = _receipt(reply) if told else None
        if answer is None:
            return
        asked = target, message.url, told, message.body
        before = self._answers.setdefault(asked, answer)
        if before != answer:
            self._find(f"{target} answered {message.url} of {source} {before!r}, then {answer!r}")


def _decided(message: Message, reply: Reply) -> object:
    """What must not change of a broker's answer; None where nothing was decided."""
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or AGAIN in reply.body:
        return None
    if message.url.endswith(SETTLE):
        settled = msgspec.json.decode(reply.body, type=_Settled)
        return (settled.transaction, settled.amount) if settled.success else None
    return reply.status, reply.body


def _receipt(reply: Reply) -> object:
    """What a gate says of a payment that it has taken; None where it has not."""
    headers = dict(reply.headers)
    if reply.status < HTTPStatus.MULTIPLE_CHOICES:
        return headers.get(RECEIPT) or headers.get(RESPONSE)
    return headers.get(RECEIPT)
