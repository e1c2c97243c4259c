"""Wallets that swap one coin for another until their mint is gone, and what became of each."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import httpx
import msgspec

from farthing.crypto import bdhke
from farthing.schemes.coin.cashu.messages import Proof, Signature
from tests.kit import cashu
from tests.kit.cashu import Blank

Post = Callable[[str, bytes], bytes]  # sends a body to a route, and returns the answer's


class Mint(NamedTuple):
    """A mint as a wallet knows it."""

    post: Post
    keyset: str
    keys: dict[int, str]

    def blanks(self, amount: int) -> list[Blank]:
        return cashu.blanks(self.keyset, amount)

    def swap(self, coin: Proof) -> "Pending":
        blanks = self.blanks(coin.amount)
        return Pending(coin, blanks, spend([coin], blanks))

    def answered(self, pending: "Pending") -> Proof:
        """The coin that comes of a swap; its proof is held to the mint's key."""
        answer = msgspec.json.decode(self.post("swap", pending.raw))
        assert "signatures" in answer, answer
        signatures = msgspec.convert(answer["signatures"], tuple[Signature, ...])
        (coin,) = cashu.coins(pending.blanks, signatures, self.keys)
        return coin

    def state_of(self, coin: Proof) -> str:
        y = bdhke.hash_to_curve(coin.secret.encode()).format().hex()
        answer: Any = msgspec.json.decode(self.post("checkstate", b'{"Ys":["%s"]}' % y.encode()))
        state: str = answer["states"][0]["state"]
        return state


class Pending(NamedTuple):
    """A swap whose answer was lost."""

    coin: Proof
    blanks: list[Blank]
    raw: bytes


class Client(threading.Thread):
    """Swaps one coin for another until the mint is gone."""

    def __init__(self, mint: Mint, coin: Proof) -> None:
        super().__init__()
        self._mint = mint
        self.coin = coin
        self.pending: Pending | None = None
        self.swaps = 0

    def run(self) -> None:
        while True:
            self.pending = self._mint.swap(self.coin)
            try:
                self.coin = self._mint.answered(self.pending)
            except (httpx.HTTPError, OSError):
                return
            self.swaps += 1


def spend(inputs: Sequence[Proof], blanks: Sequence[Blank]) -> bytes:
    return msgspec.json.encode(
        {"inputs": list(inputs), "outputs": [blank.output for blank in blanks]}
    )


def settle(mint: Mint, pending: Pending) -> tuple[Proof, bool]:
    """The coin after the restart, and whether the swap had counted before."""
    state = mint.state_of(pending.coin)
    assert state in {"UNSPENT", "SPENT"}, "frozen"
    fresh = mint.swap(pending.coin)
    if state == "UNSPENT":
        return mint.answered(fresh), False
    assert msgspec.json.decode(mint.post("swap", fresh.raw))["code"] == 11_001
    return mint.answered(pending), True


def lost(clients: Sequence[Client]) -> list[Pending]:
    """What they were waiting for, when all have ended."""
    for client in clients:
        client.join()
    found = [client.pending for client in clients]
    assert None not in found
    return [pending for pending in found if pending is not None]
