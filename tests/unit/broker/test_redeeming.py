import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing.broker import redeeming
from farthing.broker.settling import Payment
from farthing.errors import Reused, Throttled, TooLarge
from farthing.ledger import accounts
from tests.unit.broker.desk import Desk, with_desk


async def show(desk: Desk, key: str, claims: list[Any], scheme: str = "coupon") -> bytes:
    raw = [msgspec.json.encode(claim) for claim in claims]
    return await desk.engine.redeeming.redeem(scheme, raw, desk.account("v7"), key)


async def prepare(desk: Desk, commission_e4: int = 0) -> list[dict[str, Any]]:
    await desk.open("alice")
    await desk.open("v7", role="vendor", commission_e4=commission_e4)
    await desk.top_up("alice", 10_000, "bank-1")
    return [await desk.coupon("alice", 100, f"k{number}") for number in range(5)]


def test_each_claim_is_paid_or_refused_by_itself(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        coupons = await prepare(desk)
        forged = coupons[1] | {"micro": 999}
        answer = await show(desk, "b1", [coupons[0], forged, coupons[2], coupons[2], 7.5])
        results = msgspec.json.decode(answer)
        assert results["paidMicro"] == 200
        states = [result["state"] for result in results["results"]]
        assert states == ["paid", "refused", "paid", "refused", "refused"]
        codes = [result.get("code") for result in results["results"]]
        assert codes[1:] == ["coupon_forged", None, "coupon_used", "json_number_not_integer"]
        assert results["results"][0]["forPayer"] == {"thanks": coupons[0]["id"]}
        assert desk.balance(accounts.vendor("v7")) == -200

    with_desk(tmp_path, talk)


def test_a_repeated_batch_gets_the_same_bytes(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        coupons = await prepare(desk)
        first = await show(desk, "b1", coupons)
        assert await show(desk, "b1", coupons) == first
        items = "SELECT count(*) FROM answers WHERE scope LIKE '%/item'"
        assert desk.committer.read(lambda db: db.execute(items).get) == 0
        assert desk.balance(accounts.vendor("v7")) == -500
        with pytest.raises(Reused):
            await show(desk, "b1", coupons[:4])
        again = msgspec.json.decode(await show(desk, "b2", coupons))
        assert again["paidMicro"] == 0

    with_desk(tmp_path, talk)


def test_a_batch_cut_in_two_is_finished_by_sending_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redeeming, "CHUNK_CLAIMS", 2)

    async def talk(desk: Desk) -> None:
        coupons = await prepare(desk, commission_e4=333)
        check_all = desk.engine.redeeming._checks.check_all
        calls = 0

        async def dies_at_the_second(*arguments: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 2:
                raise ConnectionError
            return await check_all(*arguments)

        monkeypatch.setattr(desk.engine.redeeming._checks, "check_all", dies_at_the_second)
        with pytest.raises(ConnectionError):
            await show(desk, "b1", coupons)
        assert 0 < -desk.balance(accounts.vendor("v7")) < 500
        with pytest.raises(Reused):
            await show(desk, "b1", coupons[:1])
        results = msgspec.json.decode(await show(desk, "b1", coupons))
        assert results["paidMicro"] == 500
        assert desk.balance(accounts.vendor("v7")) == -484
        assert desk.balance(accounts.COMMISSION) == -16

    with_desk(tmp_path, talk)


def test_a_batch_with_a_claim_that_is_busy_asks_for_it_anew(tmp_path: Path) -> None:
    """Else a vendor that sells nothing more would be told "busy" for ever."""

    async def talk(desk: Desk) -> None:
        coupons = await prepare(desk, commission_e4=1_000)
        payment = Payment(scheme="coupon", payload=coupons[1], amount_micro=100)
        held = await desk.engine.settling.settle(payment, desk.account("v7"), "void")
        first = msgspec.json.decode(await show(desk, "b1", coupons[:3]))
        assert [one["state"] for one in first["results"]] == ["paid", "refused", "paid"]
        assert first["results"][1]["retry"] == "same"
        await desk.engine.settling.void(held.tx, 1, desk.account("v7"))
        again = msgspec.json.decode(await show(desk, "b1", coupons[:3]))
        assert [one["state"] for one in again["results"]] == ["paid"] * 3
        assert desk.balance(accounts.vendor("v7")) == -270
        assert msgspec.json.decode(await show(desk, "b1", coupons[:3])) == again

    with_desk(tmp_path, talk)


def test_commission_is_exact_over_a_thousand_random_batches(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        draw = random.Random(4)
        await desk.open("alice")
        await desk.open("v7", role="vendor", commission_e4=777)
        await desk.top_up("alice", 10_000_000, "bank-1")
        index = 0
        for batch in range(1_000):
            claims = []
            for _ in range(draw.randint(1, 3)):
                index += draw.randint(1, 60)
                claims.append({"payer": "alice", "index": index})
            await show(desk, f"b{batch}", claims, "tab")
        assert -desk.balance(accounts.COMMISSION) == index * 777 // 10_000
        assert -desk.balance(accounts.vendor("v7")) == index - index * 777 // 10_000

    with_desk(tmp_path, talk)


def test_one_batch_of_a_vendor_at_a_time_and_never_too_many_claims(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        coupons = await prepare(desk)
        both = await asyncio.gather(
            show(desk, "b1", coupons[:2]), show(desk, "b2", coupons[2:]), return_exceptions=True
        )
        assert [isinstance(answer, Throttled) for answer in both] == [False, True]
        with pytest.raises(TooLarge):
            await show(desk, "b3", [])
        with pytest.raises(TooLarge):
            await show(desk, "b3", [1] * 10_001)

    with_desk(tmp_path, talk)
