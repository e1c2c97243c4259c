"""The wallet's commands on files."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.cli import wallet
from farthing.errors import Denied, Misconfigured, Refusal
from farthing.wallet import app as wallets
from farthing.wallet.vault import Cost

RUNNER = CliRunner()
PHRASE = "made up for this test"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    wallets.init(tmp_path / "wallet.db", PHRASE, cost=Cost(memory_kib=64)).close()
    return tmp_path


def run(folder: Path, *arguments: str, phrase: str = PHRASE) -> BaseException | None:
    environment = {wallets.PASSPHRASE_VARIABLE: phrase}
    done = RUNNER.invoke(wallet.app, [*arguments, "--data", str(folder)], env=environment)
    return done.exception


def test_a_wrong_passphrase_is_refused_by_every_command(folder: Path) -> None:
    for command in (["balance"], ["history"], ["return"], ["get", "http://127.0.0.1:9/"]):
        wrong = run(folder, *command, phrase="not it")
        assert isinstance(wrong, Denied), command
        assert wrong.code == "passphrase_wrong"


def test_a_missing_wallet_is_said(tmp_path: Path) -> None:
    wrong = run(tmp_path, "balance")
    assert isinstance(wrong, Misconfigured)


def test_an_empty_wallet_has_an_empty_history(folder: Path) -> None:
    assert run(folder, "history", "--json") is None


def test_a_site_that_does_not_answer_is_said(folder: Path) -> None:
    assert isinstance(run(folder, "get", "http://127.0.0.1:9/"), Refusal)
