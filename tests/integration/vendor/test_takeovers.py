"""Marks of a payment that its broker may have paid: another payment has to wait for its end."""

from farthing import marks
from farthing.errors import Unavailable
from farthing.vendor.commands import AskOrigin
from tests.kit.shop import PRICE_MICRO, code_of, is_released
from tests.unit.vendor.test_resolving import HOLD_S, ask, every_scheme, opened, state_in

TRIES = 10  # more than a gate asks


@every_scheme
def test_what_the_broker_has_paid_is_not_taken_over_by_another_payment(scheme: str) -> None:
    """Its commitment or scrip is used up there: who takes it once more is paid nothing for it."""
    shop, buyer, broker = opened(scheme)
    instrument = buyer.instrument()
    first, other = (buyer.pay(instrument=instrument) for _ in range(2))
    walking = shop.start(first.header)
    walking.until(marks.Confirm)
    walking.drop()
    shop.restart()
    assert broker.paid_micro == PRICE_MICRO
    shop.clock.now_s += HOLD_S
    refused = shop.get(other.header)
    assert (refused.status, is_released(refused)) == (403, False)
    assert state_in(ask(shop, first)) == "confirmed"
    assert broker.paid_micro == PRICE_MICRO


@every_scheme
def test_what_the_broker_has_not_paid_is_voided_for_another_payment(scheme: str) -> None:
    shop, buyer, broker = opened(scheme)
    instrument = buyer.instrument()
    first, other = (buyer.pay(instrument=instrument) for _ in range(2))
    walking = shop.start(first.header)
    walking.until(AskOrigin)
    walking.drop()
    shop.restart()
    shop.clock.now_s += HOLD_S
    assert shop.get(other.header).status == 200
    assert state_in(ask(shop, first)) == "released"
    assert broker.paid_micro == PRICE_MICRO


@every_scheme
def test_while_the_broker_does_not_say_another_payment_waits(scheme: str) -> None:
    shop, buyer, broker = opened(scheme)
    instrument = buyer.instrument()
    first, other = (buyer.pay(instrument=instrument) for _ in range(2))
    walking = shop.start(first.header)
    walking.until(AskOrigin)
    walking.drop()
    shop.restart()
    shop.clock.now_s += HOLD_S
    broker.faults["settle"] = [Unavailable("broker_unreachable")] * TRIES
    answer = shop.get(other.header)
    assert (answer.status, code_of(answer)) == (409, "mark_held")
