"""The broker's side: each chain is billed to its last word, all of one commitment within its part.

A counter a chain has its highest index, and one a commitment the sum of them all, for a payer could
sign two continuations of one number: together they come to no more than the part of the credit.
"""

from typing import Any

from farthing import codec
from farthing.crypto import chain
from farthing.errors import OutOfRange, Overlimit, Unfit
from farthing.marks import Advance, Mark, Memory
from farthing.schemes.chain.credit.mint import CreditClaim, CreditMint
from farthing.schemes.chain.upayword.commitment import (
    FAMILY,
    TRAITS,
    Continuation,
    Stretch,
    UpaywordCommitment,
    counter_id,
    require_numbers,
)
from farthing.schemes.contract import At

CONTINUATIONS_MAX = 8  # in one claim: as in one payment
Shown = tuple[int, int, str]
"""(number of the chain, index, word in base64url)."""


class Claim(CreditClaim, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`: the commitment, the continuations that are claimed under, a last word for each."""

    commitment: UpaywordCommitment
    continuations: tuple[Continuation, ...]
    links: tuple[Shown, ...]

    def __post_init__(self) -> None:
        """`Unfit` unless each link has its chain, and each continuation its link."""
        require_numbers(self.continuations, CONTINUATIONS_MAX)
        numbers = [number for number, _, _ in self.links]
        known = [one.number for one in self.continuations]
        if not numbers or numbers not in ([0, *known], known):
            raise Unfit("claim_not_canonical", "one link for each chain, numbers rising")

    @property
    def pledge(self) -> UpaywordCommitment:
        """The commitment."""
        return self.commitment

    @property
    def stretches(self) -> list[tuple[Stretch, int, str]]:
        """Each chain with its index and word."""
        chains: dict[int, Stretch] = {one.number: one for one in self.continuations}
        chains[0] = self.commitment
        return [(chains[number], index, text) for number, index, text in self.links]

    def __repr__(self) -> str:
        """Numbers and indices only: a word is worth money."""
        return f"Claim({[link[:2] for link in self.links]})"


class UpaywordMint(CreditMint):
    """The broker's mint."""

    traits = TRAITS
    family = FAMILY
    published = FAMILY.revoked_prefix
    contradicted = FAMILY.conflict_prefix
    signing = (FAMILY.certificate_key,)
    claims = codec.Reader(Claim)
    pledges = codec.Reader(UpaywordCommitment)

    def verify_claim(self, claim: Claim, at: At) -> None:
        """`Mismatch`, `Overlimit`, `Forged`, `OutOfRange`: every continuation, every index."""
        for continuation in claim.continuations:
            continuation.verify(claim.commitment)
        for stretch, index, _ in claim.stretches:
            if not 0 < index <= stretch.length:
                told = f"this chain has {stretch.length} links"
                raise OutOfRange("chain_index_above_length", told)

    def proofs(self, claim: Claim) -> list[chain.Proof]:
        """Every word down to the root of its chain."""
        size_bytes = claim.commitment.word_bytes
        return [
            chain.Proof(
                key=chain.link_key(codec.unb64u(stretch.salt, size_bytes=chain.SALT_BYTES)),
                word=codec.unb64u(text, size_bytes=size_bytes),
                at=index,
                last_word=codec.unb64u(stretch.root),
                last_index=0,
            )
            for stretch, index, text in claim.stretches
        ]

    def counters(self, claim: Claim) -> tuple[bytes, ...]:
        """The sum, and one for each chain that is claimed."""
        unit_micro = claim.commitment.unit_micro
        chains = [counter_id(stretch.id, unit_micro) for stretch, _, _ in claim.stretches]
        return (_sum_id(claim.commitment), *chains)

    def due(self, claim: Any, memory: Memory, until_s: int) -> tuple[int, tuple[Mark, ...]]:
        """The words above those that were paid; `Overlimit` where the sum is above the part."""
        commitment, marks = claim.commitment, []
        sum_id, *ids = self.counters(claim)
        units = 0
        for mark_id, (_, index, text) in zip(ids, claim.stretches, strict=True):
            last = _stands(memory, mark_id)
            if index > last:
                units += index - last
                link = codec.unb64u(text)
                marks.append(Advance(id=mark_id, over=last, to=index, link=link, until_s=until_s))
        if not units:
            return 0, ()
        paid = _stands(memory, sum_id)
        if paid + units > commitment.units_max:
            raise Overlimit("chains_above_limit", "all chains of a commitment share its credit")
        marks.append(Advance(id=sum_id, over=paid, to=paid + units, link=b"", until_s=until_s))
        return units * commitment.unit_micro, tuple(marks)


def _stands(memory: Memory, mark_id: bytes) -> int:
    place = memory.counters.get(mark_id)
    return place.to if place is not None else 0


def _sum_id(commitment: UpaywordCommitment) -> bytes:
    return FAMILY.tag.encode() + b"/sum" + commitment.id.encode()
