"""What the broker keeps of coins: the list of those that are live, and who took the others.

Records (key, then value)::

    netcash/live/<epoch>/<serial>     worth and digest of a coin that is out, until it is taken
    netcash/taken/<epoch>/<serial>    when it was taken, and by which vendor ("" for a holder)

The epoch is the day on which the coin ends. A coin that is on neither list was never issued, or has
ended so long ago that its check refuses it. Because of the digest, whoever steals the broker's key
makes no coin that is on the list.
"""

import msgspec

from farthing import codec
from farthing.errors import Forged, Replayed
from farthing.marks import Delete, Memory, Put, Record
from farthing.schemes.coin.netcash.coin import DAY_S, DISPUTE_S, GRACE_S, Coin
from farthing.schemes.contract import Applied, End, Flow

LIVE_PREFIX = b"netcash/live/"
OUT, BREAKAGE = End(kind="outstanding"), End(kind="breakage")
KEPT_S = 2**40  # of what `lapse` deletes itself: it may come late, and money hangs on it
_WORTH_BYTES = 8


class Taken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who took a coin."""

    at_s: int
    by: str
    """A vendor's account; empty for a holder, who is nobody in particular."""


TAKEN = codec.Reader(Taken)


def live_key(coin: Coin) -> bytes:
    """Where it is listed while it is out."""
    return LIVE_PREFIX + _place(coin)


def taken_key(coin: Coin) -> bytes:
    """Where it is written who took it."""
    return b"netcash/taken/" + _place(coin)


def keys_of(coin: Coin) -> tuple[bytes, bytes]:
    """What a decision on it reads."""
    return live_key(coin), taken_key(coin)


def _place(coin: Coin) -> bytes:
    return f"{coin.expires_at_s // DAY_S}/{coin.serial}".encode()


def listed(coin: Coin) -> Put:
    """The record of a coin that goes out."""
    value = coin.worth_micro.to_bytes(_WORTH_BYTES, "big") + codec.digest(coin)
    return Put(key=live_key(coin), value=value, until_s=KEPT_S)


def ends(coin: Coin) -> tuple[int, bytes]:
    """When `lapse` looks at it, and where."""
    return coin.expires_at_s + GRACE_S + 1, live_key(coin)


def taken(coin: Coin, memory: Memory, by: str, now_s: int) -> tuple[Record, Record]:
    """The records of a live coin that is taken now; `Replayed`, `Forged`."""
    require_live(coin, memory)
    put = Put(
        key=taken_key(coin),
        value=codec.canonical(Taken(at_s=now_s, by=by)),
        until_s=coin.expires_at_s + GRACE_S + DISPUTE_S,
        once=True,
    )
    return Delete(key=live_key(coin)), put


def taken_by(coin: Coin, memory: Memory) -> str:
    """The vendor that took a coin; empty where a holder did, or nobody."""
    found = memory.records.get(taken_key(coin))
    return "" if found is None else TAKEN.read(found).by


def require_live(coin: Coin, memory: Memory) -> None:
    """`Replayed` for a coin that was taken, `Forged` for one that was not issued as it stands."""
    if taken_key(coin) in memory.records:
        raise Replayed("coin_already_taken", "this coin was exchanged or claimed before")
    if memory.records.get(live_key(coin)) != listed(coin).value:
        raise Forged("coin_not_live", "the broker has no such coin on its list")


def lapsed(key: bytes, value: bytes) -> Applied:
    """A coin that nobody took in time is breakage."""
    worth_micro = int.from_bytes(value[:_WORTH_BYTES], "big")
    rest = Flow(source=OUT, target=BREAKAGE, amount_micro=worth_micro)
    return Applied(flows=(rest,), records=(Delete(key=key),))
