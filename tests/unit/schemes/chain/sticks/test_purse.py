from typing import Any

import msgspec
import pytest

from farthing.errors import OutOfRange, Unsupported
from farthing.schemes.chain.sticks.stick import AUTHS
from farthing.schemes.contract import At
from tests.kit.sticks import SLOT_MICRO, Scene, stick_of


@pytest.mark.parametrize("auth", AUTHS)
def test_a_stick_is_made_out_as_the_vendor_asks_each_with_a_serial_of_its_own(auth: str) -> None:
    scene = Scene(auth=auth)
    one, other = stick_of(scene, scene.open()), stick_of(scene, scene.open())
    assert (one.auth, one.worth_micro) == (auth, SLOT_MICRO)
    assert one.serial != other.serial


@pytest.mark.parametrize(("auth", "billed"), [("online", False), ("offline", True)])
def test_what_was_authorised_is_not_billed_later(auth: str, *, billed: bool) -> None:
    scene = Scene(auth=auth)
    stick, purse = scene.open(), scene.payer.purse
    assert purse.is_billed(scene.certificate)
    assert purse.is_billed(stick), "the broker has not seen it"
    _, after = scene.buy(stick)
    assert purse.is_billed(after) is billed
    if billed:
        with pytest.raises(Unsupported, match="by_itself"):
            purse.give_back(after, scene.clock.at())
        return
    assert purse.give_back(after, scene.clock.at()).to == "vendor"
    with pytest.raises(Unsupported, match="rest_comes_back"):
        purse.give_back(after, At(now_s=stick_of(scene, after).ends_at_s))


def test_an_authorised_stick_is_worth_a_price_above_the_credit() -> None:
    scene = Scene()
    price_micro = 2 * SLOT_MICRO // 100 * 100
    scene.vendor.till.unit_micro = 1000  # type: ignore[attr-defined]  # - a dearer vendor
    stick = stick_of(scene, scene.open(price_micro=price_micro))
    assert (stick.worth_micro, stick.slots) == (price_micro, (0, 1))
    credit = Scene(auth="offline")
    credit.vendor.till.unit_micro = 1000  # type: ignore[attr-defined]  # - likewise
    assert stick_of(credit, credit.open(price_micro=price_micro)).slots == (0, 2)
    with pytest.raises(OutOfRange, match="credit_below_price"):
        credit.open(price_micro=7 * SLOT_MICRO)


def test_no_stick_is_longer_than_a_chain() -> None:
    scene = Scene()
    offer = msgspec.structs.replace(scene.vendor.offer(100), price_micro=100 * 100_001)
    with pytest.raises(OutOfRange, match="price_above_chain"):
        scene.payer.purse.open(scene.certificate, offer, scene.clock.at())


@pytest.mark.parametrize("auth", [None, "", "later", 1, ["online"]])
def test_an_offer_says_how_sticks_are_authorised(auth: Any) -> None:
    scene = Scene()
    offer = scene.vendor.offer(100)
    odd = msgspec.structs.replace(offer, terms=offer.terms | {"auth": auth})
    with pytest.raises(OutOfRange, match="offer_without_auth"):
        scene.payer.purse.open(scene.certificate, odd, scene.clock.at())


def test_a_stick_that_was_not_shown_yet_is_only_for_who_asks_for_its_kind() -> None:
    scene = Scene()
    stick, other = scene.open(), scene.shop("offline")
    with pytest.raises(OutOfRange, match="stick_of_another_kind"):
        scene.payer.pay(stick, other.offer(100))
    _, after = scene.buy(stick)
    paid = scene.payer.pay(after, other.offer(100))  # it is open, and reserved: it goes on
    assert paid.after is not None
