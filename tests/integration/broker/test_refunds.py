"""Refunds at a real broker: what a vendor's balance does, with a commission and without money.

The vendor is the kit's: its till writes the rows, the broker's books move the money.
"""

from pathlib import Path
from typing import Any

import pytest

from farthing import marks
from farthing.broker.people import PayOut
from farthing.schemes.contract import Charged, Instrument, Paid, Refund
from tests.kit.brokers import SOUTH, Brokers, with_brokers
from tests.kit.parties import VENDOR, binding_of, on_the_wire
from tests.unit.schemes.mac.millicent.test_refund import Shop

PRICE_MICRO = 20_000
COMMISSION_E4 = 333  # leaves a part of a micro-unit over
OPERATOR = f"{SOUTH} operator"


class Sales:
    """Pages sold for scrip that the peer bought, which is a payer at this broker."""

    def __init__(self, brokers: Brokers) -> None:
        self.brokers = brokers
        self._batches = 0

    async def agree(self) -> None:
        """The vendor's contract: a commission, and where payouts go."""
        contract = {"commissionE4": COMMISSION_E4, "payoutTo": "DE00 1234"}
        body = {"id": VENDOR, "role": "vendor"} | contract
        await self.brokers.ok(SOUTH, OPERATOR, f"/accounts/{VENDOR}", body)

    async def pay_out(self) -> None:
        await self.brokers.south.engine.people.pay_out(
            VENDOR, PayOut(amount_micro=PRICE_MICRO // 2), "payout"
        )

    async def sell(self) -> tuple[Paid, Charged]:
        piece = await self.brokers.buy(PRICE_MICRO)
        return self.spend(piece)

    def spend(self, piece: Instrument) -> tuple[Paid, Charged]:
        vendor = self.brokers.vendor
        offer = vendor.offer(piece.worth_micro)
        paid = self.brokers.purse.pay(piece, offer, binding_of(), self.brokers.clock.at())
        assert isinstance(paid, Paid)
        taken = vendor.serve(paid.payload, offer).taken
        charged = Charged(
            reference=taken.reference,
            payer=taken.payer,
            value_micro=taken.value_micro,
            kept=taken.kept,
        )
        return paid, charged

    def give_back(self, charged: Charged) -> Refund:
        """What the vendor's program writes."""
        shop = Shop.__new__(Shop)
        shop.vendor, shop.clock = self.brokers.vendor, self.brokers.clock
        return shop.give_back(charged)

    async def clear(self) -> list[dict[str, Any]]:
        """Every open claim is shown; what is paid is acknowledged."""
        vendor = self.brokers.vendor
        rows = vendor.store.do_now(marks.Pending(scheme="millicent", count=99))
        self._batches += 1
        answer = await self.brokers.ok(
            SOUTH,
            f"{SOUTH} {VENDOR}",
            "/redeem/millicent",
            {"claims": vendor.claims()},
            f"b{self._batches}",
        )
        results: list[dict[str, Any]] = answer["results"]
        done = tuple(
            (claim.key, claim.order)
            for (_, claim), result in zip(rows, results, strict=True)
            if result["state"] == "paid"
        )
        vendor.store.do_now(marks.Acknowledge(scheme="millicent", done=done))
        return results

    def vendor_micro(self) -> int:
        return self.brokers.at(SOUTH, f"liability/vendor/{VENDOR}")

    def commission_micro(self) -> int:
        return self.brokers.at(SOUTH, "income/commission")


@pytest.mark.parametrize("cleared_first", [False, True])
def test_the_vendor_and_the_broker_keep_nothing_of_a_refunded_page(
    tmp_path: Path,
    cleared_first: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async def talk(brokers: Brokers) -> None:
        sales = Sales(brokers)
        await sales.agree()
        paid, charged = await sales.sell()
        if cleared_first:
            await sales.clear()
            assert sales.vendor_micro() == PRICE_MICRO - 666
        made = sales.give_back(charged)
        results = await sales.clear()
        assert results[-1]["takenMicro"] == PRICE_MICRO
        assert (sales.vendor_micro(), sales.commission_micro()) == (0, 0)
        piece = brokers.purse.accept_refund(paid, on_the_wire(made.answer))
        brokers.require_sound()
        sales.spend(piece)
        await sales.clear()
        assert sales.vendor_micro() + sales.commission_micro() == PRICE_MICRO

    with_brokers(tmp_path, talk)


def test_a_vendor_that_was_paid_out_gives_back_when_it_has_earned_enough(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        sales = Sales(brokers)
        await sales.agree()
        _, charged = await sales.sell()
        await sales.clear()
        await sales.pay_out()
        left_micro = sales.vendor_micro()
        assert left_micro < PRICE_MICRO - 666
        kept_micro = sales.commission_micro()
        sales.give_back(charged)
        for _ in range(2):
            (result,) = await sales.clear()
            assert result["state"] == "waiting"
            assert sales.vendor_micro() == left_micro
            assert sales.commission_micro() == kept_micro
            brokers.require_sound()
        await sales.sell()
        results = await sales.clear()
        assert [one["state"] for one in results] == ["waiting", "paid"]
        (result,) = await sales.clear()
        assert result["takenMicro"] == PRICE_MICRO
        assert sales.vendor_micro() == left_micro
        assert brokers.vendor.claims() == []

    with_brokers(tmp_path, talk)


def test_nothing_is_given_back_out_of_a_commission_that_is_due(tmp_path: Path) -> None:
    """Else the commission of the same batch finds too little, and the whole batch is refused."""

    async def talk(brokers: Brokers) -> None:
        sales = Sales(brokers)
        await sales.agree()
        _, charged = await sales.sell()
        await sales.clear()
        await sales.pay_out()
        # With this the refund is covered, but not the commission of it besides.
        sales.spend(await brokers.buy(PRICE_MICRO // 2 + 100))
        sales.give_back(charged)
        assert [one["state"] for one in await sales.clear()] == ["paid", "waiting"]
        assert sales.vendor_micro() + sales.commission_micro() == PRICE_MICRO + 100
        brokers.require_sound()
        sales.spend(await brokers.buy(1_000))
        assert [one["state"] for one in await sales.clear()] == ["waiting", "paid"]
        await sales.clear()
        assert brokers.vendor.claims() == []
        assert sales.vendor_micro() + sales.commission_micro() == 1_100
        brokers.require_sound()

    with_brokers(tmp_path, talk)
