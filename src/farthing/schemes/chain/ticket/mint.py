"""The broker's side: a ticket that wins is paid its prize, once, within the payer's credit."""

from typing import Any

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Forged, OutOfRange, Overlimit
from farthing.marks import Advance, Mark, Memory
from farthing.schemes.chain.credit.mint import CreditClaim, CreditMint
from farthing.schemes.chain.ticket.commitment import FAMILY, TRAITS, TicketCommitment, is_win
from farthing.schemes.contract import At


class Winner(CreditClaim, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`redeem`: one ticket, with the payer's word and the vendor's."""

    commitment: TicketCommitment
    index: int
    vendor_word: str
    word: str

    @property
    def pledge(self) -> TicketCommitment:
        """The commitment."""
        return self.commitment

    def __repr__(self) -> str:
        """The index only: a word is worth money."""
        return f"Winner({self.index})"


class TicketMint(CreditMint):
    """The broker's mint."""

    traits = TRAITS
    family = FAMILY
    published = FAMILY.revoked_prefix
    contradicted = FAMILY.conflict_prefix
    signing = (FAMILY.certificate_key,)
    claims = codec.Reader(Winner)
    pledges = codec.Reader(TicketCommitment)

    def verify_claim(self, claim: Winner, at: At) -> None:
        """`OutOfRange`; `Forged` for a ticket that does not win."""
        commitment = claim.commitment
        if not 0 < claim.index <= commitment.length:
            told = f"this chain has {commitment.length} tickets"
            raise OutOfRange("chain_index_above_length", told)
        word, vendor_word = (
            codec.unb64u(text, size_bytes=chain.WORD_BYTES)
            for text in (claim.word, claim.vendor_word)
        )
        if not is_win(claim.index, word, vendor_word, commitment.odds):
            raise Forged("ticket_does_not_win", "only winning tickets are claimed")

    def proofs(self, claim: Winner) -> list[chain.Proof]:
        """Both words down to their roots."""
        root, key, vendor_root, vendor_key = claim.commitment.words()
        word, vendor_word = codec.unb64u(claim.word), codec.unb64u(claim.vendor_word)
        return [
            chain.Proof(key=key, word=word, at=claim.index, last_word=root, last_index=0),
            chain.Proof(
                key=vendor_key,
                word=vendor_word,
                at=claim.index,
                last_word=vendor_root,
                last_index=0,
            ),
        ]

    def counters(self, claim: Winner) -> tuple[bytes, ...]:
        """The ticket's own, and the wins of its commitment."""
        own = claim.commitment.counter_id
        return own + claim.index.to_bytes(8, "big"), own

    def due(self, claim: Any, memory: Memory, until_s: int) -> tuple[int, tuple[Mark, ...]]:
        """The prize, nothing if it was paid; `Overlimit` where the slots have no room for it."""
        ticket, wins = self.counters(claim)
        if ticket in memory.counters:
            return 0, ()
        place = memory.counters.get(wins)
        paid = place.to if place is not None else 0
        commitment = claim.commitment
        if (paid + 1) * commitment.prize_micro > commitment.share_micro:
            raise Overlimit("prizes_above_limit", "the credit of this commitment is used up")
        return commitment.prize_micro, (
            Advance(id=ticket, over=0, to=1, link=b"", until_s=until_s),
            Advance(id=wins, over=paid, to=paid + 1, link=b"", until_s=until_s),
        )
