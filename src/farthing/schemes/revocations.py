"""The broker's list of what is revoked, as a till sees it: names, and how fresh they are.

A scheme that names `Mint.published` has such a list. The gate mirrors it (`vendor/lists.py`): a
record a name below that prefix, and one record that says which list it is and until when it counts.
A scheme with `needs_list` calls `require_fresh` at every payment and fails closed; the others sell
on with the list they have.
"""

import struct

import msgspec

from farthing.errors import Unavailable
from farthing.marks import Memory, Put

GRACE_S = 3_600  # a broker may be away for so long before its vendors stop selling
_STATE = struct.Struct(">QQQ")


class ListState(msgspec.Struct, frozen=True, kw_only=True):
    """Which list a gate has."""

    number: int
    """Rises with every name that is put on it."""
    this_update_s: int
    """When the broker signed it."""
    next_update_s: int
    """When there is a newer one."""

    def put(self, scheme: str, until_s: int) -> Put:
        """The record that says so."""
        value = _STATE.pack(self.number, self.this_update_s, self.next_update_s)
        return Put(key=state_key(scheme), value=value, until_s=until_s)


def listing(who: str, at_s: int) -> bytes:
    """The value of a name's record at the broker: who has put it on the list, and when."""
    return b"%b %d" % (who.encode(), at_s)


def listed_at_s(value: bytes) -> int:
    """When a name was put on the list, unix seconds; 0 where its record does not say."""
    _, _, last = value.rpartition(b" ")
    return int(last) if last.isdigit() else 0


def state_key(scheme: str) -> bytes:
    """Where a gate notes which list of a scheme it has."""
    return f"{scheme}/list".encode()


def read_state(raw: bytes | None) -> ListState | None:
    """What `ListState.put` has written; None where there is no list yet."""
    if raw is None:
        return None
    number, this_update_s, next_update_s = _STATE.unpack(raw)
    return ListState(number=number, this_update_s=this_update_s, next_update_s=next_update_s)


def require_fresh(memory: Memory, key: bytes, now_s: int) -> None:
    """`Unavailable` without a list, or with one that is older than `nextUpdate` and the grace."""
    raw = memory.records.get(key)
    if raw is None or now_s > _STATE.unpack(raw)[2] + GRACE_S:
        raise Unavailable("list_stale", "the broker's list of revocations is too old; try later")
