"""The broker's side of words: check every link, and bill the last word of each chain.

A counter per chain holds the highest index that was paid, so a second redemption pays the
difference. A claim that closes says that it is the vendor's last of this commitment: it is paid as
any other, uses up a mark of its own, and what is left of the reserve goes back to the payer.
"""

from typing import Generic, TypeVar

from farthing import codec
from farthing.crypto import chain
from farthing.errors import OutOfRange, Unfit
from farthing.marks import Advance, Mark, Memory, Once
from farthing.schemes.chain.credit import reserve as reserves
from farthing.schemes.chain.credit.mint import CreditClaim, CreditMint
from farthing.schemes.chain.words.commitment import Commitment, Link
from farthing.schemes.contract import At

C = TypeVar("C", bound=Commitment)


class ClaimMessage(CreditClaim, Generic[C], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`: the commitment and the last word of each chain that is claimed."""

    closing: bool = False
    """Whether its vendor claims nothing after it, so that the rest can go back."""
    commitment: C
    links: tuple[Link, ...]
    """None only where a chain is closed of which nothing was spent."""

    @property
    def pledge(self) -> C:
        """The commitment."""
        return self.commitment

    @property
    def closes(self) -> bool:
        """As it says."""
        return self.closing

    def __repr__(self) -> str:
        """Denominations and indices only: a word is worth money."""
        return f"ClaimMessage({[link[:2] for link in self.links]})"


class WordMint(CreditMint):
    """A member gives `traits`, `family`, `published`, `signing` and `claims`."""

    def verify_claim(self, claim: ClaimMessage[C], at: At) -> None:
        """`OutOfRange`, `Unfit`: chains of the commitment, and indices of theirs."""
        commitment = claim.commitment
        if claim.closing:
            commitment.require_closable()
        claimed = {denomination for denomination, _, _ in claim.links}
        is_empty = not claim.links and not claim.closing
        if is_empty or len(claimed) != len(claim.links):
            raise Unfit("denomination_repeated", "one link for each chain")
        roots = {value: (length, root) for value, length, root in commitment.chains}
        if not claimed <= roots.keys():
            raise OutOfRange("denomination_unknown", "the commitment has no such chain")
        for denomination, index, _ in claim.links:
            if not 0 < index <= roots[denomination][0]:
                length = roots[denomination][0]
                raise OutOfRange("chain_index_above_length", f"this chain has {length} links")

    def proofs(self, claim: ClaimMessage[C]) -> list[chain.Proof]:
        """Every link down to its root."""
        key = chain.link_key(codec.unb64u(claim.commitment.salt, size_bytes=chain.SALT_BYTES))
        roots = {value: codec.unb64u(root) for value, _, root in claim.commitment.chains}
        return [
            chain.Proof(
                key=key,
                word=codec.unb64u(text, size_bytes=chain.WORD_BYTES),
                at=index,
                last_word=roots[denomination],
                last_index=0,
            )
            for denomination, index, text in claim.links
        ]

    def counters(self, claim: ClaimMessage[C]) -> tuple[bytes, ...]:
        """One for each chain that is claimed."""
        return tuple(claim.commitment.counter_id(link[0]) for link in claim.links)

    def due(
        self, claim: ClaimMessage[C], memory: Memory, until_s: int
    ) -> tuple[int, tuple[Mark, ...]]:
        """The words above those that were paid, and that it is closed, once."""
        due_micro = 0
        marks: list[Mark] = []
        for denomination, index, text in claim.links:
            mark_id = claim.commitment.counter_id(denomination)
            place = memory.counters.get(mark_id)
            last = place.to if place is not None else 0
            if index > last:
                due_micro += denomination * (index - last)
                link = codec.unb64u(text)
                marks.append(Advance(id=mark_id, over=last, to=index, link=link, until_s=until_s))
        if claim.closing and not reserves.is_closed(self._reserved(claim, memory)):
            mark_id = f"{self.family.tag}/closed/{claim.commitment.id}".encode()
            marks.append(Once(id=mark_id, until_s=until_s))
        return due_micro, tuple(marks)

    def _reserved(self, claim: ClaimMessage[C], memory: Memory) -> bytes | None:
        return memory.records.get(self.reserve_key(claim.commitment))
