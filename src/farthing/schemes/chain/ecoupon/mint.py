"""The broker's side: every word down to a root that its payer signed; segments withdrawn.

Who held a segment does not matter here: the payer whom the broker certified is billed, and the
preimage is the proof. That a delegation had ended the broker cannot see, since only the vendor
knew the time; so it does not ask for the delegations at all (ours; the paper says nothing).

Whoever signs a commitment may withdraw its segments, taken by a vendor or not. So that nobody fills
the list, a withdrawal is for the day of its commitment, and `WITHDRAWN_MAX` names an account and
day. Record: ``ecoupon/withdrawn/<account>/<day>``, how many there were.
"""

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Denied, OutOfRange, Overlimit, Unfit
from farthing.marks import Advance, Keys, Mark, Memory, Put
from farthing.schemes.chain.credit.certificate import SUBMIT_S
from farthing.schemes.chain.credit.mint import CreditClaim, CreditMint
from farthing.schemes.chain.ecoupon.commitment import (
    FAMILY,
    SEGMENTS_MAX,
    Commitment,
    Link,
    revoked_name,
)
from farthing.schemes.chain.ecoupon.payment import LINKS_MAX
from farthing.schemes.chain.ecoupon.session import verify_roots
from farthing.schemes.chain.ecoupon.traits import TRAITS
from farthing.schemes.contract import Account, Applied, At, Checked, Json, Operation, Returned
from farthing.schemes.revocations import listing


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last word of one segment, and what its holder showed when it started."""

    link: Link
    proof: tuple[str, ...]
    roots: tuple[str, ...]
    segments: tuple[int, int]

    def __post_init__(self) -> None:
        """`Unfit` for other roots than those of the segments, or a link that is not of them."""
        first, last = self.segments
        if not 0 <= first <= last < SEGMENTS_MAX or len(self.roots) != last - first + 1:
            raise Unfit("roots_not_of_segments", "a start has the root of each of its segments")
        if not first <= self.link[0] <= last:
            raise Unfit("link_out_of_range", "the link is of one of the segments")

    def __repr__(self) -> str:
        """Segment and index only: a word is worth money."""
        return f"Part({self.link[:2]})"


class ClaimMessage(CreditClaim, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`redeem`: the commitment, and the last word of each segment that is claimed."""

    commitment: Commitment
    parts: tuple[Part, ...]

    @property
    def pledge(self) -> Commitment:
        """The commitment."""
        return self.commitment


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: put segments that were handed to somebody on the hot list."""

    commitment: Commitment
    segments: tuple[int, int]


_WITHDRAWAL = codec.Reader(Withdrawal)
WITHDRAWN_MAX = 1024  # segments that an account may withdraw of one day: sixteen whole commitments


class EcouponMint(CreditMint):
    """The broker's side."""

    traits = TRAITS
    family = FAMILY
    published = FAMILY.revoked_prefix
    contradicted = FAMILY.conflict_prefix
    signing = (FAMILY.certificate_key,)
    claims = codec.Reader(ClaimMessage)
    pledges = codec.Reader(Commitment)

    def check(self, operation: Operation, message: Json, account: Account, at: At) -> Checked:
        """As every credit mint; a withdrawal besides.

        `Denied`, `Forged`, `OutOfRange`, `Expired`, `NotYetValid`.
        """
        if operation != "take_back" or not isinstance(message, dict) or "serial" in message:
            return super().check(operation, message, account, at)
        if account.role != "payer":
            raise Denied("wrong_kind_of_account", "this is for a payer's account")
        withdrawal = _WITHDRAWAL.convert(message)
        commitment, (first, last) = withdrawal.commitment, withdrawal.segments
        commitment.certificate.require_of(self.setting.broker_id, self.setting.currency)
        commitment.certificate.verify(self.family, self.setting.ring, at.now_s)
        commitment.verify()
        commitment.require_day(at.now_s)
        if not 0 <= first <= last < commitment.segments:
            raise OutOfRange("segments_out_of_range", "the commitment has no such segments")
        return Checked(operation=operation, message=withdrawal, account=account)

    def recall(self, checked: Checked) -> Keys:
        """As every credit mint; of a withdrawal the payer's account."""
        message = checked.message
        if isinstance(message, Withdrawal):
            payer = self._payer_key(message.commitment.certificate.payer)
            withdrawn = _withdrawn_key(checked.account, message.commitment)
            return Keys(records=(payer, withdrawn, *self._listed_keys(message)))
        return super().recall(checked)

    def apply(self, checked: Checked, memory: Memory, at: At) -> Applied:
        """As every credit mint; a withdrawal is for the account that was certified."""
        message = checked.message
        if not isinstance(message, Withdrawal):
            return super().apply(checked, memory, at)
        commitment, account = message.commitment, checked.account
        owner = memory.records.get(self._payer_key(commitment.certificate.payer))
        if owner is None or owner.decode() != account.id:
            raise Denied("certificate_not_yours", "only its own account withdraws a segment")
        until_s = commitment.ends_at_s + SUBMIT_S  # no gate takes anything of it any more
        counted = _withdrawn_key(account, commitment)
        fresh = [key for key in self._listed_keys(message) if key not in memory.records]
        count = int(memory.records.get(counted, b"0")) + len(fresh)
        if count > WITHDRAWN_MAX:
            raise Overlimit(
                "withdrawals_used_up", "give the certificate back instead; or wait for tomorrow"
            )
        listed = listing("payer", at.now_s)
        return Returned(
            records=(
                Put(key=counted, value=b"%d" % count, until_s=until_s),
                *(Put(key=key, value=listed, until_s=until_s) for key in fresh),
            ),
            answer={"revoked": _names(message)},
        )

    def _listed_keys(self, withdrawal: Withdrawal) -> tuple[bytes, ...]:
        return tuple(self.family.revoked_key(name) for name in _names(withdrawal))

    def verify_claim(self, claim: ClaimMessage, at: At) -> None:
        """`Unfit`, `OutOfRange`, `Forged`: each word to its root, each root to the tree."""
        commitment = claim.commitment
        claimed = {part.link[0] for part in claim.parts}
        if not 1 <= len(claimed) == len(claim.parts) <= LINKS_MAX:
            raise Unfit("segment_repeated", "one part for each segment, and not too many")
        for part in claim.parts:
            index = part.link[1]
            if part.segments[1] >= commitment.segments:
                raise OutOfRange("segments_out_of_range", "the commitment has no such segments")
            if not 0 < index <= commitment.length:
                told = f"this chain has {commitment.length} links"
                raise OutOfRange("chain_index_above_length", told)
            verify_roots(commitment, part.segments[0], part.roots, part.proof)

    def proofs(self, claim: ClaimMessage) -> list[chain.Proof]:
        """Every word down to the root of its segment."""
        return [
            chain.Proof(
                key=claim.commitment.link_key(part.link[0]),
                word=codec.unb64u(part.link[2], size_bytes=chain.WORD_BYTES),
                at=part.link[1],
                last_word=codec.unb64u(part.roots[part.link[0] - part.segments[0]]),
                last_index=0,
            )
            for part in claim.parts
        ]

    def counters(self, claim: ClaimMessage) -> tuple[bytes, ...]:
        """One for each segment that is claimed."""
        return tuple(claim.commitment.counter_id(part.link[0]) for part in claim.parts)

    def due(
        self, claim: ClaimMessage, memory: Memory, until_s: int
    ) -> tuple[int, tuple[Mark, ...]]:
        """The words above those that were paid."""
        due_micro = 0
        marks: list[Advance] = []
        for part in claim.parts:
            segment, index, text = part.link
            mark_id = claim.commitment.counter_id(segment)
            place = memory.counters.get(mark_id)
            last = place.to if place is not None else 0
            if index > last:
                due_micro += claim.commitment.unit_micro * (index - last)
                link = codec.unb64u(text)
                marks.append(Advance(id=mark_id, over=last, to=index, link=link, until_s=until_s))
        return due_micro, tuple(marks)


def _names(withdrawal: Withdrawal) -> list[str]:
    first, last = withdrawal.segments
    return [revoked_name(withdrawal.commitment.id, segment) for segment in range(first, last + 1)]


def _withdrawn_key(account: Account, commitment: Commitment) -> bytes:
    return f"ecoupon/withdrawn/{account.id}/{commitment.day}".encode()
