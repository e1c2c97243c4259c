"""The life of a payment as the payer sees it, up to its hold: every row of the table."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from farthing import codec, marks
from farthing.schemes.contract import Dialect
from farthing.stores.memory import MemoryMarks
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor.booking import LEASE_GRACE_S
from farthing.vendor.commands import AskOrigin
from farthing.vendor.prices import ORIGIN_TIMEOUT_S
from farthing.wire.offers import CHALLENGE_LIFE_S
from tests.kit.shop import (
    DIALECTS,
    PATH,
    PRICE_MICRO,
    ROUTE,
    SCHEMES,
    WAYS,
    Buyer,
    Shop,
    asking,
    code_of,
    in_step,
    is_released,
    receipt_in,
    received_in,
    value_of,
)

LEASE_S = ORIGIN_TIMEOUT_S + LEASE_GRACE_S

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_way = pytest.mark.parametrize(("scheme", "dialect"), WAYS)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[marks.Marks]:
    if request.param == "memory":
        yield MemoryMarks()
        return
    opened = SqliteMarks(tmp_path / "marks.db")
    yield opened
    opened.close()


@every_way
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


@every_way
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


@pytest.mark.parametrize(("scheme", "dialect"), [way for way in WAYS if way[1] != "mpp"])
def test_a_repeat_is_known_after_its_price_changed(scheme: str, dialect: Dialect) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay(dialect)
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


@every_way
def test_of_thirty_two_arrivals_of_one_payment_one_is_charged(
    scheme: str, dialect: Dialect, store: marks.Marks
) -> None:
    shop = Shop(store=store)
    payment = Buyer(shop, scheme).pay(dialect)
    answers = in_step([shop.start(payment.header) for _ in range(32)])
    assert sorted({(answer.status, code_of(answer)) for answer in answers}) == [
        (200, ""),
        (409, "in_progress"),
    ]
    assert len([visit for visit in shop.visits if not dict(visit.add).get(b"x-pay-replay")]) == 1
    assert shop.earned_micro() == PRICE_MICRO


@every_way
def test_of_thirty_two_payments_on_one_instrument_one_wins(
    scheme: str, dialect: Dialect, store: marks.Marks
) -> None:
    shop = Shop(store=store)
    buyer = Buyer(shop, scheme)
    instrument = buyer.instrument()
    payments = [buyer.pay(dialect, instrument=instrument) for _ in range(32)]
    answers = in_step([shop.start(payment.header) for payment in payments])
    assert sorted(answer.status for answer in answers) == [200, *[409] * 31]
    assert {code_of(answer) for answer in answers} == {"", "mark_held"}
    assert len(shop.visits) == 1
    assert shop.earned_micro() == PRICE_MICRO


@every_way
def test_the_same_payment_within_the_lease_is_busy_and_may_come_again(
    scheme: str, dialect: Dialect
) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay(dialect)
    first = shop.start(payment.header)
    first.until(AskOrigin)
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (409, "in_progress")
    assert value_of(answer, b"retry-after")
    done = first.go()
    assert done is not None
    assert shop.get(payment.header).headers == done.headers
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
def test_a_payment_whose_challenge_ends_while_it_is_served_is_not_paid_for_anew(
    scheme: str,
) -> None:
    """A 402 here would make the wallet pay twice."""
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    shop.clock.now_s += CHALLENGE_LIFE_S - 1
    first = shop.start(payment.header)
    first.until(AskOrigin)
    shop.clock.now_s += 2
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (409, "in_progress")
    assert first.go() is not None
    assert shop.get(payment.header).status == 200
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
def test_after_a_crash_the_same_payment_resumes_even_past_its_challenge(scheme: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    shop.clock.now_s += CHALLENGE_LIFE_S - 1
    first = shop.start(payment.header)
    first.until(AskOrigin)
    first.drop()
    shop.clock.now_s += LEASE_S
    assert shop.get(payment.header).status == 200
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
def test_after_the_lease_another_payment_takes_the_mark_over(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    instrument = buyer.instrument()
    first, other = (buyer.pay(instrument=instrument) for _ in range(2))
    slow = shop.start(first.header)
    slow.until(AskOrigin)
    shop.clock.now_s += LEASE_S
    assert shop.get(other.header).status == 200
    answer = slow.go()
    assert answer is not None
    assert (answer.status, code_of(answer)) == (409, "hold_lost")
    assert not is_released(answer)
    assert answer.body is not None
    assert b"the page" not in answer.body
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
def test_of_two_attempts_at_one_payment_the_earlier_fence_loses(scheme: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    slow = shop.start(payment.header)
    slow.until(AskOrigin)
    shop.clock.now_s += LEASE_S
    resumed = shop.get(payment.header)
    late = slow.go()
    assert resumed.status == 200
    assert late is not None
    assert late.status == 409
    assert shop.get(payment.header).headers == resumed.headers
    assert shop.earned_micro() == PRICE_MICRO


def test_a_refused_payment_ends_the_hold_that_a_crash_left() -> None:
    """The instrument ends between two attempts: nobody may confirm the first one any more."""
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    payment = buyer.pay()
    slow = shop.start(payment.header)
    slow.until(AskOrigin)
    shop.clock.now_s += 90 * 86_400
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (402, "scrip_expired")
    late = slow.go()
    assert late is not None
    assert late.status == 409
    assert shop.earned_micro() == 0


def x402_with_id(value: str, payment_id: str) -> str:
    """A `PAYMENT-SIGNATURE` under another payment identifier."""
    message = codec.read_json(codec.unb64(value))
    assert isinstance(message, dict)
    message["extensions"]["payment-identifier"]["info"]["id"] = payment_id
    return codec.b64(codec.canonical(message))


@every_scheme
@every_dialect
def test_a_key_that_served_another_payment_or_target_is_reused(
    scheme: str, dialect: Dialect
) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    received = next(one for one in received_in(shop.get(), dialect) if one.offer.scheme == scheme)
    first, other = (buyer.answer(received, buyer.instrument()) for _ in range(2))
    assert shop.get(first.header).status == 200
    if dialect == "x402":
        header = other.header
        other_key = (header[0], x402_with_id(header[1], first.k))
        answers = [shop.get(other_key)]
    else:
        answers = [shop.get(other.header), shop.get(first.header, path=PATH + "0")]
    for answer in answers:
        assert (answer.status, code_of(answer)) == (409, "idempotency_conflict")
        assert not value_of(answer, b"www-authenticate")
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
@every_dialect
def test_a_payment_is_for_its_target_method_and_site_only(scheme: str, dialect: Dialect) -> None:
    shop = Shop(ROUTE + 'methods = ["GET", "HEAD", "POST"]')
    payment = Buyer(shop, scheme).pay(dialect)
    elsewhere = [
        asking(payment.header, path="/articles/2"),
        asking(payment.header, path=PATH + "?page=2"),
        asking(payment.header, method="POST"),
        asking(payment.header, method="HEAD"),
    ]
    if dialect == "mpp":
        elsewhere.append(asking(payment.header, host="mirror.example"))
    for request in elsewhere:
        answer = shop.run(shop.walk(request))
        assert answer.status == 402, request
        assert code_of(answer) in {"challenge_for_another_target", "no_matching_requirements"}
    assert shop.visits == []
    assert shop.get(payment.header).status == 200


def test_too_little_is_forgotten_and_the_piece_stays_good() -> None:
    shop = Shop(ROUTE + '[[route]]\npath = "/dear"\nprice = "5000u"\naccept = ["millicent"]\n')
    buyer = Buyer(shop, "millicent")
    piece = buyer.instrument()
    cheap = buyer.pay(instrument=piece)
    received = received_in(shop.get(path="/dear"), "mpp")[0]
    short = msgspec.structs.replace(
        received, offer=msgspec.structs.replace(received.offer, price_micro=200)
    )
    underpaid = buyer.answer(short, piece, path="/dear")
    answer = shop.get(underpaid.header, path="/dear")
    assert (answer.status, code_of(answer)) == (402, "amount_below_price")
    assert shop.find(underpaid.k) is None
    assert shop.get(cheap.header).status == 200


@every_scheme
def test_a_scheme_that_the_route_does_not_take_is_unsupported(scheme: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    other = next(name for name in SCHEMES if name != scheme)
    shop.restart(prices=f'[[route]]\npath = "/**"\nprice = "200u"\naccept = ["{other}"]\n')
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (400, "method_not_accepted")


def test_a_mark_that_moves_under_every_try_is_contended() -> None:
    shop = Shop()
    payment = Buyer(shop, "payword").pay()
    walking = shop.start(payment.header)
    for _ in range(4):
        walking.until(marks.Hold)
        walking.interrupt(marks.Stale())
    answer = walking.go()
    assert answer is not None
    assert (answer.status, code_of(answer)) == (409, "mark_contended")


@every_scheme
def test_a_counter_that_moved_meanwhile_is_read_again(scheme: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    walking = shop.start(payment.header)
    walking.until(marks.Hold)
    walking.interrupt(marks.Stale())
    answer = walking.go()
    assert answer is not None
    assert answer.status == 200
