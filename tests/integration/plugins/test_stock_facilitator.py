"""The stock x402 facilitator client, unmodified, before a real broker."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from x402.http import FacilitatorConfig, HTTPFacilitatorClient
from x402.http.facilitator_client_base import CreateHeadersAuthProvider
from x402.schemas import PaymentPayload, PaymentRequirements

from farthing.schemes.contract import Json
from tests.integration.crash.calls import Callers
from tests.integration.crash.fleet import VENDOR, Fleet
from tests.integration.crash.reckoning import audit
from tests.integration.crash.wares import PRICE_MICRO

BOTH = pytest.mark.parametrize("scheme", ["millicent", "payword"])
SIDE_BY_SIDE = 8


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture(scope="module")
def callers(fleet: Fleet) -> Callers:
    return Callers(fleet)


def facilitator(fleet: Fleet) -> HTTPFacilitatorClient:
    token = {"Authorization": f"Bearer {fleet.tokens[VENDOR]['redeem']}"}
    provider = CreateHeadersAuthProvider(lambda: {"verify": token, "settle": token})
    return HTTPFacilitatorClient(FacilitatorConfig(url=fleet.broker_url, auth_provider=provider))


def payment(message: dict[str, Json]) -> tuple[PaymentPayload, PaymentRequirements]:
    """What a stock server hands to its facilitator."""
    return (
        PaymentPayload.model_validate(message["paymentPayload"]),
        PaymentRequirements.model_validate(message["paymentRequirements"]),
    )


def earned_micro(fleet: Fleet) -> int:
    return int(fleet.call(f"/balance?account={VENDOR}")["vendorMicro"])


def held(fleet: Fleet) -> list[str]:
    """Accounts of reservations that are open."""
    return [name for name in audit(fleet)["balances"] if name.startswith("liability/hold/")]


@BOTH
def test_verify_and_settle_pay_the_vendor_once(fleet: Fleet, callers: Callers, scheme: str) -> None:
    offered = payment(callers.facilitator(scheme))

    async def talk() -> None:
        client = facilitator(fleet)
        supported = client.get_supported()
        kinds = {kind.extra["method"]: kind for kind in supported.kinds if kind.extra}
        assert kinds[scheme].network == "farthing:crash-broker"
        keys = (kinds[scheme].extra or {}).get("keys", [])
        assert bool(keys) is (scheme == "payword")
        assert {*keys} <= {*supported.signers["farthing:*"]}
        before_micro = earned_micro(fleet)
        verified = await client.verify(*offered)
        assert verified.is_valid, verified.invalid_reason
        assert earned_micro(fleet) == before_micro
        settled = await client.settle(*offered)
        assert settled.success, settled.error_reason
        assert settled.transaction
        assert earned_micro(fleet) - before_micro == PRICE_MICRO * 95 // 100
        assert await client.settle(*offered) == settled
        assert earned_micro(fleet) - before_micro == PRICE_MICRO * 95 // 100
        await client.aclose()

    asyncio.run(talk())


@BOTH
def test_a_payment_that_is_wrong_is_refused_with_a_reason(
    fleet: Fleet, callers: Callers, scheme: str
) -> None:
    message: Any = callers.facilitator(scheme)
    if scheme == "millicent":
        message["paymentPayload"]["payload"]["priceMicro"] += 1
    else:
        message["paymentPayload"]["payload"]["links"][0][1] += 1

    async def talk() -> None:
        client = facilitator(fleet)
        verified = await client.verify(*payment(message))
        assert not verified.is_valid
        assert verified.invalid_reason
        settled = await client.settle(*payment(message))
        assert not settled.success
        await client.aclose()

    asyncio.run(talk())


@BOTH
def test_many_payments_to_one_vendor_are_reserved_and_ended_side_by_side(
    fleet: Fleet, callers: Callers, scheme: str
) -> None:
    messages = [callers.facilitator(scheme, reserve={}) for _ in range(SIDE_BY_SIDE)]
    token = {"authorization": f"Bearer {fleet.tokens[VENDOR]['redeem']}"}
    before_micro = earned_micro(fleet)

    async def talk() -> None:
        async with httpx.AsyncClient(base_url=fleet.broker_url, headers=token) as http:

            async def say(path: str, body: Any) -> Any:
                return (await http.post(path, json=body)).json()

            reserved = await asyncio.gather(*(say("/settle", message) for message in messages))
            assert [answer["success"] for answer in reserved] == [True] * SIDE_BY_SIDE, reserved
            steps = [
                {
                    "transaction": answer["transaction"],
                    "reservation": answer["extra"]["reservation"],
                }
                for answer in reserved
            ]
            assert len(held(fleet)) == SIDE_BY_SIDE
            void = await asyncio.gather(*(say("/void", step) for step in steps[::2]))
            assert {answer["errorReason"] for answer in void} == {"reservation_void"}
            captured = await asyncio.gather(*(say("/capture", step) for step in steps[1::2]))
            assert {answer["success"] for answer in captured} == {True}

    asyncio.run(talk())
    assert held(fleet) == []
    assert earned_micro(fleet) - before_micro == SIDE_BY_SIDE // 2 * PRICE_MICRO * 95 // 100
