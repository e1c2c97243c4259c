"""What is another's: another vendor's payments, another currency's money."""

from contextlib import suppress
from typing import Any

from farthing import codec
from farthing.errors import Refusal
from farthing.lab.conformance.cases import CASES, require, require_equal
from farthing.lab.conformance.hand import Hand, Made
from farthing.lab.conformance.repeating import require_claims
from farthing.lab.conformance.stage import Play


@CASES.add()
def wrong_vendor(play: Play) -> None:
    """What pays at one vendor pays at no other, and no other is paid for it."""
    with play.stage() as stage:
        hand, other = Hand(stage), stage.open_shop("daily")
        made = hand.pay(stage.page(), hand.instrument())
        there = _dressed_for(hand, stage.page(shop=other), made)
        with stage.unchanged("a payment of another vendor"):
            answer = other.serve(there.request)
        require(answer.status >= 400, "it is refused", answer.status)
        require_equal(stage.shop.serve(made.request).status, 200, "its own vendor takes it")
        is_settled = bool(stage.line.heard("broker settle"))  # at once, and leaves no claim
        for claim in stage.shop.claims() if is_settled else require_claims(stage):
            with stage.unchanged("a claim of another vendor"):
                [result] = stage.bank.redeem(stage.scheme, [claim], other.id)
            require_equal(result["state"], "refused", "nobody claims another's payments")
        stage.settle_up()
        require_equal(stage.bank.has_micro("vendor", other.id), 0, "the other earns nothing")
    if is_settled:
        _require_nobody_else_settles(play)


def _require_nobody_else_settles(play: Play) -> None:
    """The broker pays no other vendor for a payment, which that shows before its own does."""
    with play.stage() as stage:
        hand, other = Hand(stage), stage.open_shop("daily")
        stage.buy("first")
        message: Any = codec.read_json(stage.line.heard("broker settle")[0])
        wanted, shown = message["paymentRequirements"], message["paymentPayload"]
        shown["payload"] = hand.pay(stage.page(), hand.instrument()).paid.payload
        for name in (stage.shop.id, other.id):
            wanted["payTo"] = shown["accepted"]["payTo"] = name
            is_paid = False
            with stage.unchanged("a settlement of another vendor"), suppress(Refusal):
                answer: Any = stage.bank.facilitate("settle", message, other.id)
                is_paid = answer["success"]
            require(not is_paid, "nobody settles another's payments")


def _dressed_for(hand: Hand, url: str, made: Made) -> Made:
    return hand.dress(url, hand.received(url), made.paid)


@CASES.add()
def wrong_currency(play: Play) -> None:
    """What is worth so much of one currency pays nothing in another."""
    with play.stage() as stage:
        hand = Hand(stage)
        made = hand.pay(stage.page(), hand.instrument())
        stage.shop.currency = "usd"
        stage.shop.restart()
        there = hand.received(stage.page())
        require_equal(there.offer.currency, "usd", "the vendor sells in another currency")
        with stage.unchanged("a payment in another currency"):
            answer = stage.shop.serve(hand.dress(stage.page(), there, made.paid).request)
        require(answer.status >= 400, "the gate refuses it", answer.status)
        try:
            fetched = stage.payer.buy(stage.page())
        except Refusal:
            fetched = None
        is_unpaid = fetched is None or fetched.purchase is None
        require(is_unpaid, "the wallet pays no offer in another currency")
        stage.shop.currency = stage.bank.currency
        stage.shop.restart()
        require_equal(stage.shop.serve(made.request).status, 200, "in its own it is taken")
