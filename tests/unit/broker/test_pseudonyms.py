"""Every name under which a vendor knows a payer leads to its account, or to nobody's."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from farthing import codec
from farthing.broker import pseudonyms
from farthing.broker.app import Broker, asgi_app
from farthing.cli import build
from farthing.errors import Unknown
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.schemes import registry
from farthing.schemes.chain.times import DISPUTE_S
from farthing.schemes.contract import Mint

SCHEMES = registry.all_schemes()
NAMELESS = {
    "millicent": "scrip is sold for a vendor, and no record says which account bought which piece",
    "netcash": "whoever exchanges a coin names no account",
    "ecash": "coins are signed blindly",
    "cashu": "coins are signed blindly",
}
"""Schemes whose payers even the broker cannot name, each with why."""
NAMING = [one.traits.name for one in SCHEMES if one.traits.name not in NAMELESS]


def noted(stage: Stage) -> set[str]:
    """The names that the vendor's till gives to payers from now on."""
    till, names = stage.shop.till, set[str]()
    take: Callable[..., Any] = till.take

    def taking(*told: Any, **named: Any) -> Any:
        taken = take(*told, **named)
        names.add(taken.payer)
        return taken

    vars(till).update(take=taking)
    return names


def asked(stage: Stage, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What `farthing broker who` says, over the folder of a broker that does not run."""
    bank = stage.bank
    opening = partial(Broker.open, edge=bank._edge)
    bank.close()
    with monkeypatch.context() as patched:
        patched.setattr(Broker, "open", opening)
        command = ["broker", "who", name, "--json", "--data", str(bank._folder)]
        done = CliRunner().invoke(build(["broker"]), command)
    bank.room.wait_for(bank._opened())
    if done.exception is not None:
        raise done.exception
    found: dict[str, str] = msgspec.json.decode(done.stdout)
    return found


@pytest.mark.parametrize("scheme", [one.traits.name for one in SCHEMES])
def test_a_scheme_opens_its_pseudonyms_or_has_none(scheme: str) -> None:
    mint = registry.by_name(scheme).mint
    assert (mint.pseudonym_key is Mint.pseudonym_key) == (scheme in NAMELESS)


@pytest.mark.parametrize("scheme", NAMING)
def test_a_name_that_a_vendor_has_leads_to_the_account_and_asking_leaves_no_trace(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Play(scheme, "who").stage() as stage:
        names: dict[str, str] = {}
        for who in (stage.payer, stage.admit("bob")):
            stage.payer, seen = who, noted(stage)
            stage.buy()
            names |= dict.fromkeys(seen, who.id)
        assert len(names) == 2, "each payer has a name of its own"
        for days in (0, 3, 26):  # before the vendor clears, after the windows, in a dispute
            stage.room.later(days * DAY_S)
            if days:
                stage.shop.clear()
                stage.bank.tick()
            for name, account in names.items():
                assert account not in name
                before = stage.bank.snapshot()
                found = asked(stage, name, monkeypatch)
                assert found == {"account": account, "name": name, "scheme": scheme}
                assert stage.bank.snapshot() == before


@pytest.mark.parametrize("scheme", NAMING)
def test_a_name_is_forgotten_once_nothing_can_be_disputed(scheme: str) -> None:
    with Play(scheme, "who").stage() as stage:
        names = noted(stage)
        stage.buy()
        stage.settle_up()
        stage.room.later(DISPUTE_S)
        stage.bank.tick()
        for name in names:
            with pytest.raises(Unknown, match="pseudonym_unknown"):
                pseudonyms.opened(stage.bank.books, name)


@pytest.mark.parametrize("scheme", NAMELESS)
def test_a_name_that_nobody_can_open_is_refused(scheme: str) -> None:
    with Play(scheme, "who").stage() as stage:
        names = noted(stage)
        stage.buy()
        assert names
        for name in names:
            with pytest.raises(Unknown, match="pseudonym_unknown"):
                pseudonyms.opened(stage.bank.books, name)


@pytest.mark.parametrize("name", ["", "p_" + "00" * 12, "p_\n", "p_ü", "p_\udcff", "p_" + "0" * 63])
def test_a_name_that_is_none_is_refused_with_what_to_write(name: str) -> None:
    with Play("payword", "who").stage() as stage:
        stage.buy()
        with pytest.raises(Unknown, match="write the payer's name as the vendor has it"):
            pseudonyms.opened(stage.bank.books, name)


def test_the_route_is_the_operators_alone(tmp_path: Path) -> None:
    admin = Broker.init(tmp_path / "b", broker_id="b", currency="eur", url="http://127.0.0.1:1")
    broker = Broker.open(tmp_path / "b")

    async def talk() -> None:
        transport = httpx.ASGITransport(asgi_app(broker))
        async with httpx.AsyncClient(transport=transport, base_url="http://b") as client:

            async def call(token: str, path: str, body: object = None) -> tuple[int, Any]:
                headers = {"authorization": f"Bearer {token}", "idempotency-key": path}
                method = "GET" if body is None else "POST"
                answer = await client.request(method, path, json=body, headers=headers)
                return answer.status_code, answer.json()

            _, ann = await call(admin, "/accounts", {"id": "ann", "creditLimitMicro": 1_000})
            pay = ann["tokens"]["pay"]
            asked = {"limitMicro": 500, "publicKey": codec.b64u(bytes(range(32)))}
            _, bought = await call(pay, "/issue/payword", asked)
            name = bought["answer"]["certificate"]["payer"]
            opened = {"account": "ann", "name": name, "scheme": "payword"}
            assert await call(admin, f"/payers/{name}") == (200, opened)
            status, told = await call(pay, f"/payers/{name}")
            assert (status, told["code"]) == (403, "scope_missing")
            status, told = await call(pay, "/payers/p_nobody")
            assert (status, told["code"]) == (403, "scope_missing")
            status, told = await call(admin, "/payers/p_nobody")
            assert (status, told["code"]) == (404, "pseudonym_unknown")

    asyncio.run(talk())
    broker.close()
