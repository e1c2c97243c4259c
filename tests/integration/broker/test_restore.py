"""A broker under load is backed up, killed and wiped, and restored from its older books."""

import contextlib
import io
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import msgspec
import pytest

from farthing.broker import app as brokers
from farthing.broker import restoring
from farthing.cli import servers
from farthing.errors import Misconfigured
from farthing.schemes import registry
from farthing.schemes.mac.millicent.orders import LICENCE_PREFIX
from farthing.wallet.app import Wallet, open_wallet
from tests.integration.crash.fleet import PASSPHRASE, VENDOR, Fleet, environment
from tests.integration.crash.reckoning import audit
from tests.integration.crash.wares import PRICE_MICRO

KILLED_AFTER_S = (0.4, 0.6, 0.8)  # from the imports on to the end of a restore


@contextlib.contextmanager
def wallet_of(fleet: Fleet, scheme: str) -> Iterator[Wallet]:
    path = next(buyer.path for buyer in fleet.buyers if buyer.name == scheme)
    with open_wallet(path, PASSPHRASE, schemes={scheme: registry.by_name(scheme)}) as wallet:
        yield wallet


def buy(fleet: Fleet, area: str, *numbers: int) -> None:
    """These pages in both schemes."""
    for scheme in ("millicent", "payword"):
        with wallet_of(fleet, scheme) as wallet:
            for number in numbers:
                page = wallet.get(f"{fleet.gate_url}/{area}/{number}.html", io.BytesIO())
                assert page.status == 200


def clear(fleet: Fleet, *arguments: str) -> None:
    for _ in range(20):
        with contextlib.suppress(Misconfigured):  # the gate's own sweep is under way
            fleet.vendor("clear", *arguments)
            return
        time.sleep(0.1)
    raise AssertionError("clearing does not come through")


def earned_micro(fleet: Fleet) -> int:
    """The vendor's, and the commission on it."""
    balances = audit(fleet)["balances"]
    return int(balances[f"liability/vendor/{VENDOR}"] + balances["income/commission"])


def operator(fleet: Fleet, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        servers.python("-m", "farthing.cli", "broker", *arguments),
        env={**os.environ, **environment(FARTHING_DATA=str(fleet.folder / "broker"))},
        capture_output=True,
        check=False,
        timeout=60,
    )


def series_of(books: Path) -> set[bytes]:
    """Of every licence that these books know."""
    connection = apsw.Connection(str(books))
    bounds = (LICENCE_PREFIX, LICENCE_PREFIX + b"\xff")
    rows = connection.execute("SELECT key FROM records WHERE key BETWEEN ? AND ?", bounds)
    found = {bytes(key) for (key,) in rows}
    connection.close()
    return found


def restored_after_kills(fleet: Fleet, books: Path, keys: Path) -> Any:
    """What the restore prints that nobody killed."""
    data = fleet.folder / "broker"
    arguments = ["restore", str(books), "--keys", str(keys), "--json"]
    command = servers.python("-m", "farthing.cli", "broker", *arguments)
    env = {**os.environ, **environment(FARTHING_DATA=str(data))}
    for after_s in KILLED_AFTER_S:
        with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as restoring_it:
            with contextlib.suppress(subprocess.TimeoutExpired):
                restoring_it.wait(after_s)
            restoring_it.kill()
        if (data / brokers.DATABASE).exists():
            brokers.Broker.open(data).close()  # put in place whole, or not at all
            shutil.rmtree(data)
    began_s = time.monotonic()
    done = operator(fleet, *arguments)
    print(f"restore {time.monotonic() - began_s:.2f} s")  # noqa: T201 - a figure
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout)


class Clerk(threading.Thread):
    """Books top-ups one after the other, so that the backup is made under load."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self.count = 0
        self._fleet = fleet
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.is_set():
            book(self._fleet, self.count)
            self.count += 1

    def wait_for(self, more: int) -> None:
        """Until so many more are booked."""
        wanted, deadline_s = self.count + more, time.monotonic() + 10
        while self.count < wanted:
            assert time.monotonic() < deadline_s, "nothing is booked any more"
            time.sleep(0.01)

    def end(self) -> None:
        self._ending.set()
        self.join()


def book(fleet: Fleet, number: int, *, key: str = "") -> None:
    body = {"payer": "millicent", "amountMicro": 1_000, "reference": f"RF-load-{number}"}
    fleet.call("/topup", body, key=key or f"load-{number}")


def book_again(fleet: Fleet, count: int) -> None:
    """The same requests, done before or done now; under other keys all are refused."""
    for number in range(count):
        book(fleet, number)
        with pytest.raises(httpx.HTTPStatusError, match="403"):
            book(fleet, number, key=f"another-{number}")


def buy_anew(fleet: Fleet) -> None:
    """With what is bought of the new licence."""
    with wallet_of(fleet, "millicent") as wallet:
        wallet.give_back(scheme="millicent")
    buy(fleet, "pages", 5)
    clear(fleet)


def payers_micro(fleet: Fleet) -> int:
    return int(fleet.call("/balance?account=millicent")["payerMicro"])


@pytest.mark.timeout(180)
def test_what_was_acknowledged_after_a_backup_is_paid_once_and_no_serial_twice(
    tmp_path: Path,
) -> None:
    with Fleet(tmp_path) as fleet:
        data, keys = tmp_path / "broker", tmp_path / "safe"
        for name in ("millicent", "payword"):
            fleet.add_buyer(name)
        buy(fleet, "pages", 0, 1)
        buy(fleet, "now", 0)
        clear(fleet)
        books = tmp_path / "books.db"
        clerk = Clerk(fleet)
        clerk.start()
        clerk.wait_for(5)
        began_s = time.monotonic()
        assert operator(fleet, "backup", str(books)).returncode == 0
        print(f"backup {time.monotonic() - began_s:.2f} s")  # noqa: T201 - a figure
        clerk.wait_for(5)
        clerk.end()
        whole_micro = payers_micro(fleet)
        before_micro = earned_micro(fleet)

        buy(fleet, "pages", 2, 3)
        buy(fleet, "now", 1)
        clear(fleet)
        assert earned_micro(fleet) == before_micro + 6 * PRICE_MICRO
        fleet.add_buyer("late")  # an account that the restored books do not know
        after = series_of(data / brokers.DATABASE)

        fleet.broker.kill()
        keys.mkdir()
        for name in ("keys.ring", "keys.secret"):
            shutil.copy(data / name, keys / name)
        (keys / "admin-token").write_text(fleet.admin_token)
        shutil.rmtree(data)
        done = restored_after_kills(fleet, books, keys)
        assert done["closed"] == {"millicent": 2}
        fleet.broker.stop()
        fleet.broker.start()

        assert audit(fleet)["findings"] == []
        assert earned_micro(fleet) == before_micro
        clear(fleet, "--again")
        assert earned_micro(fleet) == before_micro + 6 * PRICE_MICRO
        clear(fleet, "--again")
        assert earned_micro(fleet) == before_micro + 6 * PRICE_MICRO, "each is paid once"

        assert payers_micro(fleet) < whole_micro, "some were booked after the backup"
        book_again(fleet, clerk.count)
        assert payers_micro(fleet) == whole_micro, "the bank's reference books once"

        buy(fleet, "pages", 4)  # with what was bought before the backup
        with pytest.raises(httpx.HTTPStatusError, match="503"):
            fleet.call("/payouts")
        late = fleet.call("/accounts", {"id": "new"})["tokens"]["pay"]
        assert _issue(fleet, late).status_code >= 400, "no licence gives out a serial again"
        fleet.vendor("grant")
        fleet.top_up("new", 10_000, "RF-new")
        sold = _issue(fleet, late)
        assert sold.is_success, sold.text
        assert series_of(data / brokers.DATABASE) > after
        serial = sold.json()["answer"]["scrip"]["serial"]
        assert serial[:10].encode() not in {key.rpartition(b"/")[2] for key in after}
        buy_anew(fleet)
        assert earned_micro(fleet) == before_micro + 10 * PRICE_MICRO
        assert operator(fleet, "clear", "--open").returncode == 0
        assert fleet.call("/payouts") == []
        assert audit(fleet)["findings"] == []


def _issue(fleet: Fleet, token: str) -> httpx.Response:
    return httpx.post(
        f"{fleet.broker_url}/issue/millicent",
        json={"valueMicro": 1_000, "vendor": VENDOR},
        headers={"authorization": f"Bearer {token}", "idempotency-key": os.urandom(8).hex()},
    )


def test_restoring_over_books_changes_nothing(tmp_path: Path) -> None:
    data, books = tmp_path / "broker", tmp_path / "books.db"
    brokers.Broker.init(data, broker_id="b", currency="eur", url="http://127.0.0.1:8400")
    brokers.Broker.open(data).close()
    brokers.backup(data, books)
    whole = (data / brokers.DATABASE).read_bytes()
    with pytest.raises(Misconfigured, match="broker_exists"):
        restoring.restore(data, books)
    assert (data / brokers.DATABASE).read_bytes() == whole
