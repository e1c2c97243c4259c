"""What a gate does beside its requests: clear, fetch lists, forget."""

import asyncio
import logging
from pathlib import Path

import pytest

from farthing import codec, marks
from farthing.errors import Refusal, Unavailable
from farthing.schemes.chain.payword import PaywordTill
from farthing.schemes.contract import Json
from farthing.vendor import app as apps
from tests.kit.folder import PRICE_MICRO, PRICES, Folder
from tests.kit.site import Site, with_site


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "vendor")


class Broker:
    """Takes every claim, or is away."""

    def __init__(self, wrong: Refusal | None = None) -> None:
        self.wrong = wrong
        self.batches: list[int] = []

    async def redeem(self, scheme: str, batch_id: str, claims: list[Json]) -> Json:
        if self.wrong is not None:
            raise self.wrong
        self.batches.append(len(claims))
        return [{"state": "paid", "paidMicro": claim["priceMicro"]} for claim in claims]

    async def get(self, path: str) -> Json:
        raise Unavailable("broker_unreachable")

    async def close(self) -> None:
        return


def test_clearing_during_reports_at_once_and_nobody_waits(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "vendor", prices=PRICES + 'clearing = "during"\n')

    async def talk(site: Site) -> None:
        broker = Broker()
        site.vendor.broker = broker  # type: ignore[assignment]  # a broker in memory
        house = asyncio.create_task(site.vendor.keep_house())
        async with site.client() as opened:
            assert (await site.buy(opened)).is_success
            assert broker.batches == []
            for _ in range(100):
                await asyncio.sleep(0.01)
                if broker.batches:
                    break
            assert broker.batches == [1]
            broker.wrong = Unavailable("broker_unreachable")
            assert (await site.buy(opened)).is_success, "also while the broker is away"
        house.cancel()
        await asyncio.gather(house, return_exceptions=True)

    with_site(folder, talk)


def test_clearing_in_batches_waits_for_its_minute(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        broker = Broker()
        site.vendor.broker = broker  # type: ignore[assignment]  # a broker in memory
        house = asyncio.create_task(site.vendor.keep_house())
        async with site.client() as opened:
            await site.buy(opened)
        await asyncio.sleep(0.05)
        house.cancel()
        await asyncio.gather(house, return_exceptions=True)
        assert broker.batches == []
        assert (await site.vendor.clear())[0].paid_micro == PRICE_MICRO

    with_site(folder, talk)


@pytest.mark.parametrize(("every_s", "batches"), [(1, [1, 1]), (43_200, [1])])
def test_the_vendor_says_how_often_batches_are_cleared(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, every_s: int, batches: list[int]
) -> None:
    monkeypatch.setattr(apps, "CLEAR_EVERY_S", 0.01)
    path = folder.path / "vendor.json"
    told: Json = codec.read_json(path.read_bytes())
    path.write_bytes(codec.canonical(told | {"clear_every_s": every_s}))

    async def talk(site: Site) -> None:
        broker = Broker()
        site.vendor.broker = broker  # type: ignore[assignment]  # a broker in memory
        async with site.client() as opened:
            await site.buy(opened)
            house = asyncio.create_task(site.vendor.keep_house())
            await asyncio.sleep(0.3)
            assert broker.batches == [1], "the first sweep is soon after a start"
            await site.buy(opened)
            await asyncio.sleep(1.2)
        house.cancel()
        await asyncio.gather(house, return_exceptions=True)
        assert broker.batches == batches

    with_site(folder, talk)


def test_a_broker_that_is_away_is_asked_again_and_again(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(apps, "CLEAR_EVERY_S", 0.01)

    async def talk(site: Site) -> None:
        broker = Broker(Unavailable("broker_unreachable"))
        site.vendor.broker = broker  # type: ignore[assignment]  # a broker in memory
        async with site.client() as opened:
            await site.buy(opened)
        house = asyncio.create_task(site.vendor.keep_house())
        await asyncio.sleep(0.1)
        broker.wrong = None
        await asyncio.sleep(0.1)
        house.cancel()
        await asyncio.gather(house, return_exceptions=True)
        assert broker.batches == [1]
        assert "clearing waits" in caplog.text

    with_site(folder, talk)


def test_one_schemes_trouble_does_not_keep_the_others_from_clearing(folder: Folder) -> None:
    async def talk(site: Site) -> None:
        broker = Broker()
        site.vendor.broker = broker  # type: ignore[assignment]  # a broker in memory
        async with site.client() as opened:
            await site.buy(opened)

        class Torn(PaywordTill):
            def archive(self, claims: tuple[marks.Claim, ...]) -> marks.Keys:
                raise Unavailable("torn")

        till = site.vendor.gate.tills["millicent"]
        site.vendor.gate.tills = {"payword": Torn(site.vendor.setting), "millicent": till}
        hold = marks.Hold(
            k="k", digest=b"d", marks=(), kept=b"", now_s=0, lease_until_s=0, until_s=2**40
        )
        claim = marks.Claim(
            scheme="payword", key=b"k", order=1, value_micro=1, body=b"{}", moment="batch"
        )
        await site.vendor.store.do(marks.Take(hold=hold, outcome=b"", claims=(claim,)))
        with pytest.raises(Unavailable):
            await site.vendor.clear()
        assert broker.batches == [1]

    with_site(folder, talk)


def test_refused_claims_are_logged(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    class Strict(Broker):
        async def redeem(self, scheme: str, batch_id: str, claims: list[Json]) -> Json:
            return [{"state": "refused", "code": "serial_already_used", "retry": "never"}]

    async def talk(site: Site) -> None:
        site.vendor.broker = Strict()  # type: ignore[assignment]  # a broker in memory
        async with site.client() as opened:
            await site.buy(opened)
        with caplog.at_level(logging.ERROR):
            await site.vendor.clear()
        assert "refused 1 millicent claims for good: serial_already_used" in caplog.text

    with_site(folder, talk)


def test_what_time_has_made_safe_to_drop_goes_in_bounded_rounds(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apps, "FORGET_COUNT", 2)
    monkeypatch.setattr(apps, "FORGET_ROUNDS_MAX", 2)

    async def talk(site: Site) -> None:
        for number in range(6):
            hold = marks.Hold(
                k=f"k{number}",
                digest=b"d",
                marks=(),
                kept=b"",
                now_s=0,
                lease_until_s=0,
                until_s=100,
            )
            await site.vendor.store.do(marks.Take(hold=hold, outcome=b""))
        assert await site.vendor.forget(100) == 0
        assert await site.vendor.forget(101) == 4
        assert await site.vendor.forget(101) == 2

    with_site(folder, talk)
