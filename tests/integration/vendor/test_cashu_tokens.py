"""The walk of a Cashu token that comes in `X-Cashu`, against a broker in a dictionary."""

from collections.abc import Iterator

import msgspec
import pytest

from farthing import marks
from farthing.errors import OriginFailed
from farthing.schemes.coin.cashu import payment_request, tokens
from farthing.schemes.coin.cashu.messages import Proof
from farthing.schemes.contract import Json
from farthing.vendor.commands import Answer, AskOrigin
from farthing.wire import receipts, xcashu
from farthing.wire.offers import CREDENTIAL_BYTES_MAX
from tests.kit.registered import registered
from tests.kit.shop import (
    PAGE,
    Shop,
    answering,
    code_of,
    in_step,
    is_released,
    receipt_in,
    value_of,
)
from tests.kit.thin import cashu
from tests.unit.vendor.test_reserving import Facilitator

PRICE_MICRO = 200
PRICES = f"""accept = ["cashu"]
[[route]]
path = "/articles/*"
price = "{PRICE_MICRO}u"
"""
DEARER = PRICES.replace(f"{PRICE_MICRO}u", f"{PRICE_MICRO + 1}u")
PARALLEL = 32
LEASE_S = 75  # of a hold: the origin's time-out and half a minute


@pytest.fixture(autouse=True)
def scheme() -> Iterator[None]:
    with registered(cashu.CASHU):
        yield


class Mint(Facilitator):
    """Pays a token once, under one message, and makes change of what is too much."""

    def _settle(self, message: dict[str, Json]) -> Json:
        self.asked = message["paymentPayload"]["payload"]
        answer = super()._settle(message)
        others = {tx for tx, state in self.state.items() if state == "paid"}
        if others - {answer["transaction"]}:
            del self.state[answer["transaction"]]
            extra = {"refusal": "Replayed", "code": "coin_already_spent"}
            return {"success": False, "errorReason": "invalid", "extra": extra}
        return answer

    def _done(self, tx: str) -> Json:
        answer = super()._done(tx)
        if self.state[tx] == "paid":
            micro = self.asked["change"]
            answer["extra"]["forPayer"] = [token_of(micro, "change")] if micro else None
        return answer


def token_of(amount: int, name: str = "a", mint: str = cashu.MINT) -> str:
    proof = Proof(amount=amount, id="01" * 33, secret=name, C="02" * 33)
    return tokens.write(tokens.Token(mint=mint, unit="microeur", proofs=(proof,)))


def opened(prices: str = PRICES) -> tuple[Shop, Mint]:
    shop, broker = Shop(prices, known=("cashu", "payword")), Mint()
    shop.broker = broker
    return shop, broker


def pay(shop: Shop, token: str) -> Answer:
    return shop.get(("X-Cashu", token))


def offers_in(answer: Answer) -> list[bytes]:
    names = {b"www-authenticate", b"payment-required", b"x-cashu"}
    return [name for name, _ in answer.headers if name in names]


def test_a_token_pays_what_the_402_asks_for() -> None:
    shop, broker = opened()
    asked = payment_request.read(value_of(shop.get(), b"x-cashu"))
    assert (asked.a, asked.u, asked.m) == (1, "eur", ("https://broker.example/cashu/eur",))
    answer = pay(shop, token_of(PRICE_MICRO))
    assert (answer.status, answer.body) == (200, PAGE.body)
    assert value_of(answer, b"cache-control") == "private"
    assert value_of(answer, b"farthing-change") == ""
    receipt = receipt_in(answer)
    assert receipt is not None
    assert (receipt.wire_name, receipt.amount_micro) == ("cashu", PRICE_MICRO)
    assert (receipt.settlement, receipt.change) == ("final", None)
    assert broker.said == ["settle", "capture"]


def test_change_comes_with_the_page_and_with_every_repeat_of_it() -> None:
    shop, broker = opened()
    token = token_of(PRICE_MICRO + 56)
    first = pay(shop, token)
    change = value_of(first, b"farthing-change")
    assert tokens.read(change).amount == 56
    receipt = receipt_in(first)
    assert receipt is not None
    public = shop.ring.current("farthing/vendor/receipt/1").public
    receipts.verify(msgspec.structs.replace(receipt, change=[change]), public=public)
    for prices in (PRICES, DEARER, PRICES.replace("cashu", "payword")):
        shop.restart(prices=prices)
        shop.clock.now_s += 60
        again = pay(shop, token)
        assert (again.status, again.headers, again.body) == (200, first.headers, first.body)
    assert broker.said == ["settle", "capture"]


def test_an_origin_that_fails_leaves_the_token_good() -> None:
    shop, broker = opened()
    token = token_of(PRICE_MICRO)
    shop.origin = lambda _: OriginFailed("origin_timed_out")
    answer = pay(shop, token)
    assert (answer.status, is_released(answer)) == (502, True)
    assert broker.said == ["settle", "void"]
    shop.restart(prices=DEARER)
    shop.origin = answering(PAGE)
    assert code_of(pay(shop, token)) == "coins_below_price", "the price of now counts"
    shop.restart(prices=PRICES)
    assert pay(shop, token).status == 200
    assert broker.paid_micro == PRICE_MICRO


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (token_of(PRICE_MICRO - 1), 400, "coins_below_price"),
        (token_of(PRICE_MICRO, mint="https://other.example"), 400, "token_of_another_mint"),
        ("cashuBAAAA", 400, "cbor_malformed"),
        ("creqAAAAA", 400, "credential_malformed"),
        (token_of(PRICE_MICRO).ljust(CREDENTIAL_BYTES_MAX + 1, "A"), 431, "too_large"),
    ],
)
def test_a_token_that_will_not_do_is_refused_without_an_offer(
    token: str, status: int, code: str
) -> None:
    shop, broker = opened()
    answer = pay(shop, token)
    assert (answer.status, code_of(answer)) == (status, code)
    assert not offers_in(answer)
    assert not broker.said


@pytest.mark.parametrize(
    ("refusal", "status"),
    [("Replayed", 403), ("Busy", 409), ("Forged", 400), ("Expired", 400), ("Unavailable", 503)],
)
def test_what_the_broker_refuses_is_told_and_never_asked_for_again(
    refusal: str, status: int
) -> None:
    shop, broker = opened()
    extra = {"refusal": refusal, "code": "a_code"}
    broker.faults["settle"] = [{"success": False, "errorReason": "invalid", "extra": extra}]
    answer = pay(shop, token_of(PRICE_MICRO))
    assert (answer.status, code_of(answer), is_released(answer)) == (status, "a_code", True)
    assert not offers_in(answer)
    assert not shop.visits


def test_many_at_once_get_one_page() -> None:
    shop, broker = opened()
    header = ("X-Cashu", token_of(PRICE_MICRO))
    answers = in_step([shop.start(header) for _ in range(PARALLEL)])
    assert sorted({answer.status for answer in answers}) == [200, 409]
    assert [answer.status for answer in answers].count(200) == 1
    assert len(shop.visits) == 1
    assert broker.said == ["settle", "capture"]


@pytest.mark.parametrize("prices", [PRICES, DEARER])
@pytest.mark.parametrize("paid", [False, True])
def test_what_a_crash_left_is_ended_at_the_price_that_it_began_with(
    prices: str, *, paid: bool
) -> None:
    """The broker knows the token under the first message only: another would be a second spend."""
    shop, broker = opened()
    token = token_of(PRICE_MICRO + 56)
    walking = shop.start(("X-Cashu", token))
    walking.until(marks.Confirm if paid else AskOrigin)
    walking.drop()
    shop.restart(prices=prices)
    assert code_of(pay(shop, token)) == "in_progress"
    shop.clock.now_s += LEASE_S
    broker.lapse()
    first = pay(shop, token)
    if not paid:
        assert (first.status, code_of(first)) == (409, "in_progress"), "it is free from now on"
        first = pay(shop, token)
    assert first.status == 200
    cost_micro = PRICE_MICRO if paid or prices == PRICES else PRICE_MICRO + 1
    receipt = receipt_in(first)
    assert receipt is not None
    assert receipt.amount_micro == broker.paid_micro == cost_micro
    change = tokens.read(value_of(first, b"farthing-change"))
    assert change.amount == PRICE_MICRO + 56 - cost_micro


def test_the_outcome_door_shows_change_to_whom_has_the_token() -> None:
    shop, _ = opened()
    token = token_of(PRICE_MICRO + 56)
    first = pay(shop, token)
    k = xcashu.read_token(token).k
    answer = shop.outcome({"k": k, "payload": {"token": [token]}})
    assert msgspec.json.decode(answer.body or b"")["receipt"]["change"] == [
        value_of(first, b"farthing-change")
    ]
    other = shop.outcome({"k": k, "payload": {"token": [token_of(PRICE_MICRO)]}})
    assert code_of(other) == "outcome_proof_wrong"


def test_an_origin_gives_no_change() -> None:
    shop, _ = opened()
    shop.origin = answering(msgspec.structs.replace(PAGE, headers=((b"farthing-change", b"x"),)))
    assert value_of(pay(shop, token_of(PRICE_MICRO)), b"farthing-change") == ""


def test_another_page_is_another_purchase() -> None:
    shop, broker = opened()
    token = token_of(PRICE_MICRO)
    assert pay(shop, token).status == 200
    answer = shop.get(("X-Cashu", token), path="/articles/2")
    assert (answer.status, code_of(answer)) == (409, "idempotency_conflict")
    assert broker.said == ["settle", "capture"]
