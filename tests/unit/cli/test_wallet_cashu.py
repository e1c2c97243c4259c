from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from farthing.cli import build, wallet_cashu
from farthing.errors import Unknown
from farthing.wallet import app as wallets
from tests.unit.wallet.world import CHEAP, PASSPHRASE

ADDRESS = "https://b.example/cashu/eur/loads/name"
CODE = {"request": "lnbcrt290n1", "amount": 29, "unit": "eur", "expiresAtS": 1}


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith("/payouts"):
        return httpx.Response(200, json=CODE)
    return httpx.Response(200, json={"amount": 529, "unit": "eur", "state": "PAID"})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(
        wallet_cashu, "_client", lambda: httpx.Client(transport=httpx.MockTransport(answer))
    )
    with wallets.init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP) as wallet:
        wallet.add_broker("https://b.example", "alice", "ft_1", broker_id="b", currency="eur")
    return tmp_path


def run(folder: Path, *arguments: str) -> Result:
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE}
    command = ["wallet", "cashu", *arguments, "--data", str(folder)]
    return CliRunner().invoke(build(["wallet"]), command, env=env)


def test_a_load_is_paid(folder: Path) -> None:
    assert run(folder, "load", ADDRESS).stdout.startswith("paid 5.29 EUR")
    assert '"state": "PAID"' in run(folder, "load", ADDRESS, "--json").stdout


def test_a_code_is_printed(folder: Path) -> None:
    assert run(folder, "code", "0.29eur").stdout == "lnbcrt290n1\n"
    assert '"unit": "eur"' in run(folder, "code", "0.29eur", "--json").stdout


def test_a_broker_where_we_have_no_account_is_refused(folder: Path) -> None:
    for arguments in (("code", "0.29eur", "--broker", "other"), ("load", "https://x.example/")):
        assert isinstance(run(folder, *arguments).exception, Unknown)
