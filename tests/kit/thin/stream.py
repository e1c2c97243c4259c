"""Openings and vouchers of the thin ticks: a chain of the real kind, signed by an account."""

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import OutOfRange, Replayed, WrongVendor
from farthing.schemes.contract import At, Instrument, Offer

LENGTH = 30  # ticks a chain


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    public: str
    root: str
    salt: str
    sig: str
    unit: int
    vendor: str

    def signed(self) -> bytes:
        return codec.canonical(msgspec.structs.replace(self, sig=""))

    def verify(self, vendor: str) -> None:
        if self.vendor != vendor:
            raise WrongVendor("stream_of_another_vendor", "open a chain to this vendor")
        signing.verify(codec.unb64u(self.public), self.signed(), codec.unb64u(self.sig))

    @property
    def id(self) -> bytes:
        return b"ticks" + codec.digest(self)[:16]


class Voucher(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A payment; the claim is one too. `opening` comes with the first only."""

    chain: str
    index: int
    opening: Opening | None = None
    word: str

    @property
    def counter(self) -> bytes:
        return codec.unb64u(self.chain)

    def verify(self, opening: Opening, last_word: bytes, last: int) -> None:
        if self.index <= last:
            raise Replayed("index_not_above_last", "tick on", lastIndex=last)
        if self.index > LENGTH:
            raise OutOfRange("index_above_length", f"a chain has {LENGTH} ticks")
        key = chain.link_key(codec.unb64u(opening.salt))
        chain.verify_word(key, codec.unb64u(self.word), self.index, last_word, last)


def open_stream(instrument: Instrument, offer: Offer, at: At) -> tuple[bytes, Opening]:
    """The seed and the signed opening of a new chain, ticks at the offer's price."""
    seed, salt = at.entropy[:16], at.entropy[16:32]
    opening = Opening(
        public=instrument.id,
        root=codec.b64u(chain.root_of(salt, seed, LENGTH)),
        salt=codec.b64u(salt),
        sig="",
        unit=offer.price_micro,
        vendor=offer.vendor_id,
    )
    sig = codec.b64u(signing.sign(instrument.body, opening.signed()))
    return seed, msgspec.structs.replace(opening, sig=sig)


def voucher_of(opening: Opening, name: str, seed: bytes, index: int) -> Voucher:
    key = chain.link_key(codec.unb64u(opening.salt))
    word = codec.b64u(chain.descend(key, seed, LENGTH, index))
    first = opening if index == 1 else None
    return Voucher(chain=name, index=index, opening=first, word=word)
