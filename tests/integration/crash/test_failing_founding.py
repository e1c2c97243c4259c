"""Books and wallets that are made, backed up and restored while the disk fails at every step.

What fails says so with a code and leaves nothing that looks done; made again, it is done.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from farthing.auditing import audit
from farthing.broker import app, restoring
from farthing.errors import Misconfigured, Refusal
from farthing.lab.bad_disk import Disk, Fault
from farthing.wallet.app import init, open_wallet
from tests.integration.crash.fleet import CHEAP, PASSPHRASE
from tests.integration.crash.sizes import seed, size

STEPS_MAX = 400


class Founding(NamedTuple):
    """Something that makes a file: what it needs, how it is made, and how it is used."""

    before: Callable[[Path], object]
    make: Callable[[Path], object]
    use: Callable[[Path], object]


def broker_in(folder: Path) -> str:
    token = app.Broker.init(
        folder, broker_id="made", currency="eur", url="http://127.0.0.1:1", keep=kept(folder)
    )
    assert (folder / "token").read_text() == token
    return token


def kept(folder: Path) -> Callable[[str], object]:
    return (folder / "token").write_text


def open_broker(folder: Path) -> None:
    broker = app.Broker.open(folder)
    assert broker.engine.books.committer.read(audit).findings == []
    broker.close()


def open_copy(folder: Path) -> None:
    db = apsw.Connection(str(folder / "books"), flags=apsw.SQLITE_OPEN_READWRITE)
    assert audit(db).findings == []
    db.close()


def saved(folder: Path) -> None:
    broker_in(folder)
    app.backup(folder, folder.parent / "books")
    (folder / app.DATABASE).unlink()


def used_wallet(folder: Path) -> None:
    open_wallet(folder / "wallet.db", PASSPHRASE).close()


FOUNDINGS = {
    "broker": Founding(Path.mkdir, broker_in, open_broker),
    "backup": Founding(broker_in, lambda folder: app.backup(folder, folder / "books"), open_copy),
    "restore": Founding(
        saved, lambda folder: restoring.restore(folder, folder.parent / "books"), open_broker
    ),
    "wallet": Founding(
        Path.mkdir,
        lambda folder: init(folder / "wallet.db", PASSPHRASE, cost=CHEAP).close(),
        used_wallet,
    ),
}


def fails(founding: Founding, folder: Path, fault: Fault, at: int) -> bool:
    """Whether the fault came."""
    folder.parent.mkdir()
    founding.before(folder)
    with Disk(folder) as disk:
        disk.arm(fault, at)
        failed = True
        with contextlib.suppress(Refusal):
            founding.make(folder)
            failed = False
        fired = disk.fired
        if not fired and fault in {Fault.CUT, Fault.TORN}:
            disk.cut()
        if disk.is_dead:
            disk.bury()
            disk.reboot()
        disk.disarm()
        assert fired or not failed
        if failed:
            with contextlib.suppress(Misconfigured):  # it was in place before its maker failed
                founding.make(folder)
        founding.use(folder)
    return fired


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as asked for
@pytest.mark.parametrize("name", FOUNDINGS)
@pytest.mark.timeout(600)  # the full suite's
def test_what_the_disk_cut_short_is_made_again(tmp_path: Path, name: str) -> None:
    turn, faults, stride = seed(), list(Fault), size().stride
    for which in range(size().faults):
        fault = faults[(turn + list(FOUNDINGS).index(name) + which) % len(faults)]
        at = 1 + turn % stride
        while fails(FOUNDINGS[name], tmp_path / f"{fault.name}-{at}" / "made", fault, at):
            at += stride
            assert at < STEPS_MAX, fault
        assert at > stride, fault
