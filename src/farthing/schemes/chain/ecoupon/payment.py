"""A payment: words of some segments, and what ties them to a request."""

import msgspec

from farthing.crypto import chain
from farthing.errors import Unfit
from farthing.schemes.chain.credit.pledge import PledgeId
from farthing.schemes.chain.ecoupon.commitment import SEGMENTS_MAX, Commitment, Link
from farthing.schemes.chain.ecoupon.delegation import HOPS_MAX, Delegation
from farthing.schemes.chain.ecoupon.session import Start
from farthing.schemes.chain.ecoupon.tesla import Shown

LINKS_MAX = 4  # segments under one payment: a purse with shorter ones opens a longer commitment


class Payment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """`commitment`: the object where a holder starts, its id (base64url of 16 bytes) later."""

    commitment: Commitment | PledgeId
    hops: tuple[Delegation, ...] = ()
    """From the payer to who starts."""
    links: tuple[Link, ...]
    mac: str
    """Under the session key or, with TESLA, one of the holder's; base64url."""
    start: Start | None = None
    tesla: Shown | None = None

    def __post_init__(self) -> None:
        """`Unfit` for no links, too many, or half a start."""
        if isinstance(self.commitment, str):
            if self.start is not None or self.hops:
                raise Unfit("start_incomplete", "a start comes with the commitment itself")
        elif self.start is None:
            raise Unfit("start_incomplete", "a commitment comes with a start")
        if len(self.hops) > HOPS_MAX:
            raise Unfit("hop_count_out_of_range", f"at most {HOPS_MAX} delegations in a row")
        if not 1 <= len(self.links) <= LINKS_MAX:
            raise Unfit("link_count_out_of_range", f"a payment has 1 to {LINKS_MAX} links")
        last = -1
        for segment, index, _ in self.links:
            if not (last < segment < SEGMENTS_MAX and 0 <= index <= chain.LENGTH_MAX):
                raise Unfit("link_out_of_range", "segments rise, indices are those of a chain")
            last = segment

    def __repr__(self) -> str:
        """Segments and indices only: a word is worth money."""
        return f"Payment({[link[:2] for link in self.links]})"
