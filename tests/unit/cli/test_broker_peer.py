"""The commands about other brokers, without a server; the how-to runs them with two."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from farthing.broker.web import key_of
from farthing.cli import broker, broker_peer
from farthing.errors import Misconfigured, OutOfRange, Unavailable

RUNNER = CliRunner()


@pytest.fixture
def folder(broker_folder: Path) -> Path:
    return broker_folder


def run(folder: Path, *arguments: str) -> BaseException | None:
    return RUNNER.invoke(broker_peer.app, [*arguments, "--data", str(folder)]).exception


def test_a_token_file_that_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "none")
    wrong = run(folder, "add", "south", "--url", "https://s.example", "--token-file", missing)
    assert isinstance(wrong, Misconfigured)
    assert wrong.code == "token_file_unreadable"


def test_a_broker_that_is_not_running_is_said(folder: Path) -> None:
    for command in (["list"], ["pay", "south", "5c", "--reference", "r"]):
        assert isinstance(run(folder, *command), Unavailable)


def test_an_amount_that_is_none_is_refused(folder: Path) -> None:
    assert isinstance(run(folder, "pay", "south", "much", "--reference", "r"), OutOfRange)


def test_a_transfer_has_whatever_name_the_bank_gives_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def booked(_: Path, method: str, path: str, body: dict[str, Any], *, key: str) -> object:
        assert (method, path) == ("POST", "/peers/south/payments")
        sent.append((body["reference"], key_of(key)))
        return {"owedMicro": 0}

    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(broker_peer, "call", booked)
    for reference in ("RF18 5390 0754", "Überweisung 7", "Überweisung 7"):
        assert run(folder, "pay", "south", "5c", "--reference", reference) is None
    assert len(set(sent)) == 2, "the same transfer is the same request"


def test_the_broker_has_these_commands() -> None:
    done = RUNNER.invoke(broker.app, ["peer", "--help"])
    assert all(name in done.output for name in ("add", "list", "pay"))
