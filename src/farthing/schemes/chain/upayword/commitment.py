"""What a payer signs: a commitment with one chain, and continuations of it (ours).

A chain is known by its number k under its commitment M: number 0 is in M itself, each other in
``Sig_P{M, k, before, length, salt, root}``, where `before` is the units of all chains before it.
"""

import hashlib
from functools import lru_cache
from typing import ClassVar

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.errors import Mismatch, OutOfRange, Overlimit, Unfit
from farthing.schemes.chain.counters import CHAINS_CACHED
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.credit.losses import LOSSES
from farthing.schemes.chain.words.commitment import Commitment
from farthing.schemes.contract import Traits

CONTINUATION_TAG = "farthing/upayword/continuation/1"
FAMILY = Family(tag="upayword", short="uw")

TRAITS = Traits(
    name="upayword",
    wire="upayword",
    title="UPayWord",
    source="Mu, Varadharajan & Lin 1997",
    issuer="broker",
    credit=True,
    needs_list=False,
    latest="batch",
    losses=LOSSES,
)


class UpaywordCommitment(
    Commitment, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The payer's promise to one vendor for one day, with the first chain of it."""

    family = FAMILY
    number: ClassVar[int] = 0
    before: ClassVar[int] = 0
    word_bytes: int
    """The size of the words of all its chains."""

    def __post_init__(self) -> None:
        """`Unfit` for anything but one chain, and for words that are too short."""
        Commitment.__post_init__(self)
        if len(self.chains) != 1:
            raise Unfit("chain_count_out_of_range", "a commitment has one chain; continue it")
        if not chain.WORD_BYTES_MIN <= self.word_bytes <= chain.WORD_BYTES:
            least = chain.WORD_BYTES_MIN
            raise Unfit("word_size_out_of_range", f"{least} to {chain.WORD_BYTES} bytes")

    def details(self) -> tuple[bytes | str | int, ...]:
        """The size of words."""
        return (self.word_bytes,)

    @property
    def unit_micro(self) -> int:
        """What a word of any of its chains is worth."""
        return self.chains[0][0]

    @property
    def length(self) -> int:
        """Links of the first chain."""
        return self.chains[0][1]

    @property
    def root(self) -> str:
        """Of the first chain, base64url."""
        return self.chains[0][2]

    @property
    def units_max(self) -> int:
        """The most words of all its chains together."""
        return self.share_micro // self.unit_micro


class Continuation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more chain under a commitment."""

    before: int
    """Words of all chains before it."""
    length: int
    number: int
    """1 for the first continuation."""
    of: str
    """Id of the commitment."""
    root: str
    salt: str
    """16 bytes, base64url."""
    sig: str
    """The payer's, base64url."""

    def __post_init__(self) -> None:
        """`Unfit` for numbers out of range."""
        if not 0 < self.length <= chain.LENGTH_MAX:
            raise Unfit("chain_too_long", f"a chain has at most {chain.LENGTH_MAX} links")
        if not (0 < self.number <= self.before <= codec.JSON_INT_MAX):
            raise Unfit("continuation_out_of_range", "each chain before it has a word or more")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        return codec.enc(
            CONTINUATION_TAG,
            self.of,
            self.number,
            self.before,
            self.length,
            self.salt,
            self.root,
        )

    @property
    def id(self) -> str:
        """What stands for it in later payments: 16 bytes, base64url."""
        return codec.b64u(hashlib.sha256(self.signed()).digest()[:16])

    def sign(self, secret: bytes) -> "Continuation":
        """The same under the payer's key of 32 bytes."""
        return msgspec.structs.replace(self, sig=codec.b64u(signing.sign(secret, self.signed())))

    def verify(self, commitment: UpaywordCommitment) -> None:
        """`Mismatch`, `Overlimit`, `Forged` unless it is a chain of this commitment."""
        if self.of != commitment.id:
            raise Mismatch("continuation_of_another_commitment", "continue the commitment you use")
        if self.before + self.length > commitment.units_max:
            raise Overlimit("continuation_above_limit", "a shorter chain, or another commitment")
        public = codec.unb64u(commitment.certificate.public_key, size_bytes=32)
        signing.verify(public, self.signed(), codec.unb64u(self.sig, size_bytes=64))

    def require_after(self, last: "Stretch") -> None:
        """`OutOfRange` unless it is the next chain after `last`."""
        if (self.number, self.before) != (last.number + 1, last.before + last.length):
            raise OutOfRange("continuation_out_of_order", "chains follow one after the other")


Stretch = UpaywordCommitment | Continuation
"""One chain: its number, root, salt, length, and what goes before it."""


class Opening(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What a gate keeps of a chain: its commitment, and its continuation unless it is the first."""

    commitment: UpaywordCommitment
    continuation: Continuation | None = None

    @property
    def stretch(self) -> Stretch:
        """The chain."""
        return self.continuation or self.commitment


def require_numbers(continuations: tuple[Continuation, ...], count_max: int) -> None:
    """`Unfit` for too many continuations, or out of their order."""
    numbers = [one.number for one in continuations]
    if len(numbers) > count_max:
        raise Unfit("continuation_count_out_of_range", f"at most {count_max} in one message")
    if numbers != sorted(set(numbers)):
        raise Unfit("continuations_not_canonical", "their numbers rise, each once")


@lru_cache(maxsize=CHAINS_CACHED)
def counter_id(stretch_id: str, unit_micro: int) -> bytes:
    """The mark of one chain, at the gate and at the broker."""
    return FAMILY.tag.encode() + stretch_id.encode() + unit_micro.to_bytes(8, "big")
