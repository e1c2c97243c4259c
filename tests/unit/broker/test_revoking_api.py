"""A stolen wallet: its operator ends what it has out, without its file and without its serials."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from farthing import codec
from farthing.broker import facts
from farthing.broker.app import Broker, asgi_app
from farthing.broker.revoking_api import ROUTES
from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.schemes import registry
from farthing.schemes.chain.credit.mint import CreditMint
from farthing.schemes.contract import Mint

LISTED = [one.traits.name for one in registry.all_schemes() if one.mint.published]
NAMELESS = {
    "ecash": "coins are signed blindly",
    "cashu": "coins are signed blindly",
}
"""Schemes with a list whose broker cannot say what a payer has out, each with why."""
NAMING = [name for name in LISTED if name not in NAMELESS]


def revoke_all(stage: Stage, account_id: str, key: str) -> dict[str, list[str]]:
    work = stage.bank.engine.operations.revoke_all(account_id, key)
    found: dict[str, list[str]] = msgspec.json.decode(stage.bank.room.wait_for(work))["revoked"]
    return found


def value_at(stage: Stage, key: bytes) -> bytes | None:
    return stage.bank.books.committer.read(lambda db: facts.value_of(db, key))


def entries(stage: Stage) -> dict[str, bytes | None]:
    """What the books say of each name on the list."""
    prefix = registry.by_name(stage.scheme).mint.published
    names = stage.bank.engine.operations.listed(stage.scheme)
    return {name: value_at(stage, prefix + name.encode()) for name in names}


@pytest.mark.parametrize("scheme", LISTED)
def test_a_scheme_says_what_a_payer_has_out_or_nobody_can(scheme: str) -> None:
    mint = registry.by_name(scheme).mint
    assert (mint.names_in is Mint.names_in) == (scheme in NAMELESS)


@pytest.mark.parametrize("scheme", NAMING)
def test_what_a_stolen_wallet_has_out_opens_nothing_and_others_pay_on(scheme: str) -> None:
    with Play(scheme, "stolen").stage() as stage:
        stage.buy()
        thief, owner = Hand(stage), stage.payer
        shop = stage.open_shop("daily")
        made = thief.pay(stage.page(shop=shop), thief.instrument(shop))
        stage.payer = stage.admit("bob")
        stage.buy()
        done = revoke_all(stage, owner.id, "k1")
        assert list(done) == [scheme]
        assert sorted(done[scheme]) == sorted(entries(stage)) != []
        shop.learn_list(registry.by_name(scheme).mint.published, done[scheme])
        before = shop.charged_micro()
        told = msgspec.json.decode(shop.serve(made.request).body)
        assert told["code"].endswith("_revoked")
        assert shop.charged_micro() == before
        stage.buy(shop=shop)
        assert shop.charged_micro() > before, "bob's is not on the list"


@pytest.mark.parametrize("scheme", NAMING)
def test_what_is_revoked_stays_revoked_since_the_first_time(scheme: str) -> None:
    """Else who has stolen a key would have more days billed each time that somebody says so."""
    with Play(scheme, "stolen").stage() as stage:
        stage.buy()
        revoke_all(stage, stage.payer.id, "k1")
        first = entries(stage)
        stage.room.later(DAY_S)
        for number, name in enumerate(first):
            work = stage.bank.engine.operations.revoke(scheme, name, f"again {number}")
            assert msgspec.json.decode(stage.bank.room.wait_for(work)) == {
                "known": True,
                "revoked": name,
            }
        assert revoke_all(stage, stage.payer.id, "k2") == {}, "nothing more is out"
        assert entries(stage) == first


@pytest.mark.parametrize(
    "scheme", [name for name in NAMING if issubclass(registry.by_name(name).mint, CreditMint)]
)
def test_the_credit_of_what_was_revoked_is_free_for_another_wallet(scheme: str) -> None:
    with Play(scheme, "stolen").stage() as stage:
        stage.buy()
        certified = f"credit/certified/{stage.payer.id}".encode()

        def live() -> list[Any]:
            found: list[Any] = msgspec.json.decode(value_at(stage, certified) or b"[]")
            return found

        assert live()
        revoke_all(stage, stage.payer.id, "k1")
        assert live() == []


def test_of_several_schemes_each_list_has_its_own(tmp_path: Path) -> None:
    """All members of the family share what they keep of an account's credit."""
    with served(tmp_path) as (call, admin):
        _, ann = call(admin, "/accounts", {"id": "ann", "creditLimitMicro": 9_000})
        serials = {scheme: certify(call, ann["tokens"]["pay"], scheme) for scheme in MEMBERS}
        _, bob = call(admin, "/accounts", {"id": "bob", "creditLimitMicro": 9_000}, key="bob")
        certify(call, bob["tokens"]["pay"], "payword", "bob")
        status, told = call(admin, "/accounts/ann/revoke", {})
        assert (status, told) == (200, {"revoked": {name: [one] for name, one in serials.items()}})
        for scheme, serial in serials.items():
            assert call("", f"/lists/{scheme}")[1]["revoked"] == [serial]
        assert call(admin, "/accounts/ann/revoke", {}, key="k2")[1] == {"revoked": {}}


def test_what_is_prepaid_for_a_day_goes_on_the_list_too(tmp_path: Path) -> None:
    with served(tmp_path) as (call, admin):
        _, ann = call(admin, "/accounts", {"id": "ann"})
        call(admin, "/topup", {"payer": "ann", "amountMicro": 9_000, "reference": "r"})
        more = {"vendor": "news", "day": int(time.time()) // DAY_S}
        serials = [certify(call, ann["tokens"]["pay"], "tick", key, **more) for key in "ab"]
        told = call(admin, "/accounts/ann/revoke", {})
        assert told == (200, {"revoked": {"tick": sorted(serials)}})
        assert call("", "/lists/tick")[1]["revoked"] == sorted(serials)
        assert call(admin, "/accounts/ann/revoke", {}, key="k2")[1] == {"revoked": {}}


def test_a_name_that_the_books_do_not_know_is_listed_and_said_to_be_unknown(tmp_path: Path) -> None:
    """They may be older than the certificate: a backup of them was restored."""
    with served(tmp_path) as (call, admin):
        told = call(admin, "/revoke/payword", {"name": "p_nobody"})
        assert told == (200, {"known": False, "revoked": "p_nobody"})
        assert call("", "/lists/payword")[1]["revoked"] == ["p_nobody"]
        assert call(admin, "/revoke/ecash", {"name": "coin"})[1]["known"], "nobody could say"


def test_revoking_is_the_operators_business_and_every_change_has_a_key(tmp_path: Path) -> None:
    with served(tmp_path) as (call, admin):
        _, ann = call(admin, "/accounts", {"id": "ann"})
        for path, body in (("/revoke/payword", {"name": "p_1"}), ("/accounts/ann/revoke", {})):
            assert call(ann["tokens"]["pay"], path, body)[1]["code"] == "scope_missing"
            assert call("", path, body)[1]["code"] == "token_missing"
            assert call(admin, path, body, key="")[1]["code"] == "idempotency_key_missing"
        status, told = call(admin, "/accounts/nobody/revoke", {})
        assert (status, told["code"]) == (404, "account_unknown")
        assert {path for route in ROUTES for path in route.paths} == {
            "/revoke/{scheme:str}",
            "/accounts/{account_id:str}/revoke",
        }


MEMBERS = ("payword", "netcard", "ikp")
Call = Callable[..., tuple[int, Any]]


def certify(call: Call, token: str, scheme: str, key: str = "", **more: object) -> str:
    asked = {"limitMicro": 500, "publicKey": codec.b64u(bytes(range(32)))} | more
    _, bought = call(token, f"/issue/{scheme}", asked, key=f"{scheme}{key}")
    serial: str = bought["answer"]["certificate"]["serial"]
    return serial


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[Call, str]]:
    """A broker's API in this process, and its operator's token."""
    url = "http://127.0.0.1:1"
    admin = Broker.init(folder / "b", broker_id="b", currency="eur", url=url)
    broker = Broker.open(folder / "b")
    app = asgi_app(broker)

    def call(token: str, path: str, body: object = None, *, key: str = "k") -> tuple[int, Any]:
        async def talk() -> tuple[int, Any]:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=url) as client:
                headers = {"authorization": f"Bearer {token}"} if token else {}
                headers |= {"idempotency-key": f"{path}-{key}"} if key else {}
                method = "GET" if body is None else "POST"
                answer = await client.request(method, path, json=body, headers=headers)
                return answer.status_code, answer.json()

        return asyncio.run(talk())

    try:
        yield call, admin
    finally:
        broker.close()
