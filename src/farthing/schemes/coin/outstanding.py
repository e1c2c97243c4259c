"""What is out of each epoch and secret: an account of its own, and a record of what stands in it.

    account    liability/outstanding/<scheme>/e<number>-<key id>
    record     <scheme>/out/<number>-<key id>      micro-units, decimal

A coin that moves value between epochs (change, an exchange) moves it between their accounts. When
an epoch ends, what the record has left is breakage. The records are shared: payments that are
reserved have changed them already and hold none of them (`Mint.shared`). Each secret of the broker
has accounts of its own, so that who steals one gets nothing of what came after it.
"""

from collections.abc import Iterable, Mapping

import msgspec

from farthing.marks import Delete, Memory, Put
from farthing.schemes.coin.epochs import DAY_S, Epoch
from farthing.schemes.contract import Applied, End, Flow

_EPOCH = "e"
BREAKAGE = End(kind="breakage")


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision does to what is out."""

    flows: tuple[Flow, ...]
    records: tuple[Put, ...]
    due: tuple[tuple[int, bytes], ...]


class Outstanding:
    """What is out of the coins of one scheme."""

    def __init__(self, scheme: str) -> None:
        """By its registry name."""
        self.prefix = f"{scheme}/out/".encode()

    def key(self, pool: str) -> bytes:
        """Of the record of an account."""
        return self.prefix + pool.removeprefix(_EPOCH).encode()

    def move(
        self,
        memory: Memory,
        net: Mapping[str, int],
        *,
        source: End | None = None,
        target: End | None = None,
    ) -> Moved:
        """Accounts that change by so much; the difference comes from or goes to.

        `memory` has the records of all these epochs.
        """
        return self._noted(memory, net, flows_of(net, source, target))

    def put_back(self, memory: Memory, flows: Iterable[Flow]) -> tuple[Put, ...]:
        """The records without what these flows have moved."""
        net: dict[str, int] = {}
        for flow in flows:
            for end, sign in ((flow.source, 1), (flow.target, -1)):
                if end.kind == "outstanding":
                    net[end.id] = net.get(end.id, 0) + sign * flow.amount_micro
        return self._noted(memory, net, ()).records

    def _noted(self, memory: Memory, net: Mapping[str, int], flows: tuple[Flow, ...]) -> Moved:
        records: list[Put] = []
        due: list[tuple[int, bytes]] = []
        for pool, change_micro in net.items():
            key, epoch = self.key(pool), Epoch(_epoch_of(pool))
            stood = memory.records.get(key)
            if not change_micro:
                continue
            now = int(stood or b"0") + change_micro
            until_s = epoch.kept_until_s + DAY_S
            records.append(Put(key=key, value=str(now).encode(), until_s=until_s))
            if stood is None:
                due.append((epoch.ends_at_s + DAY_S, key))
        return Moved(flows=flows, records=tuple(records), due=tuple(due))

    def lapse(self, key: bytes, value: bytes) -> Applied:
        """The end of an epoch: what was never brought back is the broker's."""
        pool = _EPOCH + key.removeprefix(self.prefix).decode()
        rest = Flow(source=_end(pool), target=BREAKAGE, amount_micro=int(value))
        return Applied(flows=(rest,) if rest.amount_micro else (), records=(Delete(key=key),))


def flows_of(net: Mapping[str, int], source: End | None, target: End | None) -> tuple[Flow, ...]:
    """From accounts that shrink, and `source`, to `target` and accounts that grow."""
    shrunk = [(_end(name), -micro) for name, micro in sorted(net.items()) if micro < 0]
    grown = [(_end(name), micro) for name, micro in sorted(net.items()) if micro > 0]
    over_micro = sum(micro for _, micro in shrunk) - sum(micro for _, micro in grown)
    if over_micro > 0:
        assert target is not None, "what is spent and not made anew goes somewhere"
        grown.insert(0, (target, over_micro))
    elif over_micro < 0:
        assert source is not None, "what is made of nothing comes from somewhere"
        shrunk.append((source, -over_micro))
    flows: list[Flow] = []
    while shrunk:
        (giver, has_micro), (taker, wants_micro) = shrunk.pop(), grown.pop(0)
        micro = min(has_micro, wants_micro)
        flows.append(Flow(source=giver, target=taker, amount_micro=micro))
        if has_micro > micro:
            shrunk.append((giver, has_micro - micro))
        if wants_micro > micro:
            grown.insert(0, (taker, wants_micro - micro))
    return tuple(flows)


def pool_of(epoch: int, key_id: str) -> str:
    """The account of an epoch and a secret."""
    return f"{_EPOCH}{epoch}-{key_id}"


def key_of(pool: str) -> str:
    """The id of that secret."""
    return pool.partition("-")[2]


def _epoch_of(pool: str) -> int:
    return int(pool.removeprefix(_EPOCH).partition("-")[0])


def _end(pool: str) -> End:
    return End(kind="outstanding", id=pool)
