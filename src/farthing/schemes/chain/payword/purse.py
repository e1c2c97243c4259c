"""The payer's side of PayWord: a certificate, then a chain a vendor and day, then words.

Two kinds of instrument: a certificate (for any vendor) and an opened commitment (for one vendor
and day). The first payment to a vendor makes the second out of the first.
"""

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import Expired, Forged, NotYetValid, OutOfRange, Unsupported
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.payword.commitment import (
    DAY_S,
    SKEW_S,
    SLOTS,
    TRAITS,
    Certificate,
    Commitment,
)
from farthing.schemes.contract import (
    Accepted,
    Asked,
    At,
    Binding,
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

CHAIN_LENGTH = 1000  # words of a new chain, fewer where the credit limit says so
KEY_BYTES = 32


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


class Opened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A commitment under way."""

    commitment: Commitment
    index: int
    """The highest index that was paid with and taken; 0: the vendor has not seen it yet."""
    secret: str
    seed: str
    """The last word of the chain, base64url."""

    def __repr__(self) -> str:
        """Vendor and index only."""
        return f"Opened({self.commitment.vendor}, {self.index})"


class Certified(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to `issue`."""

    certificate: Certificate


_CARD, _OPENED = codec.Reader(Card), codec.Reader(Opened)
_CERTIFIED = codec.Reader(Certified)


class PaywordPurse(Purse):
    """One wallet's PayWord at one broker."""

    traits = TRAITS

    def ask(self, need: Need, at: At) -> Asked:
        """A certificate for a fresh key, with the need as the credit of each slot."""
        secret = at.entropy[:KEY_BYTES]
        public = codec.b64u(signing.public_of(secret))
        message = {"limitMicro": need.amount_micro * SLOTS, "publicKey": public}
        return Asked(operation="issue", message=message, kept=secret)

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
        card = Card(certificate=certificate, secret=codec.b64u(asked.kept))
        return (
            Instrument(
                id=f"pwc:{certificate.serial}",
                scheme=self.traits.name,
                vendor_id="",
                currency=certificate.currency,
                worth_micro=certificate.limit_micro,
                expires_at_s=certificate.expires_at_s,
                body=codec.canonical(card),
            ),
        )

    def open(self, instrument: Instrument, offer: Offer, at: At) -> tuple[Instrument, Instrument]:
        """A chain for one vendor and day, in the next slot of the credit; `OutOfRange`.

        Also where the clock went back to an earlier day: only one day's slots are remembered, and
        what is committed twice is paid once.
        """
        card = _CARD.read(instrument.body)
        day = at.now_s // DAY_S
        if day < card.day:
            raise OutOfRange("day_is_over", "the clock went back behind what was committed")
        used = dict(card.used) if card.day == day else {}
        slot = used.get(offer.vendor_id, 0)
        if slot == SLOTS:
            raise OutOfRange("credit_all_committed", "today's credit at this vendor is in use")
        used[offer.vendor_id] = slot + 1
        unit_micro = offer.terms.get("unitMicro")
        if type(unit_micro) is not int or not 0 < unit_micro <= PAYMENT_MICRO_MAX:
            raise OutOfRange("offer_without_unit", "the offer does not say what a word is worth")
        length = min(CHAIN_LENGTH, card.certificate.limit_micro // SLOTS // unit_micro)
        if length * unit_micro < offer.price_micro:
            raise OutOfRange("credit_below_price", "ask the broker for more credit")
        seed, salt = at.entropy[:16], at.entropy[16:32]
        root = codec.b64u(chain.root_of(salt, seed, length))
        unsigned = Commitment(
            certificate=card.certificate,
            chains=((unit_micro, length, root),),
            day=day,
            salt=codec.b64u(salt),
            sig="",
            slots=(slot, 1),
            vendor=offer.vendor_id,
        )
        secret = codec.unb64u(card.secret, size_bytes=KEY_BYTES)
        sig = codec.b64u(signing.sign(secret, unsigned.signed()))
        commitment = msgspec.structs.replace(unsigned, sig=sig)
        opened = Opened(commitment=commitment, index=0, secret=card.secret, seed=codec.b64u(seed))
        card = msgspec.structs.replace(card, day=day, used=used)
        kept = msgspec.structs.replace(instrument, body=codec.canonical(card))
        return kept, self._instrument(opened)

    def _instrument(self, opened: Opened) -> Instrument:
        commitment = opened.commitment
        unit_micro, length, _ = commitment.chains[0]
        return Instrument(
            id=f"pw:{commitment.id}",
            scheme=self.traits.name,
            vendor_id=commitment.vendor,
            currency=commitment.certificate.currency,
            worth_micro=unit_micro * (length - opened.index),
            expires_at_s=commitment.ends_at_s,
            body=codec.canonical(opened),
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """The next word, for exactly the price.

        `OutOfRange` past the chain's end; `Expired` and `NotYetValid` for a chain of another day.
        """
        opened = _OPENED.read(instrument.body)
        commitment = opened.commitment
        unit_micro, length, _ = commitment.chains[0]
        if at.now_s >= commitment.ends_at_s:
            raise Expired("commitment_expired", "open a chain for today")
        if at.now_s < commitment.day * DAY_S - SKEW_S:  # it was opened while the clock was wrong
            raise NotYetValid(
                "commitment_not_yet_valid", "its day has not begun; is the clock right?"
            )
        steps, rest = divmod(offer.price_micro, unit_micro)
        if rest:
            raise OutOfRange("price_not_in_units", "open a chain in the vendor's present unit")
        index = opened.index + steps
        if index > length:
            raise OutOfRange("chain_used_up", "open another chain")
        key = chain.link_key(codec.unb64u(commitment.salt))
        word = chain.descend(key, codec.unb64u(opened.seed), length, index)
        first = opened.index == 0
        payload = {
            "commitment": msgspec.to_builtins(commitment) if first else commitment.id,
            "links": [[unit_micro, index, codec.b64u(word)]],
        }
        after = self._instrument(msgspec.structs.replace(opened, index=index))
        return Paid(payload=payload, spent=instrument, after=after)

    def conclude(self, paid: Paid, conclusion: Conclusion, at: At) -> Concluded:
        """The chain at its new index if the word was taken, else as it was.

        A chain that the vendor refused for good is dropped: nothing more is charged on it.
        """
        if isinstance(conclusion, Burned):
            return Concluded()
        kept = paid.after if isinstance(conclusion, Accepted) else paid.spent
        assert kept is not None, "a PayWord payment always leaves its chain"
        return Concluded(instruments=(kept,) if kept.worth_micro else ())

    def prove(self, instrument: Instrument, statement: bytes) -> str:
        """`ed25519:` under the certificate's key."""
        secret = codec.unb64u(_OPENED.read(instrument.body).secret, size_bytes=KEY_BYTES)
        return "ed25519:" + codec.b64u(signing.sign(secret, statement))

    def give_back(self, instrument: Instrument, at: At) -> Asked:
        """Credit goes back by revoking its certificate; `Unsupported` for a chain of the day.

        What a vendor has been paid with it is still billed; nothing new can be opened with it.
        """
        if instrument.vendor_id:
            raise Unsupported("chain_ends_by_itself", "unused words cost nothing; they end today")
        serial = _CARD.read(instrument.body).certificate.serial
        return Asked(operation="take_back", message={"serial": serial})
