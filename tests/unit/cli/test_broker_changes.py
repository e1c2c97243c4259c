"""What an operator grants is changed one thing at a time."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from farthing.broker.app import Broker
from farthing.broker.people import OpenAccount
from farthing.cli import broker, broker_changes
from farthing.errors import Misconfigured, OutOfRange, Unavailable, Unknown

RUNNER = CliRunner()


@pytest.fixture
def folder(broker_folder: Path) -> Path:
    """A broker's folder with a payer and a vendor, which is called without a server."""
    opened = Broker.open(broker_folder)
    alice = {"credit_limit_micro": 10**6, "props": "age=23", "payout_to": "DE00 1234"}
    shop: dict[str, Any] = {"role": "vendor", "commission_e4": 500}
    for name, fields in (("alice", alice), ("shop", shop)):
        asyncio.run(opened.engine.people.open(OpenAccount(id=name, **fields), name))
    opened.close()
    return broker_folder


def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are answered in this process."""

    def call(data: Path, method: str, path: str, body: OpenAccount) -> None:
        assert (method, path) == ("POST", f"/accounts/{body.id}")
        opened = Broker.open(data)
        try:
            asyncio.run(opened.engine.people.change(body, repr(body)))
        finally:
            opened.close()

    monkeypatch.setattr(broker_changes, "call", call)


def run(folder: Path, *arguments: str) -> Any:
    return RUNNER.invoke(broker.app, [*arguments, "--data", str(folder)])


def test_what_is_not_given_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch)
    alice = ["account", "change", "alice"]
    done = run(folder, *alice, "--credit", "5eur")
    assert done.stdout == ("alice: may owe 5.00 EUR, properties age=23, paid out to DE00 1234\n")
    assert "may owe 5.00 EUR, properties none," in run(folder, *alice, "--props", "").stdout
    shown = msgspec.json.decode(run(folder, *alice, "--payout-to", "DE00 9", "--json").stdout)
    assert (shown["creditLimitMicro"], shown["payoutTo"]) == (5_000_000, "DE00 9")
    done = run(folder, "vendor", "change", "shop", "--commission", "300")
    assert done.stdout == "shop: commission 300 of 10,000\n"
    done = run(folder, "vendor", "change", "shop", "--payout-to", "DE00 7", "--json")
    assert msgspec.json.decode(done.stdout)["commissionE4"] == 300
    audit = run(folder, "audit", "--json")
    assert msgspec.json.decode(audit.stdout)["findings"] == []


def test_what_cannot_be_changed_is_said(folder: Path) -> None:
    for arguments, kind in (
        (["account", "change", "alice"], Misconfigured),
        (["account", "change", "shop", "--credit", "1eur"], Misconfigured),
        (["account", "change", "nobody", "--credit", "1eur"], Unknown),
        (["account", "change", "alice", "--credit", "1usd"], OutOfRange),
        (["account", "change", "alice", "--props", "no"], OutOfRange),
        (["vendor", "change", "alice", "--commission", "1"], Misconfigured),
        (["vendor", "change", "shop", "--commission", "10001"], OutOfRange),
        (["vendor", "change", "shop", "--commission", "1"], Unavailable),
    ):
        assert isinstance(run(folder, *arguments).exception, kind), arguments


def test_what_a_stolen_wallet_has_out_is_named_with_what_comes_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, list[str]] = {"payword": ["p_1", "p_2"], "agent": ["t_1"]}

    def call(data: Path, method: str, path: str, body: object) -> dict[str, Any]:
        assert (method, path, body) == ("POST", "/accounts/alice/revoke", {})
        return {"revoked": found}

    monkeypatch.setattr(broker_changes, "call", call)
    said = run(folder, "account", "revoke", "alice").stdout
    assert said.splitlines()[:2] == ["payword: p_1 p_2", "agent: t_1"]
    assert "farthing broker token alice --only" in said
    shown = run(folder, "account", "revoke", "alice", "--json").stdout
    assert msgspec.json.decode(shown) == {"revoked": found}
    found.clear()
    assert "nothing out" in run(folder, "account", "revoke", "alice").stdout


def test_a_name_that_was_never_given_is_said_to_be_unknown(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account's name for a serial would else be taken for a revocation."""
    for known in (True, False):
        monkeypatch.setattr(broker, "call", lambda *_, known=known: {"known": known})
        said = run(folder, "revoke", "payword", "alice").stdout
        assert said.startswith("payword: alice is on the list\n")
        assert ("farthing broker account revoke" in said) is not known
