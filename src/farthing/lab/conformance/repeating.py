"""The same again, and at once: one effect, one answer, one winner."""

from typing import Any

import msgspec

from farthing import codec
from farthing.errors import (
    Busy,
    NotYetValid,
    Refusal,
    Reused,
    Throttled,
    Unsupported,
    row_of,
)
from farthing.lab.conformance.cases import CASES, Inapplicable, Violated, require, require_equal
from farthing.lab.conformance.hand import Hand, Made, Paused, code_of, race, receipt_of
from farthing.lab.conformance.shop import failing
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.wallet.commands import Response

RACERS = 32
SPENT = 403  # the status of `Replayed`: pay no other time with this
BUSY = 409
HOUR_S = 3_600


@CASES.add("at once", "after a restart", "after the lease", "after the challenge", "next day")
def replay(play: Play, when: str) -> None:
    """The same payment again has the same receipt, and costs once."""
    with play.stage() as stage:
        paused = Paused(stage.payer, stage.page())
        first = stage.shop.serve(paused.request)
        require_equal(first.status, 200, "a payment is taken")
        if when == "after a restart":
            stage.shop.restart()
        stage.room.later(
            {"after the lease": 90, "after the challenge": HOUR_S // 2, "next day": DAY_S}.get(
                when, 0
            )
        )
        with stage.unchanged("a repeat"):
            again = stage.shop.serve(paused.request)
        if stage.dialect != "private":  # there the receipt is under the seal
            require_equal(receipt_of(again), receipt_of(first), "the receipt is the same")
            is_late = code_of(again) == "repeat_window_over"
            require(again.status == 200 or is_late, "the page comes again", again.status)
        paused.finish(first)
        stage.settle_up()
        require_equal(stage.earned_micro, stage.price_micro, "it is earned once")


def _paid_once(stage: Stage) -> tuple[Hand, Made]:
    hand = Hand(stage)
    made = hand.pay(stage.page(), hand.instrument())
    require_equal(stage.shop.serve(made.request).status, 200, "a payment is taken")
    return hand, made


@CASES.add()
def replay_for_another_page(play: Play) -> None:
    """A payment that was taken for one page does not buy another."""
    with play.stage() as stage:
        _, made = _paid_once(stage)
        for url in (stage.page("b"), stage.page(micro=stage.prices_micro[-1])):
            with stage.unchanged("a payment shown for another page"):
                answer = stage.shop.serve(msgspec.structs.replace(made.request, url=url))
            require(answer.status != 200, "it is refused", answer.status)


@CASES.add()
def replay_under_another_challenge(play: Play) -> None:
    """What was spent is spent, also when it answers a fresh offer."""
    with play.stage() as stage:
        hand, made = _paid_once(stage)
        other = hand.dress(made.request.url, hand.received(made.request.url), made.paid)
        with stage.unchanged("a payment shown under another challenge"):
            answer = stage.shop.serve(other.request)
        if made.paid.k:  # K is the payment's own: this is the same payment
            require_equal(answer.status, 200, "it is the same payment")
            return
        require_equal(answer.status, SPENT, "it is spent")


@CASES.add("same payment", "same payment, page fails first")
def race_of_one_payment(play: Play, how: str) -> None:
    """32 arrivals of one payment at once: it is taken once, and all get the one receipt."""
    with play.stage() as stage:
        hand = Hand(stage)
        made = hand.pay(stage.page(), hand.instrument())
        if how != "same payment":
            _fail_once(stage)
        answers = race(stage, stage.shop, [made.request] * RACERS)
        receipts = _require_one_receipt(answers)
        late = [stage.shop.serve(made.request) for _ in range(2)]
        _require_one_receipt([*answers, *late])
        require(len(receipts) <= 1, "there is one receipt", len(receipts))
        require_equal(late[-1].status, 200, "whoever comes late is served")
        require_equal(stage.shop.charged_micro(), stage.price_micro, "it is charged once")


def _fail_once(stage: Stage) -> None:
    page = stage.shop.origin

    def once() -> Any:
        stage.shop.origin = page
        return failing()

    stage.shop.origin = once


def _require_one_receipt(answers: list[Response]) -> set[str]:
    for answer in answers:
        served = answer.status == 200 or answer.value("payment-outcome") == "released"
        require(served or answer.status == BUSY, "it is served or busy", code_of(answer))
    receipts = {receipt_of(answer) for answer in answers if receipt_of(answer)}
    require(len(receipts) <= 1, "all receipts are the same", len(receipts))
    return receipts


@CASES.add()
def race_of_one_instrument(play: Play) -> None:
    """32 payments of one instrument at once: one wins, the others are told that it is spent."""
    with play.stage() as stage:
        hand = Hand(stage)
        instrument = hand.instrument()
        made = [hand.pay(stage.page(number), instrument) for number in range(RACERS)]
        if made[0].paid.k:
            raise Inapplicable("its K is the payment's own: these would be one payment")
        answers = race(stage, stage.shop, [each.request for each in made])
        won = [number for number, answer in enumerate(answers) if answer.status == 200]
        require_equal(len(won), 1, "one of them is taken")
        for answer in answers:
            told = answer.status in {200, BUSY, SPENT}
            require(told, "the others are busy or spent", (answer.status, code_of(answer)))
        with stage.unchanged("a payment that lost"):
            late = [stage.shop.serve(each.request).status for each in made]
        require_equal(late.count(SPENT), RACERS - 1, "they lost for good")
        require_equal(stage.shop.charged_micro(), stage.price_micro, "one page is charged")


@CASES.add()
def race_of_one_claim(play: Play) -> None:
    """One claim in 32 batches at once is paid once."""
    with play.stage() as stage:
        stage.buy()
        [claim, *_] = require_claims(stage)
        shown = stage.bank.redeem_all(stage.scheme, claim, [stage.shop.id] * RACERS)
        for one in shown:
            told = isinstance(one, list | Throttled | Busy)
            require(told, "a batch is answered, or told to wait", one)
        stage.settle_up()
        require_equal(stage.earned_micro, stage.price_micro, "it is paid once")


def require_claims(stage: Stage) -> list[Any]:
    """The claims that the vendor would show now; `Inapplicable` where there are none."""
    claims = stage.shop.claims()
    if not claims:
        raise Inapplicable("its payments leave no claim to show at once")
    return claims


@CASES.add()
def race_of_one_order(play: Play) -> None:
    """One order 32 times at once under one key is one order, with one answer."""
    with play.stage() as stage:
        stage.buy()
        message = codec.read_json(stage.line.heard("broker issue")[0])
        who, key = stage.payer.id, stage.bank.next_key()
        stage.bank.operate(stage.scheme, "issue", message, who, key)
        after = stage.bank.snapshot()
        answers = stage.bank.operate_all(stage.scheme, "issue", message, who, [key] * RACERS)
        require_equal(len({_said(each) for each in answers}), 1, "there is one answer")
        require_equal(stage.bank.snapshot(), after, "there is one effect")
        fresh = stage.bank.next_key()
        shown = stage.bank.operate_all(stage.scheme, "issue", message, who, [fresh] * RACERS)
        bodies = {_said(each) for each in shown if isinstance(each, bytes)}
        require(len(bodies) <= 1, "a race has one answer", len(bodies))


def _said(answer: bytes | Refusal) -> bytes:
    return answer if isinstance(answer, bytes) else str(answer).encode()


@CASES.add()
def race_for_the_balance(play: Play) -> None:
    """32 orders at once, and money or credit for three of them: at most three are sold."""
    with play.stage() as stage:
        stage.buy()
        mint = stage.bank.books.mint(stage.scheme)
        heard = [codec.read_json(raw) for raw in stage.line.heard("broker issue")]
        message = next(each for each in heard if not mint.is_bearer("issue", each))
        three_micro = 3 * stage.payer.load_micro
        is_credit = stage.traits.credit
        stage.admit(
            "bob", 0 if is_credit else three_micro, credit_micro=three_micro if is_credit else 0
        )
        keys = [stage.bank.next_key() for _ in range(RACERS)]
        answers = stage.bank.operate_all(stage.scheme, "issue", message, "bob", keys)
        sold = [answer for answer in answers if isinstance(answer, bytes)]
        require(len(sold) <= 3, "no more is sold than the account covers", len(sold))
        require(stage.bank.has_micro("payer", "bob") >= 0, "the balance is not below zero")


OPERATIONS = ("grant", "issue", "take_back")


@CASES.add(*OPERATIONS)
def same_key(play: Play, operation: Any) -> None:
    """The same request under the same key has one effect and one answer, byte for byte."""
    with play.stage() as stage:
        stage.buy()
        if operation == "take_back":
            give_back(stage)
        heard = stage.line.heard(f"broker {operation}")
        if not heard:
            raise Inapplicable(f"none of its conversations has a `{operation}`")
        who = stage.shop.id if operation == "grant" else stage.payer.id
        message = codec.read_json(heard[-1])
        key = stage.bank.next_key()
        first = _tried(stage, operation, message, who, key)
        with stage.unchanged("the same request again"):
            again = _tried(stage, operation, message, who, key)
        stage.bank.restart()
        with stage.unchanged("the same request after a restart"):
            late = _tried(stage, operation, message, who, key)
        require_equal(_said(again), _said(first), "the answer is the same")
        require_equal(_said(late), _said(first), "the answer is the same after a restart")
        with stage.unchanged("another request under the same key"):
            other = _tried(stage, operation, _other(message), who, key)
        is_final = isinstance(first, bytes) or row_of(first).retry != "same"
        is_reused = isinstance(other, Reused)
        require(is_reused or not is_final, "the key is used", other)


def _tried(stage: Stage, operation: Any, message: Any, who: str, key: str) -> bytes | Refusal:
    try:
        return stage.bank.operate(stage.scheme, operation, message, who, key)
    except Refusal as refusal:
        return refusal


def _other(message: Any) -> Any:
    return {**message, "another": 1} if isinstance(message, dict) else [message]


class NotReturned(Violated):
    """What a purse returns a mint does not take."""


def give_back(stage: Stage) -> None:
    """Return everything in the wallet, later where its purse says so.

    `Inapplicable` only where the purse itself says that nothing is returned, in its own words, or
    all is spent; `NotReturned` where it has nothing against it and a mint refuses every return.
    """
    given, own = _given_back(stage)
    if isinstance(own, NotYetValid) and not given:
        stage.await_returns()
        given, own = _given_back(stage)
        require(not isinstance(own, NotYetValid), "what waits to be returned waits no longer", own)
    if not given:
        raise Inapplicable(f"nothing of it is returned: {own.code if own else 'all spent'}")


def _given_back(stage: Stage) -> tuple[int, Refusal | None]:
    """How much was returned, and what its purse has against the rest."""
    purse = stage.payer.guide().purse(stage.scheme, stage.bank.id)
    given, own, wrong = 0, None, None
    for held in stage.payer.book.held():
        try:
            purse.give_back(held.instrument, stage.room.at())
        except Refusal as refusal:
            own = refusal
            continue
        try:
            stage.payer.give_back(held.instrument, held.site or stage.shop.site)
            given += 1
        except Refusal as refusal:
            wrong = refusal
    if wrong is not None and not given:
        raise NotReturned(f"what its purse returns a mint takes: {wrong}")
    is_told = own is None or isinstance(own, Unsupported | NotYetValid) or stage.traits.credit
    require(is_told, "a purse that returns nothing says `Unsupported`", own)
    return given, own


@CASES.add()
def same_batch(play: Play) -> None:
    """A batch of claims that is sent again is answered from what is stored."""
    with play.stage() as stage:
        for number in range(3):
            stage.buy(number)
        claims = require_claims(stage)
        key = stage.bank.next_key()
        first = stage.bank.redeem(stage.scheme, claims, stage.shop.id, key)
        if any(result["state"] in {"waiting", "challenge"} for result in first):
            raise Inapplicable("its claims are decided later")
        with stage.unchanged("the same batch again"):
            again = stage.bank.redeem(stage.scheme, claims, stage.shop.id, key)
        require_equal(again, first, "the answer is the same")
        reused = False
        try:
            stage.bank.redeem(stage.scheme, claims * 2, stage.shop.id, key)
        except Reused:
            reused = True
        require(reused, "another batch under the same key is refused")


@CASES.add()
def same_message_to_the_vendor(play: Play) -> None:
    """A message to the vendor's own mint has one effect and one answer."""
    with play.stage() as stage:
        if play.scheme.vendor_mint is None:
            raise Inapplicable("its vendors have no mint")
        stage.buy()
        asked = stage.purse_returns()
        if asked.to != "vendor":
            raise Inapplicable("its vendors' mint is asked for nothing that was bought")
        path = asked.operation.replace("_", "-")
        first = stage.shop.mint(stage.scheme, path, asked.message)
        require_equal(first[0], 200, "the vendor does what is asked")
        with stage.unchanged("the same message again"):
            again = stage.shop.mint(stage.scheme, path, asked.message)
        stage.shop.restart()
        require_equal(again, first, "the answer is the same")
        require_equal(
            stage.shop.mint(stage.scheme, path, asked.message), first, "and after a restart"
        )
