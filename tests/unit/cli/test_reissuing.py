"""`farthing wallet reissue` on a wallet without a broker; docs/how-to shows it with one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from farthing.cli import build, reissuing
from farthing.wallet.reissuing import Reissued
from tests.unit.wallet.world import PASSPHRASE

ENDED = Reissued(
    broker_id="b", scheme="agent", instrument_id="tk:t_1", currency="eur",
    returned_micro=1_200, rest_micro=600, rest_at_s=1_795_262_640,
)  # fmt: skip  # - one answer


@pytest.fixture
def folder(wallet_folder: Path) -> Path:
    return wallet_folder


def run(folder: Path, *arguments: str, answer: str = "") -> Result:
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE}
    command = ["wallet", "reissue", *arguments, "--data", str(folder)]
    return CliRunner().invoke(build(["wallet"]), command, env=env, input=answer)


def test_it_is_a_command_of_the_wallets_with_an_example() -> None:
    done = CliRunner().invoke(build(["wallet"]), ["wallet", "reissue", "--help"])
    assert "farthing wallet reissue" in done.stdout


def test_who_has_bought_nothing_has_lost_nothing(folder: Path) -> None:
    assert run(folder, "--yes").stdout.startswith("nothing was lost")
    assert run(folder, "--yes", "--json").stdout == "[]\n"


def test_it_asks_before_anything_ends(folder: Path) -> None:
    refused = run(folder, answer="n\n")
    assert refused.exit_code == 1
    assert reissuing.WARNING in refused.stderr
    assert run(folder, answer="y\n").exit_code == 0
    assert run(folder).exit_code == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            ENDED,
            "agent tk:t_1 at b: 0.0012 EUR (0.12 cent) came back,"
            " up to 0.0006 EUR (0.06 cent) follows at 2026-11-21 12:04 UTC",
        ),
        (
            Reissued(
                broker_id="b", scheme="agent", instrument_id="tk:t_1", currency="eur",
                returned_micro=200,
            ),
            "agent tk:t_1 at b: 0.0002 EUR (0.02 cent) came back",
        ),
        (
            Reissued(
                broker_id="b", scheme="agent", instrument_id="tk:t_1", currency="eur",
                is_in_use=True,
            ),
            "agent tk:t_1 at b: a payment of this wallet has it; farthing wallet recover first",
        ),
    ],
)  # fmt: skip  # - a line and what it says
def test_a_line_says_what_came_and_what_follows(line: Reissued, told: str) -> None:
    assert reissuing._told(line) == told
