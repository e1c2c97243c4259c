"""Buying pages: at several prices, to the last micro-unit, and never with what is not there."""

from farthing.errors import Refusal
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.hand import Hand, code_of, with_price
from farthing.lab.conformance.shop import PAGE, failing
from farthing.lab.conformance.stage import PRICES_MICRO, Play, Stage, require_same
from farthing.wallet import rounding
from farthing.wallet.commands import Response

PAGES = 3
AFFORDED = 24  # pages: a credit may be parted in eighths, and these are three pages each
DIALECTS = ("mpp", "x402")


def require_sellable(stage: Stage, micro: int) -> None:
    """`Inapplicable` with the till's own words."""
    if micro not in stage.prices_micro:
        try:
            stage.shop.till.offer(micro, stage.room.at())
        except Refusal as refusal:
            raise Inapplicable(f"its till refuses a price of {micro}: {refusal.code}") from None


@CASES.add(*PRICES_MICRO)
def round_trip(play: Play, micro: int) -> None:
    """Pages come for their price; what payers spend is what vendors earn."""
    with play.stage() as stage:
        require_sellable(stage, micro)
        stage.require_exact()
        if 0 < stage.shop.till.unproved_micro < PAGES * micro:
            raise Inapplicable("so many pages are worth more than may be unproved")
        for number in range(PAGES):
            fetched = stage.buy(number, micro=micro)
            assert fetched.purchase is not None
            assert isinstance(fetched.answer, Response)
            require_equal(fetched.answer.body, PAGE, "the page is the vendor's")
            require_equal(fetched.purchase.price_micro, micro, "the price is the posted one")
        require_equal(stage.shop.visits, PAGES, "the site is asked once a page")
        require_held(stage)
        stage.shop.clear()
        require_held(stage)
        require_equal(stage.earned_micro, PAGES * micro, "the vendor earns what was charged")
        stage.settle_up()
        require_equal(stage.earned_micro, PAGES * micro, "and nothing more in later days")


def require_held(stage: Stage) -> None:
    """What was sold is in the wallet, earned, or on its way: nothing is lost, nothing is made."""
    if stage.traits.credit:
        return
    unclaimed_micro = sum(shop.charged_micro() for shop in stage.shops.values())
    unclaimed_micro -= stage.earned_micro
    out_micro = stage.bank.has_micro("outstanding")
    held_micro = sum(payer.held_micro() for payer in stage.payers)
    require_equal(out_micro, held_micro + unclaimed_micro, "what is outstanding is held")


@CASES.add(*DIALECTS)
def dialect(play: Play, name: str) -> None:
    """The same payment works in every dialect."""
    with play.stage() as probe:
        if probe.dialect == "private":
            raise Inapplicable("these options are tried in private")
    with play.stage(dialect=name) as stage:
        for number in range(PAGES):
            stage.buy(number)
        stage.settle_up()
        require_equal(stage.earned_micro, PAGES * stage.price_micro, "the vendor earns the price")


@CASES.add()
def change(play: Play) -> None:
    """What is left after a payment is its worth less the price, and pays to the last."""
    with play.stage() as stage:
        stage.require_exact()
        stage.buy(0)
        for_any = not any(each.vendor_id for each in stage.payer.instruments())  # as coins are
        while (before_micro := stage.payer.held_micro()) >= stage.price_micro:
            if stage.traits.credit and before_micro < stage.payer.load_micro // 2:
                break  # a general instrument keeps its worth: its chains alone grow shorter
            pays = any(
                (for_any or each.vendor_id) and each.worth_micro >= stage.price_micro
                for each in stage.payer.instruments()
            )
            if not pays:
                break
            stage.buy(before_micro)
            after_micro = stage.payer.held_micro()
            require_equal(before_micro - after_micro, stage.price_micro, "it is less by the price")
        loads = stage.payer.said.count("OpenAsk")
        require_equal(loads, 1, "one load pays for all of them")


@CASES.add()
def failed_page(play: Play) -> None:
    """A page that does not come costs nothing, and may be bought afterwards."""
    with play.stage() as stage:
        page, stage.shop.origin = stage.shop.origin, failing
        fetched = stage.payer.buy(stage.page())
        assert isinstance(fetched.answer, Response)
        require(fetched.answer.status >= 500, "the failure is passed on", fetched.answer.status)
        require_equal(stage.shop.charged_micro(), 0, "nothing is charged")
        stage.shop.origin = page
        stage.buy()
        stage.settle_up()
        require_equal(stage.earned_micro, stage.price_micro, "then the page costs its price")


@CASES.add()
def taken_at_once(play: Play) -> None:
    """Where nothing is held, a page that failed comes for the payment that was taken."""
    with play.stage() as probe:
        if probe.shop.till.soonest == "before":
            raise Inapplicable("what clears before the page is always held")
    with play.stage(hold=False) as stage:
        stage.buy(0)
        page, stage.shop.origin = stage.shop.origin, failing
        stage.payer.buy(stage.page(1))
        require_equal(stage.shop.charged_micro(), 2 * stage.price_micro, "it is charged")
        stage.shop.origin = page
        stage.buy(1)
        stage.settle_up()
        require_equal(stage.earned_micro, 2 * stage.price_micro, "and comes for that payment")


@CASES.add()
def empty_account(play: Play) -> None:
    """Who has neither money nor credit gets nothing, and owes nothing."""
    with play.stage() as stage:
        poor = stage.admit("poor", 0, credit_micro=0)
        with stage.unchanged("an order that nothing covers"):
            refused = False
            try:
                fetched = poor.buy(stage.page())
                refused = fetched.purchase is None
            except Refusal:
                refused = True
        require(refused, "an order that nothing covers is refused")


@CASES.add()
def last_of_the_money(play: Play) -> None:
    """So much money buys so many pages; on credit nobody comes to owe more than the limit."""
    with play.stage() as stage:
        stage.require_exact()
        is_credit, all_micro = stage.traits.credit, AFFORDED * stage.price_micro
        if stage.payer.guide().purse(stage.scheme, stage.bank.id).blind:
            all_micro = rounding.up(all_micro)  # less is not bought at once
        afforded = all_micro // stage.price_micro
        stage.payer = stage.admit(
            "thrifty", 0 if is_credit else all_micro, credit_micro=all_micro if is_credit else 0
        )
        bought = 0
        while bought <= afforded:
            try:
                if stage.payer.buy(stage.page(bought)).purchase is None:
                    break
            except Refusal as refusal:
                require(refusal.detail != "", "the refusal says what to do", refusal.code)
                break
            bought += 1
        stage.shop.clear()
        require_equal(stage.earned_micro, bought * stage.price_micro, "each page is earned")
        require(stage.bank.has_micro("payer", "thrifty") >= 0, "no account is below zero")
        owed_micro = stage.bank.has_micro("credit", "thrifty")
        if is_credit:
            require(0 < owed_micro <= all_micro, "nobody owes more than the limit", owed_micro)
        else:
            require_equal(bought, afforded, "money for so many pages buys so many")


@CASES.add()
def underpaid(play: Play) -> None:
    """A payment that its purse made for a lower price pays the posted one or is refused."""
    with play.stage() as stage:
        if len(stage.prices_micro) == 1:
            raise Inapplicable("it has one price")
        hand = Hand(stage)
        cheap_micro, dear_micro = stage.prices_micro[0], stage.prices_micro[-1]
        instrument = hand.instrument()
        require(instrument.worth_micro < dear_micro, "the page is dearer than the instrument")
        for micro in (dear_micro, stage.prices_micro[1]):
            try:
                made = hand.pay(
                    stage.page(micro=micro),
                    instrument,
                    offer=lambda offer: with_price(offer, cheap_micro),
                )
            except Refusal:  # its instruments pay one price only
                continue
            before = stage.everything()
            answer = stage.shop.serve(made.request)
            if answer.status == 200 and micro < instrument.worth_micro:
                require_equal(stage.shop.charged_micro(), micro, "the posted price is charged")
                continue
            require(answer.status != 200, "too little is refused", answer.status)
            require(code_of(answer) != "", "the refusal names its rule")
            require_same(before, stage.everything(), "a payment below the price")


@CASES.add()
def overspent_instrument(play: Play) -> None:
    """An instrument never pays more than it is worth, whatever its purse is asked."""
    with play.stage() as stage:
        hand = Hand(stage)
        instrument = hand.instrument()
        received = hand.received(stage.page())
        above = [micro for micro in multiples(stage) if micro > instrument.worth_micro]
        offer = with_price(received.offer, above[0])
        try:
            paid = hand.purse_pays(instrument, offer, hand.binding(stage.page(), received))
        except Refusal:
            return
        made = hand.dress(stage.page(), received, paid)
        with stage.unchanged("a payment above the worth"):
            answer = stage.shop.serve(made.request)
        require(answer.status != 200, "more than it is worth is refused")


def multiples(stage: Stage) -> list[int]:
    """Prices that are as good as the usual one, but for their size."""
    return [stage.price_micro * 10**power for power in range(9)]
