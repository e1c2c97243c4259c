"""What a payer sends to a private door, and how it reads the answer."""

from typing import NamedTuple

from farthing import codec
from farthing.schemes.contract import At, Binding, Instrument, Offer, Paid, Purse
from farthing.vendor.commands import Answer
from farthing.wire import sealed


class Envelope(NamedTuple):
    """One sealed request, and the keys to its answer."""

    raw: bytes
    inside: bytes
    """What is sealed in it."""
    purse: Purse
    instrument: Instrument
    k: str = ""
    """K of the payment in it."""

    @property
    def value(self) -> str:
        """As one word."""
        return codec.b64u(self.raw)

    def read(self, body: bytes) -> tuple[int, sealed.Headers, bytes]:
        """Status, headers and body of the answer."""
        shut = sealed.read_sealed(body)
        return sealed.read_answer(self.purse.unseal_answer(self.instrument, self.inside, shut))

    def opened(self, answer: Answer) -> Answer:
        """A sealed answer of the gate as the payer reads it."""
        assert (answer.status, len(answer.headers)) == (200, 2)
        status, headers, body = self.read(answer.body or b"")
        pairs = tuple((name.encode(), value.encode()) for name, value in headers)
        return Answer(status=status, headers=pairs, body=body, charged_micro=answer.charged_micro)


def seal(purse: Purse, instrument: Instrument, plain: bytes, at: At) -> Envelope:
    """Any bytes, sealed."""
    owner, inside = purse.seal_request(instrument, plain, at)
    return Envelope(sealed.write_envelope(owner, inside), inside, purse, instrument)


def pay(
    purse: Purse,
    instrument: Instrument,
    offer: Offer,
    at: At,
    *,
    path: str,
    method: str = "GET",
    headers: sealed.Headers = (),
    body: bytes = b"",
) -> tuple[Envelope, Paid]:
    """A sealed request for a page, and the payment in it."""
    binding = Binding(dialect="private", k="", method=method, host="", path_query=path, target="")
    paid = purse.pay(instrument, offer, binding, at)
    assert isinstance(paid, Paid)
    plain = sealed.write_request(
        method=method,
        path_query=path,
        headers=headers,
        body=body,
        amount_micro=offer.price_micro,
        payload=paid.payload,
    )
    made = seal(purse, instrument, plain, at)
    return made._replace(k=sealed.key_of(codec.canonical(paid.payload))), paid
