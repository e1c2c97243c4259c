"""The payer's side of words: a chain a vendor and day, then words of it."""

from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.errors import OutOfRange
from farthing.schemes.chain.credit.purse import CreditPurse, Part, require_present, unit_of
from farthing.schemes.chain.words.commitment import Commitment
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer, Paid

CHAIN_LENGTH = 1000  # words of a new chain, fewer where the credit limit says so

C = TypeVar("C", bound=Commitment)


class Opened(msgspec.Struct, Generic[C], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A commitment under way."""

    commitment: C
    index: int
    """The highest index that was paid with and taken; 0: the vendor has not seen it yet."""
    secret: str
    seed: str
    """The last word of the chain, base64url."""

    def __repr__(self) -> str:
        """Vendor and index only."""
        return f"Opened({self.commitment.vendor}, {self.index})"


class WordPurse(CreditPurse):
    """A member gives `traits`, `family` and `chains`; `fields`, where it has some of its own."""

    chains: ClassVar[codec.Reader[Any]]
    """Reads its `Opened`."""
    commitment: ClassVar[type[Commitment]]
    length_max: ClassVar[int] = CHAIN_LENGTH

    def commit(
        self, part: Part, chains: tuple[tuple[int, int, str], ...], salt: str, offer: Offer, at: At
    ) -> Commitment:
        """The member's commitment to these chains, unsigned."""
        return self.commitment(
            certificate=part.certificate,
            chains=chains,
            day=part.day,
            salt=salt,
            sig="",
            slots=part.slots,
            vendor=part.vendor_id,
            **self.fields(offer, at),
        )

    def fields(self, offer: Offer, at: At) -> dict[str, Json]:
        """What a member's commitment has beside its chains."""
        return {}

    def length(self, part: Part, unit_micro: int, offer: Offer) -> int:
        """Words of a new chain: as many as this part of the credit bears; `OutOfRange`."""
        length = min(self.length_max, part.worth_micro // unit_micro)
        if length * unit_micro < offer.price_micro:
            raise OutOfRange("credit_below_price", "ask the broker for more credit")
        return length

    def begin(self, part: Part, offer: Offer, at: At) -> Instrument:
        """A chain within this part of the credit; `OutOfRange` where that is below the price."""
        unit_micro = unit_of(offer)
        length = self.length(part, unit_micro, offer)
        seed, salt = at.entropy[:16], at.entropy[16:32]
        root = codec.b64u(chain.root_of(salt, seed, length))
        unsigned = self.commit(part, ((unit_micro, length, root),), codec.b64u(salt), offer, at)
        opened: Opened[Commitment] = Opened(
            commitment=unsigned.sign(part.secret),
            index=0,
            secret=codec.b64u(part.secret),
            seed=codec.b64u(seed),
        )
        return self._instrument(self.kept(opened, offer, at))

    def kept(self, opened: Opened[Commitment], offer: Offer, at: At) -> Opened[Commitment]:
        """The same with what a member keeps besides."""
        return opened

    def is_billed(self, instrument: Instrument) -> bool:
        """Not for a chain that lies ready at the broker."""
        if not instrument.vendor_id:
            return super().is_billed(instrument)
        return not self.lies_ready(self.chains.read(instrument.body))

    def lies_ready(self, opened: Opened[Any]) -> bool:
        """Whether the money behind a chain was set apart at the broker."""
        return bool(opened.commitment.certificate.vendor)

    def secret_of(self, instrument: Instrument) -> str:
        """The payer's key behind a chain."""
        secret: str = self.chains.read(instrument.body).secret
        return secret

    def _instrument(self, opened: Opened[Commitment]) -> Instrument:
        commitment = opened.commitment
        unit_micro, length, _ = commitment.chains[0]
        return Instrument(
            id=f"{self.family.short}:{commitment.id}",
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
        opened: Opened[Commitment] = self.chains.read(instrument.body)
        commitment = opened.commitment
        require_present(commitment, at.now_s)
        unit_micro, length, _ = commitment.chains[0]
        steps, rest = divmod(offer.price_micro, unit_micro)
        if rest:
            raise OutOfRange("price_not_in_units", "open a chain in the vendor's present unit")
        index = opened.index + steps
        if index > length:
            raise OutOfRange("chain_used_up", "open another chain")
        key = chain.link_key(codec.unb64u(commitment.salt))
        word = chain.word_of(key, codec.unb64u(opened.seed), length, index)
        first = opened.index == 0
        payload = {
            "commitment": msgspec.to_builtins(commitment) if first else commitment.id,
            "links": [[unit_micro, index, codec.b64u(word)]],
        }
        after = self._instrument(msgspec.structs.replace(opened, index=index))
        return Paid(payload=payload, spent=instrument, after=after)
