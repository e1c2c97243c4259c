"""What a broker says of one payment, signed: that it was made, or that none was.

    question   {atS, payer, proof}                    proof: Ed25519 over enc(tag, atS)
    answer     {atS, broker, key, paid, payer, sinceS, sig}
                                          sig: over enc(tag, digest of the rest)

Some schemes make a key for each payment alone (`payer` is its public half). Who has its secret may
ask, without an account, and the broker learns no more than that it asks. The question has no
effect. What is paid for stands in `paid` as a hash; whoever shows the page opens it.
Source: DigiCash's payer codes; the messages are ours.
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, Malformed, Mismatch, Unsupported
from farthing.schemes import registry
from farthing.schemes.coin.blind.coinage import tag
from farthing.schemes.coin.blind.messages import order_of
from farthing.schemes.coin.blind.mint import BlindMint
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.contract import Asked, At, Binding, Json, Paid, Purse

PUBLIC_BYTES = 32  # Ed25519


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was paid."""

    at_s: int
    order: str
    price_micro: int
    vendor: str


class _Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    at_s: int
    broker: str
    key: str
    paid: Record | None
    payer: str
    sig: str
    since_s: int


class Attestation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of `farthing wallet prove`."""

    answer: dict[str, Json]
    """As the broker gave it."""
    body: str
    """SHA-256 of the request's body where it was bound, base64url; empty without."""
    scheme: str
    target: str
    """The request, as in `GET /articles/tally-sticks.html`."""


class Attested(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an attestation says."""

    at_s: int
    """When the broker said so."""
    broker: str
    paid: Record | None
    """None: nothing was paid with the key."""
    payer: str
    since_s: int
    """How far back the broker remembers."""
    target: str


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    public: str
    purpose: str


class KeyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of a broker's key document."""

    broker: str
    currency: str
    keys: tuple[_Entry, ...]


READER = codec.Reader(Attestation)


def question(purse: Purse, paid: Paid, at: At) -> Asked:
    """What asks the broker about a payment; `Unsupported` where payments have no keys."""
    scheme = purse.traits.name
    if not isinstance(purse, BlindPurse):
        raise _unsupported(scheme)
    secret = purse.payer_secret(paid.spent)
    proof = signing.sign(secret, codec.enc(tag(scheme, "proof"), at.now_s))
    message = {
        "atS": at.now_s,
        "payer": codec.b64u(signing.public_of(secret)),
        "proof": codec.b64u(proof),
    }
    return Asked(operation="issue", message=message, bearer=True)


def _purpose_of(scheme: str) -> str:
    """Of the broker's key that signs the answer; `Unsupported`."""
    mint = registry.by_name(scheme).mint
    if not issubclass(mint, BlindMint):
        raise _unsupported(scheme)
    return mint.record_key


def _unsupported(scheme: str) -> Unsupported:
    return Unsupported("proof_unsupported", f"payments of {scheme[:32]!r} are not attested")


def verify(attestation: Attestation, keys: KeyDocument) -> Attested:
    """What it says, if a broker with these keys has said it.

    `Forged` where it has not, `Mismatch` where it was another broker or another page.
    """
    purpose = _purpose_of(attestation.scheme)
    try:
        answer = msgspec.convert(attestation.answer, _Answer)
    except msgspec.ValidationError:
        raise Malformed("proof_malformed", "this is no broker's answer") from None
    if answer.broker != keys.broker:
        raise Mismatch("proof_of_another_broker", f"it is {answer.broker[:32]!r} that says so")
    if answer.key not in {entry.public for entry in keys.keys if entry.purpose == purpose}:
        raise Forged("proof_key_unknown", "the broker does not publish the key that signed it")
    said = {name: each for name, each in attestation.answer.items() if name not in {"key", "sig"}}
    signing.verify(
        codec.unb64u(answer.key, size_bytes=PUBLIC_BYTES),
        codec.enc(tag(attestation.scheme, "proof"), codec.digest(said)),
        codec.unb64u(answer.sig, size_bytes=signing.SIGNATURE_BYTES),
    )
    if answer.paid is not None:
        _require_page(answer.paid, attestation)
    return Attested(
        at_s=answer.at_s,
        broker=answer.broker,
        paid=answer.paid,
        payer=answer.payer,
        since_s=answer.since_s,
        target=attestation.target,
    )


def _require_page(paid: Record, attestation: Attestation) -> None:
    method, _, path_query = attestation.target.partition(" ")
    binding = Binding(
        dialect="mpp",
        k="",
        method=method,
        host="",
        path_query=path_query,
        target=attestation.target,
        body_digest=codec.unb64u(attestation.body),
    )
    if paid.order != codec.b64u(order_of(attestation.scheme, binding)):
        raise Mismatch("proof_of_another_page", "something else was paid for than the file says")
