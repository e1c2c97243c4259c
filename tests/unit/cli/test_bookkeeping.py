"""The commands about a broker's books, on a folder without a server."""

import shutil
import stat
from pathlib import Path

import apsw
import msgspec
import pytest
from typer.testing import CliRunner, Result

from farthing.auditing.report import FINDINGS_MAX
from farthing.broker import restoring
from farthing.cli import bookkeeping, broker
from farthing.errors import Misconfigured
from farthing.schemes.chain.payword import FAMILY
from farthing.stores.keys import KeyRing

CERTIFICATE_KEY = FAMILY.certificate_key


@pytest.fixture
def folder(broker_folder: Path) -> Path:
    return broker_folder


def run(*arguments: str) -> Result:
    return CliRunner().invoke(broker.app, list(arguments))


def test_books_are_saved_and_restored_with_their_keys(folder: Path, tmp_path: Path) -> None:
    books, new = tmp_path / "books.db", tmp_path / "new"
    assert run("audit", "--data", str(folder)).exit_code == 0  # makes what a first start makes
    assert run("backup", str(books), "--data", str(folder)).exit_code == 0
    done = run("restore", str(books), "--keys", str(folder), "--data", str(new))
    assert done.exit_code == 0, done.output
    assert "farthing broker clear --open" in done.output
    for name in ("keys.ring", "keys.secret", bookkeeping.ADMIN_TOKEN, "broker.db"):
        assert stat.S_IMODE((new / name).stat().st_mode) == 0o600
    report = msgspec.json.decode(run("audit", "--json", "--data", str(new)).output)
    assert report["findings"] == []


def test_other_keys_in_the_folder_are_not_written_over(folder: Path, tmp_path: Path) -> None:
    books, new = tmp_path / "books.db", tmp_path / "new"
    run("backup", str(books), "--data", str(folder))
    new.mkdir()
    KeyRing.create(new / "keys.ring")
    for others in ((new / "keys.ring").read_bytes(), b"no ring"):
        (new / "keys.ring").write_bytes(others)
        done = run("restore", str(books), "--keys", str(folder), "--data", str(new))
        assert isinstance(done.exception, Misconfigured)
        assert done.exception.code == "keys_exist"
        assert (new / "keys.ring").read_bytes() == others


def cut_short(folder: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A backup, and what a restore of it that was killed has left: the keys."""
    books, new = tmp_path / "books.db", tmp_path / "new"
    run("backup", str(books), "--data", str(folder))
    new.mkdir(mode=0o700)
    for name in ("keys.ring", "keys.secret"):
        shutil.copy(folder / name, new / name)
    return books, new


def test_a_restore_that_was_cut_short_anywhere_is_done_again(folder: Path, tmp_path: Path) -> None:
    books, new = cut_short(folder, tmp_path)
    KeyRing.open(new / "keys.ring").rotate(CERTIFICATE_KEY, bytes(range(32)))
    (folder / "keys.ring").chmod(0o644)  # a copy, of which nobody minds
    (new / (bookkeeping.ADMIN_TOKEN + ".new")).write_bytes(b"ft_")
    (new / restoring.DRAFT).write_bytes(b"half of it")
    before = KeyRing.open(new / "keys.ring")
    done = run("restore", str(books), "--keys", str(folder), "--data", str(new))
    assert done.exit_code == 0, done.output
    after = KeyRing.open(new / "keys.ring")
    assert after.current(CERTIFICATE_KEY) == before.current(CERTIFICATE_KEY), "no key is lost"
    token = (folder / bookkeeping.ADMIN_TOKEN).read_bytes()
    assert (new / bookkeeping.ADMIN_TOKEN).read_bytes() == token
    assert not list(new.glob("*.new"))


def test_an_older_ring_than_the_saved_one_is_not_taken_for_it(folder: Path, tmp_path: Path) -> None:
    books, new = cut_short(folder, tmp_path)
    KeyRing.open(folder / "keys.ring").rotate(CERTIFICATE_KEY, bytes(range(32)))
    for number in range(3):  # as a restore makes new ones, which does not make it the later ring
        KeyRing.open(new / "keys.ring").rotate(CERTIFICATE_KEY, bytes([number]) * 32)
    done = run("restore", str(books), "--keys", str(folder), "--data", str(new))
    assert isinstance(done.exception, Misconfigured)
    assert done.exception.code == "keys_exist"


def test_what_is_published_is_in_the_books_that_are_audited(folder: Path, tmp_path: Path) -> None:
    document = msgspec.json.decode(run("publish", "--json", "--data", str(folder)).output)
    kept = tmp_path / "published.json"
    kept.write_bytes(msgspec.json.encode({"books": [document]}))
    assert run("audit", "--published", str(kept), "--data", str(folder)).exit_code == 0
    kept.write_bytes(msgspec.json.encode({"books": [document | {"entries": 9}]}))
    wrong = run("audit", "--published", str(kept), "--data", str(folder))
    assert wrong.exit_code == 1
    assert "journal_truncated: entry 9" in wrong.output
    kept.write_bytes(msgspec.json.encode(document))
    assert run("audit", "--published", str(kept), "--data", str(folder)).exit_code == 0, "just one"


def test_an_audit_that_could_not_look_is_no_finding(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "list.csv"
    bad.write_text("reference,amount_micro\nRF-1,5.00\n")
    none = tmp_path / "none"
    for arguments, said in (
        (("--published", str(none)), "published_unreadable"),
        (("--published", str(bad)), "published_unreadable"),
        (("--statement", str(none)), "No such file"),
        (("--statement", str(bad)), "line 2: '5.00' is no micro-units"),
    ):
        done = run("audit", *arguments, "--data", str(folder))
        assert done.exit_code == 2
        assert said in done.output, done.output
    assert run("audit", "--data", str(none)).exit_code == 2


def test_books_that_cannot_be_read_say_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object) -> None:
        raise apsw.ReadOnlyError("attempt to write a readonly database")

    monkeypatch.setattr(bookkeeping, "audit_file", read_only)
    done = run("audit", "--data", str(folder))
    assert done.exit_code == 2
    assert "broker.db and its directory must be writable" in done.output


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_restore_that_is_refused_changes_nothing(
    folder: Path, tmp_path: Path, *, has_folder: bool
) -> None:
    new, empty, books = tmp_path / "new", tmp_path / "empty", tmp_path / "books.db"
    empty.mkdir()
    if has_folder:
        new.mkdir()
    run("backup", str(books), "--data", str(folder))
    none = tmp_path / "none.db"
    for keys, source, code in (
        (folder, none, "backup_unreadable"),
        (folder, folder / "keys.secret", "backup_damaged"),
        (empty, books, "keys_missing"),
    ):
        done = run("restore", str(source), "--keys", str(keys), "--data", str(new))
        assert isinstance(done.exception, Misconfigured)
        assert done.exception.code == code
        assert not list(new.iterdir()) if has_folder else not new.exists()


def test_a_token_for_the_figures_is_kept_as_its_hash(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "prometheus.token"
    done = run("metrics", "--token-file", str(path), "--data", str(folder))
    token = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in done.output
    assert token.encode() not in (folder / "broker.db").read_bytes()


def test_findings_that_are_not_listed_are_counted(folder: Path) -> None:
    assert run("audit", "--data", str(folder)).exit_code == 0  # makes what a first start makes
    connection = apsw.Connection(str(folder / "broker.db"))
    for number in range(FINDINGS_MAX + 3):
        connection.execute("INSERT INTO entries VALUES (?, ?, x'', x'')", (number + 1, f"{number}"))
    connection.close()
    done = run("audit", "--data", str(folder))
    assert done.exit_code == 1
    assert done.output.count("FINDING chain_broken: entry") == FINDINGS_MAX
    assert "FINDING chain_broken: 3 more" in done.output
