"""PayWord payments with something changed in them: refused, and nothing has happened."""

import pytest
from hypothesis import given, settings

from farthing import codec, marks
from farthing.errors import (
    Closed,
    Expired,
    Forged,
    Malformed,
    NotYetValid,
    OutOfRange,
    Overlimit,
    Refusal,
    Replayed,
    Unavailable,
    Underpaid,
    WrongVendor,
)
from farthing.schemes.contract import Json
from tests.kit.flips import bit_flips, edits
from tests.kit.parties import binding_of
from tests.kit.payword import Hand, Scene

REFUSED = (
    Malformed, Forged, WrongVendor, Expired, NotYetValid, OutOfRange, Overlimit, Closed, Underpaid,
    Replayed,
    Unavailable,  # a key that the gate does not have, which it asks the broker for
)  # fmt: skip  # - classes that a changed payment may meet; Unfit is Malformed, a jump OutOfRange


def flipped_payments(payload: Json) -> list[bytes]:
    return list(bit_flips(codec.canonical(payload)))


def test_every_flipped_bit_of_a_first_payment_is_refused_and_changes_nothing() -> None:
    """The commitment with its certificate is in it."""
    scene = Scene()
    hand, offer = Hand(scene.certificate, chains=((100, 50), (2500, 3))), scene.vendor.offer(2600)
    payload = hand.first(hand.link(1), hand.link(1, 2500))
    before = scene.vendor.snapshot()
    for flipped in flipped_payments(payload):
        with pytest.raises(REFUSED):
            scene.vendor.serve(flipped, offer)
    assert scene.vendor.snapshot() == before
    assert scene.vendor.serve(payload, offer).taken.value_micro == 2600


def test_every_flipped_bit_of_a_later_payment_is_refused_and_changes_nothing() -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate), scene.vendor.offer(100)
    scene.vendor.serve(hand.first(hand.link(3)), offer)
    before = scene.vendor.snapshot()
    for flipped in flipped_payments(hand.later(hand.link(7))):
        with pytest.raises(REFUSED):
            scene.vendor.serve(flipped, offer)
    assert scene.vendor.snapshot() == before
    assert scene.vendor.serve(hand.later(hand.link(7)), offer).taken.value_micro == 400


_SCENE = Scene()
_HAND = Hand(_SCENE.certificate)
_OFFER = _SCENE.vendor.offer(100)
_RAW = codec.canonical(_HAND.first(_HAND.link(1)))


@settings(max_examples=200, deadline=None)
@given(edits(_RAW))
def test_an_edited_payment_is_refused_or_means_the_same(raw: bytes) -> None:
    till = _SCENE.vendor.till
    try:
        payment = till.read(raw)
        keys = till.recall(payment)
        memory = _SCENE.vendor.store.do_now(marks.Read(keys=keys))
        till.take(payment, _OFFER, binding_of(), memory, _SCENE.clock.at())
    except Refusal as wrong:
        assert isinstance(wrong, REFUSED)  # noqa: PT017 - some edits only add a space
    else:
        assert payment == till.read(_RAW)
