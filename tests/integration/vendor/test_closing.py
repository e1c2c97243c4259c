"""What was prepaid for a stream is in the account again once its vendor has closed and cleared."""

import io
import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from farthing import marks
from farthing.auditing import audit
from farthing.broker import app as brokers
from farthing.cli import servers
from farthing.cli.showroom import TOPUP_MICRO, Showroom
from farthing.stores.sqlite import SqliteMarks
from farthing.wallet.app import Wallet, open_wallet
from farthing.wallet.rows import LEASE_S

PRICES = """accept = ["tick"]
[tick]
unit_micro = 1
opening = "prepaid"
[[route]]
path = "/feed"
price = "1u"
per = "1kB"
"""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Showroom]:
    site = tmp_path / "site"
    site.mkdir()
    (site / "feed").write_bytes(bytes(30_000))
    (site / "health").write_bytes(b"")
    port = servers.free_port()
    command = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(site)]
    url = f"http://127.0.0.1:{port}"
    with (
        servers.running(servers.python(*command), url=url, log=tmp_path / "site.log", env={}),
        Showroom(tmp_path, ["tick"], url, quiet=True) as room,
    ):
        (tmp_path / "vendor" / "prices.toml").write_text(PRICES)
        kill(room)
        room.start_gate()
        yield room


def kill(room: Showroom) -> None:
    child = room.processes["vendor"]
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def clear(folder: Path) -> None:
    command = servers.python("-m", "farthing.cli", "vendor", "clear")
    servers.run_once(command, env={"FARTHING_DATA": str(folder / "vendor")})


def heard(wallet: Wallet, room: Showroom) -> int:
    """What one reading of the feed cost."""
    found = wallet.listen(room.gate_url + "/feed", io.BytesIO(), most="1c")
    assert (found.refused, found.received_bytes) == ("", 30_000)
    return found.paid_micro


def in_order(folder: Path) -> list[str]:
    """What the auditor has found in the broker's books."""
    broker = brokers.Broker.open(folder / "broker")
    try:
        report = broker.engine.books.committer.read(audit)
    finally:
        broker.close()
    return [finding.code for finding in report.findings]


def closed_chains(folder: Path) -> int:
    """Chains whose last claim the gate has written."""
    store = SqliteMarks(folder / "vendor" / "marks.db")
    try:
        rows = store.do_now(marks.Pending(scheme="tick", count=1000, paid_too=True))
        return sum(claim.key.endswith(bytes(8)) for _, claim in rows)
    finally:
        store.close()


def test_the_rest_is_back_once_the_vendor_has_cleared_even_if_its_gate_dies_in_between(
    tmp_path: Path, room: Showroom
) -> None:
    with room.open_wallet(tmp_path / "wallet.db", "tick") as wallet:
        paid_micro = heard(wallet, room)
        assert wallet.balance().payer_micro < TOPUP_MICRO - paid_micro, "the rest lies ready"
        done = wallet.give_back()
        assert [(one.refused, one.waits) for one in done] == [("", True)]
        kill(room)
        assert closed_chains(tmp_path) == 1
        assert wallet.balance().payer_micro < TOPUP_MICRO - paid_micro
        room.start_gate()
        clear(tmp_path)
        assert wallet.balance().payer_micro == TOPUP_MICRO - paid_micro
        assert wallet.give_back() == ()
        paid_micro += heard(wallet, room)  # with something new
        assert [one.waits for one in wallet.give_back()] == [True]
        clear(tmp_path)
        assert wallet.balance().payer_micro == TOPUP_MICRO - paid_micro
    assert in_order(tmp_path) == []


def test_a_chain_is_not_used_again_while_its_closing_is_in_doubt_and_is_closed_later(
    tmp_path: Path, room: Showroom
) -> None:
    with room.open_wallet(tmp_path / "wallet.db", "tick") as wallet:
        paid_micro = heard(wallet, room)
        kill(room)
        (done,) = wallet.give_back()
        assert (done.refused, done.waits) == ("mint_unreachable", False)
        room.start_gate()
        paid_micro += heard(wallet, room)  # out of another chain
        assert closed_chains(tmp_path) == 0
    late = partial(open_wallet, clock=lambda: int(time.time()) + LEASE_S + 1)
    with late(tmp_path / "wallet.db", room.passphrase) as wallet:
        wallet.recover()
        assert closed_chains(tmp_path) == 1
        assert [one.waits for one in wallet.give_back()] == [True]
        clear(tmp_path)
        assert wallet.balance().payer_micro == TOPUP_MICRO - paid_micro
    assert in_order(tmp_path) == []
