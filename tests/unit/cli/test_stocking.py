"""`farthing wallet stock` and `restock`; docs/how-to/pay-without-a-trace.md has a broker."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from farthing.cli import build, stocking
from farthing.errors import Misconfigured, OutOfRange, Refusal, Unsupported
from farthing.wallet import app as wallets
from farthing.wallet.stocking import Restocked, State
from farthing.wallet.stocks import Stock
from tests.unit.wallet.world import CHEAP, PASSPHRASE

STOCK = Stock(broker_id="demo", scheme="ecash", level_micro=500_000, due_at_s=1_795_294_400)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with wallets.init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP) as wallet:
        wallet.add_broker("http://127.0.0.1:1", "ann", "t", broker_id="demo", currency="eur")
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE, "COLUMNS": "120"}
    command = ["wallet", *arguments, "--data", str(folder)]
    return CliRunner().invoke(build(["wallet"]), command, env=env)


def test_both_are_commands_of_the_wallets_with_examples() -> None:
    for name in ("stock", "restock"):
        done = CliRunner().invoke(build(["wallet"]), ["wallet", name, "--help"])
        assert f"farthing wallet {name}" in done.stdout


def test_a_level_is_set_shown_and_ended(folder: Path) -> None:
    assert run(folder, "stock", "--json").stdout.strip() == "[]"
    shown = run(folder, "stock", "50c", "--scheme", "ecash").stdout
    assert "0.5 EUR" in shown
    assert "after" in shown
    (found,) = msgspec.json.decode(run(folder, "stock", "--json").stdout)
    assert (found["stock"]["level_micro"], found["held_micro"]) == (500_000, 0)
    assert run(folder, "stock", "0c", "--scheme", "ecash").exit_code == 0
    assert run(folder, "stock", "--json").stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("50c", "--scheme", "payword"), Unsupported),
        (("0.5c", "--scheme", "ecash"), OutOfRange),
        (("50c", "--scheme", "ecash", "--broker", "other"), Misconfigured),
        (("1usd", "--scheme", "ecash"), OutOfRange),
        (("much", "--scheme", "ecash"), OutOfRange),
    ],
)
def test_what_cannot_be_is_refused(
    folder: Path, arguments: tuple[str, ...], kind: type[Refusal]
) -> None:
    assert isinstance(run(folder, "stock", *arguments).exception, kind)
    assert run(folder, "stock", "--json").stdout.strip() == "[]"


def test_before_its_time_nothing_is_asked_and_a_broker_that_is_away_is_told(folder: Path) -> None:
    run(folder, "stock", "50c", "--scheme", "ecash")
    waiting = run(folder, "restock")
    assert waiting.exit_code == 0
    assert waiting.stdout.startswith("ecash at demo: more after ")
    (told,) = msgspec.json.decode(run(folder, "restock", "--json").stdout)
    assert told["state"] == "waiting"
    away = run(folder, "restock", "--now")
    assert away.exit_code == 1
    assert "mint_unreachable: ecash at demo" in away.stderr


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("bought", "bought 0.1 EUR (10 cent), 0.5 EUR (50 cent) is here"),
        ("waiting", "more after 2026-11-21 20:53 UTC"),
        ("full", "nothing is missing"),
        ("spent_for_today", "the budget of a day is used up; more tomorrow, or raise it"),
        ("elsewhere", "another process is at it"),
    ],
)
def test_each_outcome_has_its_words(state: State, words: str) -> None:
    done = Restocked(stock=STOCK, state=state, bought_micro=100_000, held_micro=500_000)
    assert stocking._told(done, "eur") == f"ecash at demo: {words}"
