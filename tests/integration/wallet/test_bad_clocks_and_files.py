"""A real broker, gate and wallet, when clocks differ and when what is asked for cannot be."""

import io
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from farthing.cli import servers
from farthing.cli.showroom import Showroom
from farthing.wallet import settling
from farthing.wallet.app import Wallet, open_wallet

SCHEMES = ("millicent", "payword")
PAGE = "/articles/tally-sticks.html"
MINUTES_S, DAYS_S = 119, 2 * 86_400


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Showroom]:
    with Showroom(tmp_path_factory.mktemp("room"), list(SCHEMES), "", quiet=True) as opened:
        yield opened


@pytest.fixture
def folder(room: Showroom, tmp_path: Path) -> Path:
    """A wallet of its own, on the room's account, with nothing in it."""
    path = tmp_path / "wallet"
    path.mkdir()
    shutil.copy(room._folder / "wallet.db", path / "wallet.db")
    return path


def buy(room: Showroom, folder: Path, scheme: str, off_s: int) -> tuple[int, bytes, Wallet]:
    """Status, page and the wallet (closed by then), whose clock is off by so much."""
    out = io.BytesIO()
    with room.open_wallet(folder / "wallet.db", scheme) as wallet:
        wallet._clock = lambda: int(time.time()) + off_s
        status = wallet.get(room.gate_url + PAGE, out).status
        assert {held.state for held in wallet.holdings()} <= {"ready", "offered"}
    return status, out.getvalue(), wallet


def farthing(room: Showroom, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and what a command says on stderr."""
    done = subprocess.run(
        servers.python("-m", "farthing.cli", *arguments),
        env={**os.environ, "FARTHING_WALLET_PASSPHRASE": room.passphrase, **(env or {})},
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("off_s", [-MINUTES_S, 0, MINUTES_S])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_two_minutes_either_way_are_nothing(
    room: Showroom, folder: Path, scheme: str, off_s: int
) -> None:
    for _ in range(2):
        status, body, _ = buy(room, folder, scheme, off_s)
        assert (status, b"<html" in body) == (200, True)


@pytest.mark.parametrize(
    ("off_s", "status", "code"),
    [(-DAYS_S, 402, b"commitment_expired"), (DAYS_S, 403, b"commitment_not_yet_valid")],
)
def test_two_days_are_refused_and_cost_nothing(
    room: Showroom, folder: Path, off_s: int, status: int, code: bytes
) -> None:
    found, body, _ = buy(room, folder, "payword", off_s)
    assert found == status
    assert code in body
    with room.open_wallet(folder / "wallet.db", "payword") as wallet:
        assert [entry.state for entry in wallet.history(10) if entry.state == "done"] == []
    if off_s > 0:  # once the clock is right, it first asks what became of that payment
        assert buy(room, folder, "payword", 0)[0] == status
    assert buy(room, folder, "payword", 0)[0] == 200


def test_a_wallet_that_cannot_be_opened_says_why_and_stays_as_it_is(
    room: Showroom, folder: Path
) -> None:
    path = folder / "wallet.db"
    asked = ("wallet", "history", "--data", str(folder))
    before = path.read_bytes()
    wrong = {"FARTHING_WALLET_PASSPHRASE": "another"}
    assert farthing(room, *asked, env=wrong) == (
        1,
        "farthing: passphrase_wrong: this passphrase does not open the wallet;"
        " nothing was changed\n",
    )
    path.chmod(0o644)
    assert "wallet_file_exposed" in farthing(room, *asked)[1]
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    assert path.read_bytes() == before
    database = apsw.Connection(str(path))
    database.pragma("user_version", 99)
    database.close()
    assert "wallet_version_unknown: this wallet has version 99" in farthing(room, *asked)[1]
    path.write_bytes(b"no wallet at all" * 100)
    assert f"{path} is no wallet" in farthing(room, *asked)[1]
    path.unlink()
    assert f"there is no wallet at {path}" in farthing(room, *asked)[1]


def test_a_taken_port_is_said_before_anything_is_sold(room: Showroom) -> None:
    port = room.gate_url.rpartition(":")[2]
    data = str(room._folder / "vendor")
    sells = ("vendor", "serve", "--upstream", "http://127.0.0.1:9", "--data", data)
    code, said = farthing(room, *sells, "--port", port)
    assert (code, said.startswith(f"farthing: port_in_use: port {port} is taken")) == (1, True)


def test_a_token_of_another_account_founds_no_vendor(room: Showroom, tmp_path: Path) -> None:
    token = room._folder / "vendor" / "token"
    broker_url = next(iter(_brokers(room)))
    code, said = farthing(
        room, "vendor", "init", "ghost", "--broker", broker_url,
        "--token-file", str(token), "--data", str(tmp_path / "ghost"),
    )  # fmt: skip  # - one option a line is no easier to read
    assert (code, "token_of_another" in said) == (1, True)
    assert not (tmp_path / "ghost" / "vendor.json").exists()


def _brokers(room: Showroom) -> list[str]:
    with open_wallet(room._folder / "wallet.db", room.passphrase) as wallet:
        return [broker.url for broker in wallet.brokers()]


def test_nothing_is_no_top_up(room: Showroom, folder: Path) -> None:
    code, said = farthing(room, "wallet", "topup", "0eur", "--data", str(folder))
    assert (code, "amount_of_nothing" in said) == (1, True)


def test_a_locked_store_takes_no_payment_and_loses_none(
    room: Showroom, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds the gate's file: the payer is told, and pays once it has let go."""
    store = apsw.Connection(str(room._folder / "vendor" / "marks.db"))
    # Each try of the gate's waits for seconds: this payer sends once.
    monkeypatch.setattr(settling, "SENDS_MAX", 1)
    with room.open_wallet(folder / "wallet.db", "millicent") as wallet:
        assert wallet.get(room.gate_url + PAGE, io.BytesIO()).status == 200
        held_micro = sum(held.worth_micro for held in wallet.holdings())
        store.execute("BEGIN IMMEDIATE")
        out = io.BytesIO()
        status = wallet.get(room.gate_url + PAGE, out).status
        store.execute("ROLLBACK")
        store.close()
        assert (status, b"store_locked" in out.getvalue()) == (503, True)
        assert wallet.get(room.gate_url + PAGE, out).status == 200
        assert sum(held.worth_micro for held in wallet.holdings()) == held_micro - 200
