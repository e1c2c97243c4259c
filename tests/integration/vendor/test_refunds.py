"""A refund through real programs: broker, gate, site and wallet, each a process of its own."""

import io
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import gazette
from farthing.auditing import audit
from farthing.broker.app import Broker
from farthing.cli import servers
from farthing.cli.showroom import TOPUP_MICRO, Showroom

PRICE_MICRO = 200  # of every article
COMMISSION_MICRO = 10  # 5 %, as the demo's broker takes


class Room:
    """What runs, and the commands that people type."""

    def __init__(self, folder: Path, shown: Showroom) -> None:
        self._folder, self._shown = folder, shown
        self.wallet = shown.open_wallet(folder / "wallet.db", "millicent")
        self._pages = iter(gazette.ARTICLES)

    def buy(self) -> str:
        """A page; the vendor's name of the payment."""
        page = self.wallet.get(self._shown.gate_url + next(self._pages), io.BytesIO())
        assert page.paid_micro == PRICE_MICRO
        return self.wallet.history(1)[0].reference

    def vendor(self, *command: str) -> Any:
        raw = servers.run_once(
            servers.python("-m", "farthing.cli", "vendor", *command, "--json"),
            env={"FARTHING_DATA": str(self._folder / "vendor")},
        )
        return msgspec.json.decode(raw)

    def refund(self, reference: str) -> None:
        done = self.vendor("refund", reference)
        assert (done["amount_micro"], done["reference"]) == (PRICE_MICRO, reference)
        if done["waits"]:  # the gate was sweeping at that very moment
            self.vendor("clear")

    def balances(self) -> dict[str, int]:
        broker = Broker.open(self._folder / "broker")
        try:
            report = broker.engine.books.committer.read(audit)
        finally:
            broker.close()
        assert report.findings == []
        assert report.ledger_sum_micro == 0
        return {name: abs(micro) for name, micro in report.balances.items() if micro}

    def worth_micro(self) -> list[int]:
        """Of each instrument that the wallet has."""
        self.wallet._store.flush()
        return sorted(each.instrument.worth_micro for each in self.wallet._book.held())


@pytest.mark.timeout(120)
def test_refunded_pages_earn_nothing_and_their_price_buys_another(tmp_path: Path) -> None:
    with Showroom(tmp_path, ["millicent"], "", quiet=True) as shown:
        room = Room(tmp_path, shown)
        early, late = room.buy(), room.buy()
        room.refund(early)  # not cleared yet
        room.vendor("clear")
        room.refund(late)  # cleared, and paid to the vendor
        assert "liability/vendor/gazette" not in room.balances()
        assert room.wallet.recover(days=1).refunded == 2
        assert room.wallet.recover(days=1).refunded == 0
        assert [line.refunded for line in room.wallet.history()] == [True, True]
        assert room.worth_micro() == [PRICE_MICRO, PRICE_MICRO, 2_000 - 2 * PRICE_MICRO]
        room.buy()
        assert room.worth_micro() == [PRICE_MICRO, 2_000 - 2 * PRICE_MICRO], "paid by a refund"
        room.vendor("clear")
        assert not any(each.refused for each in room.wallet.give_back())
        assert room.balances() == {
            "asset/bank/manual": TOPUP_MICRO,
            "liability/payer/reader": TOPUP_MICRO - PRICE_MICRO,
            "liability/vendor/gazette": PRICE_MICRO - COMMISSION_MICRO,
            "income/commission": COMMISSION_MICRO,
        }
        room.wallet.close()
