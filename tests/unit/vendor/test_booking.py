"""What one payment writes: hold, confirm, claims, receipt, and the end of a hold."""

import itertools

import msgspec
import pytest

from farthing import codec, marks
from farthing.errors import Broken
from farthing.holding import AGAIN_S
from farthing.marks import Moment
from farthing.vendor import resolving
from farthing.vendor.booking import (
    LEASE_GRACE_S,
    MOMENTS,
    OUTCOME_KEPT_S_MIN,
    STORED_BODY_BYTES_MAX,
    STORED_BODY_S,
    earlier,
    read_kept,
    read_outcome,
    read_page,
)
from farthing.vendor.payments import page_key
from farthing.vendor.prices import ORIGIN_TIMEOUT_S, ORIGIN_TIMEOUT_S_MAX
from tests.kit.shop import (
    PAGE,
    PRICE_MICRO,
    ROUTE,
    SCHEMES,
    Buyer,
    Shop,
    Walking,
    answering,
    code_of,
    is_released,
    status,
)

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def command_of(shop: Shop, scheme: str, kind: type[object], method: str = "GET") -> Walking:
    walking = shop.start(Buyer(shop, scheme).pay(method=method).header, method=method)
    walking.until(kind)
    return walking


@pytest.mark.parametrize(("one", "other"), list(itertools.product(MOMENTS, MOMENTS)))
def test_the_earlier_moment_comes_first_in_the_list(one: Moment, other: Moment) -> None:
    assert earlier(one, other) == MOMENTS[min(MOMENTS.index(one), MOMENTS.index(other))]


@every_scheme
def test_a_hold_outlives_the_origins_time_and_its_outcome_a_month(scheme: str) -> None:
    shop = Shop(ROUTE + "origin_timeout_s = 7")
    hold = command_of(shop, scheme, marks.Hold).command
    assert isinstance(hold, marks.Hold)
    assert hold.lease_until_s == shop.clock.now_s + 7 + LEASE_GRACE_S
    assert hold.until_s >= shop.clock.now_s + OUTCOME_KEPT_S_MIN
    assert hold.until_s >= max(mark.until_s for mark in hold.marks)
    kept = read_kept(hold.kept)
    assert (kept.scheme, kept.begun) == (scheme, b"")
    assert kept.owner


@every_scheme
def test_what_came_to_nothing_is_over_some_minutes_later(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    payment = buyer.pay("x402")
    shop.origin = status(500)
    assert is_released(shop.get(payment.header))
    shop.origin = status(200)
    shop.clock.now_s += ORIGIN_TIMEOUT_S + LEASE_GRACE_S + AGAIN_S
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (402, "payment_released")
    assert shop.earned_micro() == 0
    anew = buyer.pay("x402", instrument=payment.paid.spent)
    assert shop.get(anew.header).status == 200, "what it was paid with is good for another"


@every_scheme
def test_what_has_no_name_may_come_again_at_any_time(scheme: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay("x402")
    message = msgspec.json.decode(codec.unb64(payment.header[1]))
    del message["extensions"]
    header = (payment.header[0], codec.b64(codec.canonical(message)))
    shop.origin = status(500)
    assert is_released(shop.get(header))
    shop.origin = status(200)
    shop.clock.now_s += ORIGIN_TIMEOUT_S + LEASE_GRACE_S + AGAIN_S
    assert shop.get(header).status == 200, "the same word at the same price has no other K"


def test_no_gate_asks_for_a_lease_that_no_store_believes() -> None:
    assert ORIGIN_TIMEOUT_S_MAX + LEASE_GRACE_S <= marks.LEASE_S_MAX
    assert resolving.LEASE_S <= marks.LEASE_S_MAX


@every_scheme
@pytest.mark.parametrize("clearing", MOMENTS)
def test_a_hold_says_that_it_is_begun_where_the_broker_is_asked_first(
    scheme: str, clearing: Moment
) -> None:
    shop = Shop(ROUTE + f'clearing = "{clearing}"')
    hold = command_of(shop, scheme, marks.Hold).command
    assert isinstance(hold, marks.Hold)
    is_asked = clearing == "before"
    assert (hold.outcome == marks.BEGUN) is is_asked
    assert bool(read_kept(hold.kept).begun) is is_asked


@every_scheme
@pytest.mark.parametrize("clearing", ["during", "batch"])
def test_claims_are_cleared_when_the_route_says(scheme: str, clearing: Moment) -> None:
    shop = Shop(ROUTE + f'clearing = "{clearing}"')
    confirm = command_of(shop, scheme, marks.Confirm).command
    assert isinstance(confirm, marks.Confirm)
    assert [claim.moment for claim in confirm.claims] == [clearing]
    assert confirm.claims[0].value_micro == PRICE_MICRO


@pytest.mark.parametrize(
    ("extra", "method", "size_bytes", "kept"),
    [
        ("", "GET", 8, False),
        ("replay_body = true", "GET", 8, True),
        ("replay_body = true", "GET", STORED_BODY_BYTES_MAX, True),
        ("replay_body = true", "GET", STORED_BODY_BYTES_MAX + 1, False),
        ('methods = ["POST"]', "POST", 8, True),
    ],
)
def test_a_body_is_kept_where_it_cannot_be_asked_for_again(
    extra: str,
    method: str,
    size_bytes: int,
    kept: bool,  # noqa: FBT001 - a row of a table
) -> None:
    shop = Shop(ROUTE + extra)
    shop.origin = answering(msgspec.structs.replace(PAGE, body=b"x" * size_bytes))
    confirm = command_of(shop, "payword", marks.Confirm, method).command
    assert isinstance(confirm, marks.Confirm)
    outcome = read_outcome(confirm.outcome)
    assert outcome.stored is kept
    pages = [put for put in confirm.records if put.key == page_key(outcome.receipt)]
    assert len(pages) == kept
    for put in pages:
        assert isinstance(put, marks.Put)
        page = read_page(put.value)
        assert (page.body, page.headers) == (b"x" * size_bytes, PAGE.headers)
        assert put.until_s == shop.clock.now_s + STORED_BODY_S, "and not as long as the outcome"


@every_scheme
def test_a_receipt_has_a_name_of_its_own_and_the_same_for_the_same_payment(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    names = []
    for payment in (buyer.pay(), buyer.pay()):
        shop.get(payment.header)
        found = shop.find(payment.k)
        assert found is not None
        names.append(read_outcome(found.outcome).receipt.receipt_id)
    assert len(set(names)) == 2
    assert all(name.startswith("rc_") for name in names)


def test_a_serial_is_taken_once_for_a_payment_that_is_confirmed_and_never_otherwise() -> None:
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    payment = buyer.pay()
    shop.get(payment.header)
    assert shop.said.count("TakeSerial") == 1
    for _ in range(3):
        shop.get(payment.header)  # repeats
    name, value = payment.header
    shop.get((name, value[:-2] + ("AA" if value[-2:] != "AA" else "BB")))  # forgeries
    shop.origin = status(500)
    shop.get(buyer.pay().header)  # and what is released
    assert shop.said.count("TakeSerial") == 1


def test_where_nothing_is_held_a_serial_that_nobody_got_is_given_back() -> None:
    """Change is minted before the mark is taken there: repeats and replays must not use it up."""
    shop = Shop(ROUTE + "hold = false")
    buyer = Buyer(shop, "millicent")
    instrument = buyer.instrument()
    payment, other = (buyer.pay(instrument=instrument) for _ in range(2))
    shop.get(payment.header)
    assert (shop.said.count("TakeSerial"), shop.spared) == (1, [])
    for number in range(1, 4):
        assert shop.get(payment.header).status == 200
        assert code_of(shop.get(other.header)) == "instrument_already_spent"
        assert len(shop.spared) == 2 * number
    assert len(set(shop.spared)) == shop.said.count("TakeSerial") - 1
    name, value = payment.header
    before = shop.said.count("TakeSerial")
    shop.get((name, value[:-2] + ("AA" if value[-2:] != "AA" else "BB")))  # forgeries
    assert shop.said.count("TakeSerial") == before


def test_a_serial_is_lost_where_nobody_knows_whether_it_went_out() -> None:
    shop = Shop(ROUTE + "hold = false")
    walking = shop.start(Buyer(shop, "millicent").pay().header)
    walking.until(marks.Take)
    answer = walking.throw(Broken("disk_full"))
    assert answer is not None
    assert answer.status == 503
    assert shop.spared == []
