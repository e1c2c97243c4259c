"""Credit in the wallet: certificates, out of which something is pledged to one vendor and day.

Two kinds of instrument: a certificate (for any vendor) and what was opened with a part of its
credit (for one vendor and day). The first payment to a vendor makes the second out of the first.
"""

from contextlib import suppress
from typing import ClassVar

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Expired, Forged, NotYetValid, OutOfRange, Refusal, Unsupported
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.credit.certificate import Certificate, Family
from farthing.schemes.chain.credit.pledge import SLOTS, Pledge
from farthing.schemes.chain.credit.till import OPENING, PREPAID
from farthing.schemes.chain.times import DAY_S, SKEW_S
from farthing.schemes.contract import (
    Accepted,
    Asked,
    At,
    Burned,
    Concluded,
    Conclusion,
    Instrument,
    Json,
    Need,
    Offer,
    Paid,
    Purse,
)
from farthing.schemes.proofs import write_proof

KEY_BYTES = 32
REST_COMES_BACK = "what is not used comes back by itself, a day after its day has ended"


class Card(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A certificate and its private key."""

    certificate: Certificate
    day: int = 0
    secret: str
    used: dict[str, int] = {}
    """On `day`: how many slots of the credit are used up, by vendor."""

    def __repr__(self) -> str:
        """The serial only."""
        return f"Card({self.certificate.serial})"


class Certified(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to `issue`."""

    certificate: Certificate


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a certificate's credit that a new pledge may take up."""

    certificate: Certificate
    day: int
    secret: bytes
    """The payer's key."""
    slots: tuple[int, int]
    vendor_id: str

    @property
    def worth_micro(self) -> int:
        """The credit of its slots."""
        return self.certificate.limit_micro * self.slots[1] // SLOTS

    def __repr__(self) -> str:
        """Vendor and slots only."""
        return f"Part({self.vendor_id}, {self.slots})"


_CARD, _CERTIFIED = codec.Reader(Card), codec.Reader(Certified)


class CreditPurse(Purse):
    """One wallet's member at one broker."""

    family: ClassVar[Family]
    prepays: ClassVar[bool] = False  # whether it pays beforehand where a vendor asks for that

    def begin(self, part: Part, offer: Offer, at: At) -> Instrument:
        """What is pledged to the offer's vendor within this part of the credit; `OutOfRange`."""
        raise NotImplementedError

    def secret_of(self, instrument: Instrument) -> str:
        """The payer's key behind something opened, base64url."""
        raise NotImplementedError

    def least_micro(self, offer: Offer) -> int:
        """A slot's part of the price, where all of them may pay it."""
        if self.prepays and is_prepaid(offer):
            return offer.price_micro
        return -(-offer.price_micro // SLOTS)

    def ask(self, need: Need, at: At) -> Asked:
        """A certificate for a fresh key, with the need as the credit of each slot.

        Where the vendor wants to be prepaid: with the need as what lies ready for it today.
        """
        secret = at.entropy[:KEY_BYTES]
        public = codec.b64u(signing.public_of(secret))
        message: dict[str, Json] = {"limitMicro": need.amount_micro * SLOTS, "publicKey": public}
        if self.prepays and need.offer is not None and is_prepaid(need.offer):
            prepaid = {"day": at.now_s // DAY_S, "vendor": need.vendor_id}
            message |= {"limitMicro": self.prepaid_micro(need.amount_micro, need.offer), **prepaid}
        return Asked(operation="issue", message=message, kept=secret)

    def prepaid_micro(self, amount_micro: int, offer: Offer) -> int:
        """How much of a need is worth paying beforehand: all of it by default."""
        return amount_micro

    def receive(self, asked: Asked, answer: Json, at: At) -> tuple[Instrument, ...] | Asked:
        """The certificate; `Forged` if it is not what was asked for.

        The broker's signature is the vendors' to check: a payer holds no value in it.
        """
        if asked.operation == "take_back":
            return ()
        certificate = _CERTIFIED.convert(answer).certificate
        if certificate.broker != self.setting.broker_id:
            raise Forged("certificate_not_as_asked", "another broker's certificate")
        if certificate.public_key != asked.message["publicKey"]:
            raise Forged("certificate_not_as_asked", "the broker certified another key")
        if certificate.vendor != asked.message.get("vendor", ""):
            raise Forged("certificate_not_as_asked", "it is for another vendor, or on credit")
        card = Card(certificate=certificate, secret=codec.b64u(asked.kept))
        return (
            Instrument(
                id=f"{self.family.short}c:{certificate.serial}",
                scheme=self.traits.name,
                vendor_id="",
                currency=certificate.currency,
                worth_micro=certificate.limit_micro,
                expires_at_s=certificate.expires_at_s,
                body=codec.canonical(card),
            ),
        )

    def open(self, instrument: Instrument, offer: Offer, at: At) -> tuple[Instrument, Instrument]:
        """Something for one vendor and day, in the next slots of the credit; `OutOfRange`.

        In one slot, or in as many as the price asks for. Also `OutOfRange` where the clock went
        back to an earlier day: only one day's slots are remembered, and what is committed twice is
        paid once.
        """
        card = _CARD.read(instrument.body)
        day = at.now_s // DAY_S
        try:
            card.certificate.require_for(offer.vendor_id, day)
        except Refusal as refused:
            raise OutOfRange(refused.code, refused.detail) from None
        if day < card.day:
            raise OutOfRange("day_is_over", "the clock went back behind what was committed")
        certificate = card.certificate
        if is_prepaid(offer) and not certificate.vendor:
            raise OutOfRange("opening_on_credit", "what is promised here must be prepaid")
        used = dict(card.used) if card.day == day else {}
        slot = used.get(offer.vendor_id, 0)
        if slot == SLOTS:
            raise OutOfRange("credit_all_committed", "today's credit at this vendor is in use")
        part = Part(
            certificate=certificate,
            day=day,
            secret=codec.unb64u(card.secret, size_bytes=KEY_BYTES),
            slots=(slot, 1),
            vendor_id=offer.vendor_id,
        )
        opened, used[offer.vendor_id] = self._begin(part, offer, at)
        card = msgspec.structs.replace(card, day=day, used=used)
        left_micro = 0 if certificate.vendor else instrument.worth_micro
        general = msgspec.structs.replace(
            instrument, body=codec.canonical(card), worth_micro=left_micro
        )
        return general, opened

    def _begin(self, part: Part, offer: Offer, at: At) -> tuple[Instrument, int]:
        """What begins in the fewest slots from `part` on, and the first that is free after it.

        What is prepaid is for one chain, and is all in it.
        """
        first = part.slots[0]
        least = SLOTS if part.certificate.vendor else 1
        for count in range(least, SLOTS - first):
            with suppress(OutOfRange):  # more of them may do
                wider = msgspec.structs.replace(part, slots=(first, count))
                return self.begin(wider, offer, at), first + count
        all_of_them = msgspec.structs.replace(part, slots=(first, SLOTS - first))
        return self.begin(all_of_them, offer, at), SLOTS

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """What was opened at its new place if the payment was taken, else as it was.

        What the vendor refused for good is dropped: nothing more is charged on it.
        """
        if isinstance(conclusion, Burned):
            return Concluded()
        kept = paid.after if isinstance(conclusion, Accepted) else paid.spent
        assert kept is not None, "a payment on credit always leaves what was opened"
        return Concluded(instruments=(kept,) if kept.worth_micro else ())

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`ed25519:` under the certificate's key."""
        secret = codec.unb64u(self.secret_of(instrument), size_bytes=KEY_BYTES)
        return write_proof("ed25519", signing.sign(secret, statement))

    def is_billed(self, instrument: Instrument) -> bool:
        """Not for a certificate that was prepaid."""
        return bool(instrument.vendor_id) or not _CARD.read(instrument.body).certificate.vendor

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """Credit goes back by revoking its certificate; `Unsupported` for a chain of the day.

        What a vendor has been paid is still billed; nothing new can be opened. What lies ready at
        the broker is closed by its vendor.
        """
        if not self.is_billed(instrument):
            return self.close(instrument, at)
        if instrument.vendor_id:
            raise Unsupported("chain_ends_by_itself", "unused words cost nothing; they end today")
        serial = _CARD.read(instrument.body).certificate.serial
        return Asked(operation="take_back", message={"serial": serial})

    def close(self, instrument: Instrument, at: At) -> Asked:
        """What asks the vendor to take nothing more of what lies ready; `Unsupported` too late."""
        raise Unsupported("rest_comes_back", REST_COMES_BACK)


def is_prepaid(offer: Offer) -> bool:
    """Whether its vendor wants what it is promised to lie ready at the broker."""
    return offer.terms.get(OPENING) == PREPAID


def unit_of(offer: Offer) -> int:
    """What a word is worth at this vendor, micro-units; `OutOfRange` unless the offer says so."""
    unit_micro = offer.terms.get("unitMicro")
    if type(unit_micro) is not int or not 0 < unit_micro <= PAYMENT_MICRO_MAX:
        raise OutOfRange("offer_without_unit", "the offer does not say what a word is worth")
    return unit_micro


def require_present(pledge: Pledge, now_s: int) -> None:
    """`Expired`, `NotYetValid` for a pledge of another day than the wallet's clock has."""
    if now_s >= pledge.ends_at_s:
        raise Expired("commitment_expired", "open a chain for today")
    if now_s < pledge.day * DAY_S - SKEW_S:  # it was opened while the clock was wrong
        raise NotYetValid("commitment_not_yet_valid", "its day has not begun; is the clock right?")
