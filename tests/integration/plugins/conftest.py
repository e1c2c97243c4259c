import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import gazette
from farthing.auditing import audit_file
from farthing.broker.app import DATABASE
from farthing.cli import servers
from farthing.cli.showroom import VENDOR, Showroom
from farthing.ledger import accounts
from farthing.wallet import Wallet

SCHEMES = ("millicent", "payword")
HALVED = "fairchain"  # which pays a page in two halves
LOADED_MICRO = 1_000_000


class Market:
    """A broker, a gate before `python -m http.server`, and wallets on one account."""

    def __init__(self, room: Showroom, folder: Path) -> None:
        self._room = room
        self._folder = folder
        self._count = 0
        self.owed_micro: Counter[str] = Counter()
        """What the vendor is to be paid for each scheme in all, as the tests count it."""
        self.gate_url = room.gate_url
        self.pages = tuple(gazette.ARTICLES)

    def copy(self, path: Path | None = None) -> Path:
        """A wallet file with the account and nothing else in it; or a copy of another."""
        self._count += 1
        copied = self._folder / f"wallet-{self._count}.db"
        shutil.copy(path or self._folder / "wallet.db", copied)
        return copied

    @property
    def passphrase(self) -> str:
        return self._room.passphrase

    def open(self, path: Path, scheme: str, *, later_s: int = 0) -> Wallet:
        """A wallet whose clock is `later_s` ahead."""
        wallet = self._room.open_wallet(path, scheme)
        if later_s:
            clock = wallet._clock
            wallet._clock = lambda: clock() + later_s
        return wallet

    def original(self, path: str) -> bytes:
        """A page as it lies in the site's folder."""
        return (gazette.site_path() / path.lstrip("/")).read_bytes()

    def clear(self) -> Counter[str]:
        """What the vendor was paid for each scheme in all, by this sweep and the gate's own."""
        self._vendor("clear")
        lines = self._vendor("report")
        assert not any(line["pending_micro"] for line in lines)
        return Counter({line["scheme"]: line["earned_micro"] for line in lines})

    def received_micro(self) -> int:
        """What the broker's books say that the vendor got, and the broker from it."""
        balances = audit_file(self._folder / "broker" / DATABASE).balances
        return balances[accounts.vendor(VENDOR)] + balances[accounts.COMMISSION]

    def _vendor(self, command: str) -> Any:
        raw = servers.run_once(
            servers.python("-m", "farthing.cli", "vendor", command, "--json"),
            env={"FARTHING_DATA": str(self._folder / "vendor")},
        )
        return msgspec.json.decode(raw)


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    folder = tmp_path_factory.mktemp("market")
    with Showroom(folder, [*SCHEMES, HALVED], "", quiet=True) as room:
        yield Market(room, folder)
