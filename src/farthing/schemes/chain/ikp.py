"""micro-iKP: coupons of one signed order, whose description the broker never learns.

- Source: Hauser, Steiner, Waidner, "Micro-Payments based on iKP", 1996 (3KP: the payer signs).
- Notation: coupons `A_i = F(A_{i-1})`, the order is `Sig_P{ID_P, ID_V, A_n, value, n, expiry,
  nonces, H(salt || description)}`; payment j reveals `A_{n-j}`. Ours counts from the root, so
  that payment j reveals the word at index j; the order id is the stick's serial.
- The order holds `H(salt || description)` alone. Salt and description go to the vendor with the
  first payment and stay there; payer and vendor can both open the hash in a dispute, and nobody can
  open it otherwise. Every later payment is for what they say too, or the vendor refuses it.
- Departures: Ed25519 for RSA; P is a pseudonym that only the broker can open, where iKP encrypts a
  card number; F is fixed by the tag of the link; the payer's nonce is the order id, and the vendor
  gives none, since it keeps every order id of its day. What an order is captured for grows with its
  highest index instead of being captured in one card transaction, never twice and never above n.
- The source's broker in the middle, who is paid with the payer's chain and pays the vendor with its
  own, is a gate whose site buys with a wallet (`farthing.relay`): what came in is durable before
  anything goes out, and for one receipt the wallet buys once. A vendor that fails after the relay
  was paid costs its payer that unit, until the relay gives it back.
- Trust: as NetCard. Of the description the broker learns nothing but that it is one text.
"""

import hashlib
from functools import lru_cache
from typing import Any, cast

import msgspec

from farthing import codec
from farthing.crypto.mac import require_equal
from farthing.errors import Closed, Mismatch, OutOfRange, Unfit, Unknown
from farthing.marks import Keys, Memory, Put
from farthing.schemes.chain.counters import CHAINS_CACHED
from farthing.schemes.chain.credit import contradictions
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.credit.losses import RESERVING
from farthing.schemes.chain.sticks.mint import StickMint
from farthing.schemes.chain.sticks.purse import StickPurse
from farthing.schemes.chain.sticks.stick import AUTHS, Stick
from farthing.schemes.chain.sticks.till import StickTill
from farthing.schemes.chain.times import DAY_S
from farthing.schemes.chain.words.closing import CloseOrder, WordVendorMint
from farthing.schemes.chain.words.commitment import Commitment
from farthing.schemes.chain.words.mint import ClaimMessage
from farthing.schemes.chain.words.purse import Opened
from farthing.schemes.chain.words.till import Payment
from farthing.schemes.contract import (
    At,
    Binding,
    Charged,
    Instrument,
    Json,
    Offer,
    Paid,
    Scheme,
    Taken,
    Traits,
)

FAMILY = Family(tag="ikp", domain_name="micro-ikp", short="ikp")
DESCRIPTION_TAG = "farthing/micro-ikp/description/1"
SALT_BYTES = 16
DESCRIPTION_BYTES_MAX = 256  # as long as what a route may say of itself
_SALT_AT = 48  # of the entropy; what is before it makes the stick

TRAITS = Traits(
    name="ikp",
    wire="ikp",
    title="micro-iKP",
    source="Hauser, Steiner & Waidner 1996",
    issuer="broker",
    credit=True,
    needs_list=False,
    latest="batch",
    losses=RESERVING,
)


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What opens the hash in an order: for payer and vendor only."""

    description: str
    """What is bought, in the vendor's words."""
    salt: str
    """16 bytes, base64url."""

    def __post_init__(self) -> None:
        """`Unfit` for a long description, `Malformed` for a salt of another size."""
        if len(self.description.encode()) > DESCRIPTION_BYTES_MAX:
            raise Unfit("description_too_long", f"at most {DESCRIPTION_BYTES_MAX} bytes")
        codec.unb64u(self.salt, size_bytes=SALT_BYTES)

    @property
    def digest(self) -> bytes:
        """H(salt || description): 32 bytes."""
        fields = codec.enc(DESCRIPTION_TAG, codec.unb64u(self.salt), self.description)
        return hashlib.sha256(fields).digest()


class Order(Stick, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A payer's order of coupons at one vendor for one day; its serial is the order id."""

    family = FAMILY
    message = "order"
    described: str
    """H(salt || description), 32 bytes, base64url."""

    def details(self) -> tuple[bytes | str | int, ...]:
        """Order id, authorisation and the hash, as they are signed."""
        return (*Stick.details(self), self.described)

    def verify_description(self, opening: Opening) -> None:
        """`Forged` unless this is what its payer ordered; how a dispute is decided."""
        described = codec.unb64u(self.described, size_bytes=32)
        require_equal("description_not_as_signed", opening.digest, described)


class OrderPayment(Payment[Order], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As words; with the order itself goes what opens its hash."""

    opening: Opening | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        """`Unfit` for an opening without its order, or the reverse."""
        if isinstance(self.commitment, str) is not (self.opening is msgspec.UNSET):
            raise Unfit("opening_misplaced", "the opening goes with the order, and only there")


class Disclosed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order with what opens its hash: what payer or vendor show in a dispute."""

    opening: Opening
    order: Order


_DISCLOSED = codec.Reader(Disclosed)
_opening_of = lru_cache(maxsize=CHAINS_CACHED)(codec.Reader(Opening).read)


class OpenedOrder(Opened[Order], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order under way."""

    opening: Opening


class IkpMint(StickMint):
    """The broker's side."""

    traits = TRAITS
    family = FAMILY
    published = FAMILY.revoked_prefix
    contradicted = FAMILY.conflict_prefix
    signing = (FAMILY.certificate_key,)
    claims = codec.Reader(ClaimMessage[Order])
    pledges = codec.Reader(Order)

    def judge(self, disclosed: Json) -> Json:
        """What an order says and hides; `Forged` unless its payer ordered just that.

        Or which two orders contradict each other.
        """
        if contradictions.is_twice(disclosed):
            return super().judge(disclosed)
        found = _DISCLOSED.convert(disclosed)
        order, certificate = found.order, found.order.certificate
        certificate.require_of(self.setting.broker_id, self.setting.currency)
        certificate.verify(self.family, self.setting.ring, order.day * DAY_S)
        order.verify()
        order.verify_description(found.opening)
        return {
            "day": order.day,
            "description": found.opening.description,
            "order": order.id,
            "payer": certificate.payer,
            "vendor": order.vendor,
            "worthMicro": order.worth_micro,
        }


class IkpPurse(StickPurse):
    """One wallet's micro-iKP at one broker."""

    traits = TRAITS
    family = FAMILY
    commitment = Order
    chains = codec.Reader(OpenedOrder)

    def fields(self, offer: Offer, at: At) -> dict[str, Json]:
        """With the hash of what the vendor says that it sells."""
        described = codec.b64u(_opening(offer, at).digest)
        return super().fields(offer, at) | {"described": described}

    def kept(self, opened: Opened[Commitment], offer: Offer, at: At) -> Opened[Commitment]:
        """With what opens the hash."""
        known = {name: getattr(opened, name) for name in Opened.__struct_fields__}
        return cast(Opened[Commitment], OpenedOrder(**known, opening=_opening(offer, at)))

    def disclose(self, paid: Paid) -> Json:
        """The order, and what opens its hash."""
        opened = self.chains.read(paid.spent.body)
        return msgspec.to_builtins(Disclosed(opening=opened.opening, order=opened.commitment))

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """As a stick; `OutOfRange` where the vendor describes this otherwise."""
        opened = self.chains.read(instrument.body)
        if opened.opening.description != offer.description:
            raise OutOfRange("order_of_something_else", "open another order")
        paid = super().pay(instrument, offer, binding, at, answer)
        if opened.index:
            return paid
        opening = msgspec.to_builtins(opened.opening)
        return msgspec.structs.replace(paid, payload=paid.payload | {"opening": opening})


class IkpTill(StickTill):
    """One vendor's till. What opens its orders is in records below `ikp/opening/`."""

    traits = TRAITS
    family = FAMILY
    payments = codec.Reader(OrderPayment)

    def recall(self, payment: Payment[Commitment]) -> Keys:
        """Of an order under way also what opens it: each payment is for what it says."""
        keys, order = super().recall(payment), payment.commitment
        if not isinstance(order, str):
            return keys
        return Keys(counters=keys.counters, records=(opening_key(order),))

    def take(self, payment: Any, offer: Offer, binding: Binding, memory: Memory, at: At) -> Taken:
        """As a stick; `Mismatch` for an order of something else, `Forged` for another opening.

        `Closed` for an order of which the gate does not know what it is for.
        """
        order, opening = payment.commitment, payment.opening
        if isinstance(order, str) or not isinstance(opening, Opening):
            taken = super().take(payment, offer, binding, memory, at)
            _require_described(_kept_opening(order, memory), offer)
            return taken
        order.verify_description(opening)
        _require_described(opening, offer)
        taken = super().take(payment, offer, binding, memory, at)
        if not taken.records:  # it was opened before
            return taken
        key = opening_key(order.id)
        put = Put(key=key, value=codec.canonical(opening), until_s=taken.until_s)
        return msgspec.structs.replace(taken, records=(*taken.records, put))

    def disclosing(self, charged: Charged) -> Keys:
        """The order of a payment, and what opens its hash."""
        order_id = charged.reference.split(":")[1]
        return Keys(records=(self.record_key(order_id.encode()), opening_key(order_id)))

    def disclose(self, memory: Memory) -> Json:
        """Both; `Unknown` once they are forgotten."""
        found = {key.split(b"/")[1]: codec.read_json(raw) for key, raw in memory.records.items()}
        if len(found) != 2:
            raise Unknown("order_forgotten", "a gate keeps orders for a month after their day")
        return {"opening": found[b"opening"], "order": found[b"commitment"]}


@lru_cache(maxsize=CHAINS_CACHED)
def opening_key(order_id: str) -> bytes:
    """Where a gate keeps what opens the hash of an order, for as long as its marks."""
    return f"{FAMILY.tag}/opening/{order_id}".encode()


def _kept_opening(order_id: str, memory: Memory) -> Opening:
    """What opens an order under way; `Closed` where the gate has it no more."""
    found = memory.records.get(opening_key(order_id))
    if found is None:
        raise Closed("order_forgotten", "open another order")
    return _opening_of(found)


def _require_described(opening: Opening, offer: Offer) -> None:
    """`Mismatch`: both sides would show what was not bought, should they disagree later."""
    if opening.description != offer.description:
        raise Mismatch("order_of_something_else", "order what the offer describes")


def _opening(offer: Offer, at: At) -> Opening:
    salt = codec.b64u(at.entropy[_SALT_AT : _SALT_AT + SALT_BYTES])
    return Opening(description=offer.description, salt=salt)


class IkpVendorMint(WordVendorMint):
    """Where a payer has what was authorised closed."""

    traits = TRAITS
    orders = codec.Reader(CloseOrder[Order])
    tills = IkpTill


IKP = Scheme(
    traits=TRAITS,
    mint=IkpMint,
    purse=IkpPurse,
    till=IkpTill,
    vendor_mint=IkpVendorMint,
    options={"unit_micro": (20,), "auth": AUTHS},
)
