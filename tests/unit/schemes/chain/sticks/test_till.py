from typing import Any

import pytest

from farthing import codec
from farthing.errors import Conflict, Misconfigured, Mismatch, Replayed
from farthing.marks import NOTHING, Keys
from farthing.schemes.chain.netcard import NETCARD
from farthing.schemes.chain.sticks.stick import AUTHS
from tests.kit.parties import on_the_wire, setting_of
from tests.kit.sticks import Scene, claim_of, resigned, stick_of


def test_the_opening_of_an_authorised_stick_clears_before_and_all_else_when_one_likes() -> None:
    for auth, expected in (("online", ["before", "batch"]), ("offline", ["batch", "batch"])):
        scene = Scene(auth=auth)
        first, after = scene.buy(scene.open())
        second, _ = scene.buy(after, 300)
        assert [served.taken.moment for served in (first, second)] == expected
        assert scene.vendor.till.soonest == expected[0]
        assert scene.vendor.offer(100).settlement == "deferred"


def test_what_authorises_is_the_claim_of_the_opening() -> None:
    scene = Scene()
    stick = scene.open()
    payload, _ = scene.pay(stick, 300)
    till: Any = scene.vendor.till
    served, _ = scene.buy(stick, 300)
    payment = till.read(codec.canonical(payload))
    message = till.endorse(payment, served.taken, NOTHING, scene.clock.at())
    assert message == on_the_wire(claim_of(scene, stick, 3))


def test_an_opening_that_comes_again_is_no_second_authorisation() -> None:
    scene = Scene()
    stick = scene.open()
    scene.buy(stick)
    more = claim_of(scene, stick, 2)
    served = scene.vendor.serve(more, scene.vendor.offer(100))
    assert (served.taken.moment, served.taken.value_micro) == ("batch", 100)


@pytest.mark.parametrize("auth", AUTHS)
def test_a_stick_of_the_other_kind_is_not_opened(auth: str) -> None:
    scene = Scene(auth=auth)
    (other,) = set(AUTHS) - {auth}
    stick = scene.open(scene.shop(other))
    with pytest.raises(Mismatch, match="stick_of_another_kind"):
        scene.vendor.serve(claim_of(scene, stick, 1), scene.vendor.offer(100))


def test_another_head_with_the_same_serial_is_a_conflict() -> None:
    scene = Scene()
    one, other = scene.open(), scene.open()
    serial = stick_of(scene, one).serial
    scene.buy(one)
    scene.vendor.serve(claim_of(scene, other, 1), scene.vendor.offer(100))
    third = resigned(scene, scene.open(), serial=serial)
    with pytest.raises(Conflict, match="serial_used_twice"):
        scene.vendor.serve(claim_of(scene, third, 1), scene.vendor.offer(100))


def test_of_two_heads_with_one_serial_that_come_at_once_one_is_taken() -> None:
    scene = Scene()
    one = scene.open()
    other = resigned(scene, scene.open(), serial=stick_of(scene, one).serial)
    till: Any = scene.vendor.till
    offer = scene.vendor.offer(100)
    till.recall = lambda payment: Keys()  # both are read before one of them is written
    scene.vendor.serve(claim_of(scene, one, 1), offer)
    with pytest.raises(Replayed):
        scene.vendor.serve(claim_of(scene, other, 1), offer)


def test_a_way_to_authorise_is_one_of_two() -> None:
    ring = Scene().ring
    assert NETCARD.till(setting_of(ring, vendor_id="news")).soonest == "batch"
    for auth in ("", "never", 1, None):
        with pytest.raises(Misconfigured, match="auth_unknown"):
            NETCARD.till(setting_of(ring, vendor_id="news", auth=auth))
