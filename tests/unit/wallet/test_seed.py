import secrets
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from farthing.errors import Misconfigured
from farthing.schemes.contract import Instrument
from farthing.wallet import seed as seeds
from farthing.wallet.commands import TakeNumber
from farthing.wallet.file import File, create, open_file
from farthing.wallet.rows import Rows
from farthing.wallet.seed import SEED_BYTES, SeedRing, put_seed, read_seed, seed_of, shown
from farthing.wallet.store import Store
from farthing.wallet.vault import Cost
from tests.kit.canaries import canary

PASSPHRASE = "correct horse"
CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)


def made(path: Path) -> File:
    return create(path, PASSPHRASE, CHEAP)


def test_a_seed_is_made_once_and_stays(tmp_path: Path) -> None:
    file = made(tmp_path / "w.db")
    seed = seed_of(file)
    assert len(seed) == SEED_BYTES
    file.close()
    assert seed_of(open_file(tmp_path / "w.db", PASSPHRASE)) == seed
    assert seed_of(made(tmp_path / "other.db")) != seed


def test_two_processes_that_are_first_make_one_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coins of a seed that is not in the file would be lost."""
    file = made(tmp_path / "w.db")
    other = open_file(tmp_path / "w.db", PASSPHRASE)
    found: list[bytes] = []
    rival = threading.Thread(target=lambda: found.append(seed_of(other)))

    def draw(size_bytes: int) -> bytes:
        if not rival.ident:
            rival.start()
            rival.join(0.2)  # long enough for one that does not wait
        return secrets.token_bytes(size_bytes)

    monkeypatch.setattr(seeds, "secrets", SimpleNamespace(token_bytes=draw))
    found.append(seed_of(file))
    rival.join()
    assert found[0] == found[1] == seed_of(file)


def test_what_was_written_down_begins_another_wallet(tmp_path: Path) -> None:
    text = shown(made(tmp_path / "w.db"))
    other = made(tmp_path / "other.db")
    put_seed(other, read_seed(f" {text}\n"))
    assert shown(other) == text
    for wrong in ("", text[:-1], text + "A", "é" * 43):
        with pytest.raises(Misconfigured, match="seed_malformed"):
            read_seed(wrong)


def test_a_wallet_that_holds_something_keeps_its_seed(tmp_path: Path) -> None:
    file = made(tmp_path / "w.db")
    seed = seed_of(file)
    held = Instrument(
        id="i", scheme="ecash", vendor_id="", currency="eur", worth_micro=1, expires_at_s=1,
        body=b"x",
    )  # fmt: skip  # - one instrument
    with file.write():
        Rows(file).put_instrument("broker", "", held)
    with pytest.raises(Misconfigured, match="wallet_in_use"):
        put_seed(file, canary("seed"))
    assert seed_of(file) == seed


def test_the_seed_is_sealed_in_the_file(tmp_path: Path) -> None:
    file = made(tmp_path / "w.db")
    put_seed(file, canary("seed"))
    file.close()
    assert all(canary("seed") not in path.read_bytes() for path in tmp_path.iterdir())


def test_each_purpose_has_a_key_of_its_own_and_none_shows_the_seed() -> None:
    ring = SeedRing(canary("seed"))
    one, other = ring.current("one"), ring.current("other")
    assert one.secret != other.secret
    assert ring.live("one") == ring.known("one") == (one,)
    assert ring.find("one", one.id) is None
    assert canary("seed") not in one.secret
    assert "CANARY" not in repr(ring)


def test_numbers_are_given_out_once_and_go_on_after_a_restart(tmp_path: Path) -> None:
    store, number = Store(made(tmp_path / "w.db")), TakeNumber(broker_id="b", scheme="ecash")
    assert [store.do(number) for _ in range(3)] == [0, 1, 2]
    store.close()
    store = Store(open_file(tmp_path / "w.db", PASSPHRASE))
    assert store.do(number) == 3
    for another in (("b", "cashu"), ("c", "ecash")):  # else they would leave gaps
        assert store.do(TakeNumber(broker_id=another[0], scheme=another[1])) == 0
    Rows(store.file).pass_number("b", "ecash", 1)
    assert store.do(number) == 4
