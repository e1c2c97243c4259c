import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import pytest

from farthing.broker import api, store
from farthing.broker.fast import HOT, Fast
from farthing.broker.people import hash_of
from farthing.broker.plain import App
from tests.unit.broker.desk import open_desk

Talk = Callable[["Callers"], Awaitable[None]]


class Callers:
    """One HTTP client, and the tokens of everybody."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.tokens: dict[str, str] = {}

    async def post(self, who: str, path: str, body: Any, key: str = "", status: int = 200) -> Any:
        headers = {"authorization": f"Bearer {self.tokens.get(who, 'ft_nobody')}"}
        if key:
            headers["idempotency-key"] = key
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer = await self.client.post(path, content=raw, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def get(self, who: str, path: str, status: int = 200) -> Any:
        headers = {"authorization": f"Bearer {self.tokens.get(who, 'ft_nobody')}"}
        answer = await self.client.get(path, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()


class Nothing:
    """A broker that publishes empty documents."""

    def key_document(self) -> bytes:
        return b"{}"

    def list_document(self, scheme: str, since: int = 0) -> bytes:
        return b"{}"

    def books_document(self) -> bytes:
        return b"{}"


class Failing(Nothing):
    """One whose books fail in our own code, with a secret in what the error says."""

    def books_document(self) -> bytes:
        raise KeyError("ft_a-token")


def over_http(path: Path, talk: Talk) -> None:
    """A broker with an operator, alice with 1,000 micro, and vendor v7."""

    async def run() -> None:
        async with open_desk(path / "broker.db") as desk:
            rest = api.build(desk.engine, Nothing(), hot=HOT)
            fast = Fast(desk.engine, cast(App, rest), ring=desk.ring)
            transport = httpx.ASGITransport(fast)
            async with httpx.AsyncClient(transport=transport, base_url="http://b.test") as client:
                callers = Callers(client)
                callers.tokens |= {"operator": desk.operator_token, "scraper": "ft_scraper"}
                scraper = hash_of("ft_scraper")
                desk.committer.do_now(
                    lambda db: store.add_token(db, scraper, store.OPERATOR, ("metrics",))
                )
                for name, role in (("alice", "payer"), ("v7", "vendor")):
                    body = {"id": name, "role": role, "payoutTo": "DE00 1234"}
                    made = await callers.post("operator", "/accounts", body, name, 201)
                    for scope, token in made["tokens"].items():
                        callers.tokens[f"{name} {scope}"] = token
                topup = {"payer": "alice", "amountMicro": 1_000, "reference": "r1"}
                await callers.post("operator", "/topup", topup, "t1")
                await talk(callers)

    asyncio.run(run())


def test_an_account_is_topped_up_and_shown(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        shown = await callers.get("alice pay", "/balance")
        assert shown == {
            "id": "alice",
            "role": "payer",
            "currency": "eur",
            "payerMicro": 1_000,
            "owedMicro": 0,
            "creditLimitMicro": 0,
        }
        assert (await callers.get("operator", "/balance?account=v7"))["vendorMicro"] == 0
        await callers.get("alice pay", "/balance?account=v7", 403)

    over_http(tmp_path, talk)


def test_every_post_needs_a_key_and_the_right_token(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        for path, who, body in (
            ("/accounts", "operator", {"id": "bob"}),
            ("/accounts/alice", "operator", {"id": "alice"}),
            ("/topup", "operator", {"payer": "alice", "amountMicro": 5, "reference": "r2"}),
            ("/payout", "v7 pay", {"amountMicro": 10_000}),
            ("/issue/coupon", "alice pay", {"micro": 5}),
            ("/take-back/coupon", "alice pay", {"micro": 5}),
            ("/status/coupon", "alice pay", {}),
            ("/grant/coupon", "v7 redeem", {"micro": 5}),
            ("/redeem/coupon", "v7 redeem", {"claims": [{}]}),
        ):
            problem = await callers.post(who, path, body, status=400)
            assert problem["code"] == "idempotency_key_missing"
            assert problem["refusal"] == "BadRequest"
            problem = await callers.post("nobody", path, body, "k", status=403)
            assert problem["code"] == "token_unknown"
            wrong = "v7 redeem" if who.endswith(" pay") else "alice pay"
            problem = await callers.post(wrong, path, body, "k", status=403)
            assert problem["code"] == "scope_missing"

    over_http(tmp_path, talk)


def test_issue_and_redeem_end_to_end(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        answer = await callers.post("alice pay", "/issue/coupon", {"micro": 300}, "k1")
        batch = {"claims": [answer["answer"]]}
        results = await callers.post("v7 redeem", "/redeem/coupon", batch, "b1")
        assert results["batch"] == "b1"
        assert results["results"][0]["paidMicro"] == 300
        lines = (await callers.get("v7 pay", "/statement"))["lines"]
        assert [(line["kind"], line["changeMicro"]) for line in lines] == [("redeem", 300)]
        lines = (await callers.get("alice pay", "/statement"))["lines"]
        assert [line["changeMicro"] for line in lines] == [1_000, -300]

    over_http(tmp_path, talk)


def test_a_refusal_is_a_problem_and_never_a_402(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        problem = await callers.post("alice pay", "/issue/coupon", {"micro": 2_000}, "k1", 403)
        assert problem["refusal"] == "Unfunded"
        assert problem["status"] == 403
        assert problem["retry"] == "new"
        coupon = {"id": "x", "micro": 5, "expires": 2_000_000_000, "mac": "AAAA"}
        problem = await callers.post("alice pay", "/take-back/coupon", coupon, "k2", 403)
        assert problem["refusal"] == "Forged"

    over_http(tmp_path, talk)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b'{"id":"x","id":"y"}', 400),
        (b'{"id":"x","more":1}', 400),
        (b'{"id":"x","creditLimitMicro":"5"}', 400),
        (b'{"id":"x","creditLimitMicro":5.0}', 400),
        (b'{"id":"X Y"}', 400),
        (b'{"id":"operator"}', 400),
        (b'{"id":"' + b"x" * 70_000 + b'"}', 413),
    ],
)
def test_bad_bodies_open_no_account(tmp_path: Path, raw: bytes, status: int) -> None:
    async def talk(callers: Callers) -> None:
        await callers.post("operator", "/accounts", raw, "k1", status)

    over_http(tmp_path, talk)


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 413)])
def test_a_batch_of_claims_has_its_bytes_and_not_one_more(
    tmp_path: Path, more: int, status: int
) -> None:
    raw = b'{"claims":[{}]}'.ljust(api.BATCH_BYTES_MAX + more)

    async def talk(callers: Callers) -> None:
        await callers.post("v7 redeem", "/redeem/coupon", raw, "b1", status)

    over_http(tmp_path, talk)


@pytest.mark.parametrize(("more", "status"), [(0, 403), (1, 413)])
def test_a_stranger_has_no_long_body_read(tmp_path: Path, more: int, status: int) -> None:
    """To parse eight megabytes takes a quarter of a second, and nobody was asked who sends them."""
    raw = b'{"claims":[{}]}'.ljust(api.STRANGER_BYTES_MAX + more)

    async def talk(callers: Callers) -> None:
        await callers.post("nobody", "/redeem/coupon", raw, "b1", status)
        await callers.post("v7 redeem", "/redeem/coupon", raw, "b1", 200)

    over_http(tmp_path, talk)


def test_unknown_routes_and_methods_are_problems(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        assert (await callers.get("alice pay", "/nothing", 404))["code"] == "route_unknown"
        assert (await callers.get("alice pay", "/topup", 400))["code"] == "request_malformed"

    over_http(tmp_path, talk)


def test_a_payout_leaves_in_whole_cents_and_may_come_back(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        body = {"payer": "alice", "amountMicro": 50_000, "reference": "r2"}
        await callers.post("operator", "/topup", body, "t2")
        made = await callers.post("alice pay", "/payout", {"amountMicro": 45_678}, "p1")
        assert made["amountMicro"] == 40_000
        assert await callers.post("alice pay", "/payout", {"amountMicro": 45_678}, "p1") == made
        lines = await callers.get("operator", "/payouts")
        assert lines == [
            {
                "amount_cents": 4,
                "destination": "DE00 1234",
                "end_to_end_id": made["payout"],
                "state": "planned",
            }
        ]
        path = f"/payouts/{made['payout']}"
        await callers.post("operator", path, {"state": "confirmed"}, "s1", 403)
        for key, state in (("s2", "exported"), ("s3", "confirmed"), ("s4", "returned")):
            stepped = await callers.post("operator", path, {"state": state}, key)
            assert await callers.post("operator", path, {"state": state}, key) == stepped
        assert (await callers.get("alice pay", "/balance"))["payerMicro"] == 51_000
        problem = await callers.post("alice pay", "/payout", {"amountMicro": 60_000}, "p2", 403)
        assert problem["refusal"] == "Unfunded"

    over_http(tmp_path, talk)


def test_an_accounts_contract_can_be_changed_but_not_its_role(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        body = {"id": "alice", "creditLimitMicro": 500, "props": "student=true"}
        await callers.post("operator", "/accounts/alice", body, "c1")
        assert (await callers.get("alice pay", "/balance"))["creditLimitMicro"] == 500
        body = {"id": "alice", "role": "vendor"}
        problem = await callers.post("operator", "/accounts/alice", body, "c2", 400)
        assert problem["code"] == "role_fixed"

    over_http(tmp_path, talk)


def test_the_schema_names_every_route(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        paths = (await callers.get("alice pay", "/schema/openapi.json"))["paths"]
        assert {"/accounts", "/topup", "/issue/{scheme}", "/redeem/{scheme}"} <= paths.keys()
        body = paths["/topup"]["post"]["requestBody"]
        assert "TopUp" in str(body)
        assert (await callers.get("nobody", "/health"))["state"] == "up"

    over_http(tmp_path, talk)


def test_the_database_holds_no_token_and_no_coupon_in_clear(tmp_path: Path) -> None:
    canaries: list[bytes] = []

    async def talk(callers: Callers) -> None:
        answer = await callers.post("alice pay", "/issue/coupon", {"micro": 300}, "k1")
        canaries.append(answer["answer"]["mac"].encode())
        secret = base64.urlsafe_b64encode(b"canary-of-a-licence-in-the-ring!").rstrip(b"=")
        grant = {"id": "s1", "secret": secret.decode()}
        await callers.post("v7 redeem", "/grant/coupon", grant, "g1")
        canaries.extend([secret, b"canary-of-a-licence"])
        canaries.extend(token.encode() for token in callers.tokens.values())

    over_http(tmp_path, talk)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert canaries
    assert not any(canary in stored for canary in canaries)


def test_a_fault_of_our_own_is_in_the_log_without_what_the_error_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> httpx.Response:
        async with open_desk(tmp_path / "broker.db") as desk:
            app = cast(Any, api.build(desk.engine, Failing()))
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://broker") as client:
                return await client.get("/.well-known/farthing-books")

    answer = asyncio.run(run())
    assert answer.status_code == 503
    assert answer.json()["code"] == "internal_fault"
    (told,) = [record.getMessage() for record in caplog.records if record.name == "farthing.fault"]
    assert told.startswith("GET /.well-known/farthing-books: KeyError at ")
    assert " test_api.py:" in told
    assert "ft_a-token" not in caplog.text + answer.text
