"""The payer's side of words: a commitment a vendor and day, then words of its chains."""

import hashlib
from collections.abc import Collection
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import OutOfRange, Unsupported
from farthing.schemes.chain.credit.certificate import Certificate
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.credit.purse import (
    REST_COMES_BACK,
    Card,
    CreditPurse,
    Part,
    require_present,
    unit_of,
)
from farthing.schemes.chain.times import DAY_S
from farthing.schemes.chain.words.commitment import Commitment
from farthing.schemes.chain.words.denominations import fewest_links, lengths_for
from farthing.schemes.contract import Asked, At, Binding, Instrument, Json, Offer, Paid

CHAIN_LENGTH = 1000  # words of a new commitment, fewer where the credit limit says so
SEED_TAG = "farthing/words/seed/1"
CLOSE_TAG = "farthing/words/close/1"

C = TypeVar("C", bound=Commitment)


class Opened(msgspec.Struct, Generic[C], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A commitment under way."""

    commitment: C
    index: int
    """The highest of the first chain that was paid with and taken."""
    above: tuple[int, ...] = ()
    """Likewise of each other chain. All 0: the vendor has not seen the commitment yet."""
    secret: str
    seed: str
    """The last word of the only chain, or what those of several follow from: base64url."""

    @property
    def places(self) -> tuple[int, ...]:
        """The index of each chain."""
        return (self.index, *self.above)

    @property
    def left(self) -> list[tuple[int, int]]:
        """What a link of each chain is worth, and how many there are left."""
        found = zip(self.commitment.chains, self.places, strict=True)
        return [(value, length - index) for (value, length, _), index in found]

    def __repr__(self) -> str:
        """Vendor and index only."""
        return f"Opened({self.commitment.vendor}, {self.index})"


class WordPurse(CreditPurse):
    """A member gives `traits`, `family` and `chains`; `fields`, where it has some of its own."""

    chains: ClassVar[codec.Reader[Any]]
    """Reads its `Opened`."""
    commitment: ClassVar[type[Commitment]]
    length_max: ClassVar[int] = CHAIN_LENGTH
    denominations: ClassVar[int] = 1  # chains of a commitment, at most

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

    def lengths(self, part: Part, unit_micro: int, offer: Offer) -> dict[int, int]:
        """Words of each new chain by their worth: as this part of the credit bears; `OutOfRange`.

        A single chain may be longer than one payment takes, several are not.
        """
        price, rest = divmod(offer.price_micro, unit_micro)
        if rest or price <= 0:
            raise OutOfRange("price_not_in_units", "the vendor's unit does not divide its price")
        units = part.worth_micro // unit_micro
        if units < price:
            raise OutOfRange("credit_below_price", "ask the broker for more credit")
        links_max = self.length_max
        if self.denominations > 1:
            links_max = min(links_max, steps_of(offer))
        found = lengths_for(units, price, links_max=links_max, kinds_max=self.denominations)
        return {unit_micro * value: length for value, length in found.items()}

    def begin(self, part: Part, offer: Offer, at: At) -> Instrument:
        """Chains within this part of the credit; `OutOfRange` where that is below the price."""
        lengths = self.lengths(part, unit_of(offer), offer)
        seed, salt = at.entropy[:16], at.entropy[16:32]
        chains = tuple(
            (value, length, codec.b64u(chain.root_of(salt, _last(seed, value, lengths), length)))
            for value, length in lengths.items()
        )
        unsigned = self.commit(part, chains, codec.b64u(salt), offer, at)
        opened: Opened[Commitment] = Opened(
            commitment=unsigned.sign(part.secret),
            index=0,
            above=(0,) * (len(chains) - 1),
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

    def close(self, instrument: Instrument, at: At) -> Asked:
        """Its vendor is asked while its day lasts; later `Unsupported`, as the rest is on its way.

        Of what was prepaid and never opened one word is committed to, always the same.
        """
        if instrument.vendor_id:
            opened = self.chains.read(instrument.body)
            commitment, secret = opened.commitment, codec.unb64u(opened.secret)
        else:
            card = codec.Reader(Card).read(instrument.body)
            secret = codec.unb64u(card.secret)
            commitment = self._unopened(card.certificate, secret)
        if at.now_s >= commitment.ends_at_s:
            raise Unsupported("rest_comes_back", REST_COMES_BACK)
        return Asked(
            operation="take_back",
            message=close_order(commitment, secret),
            to="vendor",
            vendor_id=commitment.vendor,
        )

    def _unopened(self, certificate: Certificate, secret: bytes) -> Commitment:
        """A commitment to all that was prepaid, of one word that nobody is ever shown."""
        seed, salt = (
            hashlib.sha256(codec.enc(CLOSE_TAG, secret, part)).digest()[: chain.WORD_BYTES]
            for part in ("seed", "salt")
        )
        unsigned = self.commitment(
            certificate=certificate,
            chains=((1, 1, codec.b64u(chain.root_of(salt, seed, 1))),),
            day=certificate.expires_at_s // DAY_S - 1,
            salt=codec.b64u(salt),
            sig="",
            slots=(0, SLOTS),
            vendor=certificate.vendor,
        )
        return unsigned.sign(secret)

    def secret_of(self, instrument: Instrument) -> str:
        """The payer's key behind a chain."""
        secret: str = self.chains.read(instrument.body).secret
        return secret

    def _instrument(self, opened: Opened[Commitment]) -> Instrument:
        commitment = opened.commitment
        return Instrument(
            id=f"{self.family.short}:{commitment.id}",
            scheme=self.traits.name,
            vendor_id=commitment.vendor,
            currency=commitment.certificate.currency,
            worth_micro=sum([value * links for value, links in opened.left]),
            expires_at_s=commitment.ends_at_s,
            body=codec.canonical(opened),
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """The next word of as many chains as it takes, for exactly the price.

        `OutOfRange` past their ends, or for more links than the vendor takes at once; `Expired` and
        `NotYetValid` for chains of another day.
        """
        opened: Opened[Commitment] = self.chains.read(instrument.body)
        commitment, places = opened.commitment, opened.places
        require_present(commitment, at.now_s)
        counts = fewest_links(offer.price_micro, opened.left)
        if sum(counts) > steps_of(offer):
            raise OutOfRange("too_many_links", "pay less at once")
        moved = [index + count for index, count in zip(places, counts, strict=True)]
        payload = {
            "commitment": commitment.id if any(places) else msgspec.to_builtins(commitment),
            "links": _links(opened, moved),
        }
        after = msgspec.structs.replace(
            instrument,
            body=codec.canonical(
                msgspec.structs.replace(opened, index=moved[0], above=tuple(moved[1:]))
            ),
            worth_micro=instrument.worth_micro - offer.price_micro,
        )
        return Paid(payload=payload, spent=instrument, after=after)


def close_order(commitment: Commitment, secret: bytes) -> dict[str, Json]:
    """What asks its vendor to close a commitment, with the payer's key of 32 bytes."""
    sig = codec.b64u(signing.sign(secret, commitment.to_close))
    return {"commitment": msgspec.to_builtins(commitment), "sig": sig}


def steps_of(offer: Offer) -> int:
    """How many links its vendor takes in one payment; `OutOfRange` unless the offer says so."""
    steps_max = offer.terms.get("maxSteps")
    if type(steps_max) is not int or steps_max <= 0:
        raise OutOfRange("offer_without_steps", "the offer does not say how many links it takes")
    return steps_max


def _last(seed: bytes, value: int, chains: Collection[object]) -> bytes:
    """The last word of the chain with this value; of several each tells nothing of the others."""
    if len(chains) == 1:
        return seed
    return hashlib.sha256(codec.enc(SEED_TAG, seed, value)).digest()[: chain.WORD_BYTES]


def _links(opened: Opened[Commitment], moved: list[int]) -> list[Json]:
    """The word at its new place, of every chain that moves."""
    commitment, seed = opened.commitment, codec.unb64u(opened.seed)
    key = chain.link_key(codec.unb64u(commitment.salt))
    links: list[Json] = []
    for (value, length, _), index, to in zip(commitment.chains, opened.places, moved, strict=True):
        if to > index:
            last = _last(seed, value, commitment.chains)
            links.append([value, to, codec.b64u(chain.word_of(key, last, length, to))])
    return links
