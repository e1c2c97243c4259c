"""What comes back: the rest of an instrument, the price of a page, an old copy of a wallet."""

from contextlib import suppress

from farthing import codec, marks
from farthing.errors import Refusal
from farthing.lab.conformance.buying import require_held
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.hand import Hand, code_of
from farthing.lab.conformance.repeating import give_back
from farthing.lab.conformance.stage import DAY_S, Play, Stage, require_bought, require_same
from farthing.schemes.contract import Instrument
from farthing.wallet.commands import Response


@CASES.add()
def take_back(play: Play) -> None:
    """What is left goes back whole, once, and pays nobody any more."""
    with play.stage() as stage:
        stage.require_exact()
        before_micro = stage.bank.has_micro("payer", stage.payer.id)
        stage.buy()
        hand, old = Hand(stage), stage.payer.instruments()
        made = hand.pay(stage.page("old"), hand.instrument())
        give_back(stage)
        stage.await_returns()
        with suppress(Inapplicable):
            give_back(stage)  # what its vendor could have taken until now
        require_held(stage)
        if not stage.traits.credit:
            require_equal(stage.payer.held_micro(), 0, "nothing is left in the wallet")
            after_micro = stage.bank.has_micro("payer", stage.payer.id)
            require_equal(before_micro - after_micro, stage.price_micro, "the rest came back")
        _require_dead(stage, old, made.paid.spent)
        stage.settle_up()
        require_equal(stage.earned_micro, stage.price_micro, "the vendor earns the page alone")


def _require_dead(stage: Stage, old: list[Instrument], spent: Instrument) -> None:
    """What was returned pays nothing, and is not returned twice."""
    purse = stage.payer.guide().purse(stage.scheme, stage.bank.id)
    paid_micro = stage.bank.has_micro("payer", stage.payer.id)
    for instrument in old:
        try:
            asked = purse.give_back(instrument, stage.room.at())
        except Refusal:
            continue
        if asked.to == "vendor":
            path, before = asked.operation.replace("_", "-"), stage.everything()
            status, _ = stage.shop.mint(stage.scheme, path, asked.message)
            heard = [codec.canonical(read(raw)) for raw in stage.line.heard("vendor take_back")]
            is_repeat = codec.canonical(asked.message) in heard
            require(is_repeat or status != 200, "the vendor burns nothing twice", status)
            require_same(before, stage.everything(), "what was returned before")
            made = Hand(stage).pay(stage.page("dead"), spent)
            with stage.unchanged("a payment with what was returned"):
                answer = stage.shop.serve(made.request)
            require(answer.status != 200, "what was returned pays nothing", code_of(answer))
            continue
        try:
            stage.bank.operate(stage.scheme, asked.operation, asked.message, stage.payer.id)
        except Refusal:
            continue
    again_micro = stage.bank.has_micro("payer", stage.payer.id)
    require_equal(again_micro, paid_micro, "nothing is returned twice")


@CASES.add("before a claim", "after a claim")
def closed(play: Play, when: str) -> None:
    """What a vendor ends for a payer is paid as far as it was spent; the rest is back at once."""
    with play.stage() as stage:
        stage.require_exact()
        stage.buy("old")
        hand = Hand(stage)
        made = hand.pay(stage.page("dead"), hand.instrument())
        purse = stage.payer.guide().purse(stage.scheme, stage.bank.id)
        if not stage.traits.credit or purse.is_billed(made.paid.spent):
            raise Inapplicable("nothing of it lies ready at the broker for one vendor")
        if when == "after a claim":
            stage.shop.clear()
        give_back(stage)
        stage.shop.clear()
        require_equal(stage.spent_micro, stage.price_micro, "the rest came back at once")
        require_equal(stage.earned_micro, stage.price_micro, "what was spent is earned")
        with stage.unchanged("a payment with what was closed"):
            answer = stage.shop.serve(made.request)
        require_equal(answer.status, 410, f"what was closed pays nothing: {code_of(answer)}")
        stage.buy("new")
        stage.settle_up()
        require_equal(stage.earned_micro, 2 * stage.price_micro, "the vendor earns both pages")


@CASES.add()
def take_back_by_another(play: Play) -> None:
    """Nobody else gets what is left."""
    with play.stage() as stage:
        stage.buy()
        give_back(stage)
        stage.admit("eve")
        before_micro = stage.bank.has_micro("payer", "eve")
        owed_micro = stage.bank.has_micro("credit", "eve")
        for raw in stage.line.heard("broker take_back"):
            with stage.unchanged("another's return"):
                try:
                    stage.bank.operate(stage.scheme, "take_back", read(raw), "eve")
                except Refusal:
                    continue
        require_equal(stage.bank.has_micro("payer", "eve"), before_micro, "nobody gains by it")
        require_equal(stage.bank.has_micro("credit", "eve"), owed_micro, "or owes less")


def read(raw: bytes) -> object:
    """A message as it was heard."""
    value: object = codec.read_json(raw)
    return value


@CASES.add()
def refund(play: Play) -> None:
    """What a vendor gives back for a page comes once, is worth its price, and pays again."""
    with play.stage() as stage:
        if not stage.payer.guide().purse(stage.scheme, stage.bank.id).refunds:
            raise Inapplicable("its purse says that vendors give nothing back")
        fetched = stage.buy()
        assert fetched.purchase is not None
        before_micro = stage.payer.held_micro()
        stage.shop.refund(fetched.purchase.k)
        with stage.unchanged("a refund that was given"):
            _refund_again(stage, fetched.purchase.k)
        require_equal(stage.payer.recover(days=1).refunded, 1, "the wallet collects it")
        require_equal(stage.payer.recover(days=1).refunded, 0, "and collects it once")
        gained_micro = stage.payer.held_micro() - before_micro
        require_equal(gained_micro, stage.price_micro, "it is worth the price")
        while stage.payer.held_micro() >= stage.price_micro:
            held_micro = stage.payer.held_micro()
            stage.buy(held_micro)
            require(stage.payer.held_micro() < held_micro, "what was given back pays")
        bought_micro = stage.payer.load_micro
        stage.settle_up()
        require_equal(stage.earned_micro, bought_micro, "the vendor earns what was kept")


def _refund_again(stage: Stage, k: str) -> None:
    try:
        stage.shop.refund(k)
    except Refusal:
        return


DAYS_LATER = (1, 1, 28, 30, 30, 200)
"""From one try to the next: in the end everything of the payment is forgotten."""


@CASES.add()
def refund_again_later(play: Play) -> None:
    """What was given back is given back once, however much of it a vendor has forgotten since."""
    with play.stage() as stage:
        if not stage.payer.guide().purse(stage.scheme, stage.bank.id).refunds:
            raise Inapplicable("its purse says that vendors give nothing back")
        fetched = stage.buy()
        assert fetched.purchase is not None
        stage.shop.refund(fetched.purchase.k)
        stage.shop.clear()
        for days in DAYS_LATER:
            stage.room.later(days * DAY_S + 1)
            stage.shop.store.do_now(marks.Forget(now_s=stage.room.now_s, count=1_000))
            stage.bank.tick()
            with stage.unchanged("a refund that was given"):
                _refund_again(stage, fetched.purchase.k)
        stage.shop.clear()
        require_equal(stage.earned_micro, 0, "the vendor earns nothing")


@CASES.add("once", "twice")
def old_wallet(play: Play, times: str) -> None:
    """A wallet that was restored from an old copy pays no page twice, and goes on buying."""
    with play.stage() as stage:
        stage.buy("before")
        copies = [stage.room.folder / f"copy-{number}" for number in range(2)]
        for copy in copies[: 1 if times == "once" else 2]:
            stage.payer.save(copy)
        stage.buy("lost")
        pages = 2
        for copy in copies[: 1 if times == "once" else 2]:
            stage.payer.restore(copy)
            stage.room.later(120)  # beyond a lease, and beyond doubt that anything is on its way
            pages += _buy_until_it_comes(stage, f"after-{copy.name}")
        stage.payer.recover()
        stage.settle_up()
        due_micro = pages * stage.price_micro
        require_equal(stage.earned_micro, due_micro, "each page that came is earned once")


TRIES_MAX = 4  # of a page with an old wallet: each sets an instrument aside that is spent


def _buy_until_it_comes(stage: Stage, name: str) -> int:
    """How many pages came: one, at the latest after some tries with what is spent."""
    for _ in range(TRIES_MAX):
        try:
            fetched = stage.payer.buy(stage.page(name))
        except Refusal:
            continue
        if isinstance(fetched.answer, Response) and fetched.answer.status == 200:
            require_bought(fetched)
            return 1
    require(held=False, rule="an old wallet comes to buy again")
    return 0


@CASES.add("lost", "found again")
def reissue(play: Play, old: str) -> None:
    """Who lost a wallet gets back what was unspent, once, though the old one goes on spending."""
    with play.stage() as stage:
        payer = stage.payer
        if not payer.guide().purse(stage.scheme, stage.bank.id).reissues:
            raise Inapplicable("its purse says that nothing is reissued")
        stage.require_exact()
        had_micro = stage.bank.has_micro("payer", payer.id)
        stage.buy("before")
        lost_micro, copy = payer.held_micro(), stage.room.folder / "copy"
        payer.save(copy)
        payer.restore()
        stage.shop.clear()
        done = payer.reissue()
        back_micro = sum(each.returned_micro for each in done)
        rest_micro = sum(each.rest_micro for each in done)
        require_equal(back_micro + rest_micro, lost_micro, "all that was unspent comes back")
        left_micro = had_micro - stage.price_micro - rest_micro
        require_equal(stage.bank.has_micro("payer", payer.id), left_micro, "some of it at once")
        with stage.unchanged("a second reissue"):
            again = payer.reissue()
        require(not any(each.returned_micro for each in again), "it comes back once", again)
        stage.buy("with the new wallet")
        pages = 2
        if old == "found again":
            payer.restore(copy)
            pages += _spend_on(stage)
        stage.settle_up()
        due_micro = pages * stage.price_micro
        require_equal(stage.earned_micro, due_micro, "each page that came is earned once")
        left_micro = had_micro - due_micro
        require_equal(stage.bank.has_micro("payer", payer.id), left_micro, "and paid for once")


def _spend_on(stage: Stage) -> int:
    """How many pages come to the old wallet, from a gate that has not heard of it and one that has.

    The first may take what was ended; the second does not, and the wallet pays with something new.
    """
    stage.shop.is_mirroring = False
    pages = _buy_until_it_comes(stage, "in time")
    stage.shop.is_mirroring = True
    return pages + _buy_until_it_comes(stage, "too late")


@CASES.add()
def copied_wallet(play: Play) -> None:
    """Two copies of one wallet, at two vendors and at one: nothing is paid for twice."""
    with play.stage() as stage:
        stage.buy("before")
        copy = stage.room.folder / "copy"
        stage.payer.save(copy)
        hand = Hand(stage)
        instrument = hand.instrument()
        first = hand.pay(stage.page("one"), instrument)
        second = hand.pay(stage.page("two"), instrument)
        require_equal(stage.shop.serve(first.request).status, 200, "the first is taken")
        hand.release(first)
        if not first.paid.k:
            with stage.unchanged("the copy's payment"):
                answer = stage.shop.serve(second.request)
            require(answer.status != 200, "the copy's payment is refused", answer.status)
        other = stage.open_shop("daily")
        there = hand.dress(
            stage.page(shop=other), hand.received(stage.page(shop=other)), second.paid
        )
        with stage.unchanged("the copy's payment at another vendor"):
            answer = other.serve(there.request)
        require(answer.status != 200, "another vendor refuses it", answer.status)
        stage.settle_up()
        require_equal(stage.earned_micro, 2 * stage.price_micro, "two pages are earned")
