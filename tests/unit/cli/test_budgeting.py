"""What a wallet spends without asking, on a file."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from farthing.cli import budgeting
from farthing.errors import Refusal
from farthing.wallet import app as wallets
from farthing.wallet.policy import PER_PAYMENT_MICRO
from tests.unit.wallet.world import PASSPHRASE

RUNNER = CliRunner()


@pytest.fixture
def folder(wallet_folder: Path) -> Path:
    return wallet_folder


def run(folder: Path, *arguments: str) -> Result:
    environment = {wallets.PASSPHRASE_VARIABLE: PASSPHRASE}
    command = ["budget", *arguments, "--data", str(folder)]
    return RUNNER.invoke(budgeting.GROUP, command, env=environment)


def shown(folder: Path, *arguments: str) -> dict[str, object]:
    done = run(folder, *arguments, "--json")
    assert done.exception is None
    found: dict[str, object] = msgspec.json.decode(done.stdout)
    return found


def test_budgets_are_shown_and_kept(folder: Path) -> None:
    before = shown(folder)
    assert before["per_payment_micro"] == PER_PAYMENT_MICRO
    changed = shown(folder, "--per-payment", "2c", "--site", "news.example")
    assert changed == before | {"per_payment_micro": 20_000, "sites": ["news.example"]}
    assert shown(folder) == changed
    assert shown(folder, "--site", "any", "--per-payment", "1c") == before


def test_what_is_paid_by_is_kept_in_its_order(folder: Path) -> None:
    before = shown(folder)
    assert before["schemes"] == []
    changed = shown(folder, "--scheme", "ecash,millicent")
    assert changed == before | {"schemes": ["ecash", "millicent"]}
    assert shown(folder, "--per-payment", "1c") == changed
    assert "schemes: ecash, millicent" in run(folder).stdout
    assert run(folder, "--scheme", "").exit_code == 2
    assert shown(folder) == changed
    assert shown(folder, "--scheme", "all") == before


def test_a_budget_that_is_none_changes_nothing(folder: Path) -> None:
    before = shown(folder)
    assert isinstance(run(folder, "--per-day", "1c", "--per-payment", "much").exception, Refusal)
    assert shown(folder) == before


def test_a_site_is_barred_by_its_host_however_it_is_typed(folder: Path) -> None:
    assert shown(folder, "--site", "http://127.0.0.1:8402/")["sites"] == ["127.0.0.1"]
