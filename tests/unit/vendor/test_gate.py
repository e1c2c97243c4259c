"""The life of a payment as the payer sees it, up to its hold: every row of the table."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing import marks
from farthing.schemes.contract import Dialect
from farthing.stores.memory import MemoryMarks
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor.booking import LEASE_GRACE_S
from farthing.vendor.gate import HEADERS_BYTES_MAX
from farthing.vendor.prices import ORIGIN_TIMEOUT_S
from farthing.wire.offers import CHALLENGE_LIFE_S, CREDENTIAL_BYTES_MAX
from tests.kit.shop import (
    DIALECTS,
    PATH,
    PRICE_MICRO,
    ROUTE,
    SCHEMES,
    Buyer,
    Shop,
    asking,
    code_of,
    is_released,
    receipt_in,
    received_in,
    status,
    value_of,
)

LEASE_S = ORIGIN_TIMEOUT_S + LEASE_GRACE_S
HOLDS_AT = 5  # commands of a walk until the hold is in the store, at most

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[marks.Marks]:
    if request.param == "memory":
        yield MemoryMarks()
        return
    opened = SqliteMarks(tmp_path / "marks.db")
    yield opened
    opened.close()


def hold(shop: Shop, *headers: tuple[str, str]) -> None:
    """A process dies with the hold in the store and the origin at work."""
    shop.said.clear()
    walk = shop.walk(asking(*headers))
    while "Hold" not in shop.said:
        probe = len(shop.said)
        shop.run(walk, commands=1)
        assert len(shop.said) > probe
    walk.close()


@every_scheme
@every_dialect
def test_a_payment_is_taken_once_and_answered_the_same_way_ever_after(
    scheme: str, dialect: Dialect
) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay(dialect)
    first = shop.get(payment.header)
    shop.clock.now_s += 7
    again = shop.get(payment.header)
    assert (first.status, first.body) == (again.status, again.body) == (200, b"the page")
    assert receipt_in(first) is not None
    assert first.headers == again.headers
    assert shop.earned_micro() == PRICE_MICRO
    assert [dict(visit.add).get(b"x-pay-replay") for visit in shop.visits] == [None, b"true"]


@every_scheme
@every_dialect
def test_a_repeat_is_known_after_the_challenge_is_over_and_its_key_gone(
    scheme: str, dialect: Dialect
) -> None:
    shop = Shop(ROUTE + "repeat_s = 90000000")
    payment = Buyer(shop, scheme).pay(dialect)
    first = shop.get(payment.header)
    shop.clock.now_s += 40 * 86_400
    challenge = shop.ring.current("farthing/wire/challenge/1")
    for number in ("2", "3"):
        shop.ring.add(type(challenge)(id=number, purpose=challenge.purpose, secret=b"x" * 32))
    again = shop.get(payment.header)
    assert again.headers == first.headers
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
def test_a_repeat_is_known_after_its_price_changed(scheme: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay("x402")
    first = shop.get(payment.header)
    shop.restart(prices=ROUTE.replace("200u", "400u"))
    assert shop.get(payment.header).headers == first.headers


def test_a_word_that_its_own_payment_used_up_is_answered_with_the_page() -> None:
    shop = Shop()
    buyer = Buyer(shop, "payword")
    first = buyer.pay()
    taken = shop.get(first.header)
    second = buyer.pay(instrument=first.paid.after)
    assert shop.get(second.header).status == 200
    again = shop.get(first.header)
    assert (again.status, again.headers) == (200, taken.headers)
    assert shop.earned_micro() == 2 * PRICE_MICRO


@every_scheme
@every_dialect
def test_another_payment_on_a_used_mark_is_replayed_and_brings_no_goods(
    scheme: str, dialect: Dialect
) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    instrument = buyer.instrument()
    assert shop.get(buyer.pay(dialect, instrument=instrument).header).status == 200
    answer = shop.get(buyer.pay(dialect, instrument=instrument).header)
    assert answer.status == 403
    assert code_of(answer) in {"instrument_already_spent", "chain_index_not_above_last"}
    assert answer.body is not None
    assert b"the page" not in answer.body
    assert not value_of(answer, b"www-authenticate")
    assert len(shop.visits) == 1
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
def test_one_of_thirty_two_walks_with_one_payment_wins(scheme: str, store: marks.Marks) -> None:
    shop = Shop(store=store)
    payment = Buyer(shop, scheme).pay()
    walks = [shop.walk(asking(payment.header)) for _ in range(32)]
    _in_step(shop, walks)
    codes = sorted(code_of(answer) or "page" for answer in shop.answers)
    assert codes.count("page") >= 1
    assert set(codes) <= {"page", "in_progress"}
    assert len([visit for visit in shop.visits if b"x-pay-replay" not in dict(visit.add)]) == 1
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
def test_one_of_thirty_two_payments_on_one_instrument_wins(
    scheme: str, store: marks.Marks
) -> None:
    shop = Shop(store=store)
    buyer = Buyer(shop, scheme)
    instrument = buyer.instrument()
    walks = [
        shop.walk(asking(buyer.pay(instrument=instrument).header)) for _ in range(32)
    ]
    _in_step(shop, walks)
    assert sorted(answer.status for answer in shop.answers)[:2] == [200, 403 + 6]
    assert {code_of(answer) for answer in shop.answers} == {"", "mark_held"}
    assert len(shop.visits) == 1
    assert shop.earned_micro() == PRICE_MICRO
