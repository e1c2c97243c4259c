"""A payer's own key for a purchase: it buys once, and knows its payment again."""

from typing import Any

import pytest

from farthing import marks
from farthing.errors import BadRequest
from farthing.schemes.chain.payword import PaywordTill
from farthing.schemes.chain.words.till import Payment as Words
from farthing.schemes.contract import Accepted, Dialect, Instrument
from farthing.vendor.commands import Answer, AskOrigin
from farthing.vendor.idempotency import key_in
from farthing.wire.offers import CHALLENGE_LIFE_S
from tests.kit import payword
from tests.kit.shop import (
    DIALECTS,
    PRICE_MICRO,
    ROUTE,
    SCHEMES,
    Buyer,
    Payment,
    Shop,
    code_of,
    is_released,
    receipt_in,
    received_in,
    status,
)

KEY = ("Idempotency-Key", "order-4711")
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
held_or_not = pytest.mark.parametrize("route", [ROUTE, ROUTE + "hold = false"])


def rest_of(shop: Shop, payment: Payment, answer: Answer, buyer: Buyer) -> Instrument:
    """What is left of the instrument: the change, or the rest of the chain."""
    if payment.paid.after is not None:
        return payment.paid.after
    receipt = receipt_in(answer)
    assert receipt is not None
    accepted = Accepted(change=receipt.change)
    return buyer.purse.conclude(payment.paid, accepted, shop.clock.at()).instruments[0]


@every_scheme
@every_dialect
@held_or_not
def test_a_key_buys_once(scheme: str, dialect: Dialect, route: str) -> None:
    shop = Shop(route)
    buyer = Buyer(shop, scheme)
    payment = buyer.pay(dialect)
    first = shop.get(payment.header, KEY)
    assert first.status == 200
    other = buyer.pay(dialect, instrument=rest_of(shop, payment, first, buyer))
    assert shop.get(payment.header, KEY).headers == first.headers, "the very payment again"
    answer = shop.get(other.header, KEY)
    assert (answer.status, code_of(answer)) == (409, "idempotency_key_reused")
    assert shop.earned_micro() == PRICE_MICRO
    assert shop.get(other.header).status == 200, "nothing of it was taken"
    assert shop.earned_micro() == 2 * PRICE_MICRO


@every_scheme
def test_a_key_is_its_owners_only(scheme: str) -> None:
    shop = Shop()
    ann, bob = Buyer(shop, scheme), Buyer(shop, next(n for n in SCHEMES if n != scheme))
    for buyer in (ann, bob):
        assert shop.get(buyer.pay().header, KEY).status == 200


@held_or_not
def test_two_payments_at_once_under_one_key_are_charged_once(route: str) -> None:
    """Both have looked for the key before either took it: its mark decides."""
    shop = Shop(route)
    buyer = Buyer(shop, "payword")
    assert isinstance(buyer.scene, payword.Scene)
    one, other = (buyer.pay(instrument=each) for each in (buyer.instrument(), buyer.scene.open()))
    walkings = [shop.start(payment.header, KEY) for payment in (one, other)]
    for walking in walkings:
        walking.until(marks.Take if "hold" in route else marks.Hold)
    walkings[0].until(AskOrigin)
    answers = [walking.go() for walking in reversed(walkings)]
    assert answers[0] is not None
    assert answers[1] is not None
    code = "idempotency_key_reused" if "hold" in route else "mark_held"
    assert (answers[0].status, code_of(answers[0])) == (409, code)
    assert answers[1].status == 200
    assert code_of(shop.get(other.header, KEY)) == "idempotency_key_reused"
    assert shop.earned_micro() == PRICE_MICRO
    assert shop.get(other.header).status == 200, "another chain of the same owner"


@every_scheme
def test_a_key_is_free_again_where_nothing_was_charged(scheme: str) -> None:
    shop = Shop()
    buyer = Buyer(shop, scheme)
    shop.origin = status(500)
    assert is_released(shop.get(buyer.pay().header, KEY))
    shop.origin = status(200)
    assert shop.get(buyer.pay().header, KEY).status == 200


@every_scheme
def test_the_same_payment_is_known_under_any_key(scheme: str) -> None:
    shop = Shop()
    payment = Buyer(shop, scheme).pay()
    first = shop.get(payment.header, KEY)
    for headers in ([], [("Idempotency-Key", "another")]):
        assert shop.get(payment.header, *headers).headers == first.headers
    assert shop.earned_micro() == PRICE_MICRO


@pytest.mark.parametrize("key", [b"", b"a b", b"a" * 256, b"\xe9", b"a\x00", b"\x7f"])
def test_a_key_is_visible_ascii(key: bytes) -> None:
    with pytest.raises(BadRequest, match="idempotency_key_malformed"):
        key_in([(b"idempotency-key", key)])
    shop = Shop()
    payment = Buyer(shop, "payword").pay()
    answer = shop.get(payment.header, ("Idempotency-Key", key.decode("latin-1")))
    assert (answer.status, code_of(answer)) == (400, "idempotency_key_malformed")
    assert shop.get(payment.header).status == 200


def test_a_request_has_one_key() -> None:
    assert key_in([(b"host", b"a"), (b"idempotency-key", b"a" * 255)]) == b"a" * 255
    assert key_in([(b"host", b"a")]) == b""
    with pytest.raises(BadRequest):
        key_in([(b"idempotency-key", b"a"), (b"idempotency-key", b"a")])


def test_a_payment_that_names_its_own_k_is_found_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A voucher of a chain: several payments under one challenge, each the same again."""

    def own_k(till: PaywordTill, payment: Words[Any]) -> str:
        return f"chain:{payment.links[0][1]}"

    monkeypatch.setattr(PaywordTill, "own_k", own_k)
    shop = Shop()
    buyer = Buyer(shop, "payword")
    received = next(one for one in received_in(shop.get(), "mpp") if one.offer.scheme == "payword")
    first = buyer.answer(received, buyer.instrument())
    assert first.paid.after is not None
    second = buyer.answer(received, first.paid.after)
    answers = [shop.get(payment.header) for payment in (first, second, first, second)]
    assert [answer.status for answer in answers] == [200] * 4
    assert answers[:2] == answers[2:]
    assert answers[0].headers != answers[1].headers
    assert shop.earned_micro() == 2 * PRICE_MICRO
    assert shop.find("chain:2") is not None
    assert shop.find(first.k) is None
    shop.clock.now_s += CHALLENGE_LIFE_S
    assert shop.get(first.header) == answers[0], "known after its challenge is over"
