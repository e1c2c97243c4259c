"""A gate's process dies after its k-th command, for every k, and the payer repeats its bytes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing import marks
from farthing.schemes.contract import Dialect
from farthing.stores.memory import MemoryMarks
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor.booking import LEASE_GRACE_S, read_outcome
from farthing.vendor.prices import ORIGIN_TIMEOUT_S
from tests.kit.shop import (
    PRICE_MICRO,
    ROUTE,
    WAYS,
    WORTH_MICRO,
    Buyer,
    Payment,
    Shop,
    receipt_in,
    status,
)

LEASE_S = ORIGIN_TIMEOUT_S + LEASE_GRACE_S
COMMANDS_MAX = 40  # more than any walk has

every_way = pytest.mark.parametrize(("scheme", "dialect"), WAYS)
every_route = pytest.mark.parametrize("route", [ROUTE, ROUTE + "hold = false"], ids=["held", "not"])


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[marks.Marks]:
    if request.param == "memory":
        yield MemoryMarks()
        return
    opened = SqliteMarks(tmp_path / "marks.db")
    yield opened
    opened.close()


def killed(shop: Shop, payment: Payment, commands: int) -> bool:
    """Serve the payment for so many commands and no more; whether it ended before."""
    walking = shop.start(payment.header)
    ended = walking.go(commands) is not None
    walking.drop()
    shop.restart()
    return ended


@every_way
@every_route
def test_the_same_bytes_finish_what_was_begun(
    scheme: str, dialect: Dialect, route: str, store: marks.Marks
) -> None:
    shop = Shop(route, store=store)
    buyer = Buyer(shop, scheme)
    for sold in range(1, COMMANDS_MAX):
        payment = buyer.pay(dialect)
        ended = killed(shop, payment, sold)
        shop.clock.now_s += LEASE_S
        first = shop.get(payment.header)
        assert first.status == 200, f"frozen after {sold} commands"
        assert shop.get(payment.header).headers == first.headers
        assert shop.earned_micro() == sold * PRICE_MICRO
        if ended:
            return
    raise AssertionError("the walk never ended")


@pytest.mark.parametrize("dialect", ["mpp", "private"])
@pytest.mark.parametrize("dies_at", range(1, 9))
def test_change_that_was_confirmed_is_the_change_for_ever(
    dies_at: int, dialect: Dialect, store: marks.Marks
) -> None:
    """A second attempt mints another piece, which counts only if the first came to nothing."""
    shop = Shop(store=store)
    payment = Buyer(shop, "millicent").pay(dialect)
    killed(shop, payment, dies_at)
    found = shop.find(payment.k)
    shop.clock.now_s += LEASE_S
    receipt = receipt_in(shop.get(payment.header))
    assert receipt is not None
    assert receipt.change["valueMicro"] == WORTH_MICRO - PRICE_MICRO
    if found is not None and found.state == "confirmed":
        assert receipt.change == read_outcome(found.outcome).receipt.change
    assert receipt_in(shop.get(payment.header)) == receipt


@every_way
def test_a_release_that_is_cut_short_is_finished_too(
    scheme: str, dialect: Dialect, store: marks.Marks
) -> None:
    shop = Shop(store=store)
    buyer = Buyer(shop, scheme)
    for commands in range(1, COMMANDS_MAX):
        payment = buyer.pay(dialect)
        shop.origin = status(500)
        ended = killed(shop, payment, commands)
        shop.clock.now_s += LEASE_S
        assert shop.get(payment.header).status == 500
        assert shop.earned_micro() == 0
        shop.origin = status(200)
        assert shop.get(payment.header).status == 200
        store.do_now(marks.Acknowledge(scheme=scheme, done=()))
        if ended:
            return
        shop = Shop(store=MemoryMarks())
        buyer = Buyer(shop, scheme)
    raise AssertionError("the walk never ended")


@every_way
def test_after_any_crash_another_payment_may_use_the_instrument(
    scheme: str, dialect: Dialect
) -> None:
    """A payer that lost its bytes is not frozen either: the lease ends, the mark is free."""
    for commands in range(1, COMMANDS_MAX):
        shop = Shop()
        buyer = Buyer(shop, scheme)
        instrument = buyer.instrument()
        lost, other = (buyer.pay(dialect, instrument=instrument) for _ in range(2))
        if killed(shop, lost, commands):
            return
        was_charged = shop.earned_micro() > 0
        shop.clock.now_s += LEASE_S
        assert shop.get(other.header).status == (403 if was_charged else 200)
        assert shop.earned_micro() == PRICE_MICRO
    raise AssertionError("the walk never ended")
