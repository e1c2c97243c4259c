"""Money of a payer that lies apart for one vendor, until nothing of it can be claimed any more.

It is `liability/outstanding/<scheme>/<account>`: what a payer has given and its vendor has not
claimed yet. It comes out of the payer's balance, then of its credit, and what is left goes back. So
reserved = paid + released.
"""

import msgspec

from farthing import codec
from farthing.errors import Finalized, Late
from farthing.marks import Put
from farthing.schemes.contract import Applied, End, Flow


class Reserve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lies ready; the value of a record."""

    account: str
    """Whose money it is."""
    is_closed: bool = False
    """Whether its vendor has closed it, so that the rest went back early: likewise."""
    is_over: bool = False
    """Whether the rest went back: nothing is paid any more."""
    rest_micro: int
    """Reserved and not claimed yet."""
    until_s: int
    """How long this is remembered."""

    def put(self, key: bytes) -> Put:
        """The record."""
        return Put(key=key, value=codec.canonical(self), until_s=self.until_s)

    @property
    def payer(self) -> End:
        """Where it comes from and goes back to."""
        return End(kind="credit", id=self.account)

    @property
    def apart(self) -> End:
        """Where it lies."""
        return End(kind="outstanding", id=self.account)


_RESERVE = codec.Reader(Reserve)


def read(kept: bytes) -> Reserve:
    """What lies ready; `Late` where the rest went back, `Finalized` where that was early."""
    reserve = _RESERVE.read(kept)
    if reserve.is_closed:
        raise Finalized("chain_closed", "its vendor has closed it: the rest went back to its payer")
    if reserve.is_over:
        raise Late("claim_after_submit_window", "what was left of it went back to its payer")
    return reserve


def set_apart(reserve: Reserve, key: bytes, back_at_s: int) -> Applied:
    """Take it from its payer; the rest goes back at `back_at_s`. `Unfunded` is the ledger's."""
    flow = Flow(source=reserve.payer, target=reserve.apart, amount_micro=reserve.rest_micro)
    return Applied(flows=(flow,), records=(reserve.put(key),), due=((back_at_s, key),))


def drawn(reserve: Reserve, key: bytes, vendor_id: str, due_micro: int) -> Applied:
    """Pay so much of it to its vendor."""
    vendor = End(kind="vendor", id=vendor_id)
    left = msgspec.structs.replace(reserve, rest_micro=reserve.rest_micro - due_micro)
    flow = Flow(source=reserve.apart, target=vendor, amount_micro=due_micro)
    return Applied(flows=(flow,) if due_micro else (), records=(left.put(key),))


def is_closed(kept: bytes | None) -> bool:
    """Whether the vendor of what lies ready has closed it."""
    return kept is not None and _RESERVE.read(kept).is_closed


def closed(charged: Applied, key: bytes) -> Applied:
    """The same, and what it leaves of the reserve with this key goes back to the payer at once."""
    (kept,) = (one.value for one in charged.records if isinstance(one, Put) and one.key == key)
    left = _RESERVE.read(kept)
    over = msgspec.structs.replace(left, is_closed=True, rest_micro=0).put(key)
    back = Flow(source=left.apart, target=left.payer, amount_micro=left.rest_micro)
    return msgspec.structs.replace(
        charged,
        flows=(*charged.flows, back) if left.rest_micro else charged.flows,
        records=tuple(over if one.key == key else one for one in charged.records),
    )


def given_back(key: bytes, value: bytes) -> Applied | None:
    """Return what is left to its payer: its debt first, then its balance; None for nothing."""
    reserve = _RESERVE.read(value)
    if not reserve.rest_micro:
        return None
    flow = Flow(source=reserve.apart, target=reserve.payer, amount_micro=reserve.rest_micro)
    over = msgspec.structs.replace(reserve, is_over=True, rest_micro=0)
    return Applied(flows=(flow,), records=(over.put(key),))
