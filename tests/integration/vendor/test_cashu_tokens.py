"""The walk of a Cashu token that comes in `X-Cashu`, with the real till and the real mint."""

from collections.abc import Callable
from functools import cache

import msgspec
import pytest

from farthing import marks
from farthing.errors import OriginFailed, Refusal
from farthing.schemes.coin.cashu import CASHU, payment_request, tokens
from farthing.schemes.coin.cashu.at_gate import CHANGE_KEY
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY, SHORT_ID_CHARS, MintKeys
from farthing.schemes.contract import Json, Key
from farthing.vendor.commands import Answer, AskOrigin
from farthing.wire import published, receipts, xcashu
from farthing.wire.offers import CREDENTIAL_BYTES_MAX
from tests.kit import cashu
from tests.kit.blind import broker_keys
from tests.kit.canaries import canary
from tests.kit.parties import VENDOR, Broker, Ring, vendor_account
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
from tests.unit.vendor.test_reserving import Facilitator

PRICE_MICRO = 200
PRICES = f"""accept = ["cashu"]
[[route]]
path = "/articles/*"
price = "{PRICE_MICRO}u"
"""
DEARER = PRICES.replace(f"{PRICE_MICRO}u", f"{PRICE_MICRO + 1}u")
UNIT = "microeur"
MINT_URL = "https://broker.example/cashu/"
PARALLEL = 32
LEASE_S = 75  # of a hold: the origin's time-out and half a minute


class Mint(Facilitator):
    """Facilitator calls of a broker whose mint is the real one."""

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self.bank = Broker(CASHU, Ring(*broker_keys(CASHU)), shop.clock)
        self._claims: dict[str, Json] = {}
        self._change: dict[str, Json] = {}

    def _settle(self, message: dict[str, Json]) -> Json:
        claim, mint = message["paymentPayload"]["payload"], self.bank.mint
        at, vendor = self.bank.clock.at(), vendor_account(VENDOR)
        answer = super()._settle(message)
        tx = answer["transaction"]
        try:
            if self.state[tx] != "paid":  # as the reservation of a real broker does
                checked = mint.check("redeem", claim, vendor, at)
                mint.apply(checked, self.bank.read(mint.recall(checked)), at)
        except Refusal as wrong:
            del self.state[tx]
            extra = {"refusal": type(wrong).__name__, "code": wrong.code}
            return {"success": False, "errorReason": "invalid", "extra": extra}
        self._claims[tx] = claim
        return answer

    def _done(self, tx: str) -> Json:
        answer = super()._done(tx)
        if self.state[tx] == "paid":
            if tx not in self._change:
                done = self.bank.run("redeem", self._claims[tx], vendor_account(VENDOR))
                self._change[tx] = done.for_payer
            answer["extra"]["forPayer"] = self._change[tx]
        return answer


@cache
def keys_of(unit: str) -> MintKeys:
    (key,) = (key for key in broker_keys(CASHU) if key.purpose == KEYSET_KEY)
    return MintKeys(key, unit)


def token_of(amount: int, unit: str = UNIT, mint: str = "", memo: str = "") -> str:
    keys = keys_of(unit)
    blanks = cashu.blanks(keys.id, amount)
    proofs = cashu.coins(blanks, [cashu.sign(keys, one.output) for one in blanks], keys.public.keys)
    token = tokens.Token(mint=mint or MINT_URL + unit, unit=unit, proofs=proofs, memo=memo)
    return tokens.write(token)


def opened(prices: str = PRICES) -> tuple[Shop, Mint]:
    shop = Shop(prices, known=("cashu", "payword"))
    shop.ring.add(Key(id="1", purpose=CHANGE_KEY, secret=canary("change")))
    shop.broker = broker = Mint(shop)
    return shop, broker


def pay(shop: Shop, token: str) -> Answer:
    return shop.get(("X-Cashu", token))


def changed(answer: Answer) -> list[tuple[int, str]]:
    """Amounts and units of the tokens that came back."""
    told = value_of(answer, b"farthing-change")
    found = [tokens.read(text) for text in told.split(", ")] if told else []
    return [(token.amount, token.unit) for token in found]


def has_offers(answer: Answer) -> bool:
    names = {b"www-authenticate", b"payment-required", b"x-cashu"}
    return any(name in names for name, _ in answer.headers)


def test_a_token_pays_what_the_402_asks_for() -> None:
    shop, broker = opened()
    asked = payment_request.read(value_of(shop.get(), b"x-cashu"))
    assert (asked.a, asked.u, asked.m) == (1, "eur", (MINT_URL + "eur",))
    answer = pay(shop, token_of(PRICE_MICRO))
    assert (answer.status, answer.body) == (200, PAGE.body)
    assert value_of(answer, b"cache-control") == "private"
    assert changed(answer) == []
    receipt = receipt_in(answer)
    assert receipt is not None
    assert (receipt.wire_name, receipt.amount_micro) == ("cashu", PRICE_MICRO)
    assert (receipt.settlement, receipt.change) == ("final", None)
    assert broker.said == ["settle", "capture"]


def test_a_token_opens_a_stream_and_another_one_tops_it_up() -> None:
    shop, broker = opened(PRICES + 'per = "1kB"\n')
    answer = pay(shop, token_of(PRICE_MICRO + 56))
    assert answer.stream is not None
    assert (answer.charged_micro, changed(answer)) == (PRICE_MICRO, [(56, UNIT)])
    path = published.top_up_path(answer.stream.name, 3)
    assert value_of(shop.get(path=path, method="POST"), b"x-cashu")
    token = token_of(3 * PRICE_MICRO)
    for _ in range(2):
        answer = shop.get(("X-Cashu", token), path=path, method="POST")
        assert (answer.status, answer.body) == (200, b"")
        assert receipt_in(answer) is not None
    assert broker.paid_micro == 4 * PRICE_MICRO


@pytest.mark.parametrize(
    ("amount", "unit", "change"),
    [
        (PRICE_MICRO + 56, UNIT, [(56, UNIT)]),
        (1, "eur", [(9_800, UNIT)]),
        (10, "eur", [(9, "eur"), (9_800, UNIT)]),
    ],
)
def test_change_comes_with_the_page_and_with_every_repeat_of_it(
    amount: int, unit: str, change: list[tuple[int, str]]
) -> None:
    shop, broker = opened()
    token = token_of(amount, unit)
    first = pay(shop, token)
    assert changed(first) == change
    receipt = receipt_in(first)
    assert receipt is not None
    public = shop.ring.current("farthing/vendor/receipt/1").public
    back = value_of(first, b"farthing-change").split(", ")
    receipts.verify(msgspec.structs.replace(receipt, change=back), public=public)
    for prices in (PRICES, DEARER, PRICES.replace("cashu", "payword")):
        shop.restart(prices=prices)
        shop.clock.now_s += 60
        again = pay(shop, token)
        assert (again.status, again.headers, again.body) == (200, first.headers, first.body)
    assert broker.said == ["settle", "capture"]


def test_a_token_may_name_its_keyset_in_short() -> None:
    shop, _ = opened()
    token = tokens.read(token_of(PRICE_MICRO))
    short = [msgspec.structs.replace(coin, id=coin.id[:SHORT_ID_CHARS]) for coin in token.proofs]
    answer = pay(shop, tokens.write(msgspec.structs.replace(token, proofs=tuple(short))))
    assert answer.status == 200


def test_a_whole_cent_is_worth_a_page_of_a_cent() -> None:
    shop, _ = opened(PRICES.replace(f"{PRICE_MICRO}u", "1c"))
    answer = pay(shop, token_of(1, "eur"))
    assert (answer.status, changed(answer)) == (200, [])


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
    ("make", "status", "code"),
    [
        (lambda: token_of(PRICE_MICRO - 1), 400, "coins_below_price"),
        (
            lambda: token_of(PRICE_MICRO, mint="https://mint.example"),
            400,
            "token_of_another_mint",
        ),
        (lambda: "cashuBAAAA", 400, "cbor_malformed"),
        (lambda: "creqAAAAA", 400, "credential_malformed"),
        (lambda: token_of(1).ljust(CREDENTIAL_BYTES_MAX + 1, "A"), 431, "too_large"),
    ],
    ids=["too little", "another mint", "no token", "a request", "too long"],
)
def test_a_token_that_will_not_do_is_refused_without_an_offer(
    make: Callable[[], str], status: int, code: str
) -> None:
    shop, broker = opened()
    answer = pay(shop, make())
    assert (answer.status, code_of(answer)) == (status, code)
    assert not has_offers(answer)
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
    assert not has_offers(answer)
    assert not shop.visits


def test_the_coins_of_a_token_are_spent_in_whatever_token_they_come() -> None:
    shop, broker = opened()
    token = token_of(PRICE_MICRO)
    assert pay(shop, token).status == 200
    other = tokens.write(msgspec.structs.replace(tokens.read(token), memo="once more"))
    answer = pay(shop, other)
    assert (answer.status, is_released(answer), has_offers(answer)) == (403, True, False)
    assert broker.paid_micro == PRICE_MICRO


def test_many_at_once_get_one_page() -> None:
    shop, broker = opened()
    header = ("X-Cashu", token_of(PRICE_MICRO))
    answers = in_step([shop.start(header) for _ in range(PARALLEL)])
    assert sorted({answer.status for answer in answers}) == [200, 409]
    assert [answer.status for answer in answers].count(200) == 1
    assert len(shop.visits) == 1
    assert broker.said == ["settle", "capture"]


@pytest.mark.parametrize("prices", [PRICES, DEARER], ids=["same price", "another price"])
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
    assert changed(first) == [(PRICE_MICRO + 56 - cost_micro, UNIT)]


@pytest.mark.parametrize("prices", [PRICES, DEARER], ids=["same price", "another price"])
def test_killed_at_every_command_a_token_pays_once(prices: str) -> None:
    has_ended, count = False, 0
    while not has_ended:
        shop, broker = opened()
        token = token_of(PRICE_MICRO + 56)
        walking = shop.start(("X-Cashu", token))
        has_ended = walking.go(count) is not None
        walking.drop()
        shop.restart(prices=prices)
        shop.clock.now_s += LEASE_S
        broker.lapse()
        answer = pay(shop, token)
        if answer.status == 409:
            answer = pay(shop, token)
        receipt = receipt_in(answer)
        assert receipt is not None
        assert receipt.amount_micro == broker.paid_micro
        assert changed(answer) == [(PRICE_MICRO + 56 - broker.paid_micro, UNIT)]
        assert pay(shop, token).headers == answer.headers
        count += 1
    assert count > 5, "look, hold, reserve, origin, capture, confirm"


def test_the_outcome_door_shows_change_to_whom_has_the_token() -> None:
    shop, _ = opened()
    token = token_of(PRICE_MICRO + 56)
    first = pay(shop, token)
    credential = xcashu.read_token(token)
    payload = msgspec.json.decode(credential.payload)
    answer = shop.outcome({"k": credential.k, "payload": payload})
    assert msgspec.json.decode(answer.body or b"")["receipt"]["change"] == [
        value_of(first, b"farthing-change")
    ]
    assert code_of(shop.outcome({"k": credential.k, "payload": {}})) == "outcome_proof_wrong"


def test_an_origin_gives_no_change() -> None:
    shop, _ = opened()
    shop.origin = answering(msgspec.structs.replace(PAGE, headers=((b"farthing-change", b"x"),)))
    assert changed(pay(shop, token_of(PRICE_MICRO))) == []


def test_another_page_is_another_purchase() -> None:
    shop, broker = opened()
    token = token_of(PRICE_MICRO)
    assert pay(shop, token).status == 200
    answer = shop.get(("X-Cashu", token), path="/articles/2")
    assert (answer.status, code_of(answer)) == (409, "idempotency_conflict")
    assert broker.said == ["settle", "capture"]
