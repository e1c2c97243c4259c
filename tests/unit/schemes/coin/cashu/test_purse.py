"""The wallet: keys that are rotated, and keysets that end."""

import pytest

from farthing.errors import Expired, OutOfRange
from farthing.schemes.coin.cashu import CASHU
from farthing.schemes.coin.epochs import LISTED_S, SKEW_S
from farthing.schemes.contract import Account, Asked, AskFirst, Instrument, Paid
from tests.kit import cashu
from tests.kit.blind import LOAD_MICRO, PRICE_MICRO, Scene, pocket_of, refused
from tests.kit.parties import NOW_S, binding_of, on_the_wire

NOBODY = Account(id="", role="payer")


def remade(scene: Scene, number: int) -> Instrument:
    purse = scene.admit("ann").purse
    found: tuple[Instrument, ...] | Asked = purse.remake(number, scene.clock.at())
    while isinstance(found, Asked):
        answer = on_the_wire(scene.broker.run("issue", found.message, NOBODY).answer)
        found = purse.receive(found, answer, scene.clock.at())
    return found[0]


def test_coins_of_keys_before_pay_and_come_back_from_the_seed() -> None:
    scene = Scene(CASHU)
    pocket = scene.withdraw()
    for name in ("second", "third"):
        scene.broker.ring.add(cashu.key_of(name))
    assert remade(scene, 0).worth_micro == LOAD_MICRO
    left = scene.spend(pocket)
    assert left is not None
    assert remade(scene, 0).worth_micro == left.worth_micro == LOAD_MICRO - PRICE_MICRO


def test_what_a_pocket_found_again_makes_is_made_with_the_present_keys() -> None:
    scene = Scene(CASHU)
    scene.withdraw(1)
    scene.broker.ring.add(cashu.key_of("second"))
    found = pocket_of(remade(scene, 0))
    listed = on_the_wire(scene.broker.run("issue", {"list": "current"}, NOBODY).answer)
    assert found.keysets.name != listed["older"][0]
    assert {held.slot.id.hex() for held in found.coins} == set(listed["older"])


def test_keys_that_were_rotated_finish_what_was_begun_and_make_its_change() -> None:
    scene = Scene(CASHU)
    asked = scene.asked(7)
    for name in ("second", "third"):
        scene.broker.ring.add(cashu.key_of(name))
    pocket = scene.received(asked)
    for _ in range(3):
        left = scene.spend(pocket, 1)  # of 1, 2 and 4: with change, from a list two keys old
        assert left is not None
        pocket = left
    assert pocket.worth_micro == remade(scene, 0).worth_micro == 4


def test_what_was_begun_before_a_keyset_ended_is_not_signed_after_it() -> None:
    scene = Scene(CASHU)
    scene.broker.ring.add(cashu.key_of("ends", NOW_S + 100))
    asked = scene.asked()
    scene.clock.now_s += 100 + SKEW_S + 1
    with pytest.raises(Expired, match="keyset_expired"):
        refused(scene, "issue", asked.message, scene.account)


def test_an_old_list_is_asked_anew_where_change_is_due() -> None:
    """So that nobody's change is made for long of keys that were rotated for a reason."""
    scene = Scene(CASHU)
    pocket = scene.withdraw(6)  # 2, 2, 1, 1
    for _ in range(2):
        pocket = scene.spend(pocket, 1) or pocket
    for name in ("second", "third"):
        scene.broker.ring.add(cashu.key_of(name))
    scene.clock.now_s += LISTED_S
    offer = scene.vendor.offer(1)
    first = scene.payer.purse.pay(pocket, offer, binding_of(), scene.clock.at())
    assert isinstance(first, AskFirst)
    answer = on_the_wire(scene.broker.run("issue", first.asked.message, NOBODY).answer)
    paid = scene.payer.purse.pay(pocket, offer, binding_of(), scene.clock.at(), answer)
    assert isinstance(paid, Paid)
    (left,) = scene.deposit(paid, offer).instruments
    assert left.worth_micro == remade(scene, 0).worth_micro == 3
    left = scene.spend(left, 1) or left
    assert scene.spend(left, 1) is not None, "its list is of today: nothing is asked"


def test_coins_of_a_keyset_that_ends_are_not_shown_after_it() -> None:
    scene = Scene(CASHU)
    scene.broker.ring.add(cashu.key_of("ends", NOW_S + 100))
    pocket = scene.withdraw()
    assert pocket.expires_at_s == NOW_S + 100
    paid, offer = scene.pay(pocket)
    scene.clock.now_s += 100
    with pytest.raises(OutOfRange, match="coins_below_price"):
        scene.pay(pocket)
    scene.deposit(paid, offer)
    scene.clock.now_s += 121
    with pytest.raises(Expired, match="keyset_expired"):
        scene.deposit(paid, offer)
