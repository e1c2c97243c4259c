import asyncio
import contextlib
import shutil
import time
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from farthing.broker import app as apps
from farthing.broker import restoring
from farthing.broker.app import Broker, backup
from farthing.broker.operations import BEARER
from farthing.broker.people import OpenAccount, TopUp
from farthing.errors import Misconfigured
from farthing.schemes.coin.deriving import SEED
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.coin.ecash.keyset import KEYS as KEYS_OF_COINS
from farthing.schemes.contract import Asked, At, Key, Need, Setting
from farthing.schemes.mac.millicent.orders import LICENCE_PREFIX
from farthing.stores import drafts
from farthing.stores.keys import KeyRing
from tests.kit.canaries import canary
from tests.kit.parties import Ring, payer_account
from tests.unit.broker.test_app import make

KEYS = (apps.RING, "keys.secret")


def saved(tmp_path: Path) -> Path:
    """A broker's backup, with its keys in the folder beside it."""
    data = tmp_path / "broker"
    make(data)
    Broker.open(data).close()
    backup(data, tmp_path / "books.db")
    return tmp_path / "books.db"


def folder(tmp_path: Path, name: str = "new") -> Path:
    made = tmp_path / name
    made.mkdir(mode=0o700)
    for key in KEYS:
        shutil.copy(tmp_path / "broker" / key, made / key)
    return made


def edit(books: Path, statement: str) -> None:
    connection = apsw.Connection(str(books))
    connection.execute(statement)
    connection.close()


def is_empty(data: Path) -> bool:
    """Whether a refused restore left nothing."""
    return sorted(path.name for path in data.iterdir()) == sorted(KEYS)


def test_a_backup_becomes_a_broker_whose_licences_give_nothing_out(tmp_path: Path) -> None:
    books, data = saved(tmp_path), folder(tmp_path)
    done = restoring.restore(data, books)
    assert done.closed == {"millicent": 1}, "the broker's own licence"
    assert (data / apps.DATABASE).stat().st_mode & 0o077 == 0
    assert not [path for path in data.iterdir() if "restoring" in path.name]
    broker = Broker.open(data)
    try:
        own = broker.engine.books.committer.read(
            lambda db: db.execute(
                "SELECT value FROM records WHERE key > ? ORDER BY key", (LICENCE_PREFIX,)
            ).fetchall()
        )
    finally:
        broker.close()
    assert len(own) == 2, "and a new one, of another series"


async def withdraw(broker: Broker, micro: int) -> None:
    """Somebody has so much in coins."""
    await broker.engine.people.open(OpenAccount(id="ann"), "open")
    asked = TopUp(payer="ann", amount_micro=micro, reference="RF-1")
    await broker.engine.people.top_up(asked, "topup")
    seed = Key(id="seed", purpose=SEED, secret=canary("seed"))
    identity = broker.engine.books.identity
    setting = Setting(broker_id=identity.broker_id, currency=identity.currency, ring=Ring(seed))
    purse, at = ECASH.purse(setting), At(now_s=int(time.time()), serials=(0,))
    found: Any = purse.ask(Need(amount_micro=micro, currency=identity.currency), at)
    while isinstance(found, Asked):
        account = BEARER if found.bearer else payer_account()
        answer = await broker.engine.operations.run(
            "ecash", found.operation, found.message, account, str(found.message)[:16]
        )
        found = purse.receive(found, msgspec.json.decode(answer)["answer"], at)


def test_coins_that_an_older_ring_cannot_verify_are_told(tmp_path: Path) -> None:
    data = tmp_path / "broker"
    make(data)
    Broker.open(data).close()
    older = folder(tmp_path, "older")
    KeyRing.open(data / apps.RING).rotate(KEYS_OF_COINS, canary("newer"))
    with contextlib.closing(Broker.open(data)) as broker:
        asyncio.run(withdraw(broker, 100))
    books = tmp_path / "books.db"
    backup(data, books)
    assert restoring.restore(older, books).unverifiable_micro == {"ecash": 100}
    assert restoring.restore(folder(tmp_path), books).unverifiable_micro == {}


def test_a_folder_with_books_is_left_alone(tmp_path: Path) -> None:
    books = saved(tmp_path)
    for end in ("", "-wal"):
        data = folder(tmp_path, f"used{end}")
        (data / (apps.DATABASE + end)).write_bytes(b"books")
        with pytest.raises(Misconfigured, match="broker_exists"):
            restoring.restore(data, books)
        assert (data / (apps.DATABASE + end)).read_bytes() == b"books"


def test_a_folder_without_keys_is_no_place_for_books(tmp_path: Path) -> None:
    books = saved(tmp_path)
    data = tmp_path / "new"
    data.mkdir()
    with pytest.raises(Misconfigured, match="keys_missing"):
        restoring.restore(data, books)


def test_the_keys_of_another_broker_do_not_open_these_books(tmp_path: Path) -> None:
    books, data = saved(tmp_path), tmp_path / "other"
    make(data)
    (data / apps.DATABASE).unlink()
    with pytest.raises(Misconfigured, match="keys_of_another_broker"):
        restoring.restore(data, books)
    assert is_empty(data)


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("PRAGMA user_version = 2", "backup_of_another_version"),
        ("PRAGMA application_id = 7", "backup_of_another_kind"),
        (
            "INSERT INTO accounts VALUES ('liability/vendor/thief', -5, -9, 0)",
            "backup_does_not_add_up",
        ),
        ("INSERT INTO entries VALUES (1, x'01', x'02', x'03')", "backup_does_not_add_up"),
        ("DELETE FROM settings", "broker_incomplete"),
    ],
)
def test_a_backup_that_is_not_sound_is_refused_and_leaves_nothing(
    tmp_path: Path, statement: str, code: str
) -> None:
    books, data = saved(tmp_path), folder(tmp_path)
    edit(books, statement)
    with pytest.raises(Misconfigured, match=code):
        restoring.restore(data, books)
    assert is_empty(data)


def test_a_file_that_is_torn_or_absent_is_refused(tmp_path: Path) -> None:
    books, data = saved(tmp_path), folder(tmp_path)
    whole = books.read_bytes()
    with pytest.raises(Misconfigured, match="backup_unreadable"):
        restoring.restore(data, tmp_path / "none.db")
    for torn in (whole[: len(whole) // 2], whole[:50], b"not a database", b""):
        books.write_bytes(torn)
        with pytest.raises(Misconfigured, match="backup_"):
            restoring.restore(data, books)
        assert is_empty(data)


def test_what_a_cut_short_restore_left_is_in_nobodys_way(tmp_path: Path) -> None:
    books, data = saved(tmp_path), folder(tmp_path)
    for end in drafts.FILES:
        (data / (restoring.DRAFT + end)).write_bytes(b"half of it")
    restoring.restore(data, books)
    Broker.open(data).close()


def test_books_of_an_older_program_learn_whose_keys_they_have(tmp_path: Path) -> None:
    books, data = saved(tmp_path), folder(tmp_path)
    edit(books, "DELETE FROM settings WHERE name LIKE 'key/%'")
    restoring.restore(data, books)
    other = tmp_path / "other"
    make(other)
    shutil.copy(data / apps.DATABASE, other / apps.DATABASE)
    with pytest.raises(Misconfigured, match="keys_of_another_broker"):
        Broker.open(other)
