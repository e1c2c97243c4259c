"""The payer's side: a chain a vendor and day, against the root in the vendor's offer."""

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.errors import OutOfRange
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.credit.purse import CreditPurse, Part, require_present, unit_of
from farthing.schemes.chain.ticket.commitment import (
    FAMILY,
    LENGTH_MAX,
    ODDS_MAX,
    TRAITS,
    TicketCommitment,
    wins_max,
)
from farthing.schemes.contract import (
    Asked,
    At,
    Binding,
    Instrument,
    Json,
    Need,
    Offer,
    Paid,
)

TICKETS_MIN = 64  # of a chain, where one in so many wins or fewer: each has two signatures


class Terms(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the purse wants of an offer's terms."""

    face_micro: int
    length: int
    session: str
    unit_micro: int
    vendor_root: str
    win_denominator: int
    win_numerator: int


class Opened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A commitment under way."""

    commitment: TicketCommitment
    index: int
    """The last ticket that was given and taken; 0: the vendor has not seen it yet."""
    secret: str
    seed: str
    """The last word of the chain, base64url."""

    def __repr__(self) -> str:
        """Vendor and index only."""
        return f"Opened({self.commitment.vendor}, {self.index})"


_OPENED = codec.Reader(Opened)


class TicketPurse(CreditPurse):
    """One wallet's tickets at one broker."""

    traits = TRAITS
    family = FAMILY

    def ask(self, need: Need, at: At) -> Asked:
        """A certificate with room in each slot for the prizes of what is needed."""
        asked = super().ask(need, at)
        if need.offer is None:
            return asked
        terms = _terms(need.offer)
        least = min(TICKETS_MIN, terms.win_denominator)  # a prize may be more than many pages
        count = min(terms.length, max(least, need.amount_micro // terms.unit_micro))
        slot_micro = terms.face_micro * wins_max(count, terms.win_denominator)
        message = asked.message | {"limitMicro": max(slot_micro, need.amount_micro) * SLOTS}
        return msgspec.structs.replace(asked, message=message)

    def secret_of(self, instrument: Instrument) -> str:
        """The payer's key behind a chain."""
        return _OPENED.read(instrument.body).secret

    def begin(self, part: Part, offer: Offer, at: At) -> Instrument:
        """As many tickets as this part of the credit has room for the prizes of; `OutOfRange`."""
        terms = _terms(offer)
        length = terms.length
        while terms.face_micro * wins_max(length, terms.win_denominator) > part.worth_micro:
            length //= 2
            if not length:
                raise OutOfRange("credit_below_price", "ask the broker for more credit")
        if length * terms.unit_micro < offer.price_micro:
            raise OutOfRange("credit_below_price", "ask the broker for more credit")
        seed, salt = at.entropy[:16], at.entropy[16:32]
        unsigned = TicketCommitment(
            certificate=part.certificate,
            day=part.day,
            length=length,
            odds=terms.win_denominator,
            root=codec.b64u(chain.root_of(salt, seed, length)),
            salt=codec.b64u(salt),
            session=terms.session,
            sig="",
            slots=part.slots,
            unit_micro=terms.unit_micro,
            vendor=part.vendor_id,
            vendor_root=terms.vendor_root,
        )
        opened = Opened(
            commitment=unsigned.sign(part.secret),
            index=0,
            secret=codec.b64u(part.secret),
            seed=codec.b64u(seed),
        )
        return self._instrument(opened)

    def _instrument(self, opened: Opened) -> Instrument:
        commitment = opened.commitment
        return Instrument(
            id=f"{self.family.short}:{commitment.id}",
            scheme=self.traits.name,
            vendor_id=commitment.vendor,
            currency=commitment.certificate.currency,
            worth_micro=commitment.unit_micro * (commitment.length - opened.index),
            expires_at_s=commitment.ends_at_s,
            body=codec.canonical(opened),
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """Tickets whose average is the price.

        `OutOfRange` past the chain's end; `Expired` and `NotYetValid` for a chain of another day.
        """
        opened = _OPENED.read(instrument.body)
        commitment = opened.commitment
        require_present(commitment, at.now_s)
        count, rest = divmod(offer.price_micro, commitment.unit_micro)
        if rest:
            raise OutOfRange("price_not_in_units", "open a chain in the vendor's present unit")
        index = opened.index + count
        if index > commitment.length:
            raise OutOfRange("chain_used_up", "open another chain")
        key = chain.link_key(codec.unb64u(commitment.salt))
        word = chain.word_of(key, codec.unb64u(opened.seed), commitment.length, index)
        is_first = opened.index == 0
        payload = {
            "commitment": msgspec.to_builtins(commitment) if is_first else commitment.id,
            "index": index,
            "word": codec.b64u(word),
        }
        after = self._instrument(msgspec.structs.replace(opened, index=index))
        return Paid(payload=payload, spent=instrument, after=after)


def _terms(offer: Offer) -> Terms:
    """The terms; `OutOfRange` unless they are a lottery whose prize is right for its odds."""
    unit_of(offer)
    try:
        terms = msgspec.convert(offer.terms, Terms, strict=True)
    except msgspec.ValidationError:
        raise OutOfRange("offer_without_draw", "the offer does not say what is drawn") from None
    is_fair = terms.win_numerator == 1 and 0 < terms.win_denominator <= ODDS_MAX
    if not is_fair or terms.face_micro != terms.unit_micro * terms.win_denominator:
        raise OutOfRange("odds_not_fair", "the prize is the unit times the odds")
    if not 0 < terms.length <= LENGTH_MAX:
        raise OutOfRange("offer_without_draw", "the offer does not say how many tickets there are")
    return terms
