import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.errors import Conflict, Late, Overlimit, Revoked
from tests.kit.parties import Vendor, vendor_account
from tests.kit.sticks import SLOT_MICRO, Scene, claim_of, resigned, stick_of

COINS = SLOT_MICRO // 100
KEPT = "outstanding/ann"


def test_the_first_claim_reserves_the_whole_stick_and_later_ones_are_paid_out_of_it() -> None:
    scene = Scene()
    stick = scene.open()
    assert scene.broker.redeem(claim_of(scene, stick, 3)) == 300
    assert scene.broker.balances == {
        "credit/ann": -SLOT_MICRO,
        "vendor/news": 300,
        KEPT: SLOT_MICRO - 300,
    }
    assert scene.broker.redeem(claim_of(scene, stick, 10)) == 700
    assert scene.broker.balances["credit/ann"] == -SLOT_MICRO
    assert scene.broker.balances[KEPT] == SLOT_MICRO - 1000


def test_one_that_is_spent_with_its_first_claim_leaves_nothing_behind() -> None:
    scene = Scene()
    stick = scene.open()
    assert scene.broker.redeem(claim_of(scene, stick, COINS)) == SLOT_MICRO
    assert scene.broker.balances == {"credit/ann": -SLOT_MICRO, "vendor/news": SLOT_MICRO}
    _wait(scene, stick_of(scene, stick).claimed_until_s + 1)
    assert scene.broker.balances["credit/ann"] == -SLOT_MICRO


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, COINS), min_size=1, max_size=6))
def test_what_was_reserved_is_what_was_paid_and_what_was_released(places: list[int]) -> None:
    scene = Scene()
    stick = scene.open()
    for place in places:
        scene.broker.redeem(claim_of(scene, stick, place))
        assert scene.broker.redeem(claim_of(scene, stick, place)) == 0
    paid_micro = 100 * max(places)
    assert scene.broker.balances["vendor/news"] == paid_micro
    assert scene.broker.balances[KEPT] == SLOT_MICRO - paid_micro
    _wait(scene, stick_of(scene, stick).claimed_until_s + 1)
    assert scene.broker.balances["vendor/news"] == paid_micro
    assert (scene.broker.balances[KEPT], scene.broker.balances["credit/ann"]) == (0, -paid_micro)


def test_nothing_is_released_while_it_may_be_claimed_and_nothing_is_paid_afterwards() -> None:
    scene = Scene()
    stick = scene.open()
    scene.broker.redeem(claim_of(scene, stick, 3))
    last_s = stick_of(scene, stick).claimed_until_s
    _wait(scene, last_s)
    assert scene.broker.redeem(claim_of(scene, stick, 5)) == 200
    checked = scene.broker.mint.check(
        "redeem", claim_of(scene, stick, 7), vendor_account(), scene.clock.at()
    )
    _wait(scene, last_s + 1)
    before = scene.broker.snapshot()
    with pytest.raises(Late):
        scene.broker.redeem(claim_of(scene, stick, 6))
    memory = scene.broker.read(scene.broker.mint.recall(checked))
    with pytest.raises(Late, match="claim_after_submit_window"):  # checked in time, applied late
        scene.broker.mint.apply(checked, memory, scene.clock.at())
    assert scene.broker.snapshot() == before


@pytest.mark.parametrize("auth", ["online", "offline"])
def test_a_serial_clears_once(auth: str) -> None:
    scene = Scene(auth=auth)
    one, other = scene.open(), scene.open()
    forged = resigned(scene, other, serial=stick_of(scene, one).serial)
    assert scene.broker.redeem(claim_of(scene, one, 3)) == 300
    assert scene.broker.redeem(claim_of(scene, one, 4)) == 100
    before = scene.broker.snapshot()
    with pytest.raises(Conflict, match="serial_used_twice"):
        scene.broker.redeem(claim_of(scene, forged, 9))
    assert scene.broker.snapshot() == before
    assert scene.broker.redeem(claim_of(scene, other, 1)) == 100


@pytest.mark.parametrize("auth", ["offline", "online"])
def test_a_serial_that_its_payer_uses_at_two_vendors_costs_neither_of_them_anything(
    auth: str,
) -> None:
    scene = Scene(auth=auth)
    daily = Vendor(scene.scheme, scene.ring, scene.clock, vendor_id="daily", auth=auth)
    one, two = scene.open(), scene.open(daily)
    two = resigned(scene, two, serial=stick_of(scene, one).serial)
    for shop, stick in ((scene.vendor, one), (daily, two)):
        offer = shop.offer(100)
        shop.serve(scene.payer.pay(stick, offer).payload, offer)  # neither can see the other
    assert scene.broker.redeem(claim_of(scene, one, 1)) == 100
    scene.broker.run("redeem", claim_of(scene, two, 1), vendor_account(daily.id))
    assert scene.broker.balances["vendor/daily"] == 100


def test_one_on_credit_is_guaranteed_within_the_limit_and_reserves_nothing() -> None:
    scene = Scene(auth="offline")
    stick = scene.open()
    assert scene.broker.redeem(claim_of(scene, stick, 3)) == 300
    assert scene.broker.balances == {"guarantee/ann": -300, "vendor/news": 300}
    longer = tuple(
        (value, length + 1, root) for value, length, root in stick_of(scene, stick).chains
    )
    with pytest.raises(Overlimit, match="commitment_above_limit"):
        scene.broker.redeem(claim_of(scene, resigned(scene, stick, chains=longer), 3))


def test_a_revoked_payer_is_authorised_nothing_and_what_was_authorised_is_paid() -> None:
    scene = Scene()
    one, other = scene.open(), scene.open()
    scene.broker.redeem(claim_of(scene, one, 1))
    scene.revoke()
    with pytest.raises(Revoked, match="certificate_revoked"):
        scene.broker.redeem(claim_of(scene, other, 1))
    assert scene.broker.redeem(claim_of(scene, one, COINS)) == SLOT_MICRO - 100


def _wait(scene: Scene, until_s: int) -> None:
    scene.clock.now_s = until_s
    scene.broker.lapse()
