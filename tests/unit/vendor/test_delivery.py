"""From a hold to an answer: what charges, what releases, and what a repeat gets."""

from typing import Any

import msgspec
import pytest

from farthing import marks
from farthing.errors import Broken, Forged, HoldLost, OriginFailed, Refusal
from farthing.schemes.chain.payword import PaywordTill
from farthing.schemes.contract import Dialect, Taken
from farthing.vendor.booking import STORED_BODY_S
from farthing.vendor.commands import Aborted, Answer, AskOrigin, OriginAnswered
from farthing.vendor.prices import REPEAT_S
from farthing.wire import receipts
from farthing.wire.replies import Checking
from tests.kit.canaries import canary
from tests.kit.shop import (
    DIALECTS,
    PAGE,
    PRICE_MICRO,
    ROUTE,
    SCHEMES,
    WAYS,
    WORTH_MICRO,
    Buyer,
    Payment,
    Shop,
    answering,
    code_of,
    is_released,
    receipt_in,
    status,
    value_of,
)

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_way = pytest.mark.parametrize(("scheme", "dialect"), WAYS)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@every_scheme
@pytest.mark.parametrize("code", [200, 201, 204, 206, 299, 304])
def test_2xx_and_304_charge(scheme: str, code: int) -> None:
    shop = Shop()
    shop.origin = status(code)
    answer = shop.get(Buyer(shop, scheme).pay().header)
    assert answer.status == code
    assert answer.charged_micro == PRICE_MICRO
    assert not is_released(answer)
    assert value_of(answer, b"cache-control") == "private"
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
@pytest.mark.parametrize("code", [100, 199, 300, 301, 303, 400, 402, 404, 418, 500, 503])
def test_any_other_answer_is_passed_on_and_not_charged(scheme: str, code: int) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    shop.origin = status(code)
    answer = shop.get(payment.header)
    assert (answer.status, answer.body) == (code, PAGE.body)
    assert is_released(answer)
    assert receipt_in(answer) is None
    assert answer.charged_micro == 0
    assert value_of(answer, b"cache-control") == "no-store"
    assert shop.earned_micro() == 0
    shop.origin = status(200)
    assert shop.get(payment.header).status == 200, "the same payment is good for another try"
    assert shop.earned_micro() == PRICE_MICRO


FAILURES = ["origin_timed_out", "origin_closed_early", "origin_failed", "origin_unreachable"]


@every_scheme
@pytest.mark.parametrize("code", FAILURES)
def test_an_origin_that_gives_no_answer_is_not_charged_for(scheme: str, code: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    shop.origin = lambda _: OriginFailed(code)
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (502, code)
    assert is_released(answer)
    found = shop.find(payment.k)
    assert found is not None
    assert found.state == "released"
    assert shop.claims(scheme) == []


def test_an_origin_cannot_speak_for_the_gate() -> None:
    """What it says of payments is dropped, on success and on failure."""
    forged = tuple((name, b"forged") for name in (b"payment-receipt", b"payment-response"))
    lie = ((b"payment-outcome", b"released"), *forged)
    for code in (200, 500):
        shop = Shop()
        payment = Buyer(shop, "payword").pay()
        lying = msgspec.structs.replace(PAGE, status=code, headers=lie)
        shop.origin = answering(lying)
        answer = shop.get(payment.header)
        assert b"forged" not in [value for _, value in answer.headers]
        assert is_released(answer) == (code == 500)


def test_what_an_origin_wants_stored_nowhere_is_not_even_private() -> None:
    shop = Shop()
    payment = Buyer(shop, "payword").pay()
    shop.origin = lambda _: msgspec.structs.replace(
        PAGE, headers=((b"cache-control", b"max-age=0, no-store"),)
    )
    values = [value for name, value in shop.get(payment.header).headers if name == b"cache-control"]
    assert values == [b"no-store"]


@every_scheme
def test_a_payer_who_goes_while_the_origin_works_is_not_charged(scheme: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    walking = shop.start(payment.header)
    walking.until(AskOrigin)
    with pytest.raises(Aborted):
        walking.throw(Aborted())
    found = shop.find(payment.k)
    assert found is not None
    assert found.state == "released"
    assert shop.get(payment.header).status == 200


@every_scheme
@pytest.mark.parametrize("wrong", [Broken("disk_full"), HoldLost("hold_lost")])
def test_a_confirm_that_fails_gives_no_goods_and_lets_go(scheme: str, wrong: Refusal) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    walking = shop.start(payment.header)
    walking.until(marks.Confirm)
    answer = walking.throw(wrong)
    assert answer is not None
    assert answer.body is not None
    assert b"the page" not in answer.body
    assert code_of(answer) == wrong.code
    assert is_released(answer) == isinstance(wrong, Broken)
    if isinstance(wrong, Broken):
        assert shop.get(payment.header).status == 200, "the mark is free at once"


@every_scheme
@pytest.mark.parametrize("wrong", [Broken("disk_full"), HoldLost("hold_lost")])
def test_a_release_that_fails_promises_nothing(scheme: str, wrong: Refusal) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    shop.origin = status(500)
    walking = shop.start(payment.header)
    walking.until(marks.Release)
    answer = walking.throw(wrong)
    assert answer is not None
    assert code_of(answer) == wrong.code
    assert answer.status in {409, 503}
    assert not is_released(answer)


@every_way
def test_a_receipt_says_what_was_paid_and_who_guarantees(scheme: str, dialect: Dialect) -> None:
    shop = Shop(ROUTE + 'external_id = "art-1"')
    payment = Buyer(shop, scheme).pay(dialect)
    receipt = receipt_in(shop.get(payment.header))
    assert receipt is not None
    assert (receipt.amount_micro, receipt.currency) == (PRICE_MICRO, "eur")
    assert (receipt.vendor_id, receipt.wire_name) == ("news", scheme)
    assert receipt.external_id == "art-1"
    assert receipt.challenge_id == (payment.k if dialect == "mpp" else "")
    assert receipt.settlement == ("final" if scheme == "millicent" else "deferred")
    if scheme == "millicent":
        assert receipt.change["valueMicro"] == WORTH_MICRO - PRICE_MICRO
        assert receipt.sig.startswith("mac:")
    else:
        key = shop.ring.current("farthing/vendor/receipt/1")
        receipts.verify(receipt, public=key.public)


def test_the_origin_learns_who_paid_what() -> None:
    shop = Shop()
    shop.get(Buyer(shop, "millicent").pay().header)
    told = dict(shop.visits[0].add)
    assert (told[b"x-pay-amount"], told[b"x-pay-currency"]) == (b"200", b"eur")
    assert told[b"x-pay-ref"].startswith(b"mc:")
    assert len(told[b"x-pay-payer"]) == 16
    assert b"x-pay-replay" not in told
    assert b"x-pay-receipt" not in told, "the payment may still be released"


def test_the_origin_learns_the_receipt_of_what_is_paid_for_good() -> None:
    shop = Shop(ROUTE + "hold = false")
    payment = Buyer(shop, "millicent").pay()
    receipts_told = set()
    for _ in range(2):
        receipt = receipt_in(shop.get(payment.header))
        assert receipt is not None
        receipts_told.add(receipt.receipt_id)
    told = {dict(visit.add)[b"x-pay-receipt"].decode() for visit in shop.visits}
    assert (told, len(shop.visits)) == (receipts_told, 2), "the same when it is fetched again"


# --- the vendor's word for its answer -----------------------------------------------------------


def check(buyer: Buyer, payment: Payment, answer: Answer, body: bytes | None = None) -> Checking:
    """The answer held against its own header, with this body or its own."""
    replier, receipt = buyer.purse.replier(payment.paid), receipt_in(answer)
    assert replier is not None
    assert receipt is not None
    value = value_of(answer, b"farthing-reply")
    checking = Checking(replier, receipt.change, answer.status, answer.headers, value)
    checking.add(answer.body or b"" if body is None else body)
    checking.require()
    return checking


@every_dialect
@pytest.mark.parametrize("route", ["", "hold = false", "replay_body = true"])
def test_a_page_for_scrip_is_signed_with_its_change_each_time(dialect: Dialect, route: str) -> None:
    shop = Shop(ROUTE + route)
    buyer = Buyer(shop, "millicent")
    payment = buyer.pay(dialect)
    for _ in range(2):
        answer = shop.get(payment.header)
        assert check(buyer, payment, answer).covers_body
        with pytest.raises(Forged, match="reply_altered"):
            check(buyer, payment, answer, b"the pale")
    if not route:
        shop.origin = lambda _: msgspec.structs.replace(PAGE, body=b"news by now")
        check(buyer, payment, shop.get(payment.header), b"news by now")


def test_a_stream_is_signed_as_one() -> None:
    shop = Shop()
    shop.origin = lambda _: msgspec.structs.replace(PAGE, body=None)
    buyer = Buyer(shop, "millicent")
    payment = buyer.pay()
    assert not check(buyer, payment, shop.get(payment.header)).covers_body


@pytest.mark.parametrize(("method", "code"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_what_has_no_body_is_signed_without_one(method: str, code: int) -> None:
    shop = Shop()
    shop.origin = status(code)
    buyer = Buyer(shop, "millicent")
    payment = buyer.pay(method=method)
    check(buyer, payment, shop.get(payment.header, method=method), b"")


def test_an_origin_cannot_sign_for_the_gate_and_not_every_scheme_signs() -> None:
    forged = msgspec.structs.replace(PAGE, headers=((b"farthing-reply", b"whole mac:AAAA"),))
    for scheme in SCHEMES:
        shop = Shop(ROUTE.replace('"private"', '"clear"'))
        shop.origin = answering(forged)
        answer = shop.get(Buyer(shop, scheme).pay().header)
        assert answer.status == 200
        assert not value_of(answer, b"farthing-reply")


def test_a_problem_that_carries_a_receipt_is_no_page() -> None:
    shop = Shop(ROUTE + "repeat_s = 0")
    payment = Buyer(shop, "millicent").pay()
    shop.get(payment.header)
    shop.clock.now_s += 1
    over = shop.get(payment.header)
    assert (over.status, value_of(over, b"farthing-reply")) == (403, "")


# --- repeats ------------------------------------------------------------------------------------


@every_way
def test_the_page_is_there_for_the_routes_window_and_the_receipt_for_ever(
    scheme: str, dialect: Dialect
) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay(dialect)
    first = shop.get(payment.header)
    shop.clock.now_s += REPEAT_S
    assert shop.get(payment.header).headers == first.headers
    shop.clock.now_s += 1
    over = shop.get(payment.header)
    assert (over.status, code_of(over)) == (403, "repeat_window_over")
    assert receipt_in(over) == receipt_in(first)
    assert len(dict(over.headers)) == len(over.headers), "stock clients read no header twice"
    assert len(shop.visits) == 2
    assert shop.earned_micro() == PRICE_MICRO


@every_dialect
def test_a_repeat_while_the_origin_is_away_shows_the_receipt(dialect: Dialect) -> None:
    shop = Shop()
    payment = Buyer(shop, "millicent").pay(dialect)
    first = shop.get(payment.header)
    shop.origin = lambda _: OriginFailed("origin_timed_out")
    answer = shop.get(payment.header)
    assert (answer.status, code_of(answer)) == (502, "origin_timed_out")
    assert receipt_in(answer) == receipt_in(first)
    assert not is_released(answer)


def test_a_stored_body_is_given_again_without_the_origin() -> None:
    shop = Shop(ROUTE + "replay_body = true")
    payment = Buyer(shop, "millicent").pay()
    first = shop.get(payment.header)
    shop.origin = status(500)
    assert shop.get(payment.header) == first
    shop.clock.now_s += STORED_BODY_S + 1
    assert shop.get(payment.header).status == 403
    assert len(shop.visits) == 1


def test_a_post_is_repeated_from_storage_and_never_done_twice() -> None:
    shop = Shop(ROUTE + 'methods = ["POST"]')
    shop.origin = status(201)
    payment = Buyer(shop, "payword").pay(method="POST")
    first = shop.get(payment.header, method="POST")
    again = shop.get(payment.header, method="POST")
    assert (first.status, again) == (201, first)
    assert len(shop.visits) == 1


@pytest.mark.parametrize("body", [b"x" * (64 * 1024 + 1), None])
def test_a_post_whose_answer_is_too_long_to_store_leaves_the_receipt(body: bytes | None) -> None:
    shop = Shop(ROUTE + 'methods = ["POST"]')
    shop.origin = lambda _: OriginAnswered(status=200, headers=(), body=body)
    payment = Buyer(shop, "payword").pay(method="POST")
    first = shop.get(payment.header, method="POST")
    again = shop.get(payment.header, method="POST")
    assert (again.status, code_of(again)) == (403, "repeat_window_over")
    assert b"can give the price back" in (again.body or b""), "no time is over"
    assert receipt_in(again) == receipt_in(first)
    assert len(shop.visits) == 1


@every_scheme
@every_dialect
def test_an_origin_that_cannot_fail_costs_one_commit(scheme: str, dialect: Dialect) -> None:
    shop = Shop(ROUTE + "hold = false")
    payment = Buyer(shop, scheme).pay(dialect)
    shop.said.clear()
    first = shop.get(payment.header)
    assert [name for name in shop.said if name in {"Hold", "Take", "Confirm"}] == ["Take"]
    assert b"x-pay-replay" not in dict(shop.visits[0].add)
    again = shop.get(payment.header)
    assert (again.status, again.headers) == (200, first.headers)
    assert dict(shop.visits[1].add)[b"x-pay-replay"] == b"true"
    assert shop.earned_micro() == PRICE_MICRO


def test_an_unheld_payment_stands_when_its_origin_fails_after_all() -> None:
    shop = Shop(ROUTE + "hold = false")
    payment = Buyer(shop, "millicent").pay()
    shop.origin = lambda _: OriginFailed("origin_timed_out")
    answer = shop.get(payment.header)
    assert answer.status == 502
    assert receipt_in(answer) is not None
    assert not is_released(answer)
    assert shop.earned_micro() == PRICE_MICRO


def test_no_secret_stands_in_any_answer() -> None:
    shop = Shop()
    payment = Buyer(shop, "millicent").pay()
    for answer in (shop.get(), shop.get(payment.header), shop.get(payment.header)):
        text = repr(answer)
        for name in ("challenge", "receipt", "own-series", "payer-range", "burn"):
            assert canary(name).hex() not in text
            assert canary(name).decode() not in text


@pytest.fixture
def _delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    """PayWord's payments, as those of a scheme that has delivered already."""
    take = PaywordTill.take

    def taken(till: PaywordTill, *args: Any, **named: Any) -> Taken:
        return msgspec.structs.replace(take(till, *args, **named), delivered=True)

    monkeypatch.setattr(PaywordTill, "take", taken)


@pytest.mark.usefixtures("_delivered")
@every_dialect
def test_a_payment_for_what_is_out_already_gets_a_receipt_and_asks_no_site(
    dialect: Dialect,
) -> None:
    shop = Shop()
    payment = Buyer(shop, "payword").pay(dialect)
    answer = shop.get(payment.header)
    assert (answer.status, answer.body, answer.charged_micro) == (200, b"", PRICE_MICRO)
    assert receipt_in(answer) is not None
    assert shop.said.count("Take") == 1, "one commit: nothing can fail in between"
    for wait_s in (1, REPEAT_S, 40 * 86_400):
        shop.clock.now_s += wait_s
        assert shop.get(payment.header) == answer
    assert not shop.visits
    assert shop.earned_micro() == PRICE_MICRO
