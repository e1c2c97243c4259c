import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from farthing.broker.app import Broker, asgi_app
from farthing.schemes.chain.payword import FAMILY
from tests.unit.broker.test_api import Callers, over_http

NETWORK = "farthing:test-broker"


def requirements(amount: str = "300", method: str = "coupon", **changes: Any) -> dict[str, Any]:
    return {
        "scheme": "batch-settlement",
        "network": NETWORK,
        "asset": "microeur",
        "amount": amount,
        "payTo": "v7",
        "maxTimeoutSeconds": 300,
        "extra": {"method": method, "paymentFlow": "upfront"},
    } | changes


def ask(payload: Any, wanted: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    wanted = wanted or requirements()
    return {
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": wanted, "payload": payload},
        "paymentRequirements": wanted,
    } | more


async def buy(callers: Callers, micro: int = 300) -> dict[str, Any]:
    answer = await callers.post("alice pay", "/issue/coupon", {"micro": micro}, "k1")
    coupon: dict[str, Any] = answer["answer"]
    return coupon


def test_supported_names_every_scheme(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        answer = await callers.get("nobody", "/supported")
        methods = [kind["extra"]["method"] for kind in answer["kinds"]]
        assert methods == ["coupon", "tab", "cheque", "pot"]
        assert answer["kinds"][0]["network"] == NETWORK
        assert answer["kinds"][0]["extra"] == {
            "method": "coupon",
            "decimals": 6,
            "displayCurrency": "EUR",
            "broker": "https://b.example",
        }

    over_http(tmp_path, talk)


def test_supported_shows_the_keys_that_sign_now_and_those_before(tmp_path: Path) -> None:
    Broker.init(tmp_path / "b", broker_id="b", currency="eur", url="https://b.test")
    broker = Broker.open(tmp_path / "b")

    async def shown() -> tuple[dict[str, Any], list[str]]:
        transport: Any = httpx.ASGITransport(asgi_app(broker))
        async with httpx.AsyncClient(transport=transport, base_url="https://b.test") as client:
            supported = (await client.get("/supported")).json()
            document = (await client.get("/.well-known/farthing-keys")).json()
        return supported, [f"ed25519:{key['public']}" for key in document["keys"]]

    def keys_of(supported: dict[str, Any]) -> dict[str, list[str]]:
        kinds = [kind["extra"] for kind in supported["kinds"]]
        return {extra["method"]: extra["keys"] for extra in kinds if "keys" in extra}

    before, published = asyncio.run(shown())
    assert before["signers"] == {"farthing:*": published}
    assert "millicent" not in keys_of(before), "it knows no public key"
    (first,) = keys_of(before)["payword"]
    assert sorted(key for keys in keys_of(before).values() for key in keys) == sorted(published[1:])
    broker.ring.rotate(FAMILY.certificate_key, bytes(range(32)))
    after, published = asyncio.run(shown())
    assert after["signers"] == {"farthing:*": published}
    assert keys_of(after)["payword"][1:] == [first]
    broker.close()


def test_verify_then_settle_as_a_stock_client_does(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        coupon = await buy(callers)
        assert await callers.post("v7 redeem", "/verify", ask(coupon)) == {"isValid": True}
        settled = await callers.post("v7 redeem", "/settle", ask(coupon))
        assert settled["success"] is True
        assert settled["transaction"].startswith("tx_")
        assert settled["amount"] == "300"
        assert settled["extra"]["forPayer"] == {"thanks": coupon["id"]}
        assert await callers.post("v7 redeem", "/settle", ask(coupon)) == settled
        refused = await callers.post("v7 redeem", "/verify", ask(coupon))
        assert refused["isValid"] is False

    over_http(tmp_path, talk)


def test_reserve_capture_and_void_over_http(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        body = ask(await buy(callers), reserve={"atEnd": "void"})
        reserved = await callers.post("v7 redeem", "/settle", body)
        step = {"transaction": reserved["transaction"], "reservation": 1}
        assert reserved["extra"]["reservation"] == 1
        void = await callers.post("v7 redeem", "/void", step)
        assert (void["success"], void["errorReason"]) == (False, "reservation_void")
        assert await callers.post("v7 redeem", "/void", step) == void
        late = await callers.post("v7 redeem", "/capture", step)
        assert late["errorReason"] == "reservation_void"
        again = await callers.post("v7 redeem", "/settle", body)
        assert again["transaction"] == reserved["transaction"]
        step = {"transaction": reserved["transaction"], "reservation": 2}
        captured = await callers.post("v7 redeem", "/capture", step | {"amount": "300"})
        assert captured["success"] is True
        assert await callers.post("v7 redeem", "/capture", step) == captured
        assert (await callers.post("v7 redeem", "/void", step))["errorReason"] == "already_captured"
        unknown = await callers.post("v7 redeem", "/capture", step | {"transaction": "tx_no"})
        assert unknown["extra"]["code"] == "transaction_unknown"

    over_http(tmp_path, talk)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (requirements(scheme="exact"), "invalid_scheme"),
        (requirements(network="farthing:other"), "invalid_network"),
        (requirements(asset="eur"), "invalid_payment_requirements"),
        (requirements(payTo="v8"), "invalid_payload"),
        (requirements(method="nothing"), "unsupported_scheme"),
        (requirements(amount="301"), "insufficient_funds"),
        (requirements(amount="0x1"), "invalid_payload"),
    ],
)
def test_wrong_requirements_are_refused_with_200(
    tmp_path: Path, wanted: dict[str, Any], reason: str
) -> None:
    async def talk(callers: Callers) -> None:
        coupon = await buy(callers)
        refused = await callers.post("v7 redeem", "/settle", ask(coupon, wanted))
        assert (refused["success"], refused["errorReason"]) == (False, reason)
        refused = await callers.post("v7 redeem", "/verify", ask(coupon, wanted))
        assert (refused["isValid"], refused["invalidReason"]) == (False, reason)
        assert (await callers.get("v7 pay", "/balance"))["vendorMicro"] == 0

    over_http(tmp_path, talk)


def test_no_more_is_charged_than_the_payer_authorised(tmp_path: Path) -> None:
    """A vendor names the charge when it settles; what was accepted is in the payer's payment."""

    async def talk(callers: Callers) -> None:
        coupon = await buy(callers)
        wanted, less = requirements(amount="300"), requirements(amount="299")
        body = ask(coupon, wanted)
        body["paymentPayload"]["accepted"] = less
        for more in ({}, {"reserve": {"atEnd": "capture"}}):
            refused = await callers.post("v7 redeem", "/settle", body | more)
            assert refused["extra"]["code"] == "amount_above_authorised"
        refused = await callers.post("v7 redeem", "/verify", body)
        assert (refused["isValid"], refused["invalidReason"]) == (False, "insufficient_funds")
        assert (await callers.get("v7 pay", "/balance"))["vendorMicro"] == 0
        assert (await callers.post("v7 redeem", "/settle", ask(coupon, wanted)))["success"]

    over_http(tmp_path, talk)


def test_what_never_was_a_payment_is_a_problem(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        coupon = await buy(callers)
        await callers.post("alice pay", "/settle", ask(coupon), status=403)
        await callers.post("v7 redeem", "/settle", b"{", status=400)
        large = b'{"x":"' + b"x" * 70_000 + b'"}'
        await callers.post("v7 redeem", "/settle", large, status=413)
        refused = await callers.post("v7 redeem", "/settle", {"x402Version": 2})
        assert refused["errorReason"] == "invalid_payload"

    over_http(tmp_path, talk)


def test_a_transfer_over_http_happens_once(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        body = {"id": "0" * 31 + "1", "to": "vendor/v7", "amountMicro": 300}
        first = await callers.post("alice pay", "/transfer", body)
        assert await callers.post("alice pay", "/transfer", body) == first
        assert (await callers.get("v7 pay", "/balance"))["vendorMicro"] == 300
        problem = await callers.post("alice pay", "/transfer", body | {"amountMicro": 1}, "", 409)
        assert problem["refusal"] == "Reused"
        await callers.post("v7 redeem", "/transfer", body, status=403)

    over_http(tmp_path, talk)
