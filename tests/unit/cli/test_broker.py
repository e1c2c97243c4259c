"""The broker's commands on a folder, without a server."""

import stat
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from farthing.broker.app import DATA_VARIABLE, RING
from farthing.cli import bookkeeping, broker, servers
from farthing.errors import Misconfigured, Unavailable
from farthing.schemes.chain.payword import FAMILY
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY
from farthing.stores.keys import KeyRing

RUNNER = CliRunner()


@pytest.fixture
def folder(broker_folder: Path) -> Path:
    return broker_folder


def test_init_shows_no_token_and_keeps_it_private(folder: Path) -> None:
    path = folder / bookkeeping.ADMIN_TOKEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("ft_")


def test_init_says_where_the_token_is_and_not_what_it_is(tmp_path: Path) -> None:
    data = tmp_path / "broker"
    done = RUNNER.invoke(broker.app, ["init", "--id", "b", "--data", str(data)])
    assert "admin-token" in done.output
    assert "ft_" not in done.output


def test_init_twice_is_refused(folder: Path) -> None:
    done = RUNNER.invoke(broker.app, ["init", "--id", "b", "--data", str(folder)])
    assert isinstance(done.exception, Misconfigured)
    assert done.exception.code == "broker_exists"


def test_an_empty_book_audits_clean(folder: Path) -> None:
    done = RUNNER.invoke(broker.app, ["audit", "--json", "--data", str(folder)])
    assert done.exit_code == 0
    report = msgspec.json.decode(done.output)
    assert report["ledgerSumMicro"] == 0
    assert report["findings"] == []


def test_keys_are_public_and_signed(folder: Path) -> None:
    done = RUNNER.invoke(broker.app, ["keys", "--data", str(folder)])
    document = msgspec.json.decode(done.output)
    assert document["sig"].startswith("ed25519:")
    assert all(set(key) == {"id", "notAfterS", "public", "purpose"} for key in document["keys"])


def test_a_broker_that_is_not_running_is_said_with_the_command(folder: Path) -> None:
    command = ["account", "open", "alice", "--data", str(folder)]
    done = RUNNER.invoke(broker.app, command)
    assert isinstance(done.exception, Unavailable)
    assert "farthing broker serve" in done.exception.detail


def test_the_coins_of_a_keyset_may_end_and_no_other_key(folder: Path) -> None:
    def rotate(name: str, *arguments: str) -> object:
        return RUNNER.invoke(
            broker.app, ["rotate", name, *arguments, "--data", str(folder)]
        ).exception

    assert rotate(KEYSET_KEY) is None
    assert rotate(KEYSET_KEY, "--days", str(broker.KEYSET_DAYS_MIN)) is None
    ring = KeyRing.open(folder / RING)
    ends = [key.not_after_s > 0 for key in ring.known(KEYSET_KEY)]
    assert ends == [True, False, False]
    assert isinstance(rotate(KEYSET_KEY, "--days", "89"), Misconfigured)
    assert isinstance(rotate(FAMILY.certificate_key, "--days", "365"), Misconfigured)


def test_a_port_other_than_that_of_the_public_url_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, "")
    monkeypatch.setattr(servers, "serve", lambda *_, **__: None)
    here, elsewhere = servers.free_port(), servers.free_port()
    for number, (url, port, is_said) in enumerate(
        (
            (f"http://127.0.0.1:{here}", here, False),
            (f"http://127.0.0.1:{here}", elsewhere, True),
            ("https://broker.example", elsewhere, False),
        )
    ):
        data = ["--data", str(tmp_path / str(number))]
        assert RUNNER.invoke(broker.app, ["init", "--id", "b", "--url", url, *data]).exit_code == 0
        done = RUNNER.invoke(broker.app, ["serve", "--port", str(port), *data])
        assert done.exit_code == 0
        told = f"this broker's public URL is {url}, and it listens on port {port}: "
        assert (told in done.stderr, f"--port {here}," in done.stderr) == (is_said, is_said)
    assert RUNNER.invoke(broker.app, ["serve", "--port", "99999"]).exit_code == 2
