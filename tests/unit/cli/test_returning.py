"""`farthing wallet return` says what came back, what did not, and ends accordingly."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from farthing.cli import build, returning
from farthing.errors import Denied
from farthing.wallet import app as wallets
from farthing.wallet.app import Wallet
from farthing.wallet.returning import Returned
from tests.unit.wallet.world import PASSPHRASE


def give_back(folder: Path, *arguments: str, phrase: str = PASSPHRASE) -> Result:
    command = ["wallet", "return", *arguments, "--data", str(folder)]
    env = {wallets.PASSPHRASE_VARIABLE: phrase}
    return CliRunner().invoke(build(["wallet"]), command, env=env)


def returned(
    refused: str = "", why: str = "", scheme: str = "millicent", *, waits: bool = False
) -> Returned:
    return Returned(
        instrument_id="i", scheme=scheme, vendor_id="news", currency="eur",
        worth_micro=200, refused=refused, why=why, waits=waits,
    )  # fmt: skip  # - one struct


@pytest.mark.parametrize(
    ("found", "told", "code"),
    [
        (returned(), "millicent at news: 0.0002 EUR (0.02 cent) returned\n", 0),
        (
            returned(scheme="payword"),
            "payword at news: 0.0002 EUR (0.02 cent) of credit given up:"
            " nothing more is billed on it\n",
            0,
        ),
        (
            returned(scheme="tick", waits=True),
            f"tick at news: 0.0002 EUR (0.02 cent) {returning.WAITS}\n",
            0,
        ),
        (
            msgspec.structs.replace(
                returned(scheme="agent"), rest_micro=400, rest_at_s=1_800_000_000
            ),
            "agent at news: 0.0002 EUR (0.02 cent) returned,"
            " 0.0004 EUR (0.04 cent) more follows at 2027-01-15 08:00 UTC\n",
            0,
        ),
        (
            returned("chain_ends_by_itself", "they end today"),
            "millicent at news: 0.0002 EUR (0.02 cent) needs no return: they end today\n",
            0,
        ),
        (
            returned("rest_comes_back", "it comes back by itself"),
            "millicent at news: 0.0002 EUR (0.02 cent) needs no return: it comes back by itself\n",
            0,
        ),
        (
            returned("mint_unreachable", "the mint does not answer; try again"),
            "millicent at news: 0.0002 EUR (0.02 cent) refused: mint_unreachable:"
            " the mint does not answer; try again\n",
            1,
        ),
    ],
)
def test_what_did_not_come_back_is_told_and_ends_with_1(
    wallet_folder: Path, monkeypatch: pytest.MonkeyPatch, found: Returned, told: str, code: int
) -> None:
    monkeypatch.setattr(Wallet, "give_back", lambda *_, **__: (found,))
    done = give_back(wallet_folder)
    assert (done.stdout, done.exit_code) == (told, code)
    assert give_back(wallet_folder, "--json").exit_code == code
    assert ("farthing wallet recover" in done.stderr) == (found.refused == "mint_unreachable")


@pytest.mark.parametrize(
    ("wanted", "of"),
    [((), ""), (("--vendor", "news"), " at news"), (("--scheme", "tick"), " of tick")],
)
def test_where_there_is_nothing_to_return_it_is_said(
    wallet_folder: Path, wanted: tuple[str, ...], of: str
) -> None:
    done = give_back(wallet_folder, *wanted)
    told = f"nothing{of} is held that could be returned{returning.BEGUN}\n"
    assert (done.stdout, done.exit_code) == (told, 0)
    assert give_back(wallet_folder, *wanted, "--json").stdout == "[]\n"


def test_a_wrong_passphrase_is_refused(wallet_folder: Path) -> None:
    assert isinstance(give_back(wallet_folder, phrase="not it").exception, Denied)
