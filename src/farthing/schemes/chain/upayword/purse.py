"""The payer's side: a short first chain, and the next whenever one is used up.

Every chain follows from one seed and its number, so that a continuation which may have been lost
is signed again as the very same: a vendor never holds two of one number.
"""

import hashlib
from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.errors import OutOfRange
from farthing.schemes.chain.credit.purse import CreditPurse, Part, require_present, unit_of
from farthing.schemes.chain.credit.till import STEPS_MAX
from farthing.schemes.chain.upayword.commitment import (
    FAMILY,
    TRAITS,
    Continuation,
    Stretch,
    UpaywordCommitment,
)
from farthing.schemes.contract import At, Binding, Instrument, Json, Offer, Paid

FIRST_LENGTH = 100  # words of the first chain, unless the first page costs more
NEXT_LENGTH = STEPS_MAX  # of each other: one continuation is enough for any payment
SEED_TAG = "farthing/upayword/seed/1"


class Opened(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A commitment under way."""

    commitment: UpaywordCommitment
    continuation: Continuation | None
    """The chain that is paid from; None for the first."""
    index: int
    """The highest of that chain that was paid with and taken; 0: the vendor has seen nothing."""
    secret: str
    seed: str
    """What the last words of all chains follow from, 16 bytes, base64url."""

    @property
    def stretch(self) -> Stretch:
        """The chain that is paid from."""
        return self.continuation or self.commitment

    def __repr__(self) -> str:
        """Vendor, number and index only."""
        return f"Opened({self.commitment.vendor}, {self.stretch.number}, {self.index})"


_OPENED = codec.Reader(Opened)


class UpaywordPurse(CreditPurse):
    """One wallet's UPayWord at one broker."""

    traits = TRAITS
    family = FAMILY

    def secret_of(self, instrument: Instrument) -> str:
        """The payer's key behind a chain."""
        return _OPENED.read(instrument.body).secret

    def begin(self, part: Part, offer: Offer, at: At) -> Instrument:
        """A commitment to this part of the credit, and its first chain; `OutOfRange`."""
        unit_micro, word_bytes = unit_of(offer), _word_bytes(offer)
        units_max = part.worth_micro // unit_micro
        steps = offer.price_micro // unit_micro
        if units_max < steps or not units_max:
            raise OutOfRange("credit_below_price", "ask the broker for more credit")
        seed = at.entropy[:16]
        length = min(units_max, max(FIRST_LENGTH, steps))
        salt, word = _chain_of(seed, 0, word_bytes)
        root = codec.b64u(chain.root_of(salt, word, length))
        unsigned = UpaywordCommitment(
            certificate=part.certificate,
            chains=((unit_micro, length, root),),
            day=part.day,
            salt=codec.b64u(salt),
            sig="",
            slots=part.slots,
            vendor=part.vendor_id,
            word_bytes=word_bytes,
        )
        opened = Opened(
            commitment=unsigned.sign(part.secret),
            continuation=None,
            index=0,
            secret=codec.b64u(part.secret),
            seed=codec.b64u(seed),
        )
        return self._instrument(opened)

    def _instrument(self, opened: Opened) -> Instrument:
        commitment = opened.commitment
        units = commitment.units_max - opened.stretch.before - opened.index
        return Instrument(
            id=f"{self.family.short}:{commitment.id}",
            scheme=self.traits.name,
            vendor_id=commitment.vendor,
            currency=commitment.certificate.currency,
            worth_micro=commitment.unit_micro * units,
            expires_at_s=commitment.ends_at_s,
            body=codec.canonical(opened),
        )

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """The word that is the price further on, in the next chain where this one is used up.

        `OutOfRange` past the credit; `Expired` and `NotYetValid` for a chain of another day.
        """
        opened = _OPENED.read(instrument.body)
        commitment, here = opened.commitment, opened.stretch
        require_present(commitment, at.now_s)
        steps, rest = divmod(offer.price_micro, commitment.unit_micro)
        if rest:
            raise OutOfRange("price_not_in_units", "open a chain in the vendor's present unit")
        seed, unit_micro = codec.unb64u(opened.seed, size_bytes=16), commitment.unit_micro
        is_first = opened.continuation is None and opened.index == 0
        named = msgspec.to_builtins(commitment) if is_first else here.id
        payload: dict[str, Any] = {"commitment": named}
        links: list[Json] = []
        index = opened.index + steps
        if index > here.length:
            links.append([unit_micro, here.length, _word(seed, commitment, here, here.length)])
            index -= here.length
            here = _next(opened, seed)
            if index > here.length:
                raise OutOfRange("chain_used_up", "open another chain")
            payload["continuations"] = [msgspec.to_builtins(here)]
            opened = msgspec.structs.replace(opened, continuation=here)
        links.append([unit_micro, index, _word(seed, commitment, here, index)])
        after = self._instrument(msgspec.structs.replace(opened, index=index))
        return Paid(payload=payload | {"links": links}, spent=instrument, after=after)


def _word_bytes(offer: Offer) -> int:
    """The size of words that the vendor takes; `OutOfRange` for a size that no word has."""
    word_bytes = offer.terms.get("wordBytes")
    sizes = range(chain.WORD_BYTES_MIN, chain.WORD_BYTES + 1)
    if type(word_bytes) is not int or word_bytes not in sizes:
        raise OutOfRange("offer_without_word_size", "the offer does not say how long words are")
    return word_bytes


def _chain_of(seed: bytes, number: int, word_bytes: int) -> tuple[bytes, bytes]:
    """Salt (16 bytes) and last word of a chain (ours)."""
    raw = hashlib.sha256(codec.enc(SEED_TAG, seed, number)).digest()
    return raw[: chain.SALT_BYTES], raw[16 : 16 + word_bytes]


def _word(seed: bytes, commitment: UpaywordCommitment, here: Stretch, index: int) -> str:
    salt, word = _chain_of(seed, here.number, commitment.word_bytes)
    return codec.b64u(chain.word_of(chain.link_key(salt), word, here.length, index))


def _next(opened: Opened, seed: bytes) -> Continuation:
    """The chain after this one; `OutOfRange` where the credit is used up."""
    commitment, here = opened.commitment, opened.stretch
    before, number = here.before + here.length, here.number + 1
    length = min(NEXT_LENGTH, commitment.units_max - before)
    if length <= 0:
        raise OutOfRange("chain_used_up", "open another chain")
    salt, word = _chain_of(seed, number, commitment.word_bytes)
    unsigned = Continuation(
        before=before,
        length=length,
        number=number,
        of=commitment.id,
        root=codec.b64u(chain.root_of(salt, word, length)),
        salt=codec.b64u(salt),
        sig="",
    )
    return unsigned.sign(codec.unb64u(opened.secret, size_bytes=32))
