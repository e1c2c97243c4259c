"""What the broker keeps of a certificate: whose it is, and what is left of it for whom.

All that was paid for a certificate is outstanding until it is claimed or comes back. A certificate
ends when it expires, or early: its payer asks for what is left (a loss, a return), or two vendors
show openings of one segment. An early end is the paper's invalidation with its double-reissue fraud
closed (ours)::

    revoke at T0 -> publish -> wait DELTA_S -> settle late reports -> give back the unspent

At once comes back only what no report on its way can claim: all but the rest of segments that are
open, by reports or by the payer's own word, and of the others a reserve for openings that nobody
has mentioned. After T0 + DELTA_S nothing is paid.
"""

import msgspec

from farthing import codec
from farthing.errors import Late
from farthing.marks import Put
from farthing.schemes.chain.agent.certificate import SUBMIT_S, Certificate, revoked_key
from farthing.schemes.chain.times import DISPUTE_S, LAPSE_S, SKEW_S
from farthing.schemes.contract import Comeback, End, Flow, Json
from farthing.schemes.revocations import GRACE_S

LIST_S = 300 + GRACE_S  # after so long every gate that sells has the list with a new name on it
DELTA_S = max(SUBMIT_S, LIST_S) + SKEW_S
RESERVE_SHARE = 4  # of what was never reported open, one part in so many waits for late openings
PREFIX = b"agent/issued/"


class Issued(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One certificate."""

    account: str
    """Whose it is."""
    claimed_micro: int = 0
    """What vendors were paid."""
    expires_at_s: int
    late_micro: int = 0
    """Since it was revoked: what openings that nobody had reported may still be paid."""
    opened_micro: int = 0
    """Worth of the segments that were reported open."""
    reserve_micro: int = 0
    """Of `late_micro`, while it lasts: what waits for openings that its payer has not told of."""
    returned_micro: int = 0
    revoked_at_s: int = 0
    """T0; 0 while it is good."""
    segment_micro: int
    """Worth of a segment, of all but the last."""
    worth_micro: int

    @property
    def reports_until_s(self) -> int:
        """Until when vendors are paid for its tokens."""
        ends_s = self.expires_at_s + SUBMIT_S + SKEW_S
        return min(ends_s, self.revoked_at_s + DELTA_S) if self.revoked_at_s else ends_s

    @property
    def settles_at_s(self) -> int:
        """When what is left comes back."""
        return self.reports_until_s + LAPSE_S

    @property
    def unspent_micro(self) -> int:
        """What is neither claimed nor returned."""
        return self.worth_micro - self.claimed_micro - self.returned_micro

    @property
    def until_s(self) -> int:
        """How long it is remembered."""
        return self.expires_at_s + SUBMIT_S + DISPUTE_S

    def put(self, serial: str) -> Put:
        """The record."""
        return Put(key=issued_key(serial), value=codec.canonical(self), until_s=self.until_s)

    def revocation(self, serial: str) -> Put:
        """Its name on the list."""
        return Put(key=revoked_key(serial), value=b"broker", until_s=self.until_s)

    def require_in_time(self, now_s: int) -> None:
        """`Late` once what is left may have come back to the payer."""
        if now_s > self.reports_until_s:
            raise Late("report_after_delta", "this certificate is settled; nothing more is paid")

    def revoked(self, now_s: int, opened: int) -> "Issued":
        """As it is from now on: `late_micro` of it waits for openings on their way.

        `opened`: how many segments the payer says that it has opened.
        """
        told_micro = min(opened * self.segment_micro, self.worth_micro)
        coming_micro = max(told_micro - self.opened_micro, 0)
        rest_micro = self.worth_micro - self.opened_micro - coming_micro
        reserve_micro = -(-rest_micro // RESERVE_SHARE)
        return msgspec.structs.replace(
            self,
            revoked_at_s=now_s,
            late_micro=coming_micro + reserve_micro,
            reserve_micro=reserve_micro,
        )

    def freed_micro(self) -> int:
        """Of a revoked one: what no report can claim any more, and so comes back at once."""
        return self.worth_micro - self.opened_micro - self.late_micro - self.returned_micro

    def returned(self, amount_micro: int) -> "Issued":
        """After so much of it has come back."""
        return msgspec.structs.replace(self, returned_micro=self.returned_micro + amount_micro)

    def comeback(self, returned_micro: int) -> Json:
        """What its payer is told when so much has come back at once."""
        told = Comeback(
            rest_at_s=self.settles_at_s,
            rest_micro=self.unspent_micro,
            returned_micro=returned_micro,
        )
        return msgspec.to_builtins(told)


READER = codec.Reader(Issued)


def issued_key(serial: str) -> bytes:
    """Where the record of a certificate is."""
    return PREFIX + serial.encode()


def of(certificate: Certificate, account_id: str) -> Issued:
    """A certificate that is sold."""
    return Issued(
        account=account_id,
        expires_at_s=certificate.expires_at_s,
        segment_micro=certificate.segment * certificate.unit_micro,
        worth_micro=certificate.worth_micro,
    )


def to_payer(issued: Issued, amount_micro: int) -> tuple[Flow, ...]:
    """What comes back, on its way."""
    if not amount_micro:
        return ()
    target = End(kind="payer", id=issued.account)
    return (Flow(source=End(kind="outstanding"), target=target, amount_micro=amount_micro),)
