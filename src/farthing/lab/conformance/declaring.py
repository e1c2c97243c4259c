"""What a scheme says of itself: traits that are true, pure parts, messages in one spelling."""

import re
from contextlib import suppress
from typing import Any

import msgspec

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import Misconfigured, OutOfRange, Refusal, Revoked, Unfunded, Unsupported
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.hand import Hand, Paused
from farthing.lab.conformance.recording import MINT, PURSE, TILL, Call, recorded, repeated
from farthing.lab.conformance.repeating import give_back
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.schemes.contract import Accepted, At, Mint, Portion, Purse, Till
from farthing.schemes.losses import CAUSES
from farthing.vendor import disputing
from farthing.wallet.commands import Purchase
from farthing.wallet.settling import receipt_in

WIRE_NAME = re.compile("[a-z]+")  # the grammar of an MPP method
MOMENTS = ("before", "during", "batch")


@CASES.add()
def declared(play: Play) -> None:
    """Three sides with one set of traits, named as the wire wants it, with nothing left out."""
    scheme, traits = play.scheme, play.traits
    require(issubclass(scheme.mint, Mint), "its mint is a Mint")
    require(issubclass(scheme.purse, Purse), "its purse is a Purse")
    require(issubclass(scheme.till, Till), "its till is a Till")
    for side in (scheme.mint, scheme.purse, scheme.till):
        require(side.traits == traits, "its sides have the traits of the scheme", side.__name__)
    require(WIRE_NAME.fullmatch(traits.wire) is not None, "its wire name is [a-z]+", traits.wire)
    require(bool(traits.title and traits.source), "it says what it is called and where it is from")
    for role, causes in CAUSES.items():
        told = [loss.by for loss in traits.losses.get(role, ())]
        expected = [by for by in causes if by != "peer" or traits.resold]
        require_equal(sorted(told), sorted(expected), f"it says what a {role} can lose, by whom")
    require(traits.latest in traits.moments, "its latest moment is one of its moments")
    require(set(traits.moments) <= set(MOMENTS), "its moments are moments", traits.moments)
    is_vendors = traits.issuer == "vendor"
    require(not is_vendors or scheme.vendor_mint is not None, "a vendor that issues has a mint")


@CASES.add()
def credit(play: Play) -> None:
    """On credit a payer without money buys and owes; prepaid, the money has left before."""
    with play.stage() as stage:
        stage.require_exact()
        limit_micro = 100 * stage.payer.load_micro
        stage.payer = stage.admit("carl", 0, credit_micro=limit_micro)
        if not play.traits.credit:
            with stage.unchanged("an order of who has credit and no money"):
                try:
                    fetched = stage.payer.buy(stage.page())
                    require(fetched.purchase is None, "prepaid is not sold on credit")
                except Unfunded:
                    return
            return
        stage.buy()
        if stage.shop.till.soonest != "before":
            owed_micro = stage.bank.has_micro("credit", "carl")
            apart_micro = stage.bank.has_micro("outstanding", f"{play.traits.name}/carl")
            require_equal(owed_micro, apart_micro, "nothing is owed yet but what lies ready")
        stage.settle_up()
        owed_micro = stage.bank.has_micro("credit", "carl")
        require_equal(owed_micro, stage.price_micro, "what was spent is owed")


@CASES.add()
def properties(play: Play) -> None:
    """Who shows properties gets their price; a scheme that shows none is sold nothing by them."""
    if not play.traits.props:
        with play.stage() as stage:
            stage.shop.more_routes = REQUIRING
            refused = False
            try:
                stage.shop.restart()
            except (Misconfigured, OutOfRange):
                refused = True
            require(refused, "a price that asks for properties is refused when it is read")
            stage.shop.more_routes = ""
            stage.shop.restart()
        return
    with play.stage() as stage:
        stage.shop.more_routes = REDUCED + REQUIRING
        stage.shop.restart()
        paid = {}
        for name, props in (("student", "student=true"), ("other", "")):
            stage.payer = stage.admit(name, props=props)
            fetched = stage.buy(name, micro=REDUCED_MICRO)
            assert fetched.purchase is not None
            paid[name] = fetched.purchase.price_micro
        require_equal(paid, {"student": LESS_MICRO, "other": REDUCED_MICRO}, "each its price")
        refused = False
        try:
            stage.payer.buy(stage.page("spirits", micro=REQUIRED_MICRO))
        except Refusal:
            refused = True
        refused = refused or stage.shop.charged_micro() == LESS_MICRO + REDUCED_MICRO
        require(refused, "who lacks a property buys nothing that asks for it")
        stage.settle_up()
        require_equal(stage.earned_micro, LESS_MICRO + REDUCED_MICRO, "and both are earned")


REDUCED_MICRO, LESS_MICRO, REQUIRED_MICRO = 4_000, 1_000, 5_000
REDUCED = f"""
[[route]]
path = "/{REDUCED_MICRO}/**"
price = "{REDUCED_MICRO}u"
[[route.reduced]]
price = "{LESS_MICRO}u"
props.student = true
"""
REQUIRING = f"""
[[route]]
path = "/{REQUIRED_MICRO}/**"
price = "{REQUIRED_MICRO}u"
requires.student = true
"""


@CASES.add()
def revocation(play: Play) -> None:
    """What is on the broker's list opens nothing new at a vendor that has the list."""
    if not play.scheme.mint.published:
        raise Inapplicable("its broker publishes no list")
    if "batch" not in play.traits.moments:
        raise Inapplicable("its vendors ask the broker itself before each page")
    with play.stage() as stage:
        stage.buy()
        hand, other = Hand(stage), stage.open_shop("daily")
        made = hand.pay(stage.page(shop=other), hand.instrument(other))
        give_back(stage)
        if stage.line.heard("vendor take_back"):
            raise Inapplicable("what is returned is ended by its vendor")
        names = stage.bank.engine.operations.listed(stage.scheme)
        require(bool(names), "what is returned is on the list")
        other.learn_list(play.scheme.mint.published, names)
        with stage.unchanged("a payment with what was revoked"):
            other.serve(made.request)
        refused = False
        try:
            _take(stage, other, made)
        except Revoked:
            refused = True
        require(refused, "it is refused as revoked")


def _take(stage: Stage, shop: Any, made: Any) -> None:
    till = shop.till
    payment = till.read(codec.canonical(made.paid.payload))
    memory = shop.store.do_now(marks.Read(keys=till.recall(payment)))
    binding = Hand(stage).binding(made.request.url, made.received)
    till.take(payment, made.received.offer, binding, memory, stage.room.at())


@CASES.add()
def lists(play: Play) -> None:
    """A gate that never had the broker's lists sells, unless the scheme says that it needs them."""
    with play.stage() as stage:
        if not play.traits.needs_list:
            stage.buy()
            return
        stage.shop.is_mirroring = refused = False
        try:
            fetched = stage.payer.buy(stage.page())
            refused = getattr(fetched.answer, "status", 0) == 503
        except Refusal:
            refused = True
        require(refused, "without the list it is `Unavailable`")


@CASES.add()
def sharing(play: Play) -> None:
    """What is passed on pays for whoever got it, and only once."""
    with play.stage() as stage:
        hand = Hand(stage)
        instrument, secret = hand.instrument(), stage.room.entropy(32)
        portion = Portion(
            amount_micro=stage.price_micro,
            to=signing.public_of(secret),
            until_s=stage.room.now_s + DAY_S,
        )
        try:
            shared = hand.purse.share(instrument, portion, stage.room.at())
        except Unsupported as refusal:
            raise Inapplicable(f"it is not passed on: {refusal.code}") from None
        left_micro = instrument.worth_micro - shared.left.worth_micro
        require(left_micro >= stage.price_micro, "who hands it over has it no more")
        grant = codec.read_json(codec.canonical(shared.grant))
        got = hand.purse.accept(grant, secret, stage.room.at())
        require_equal(got.worth_micro, stage.price_micro, "it is worth what was handed over")
        made = hand.pay(stage.page(), got)
        require_equal(stage.shop.serve(made.request).status, 200, "it pays")
        again = hand.pay(stage.page("b"), got)
        require(stage.shop.serve(again.request).status != 200, "it pays once")


def conversation(stage: Stage) -> None:
    """Everything that a scheme can do with the wallet and the gate as they are."""
    bought = [stage.buy(number).purchase for number in range(3)]
    stage.shop.clear()
    with suppress(Unsupported):  # by a scheme that hides nothing
        _disclose(stage, bought[-1])
    if stage.payer.guide().purse(stage.scheme, stage.bank.id).refunds:
        fetched = stage.buy("returned")
        assert fetched.purchase is not None
        stage.shop.refund(fetched.purchase.k)
        stage.payer.recover(days=1)
    with suppress(Inapplicable):  # nothing more is said by who returns nothing
        give_back(stage)
    if stage.payer.guide().purse(stage.scheme, stage.bank.id).reissues:
        stage.payer.reissue()
    stage.settle_up()


def _disclose(stage: Stage, made: Purchase | None) -> None:
    """Payer and vendor show what was bought, and the broker reads it."""
    assert made is not None, "the page was bought"
    shop, mint = stage.shop, stage.bank.books.mint(stage.scheme)
    shown = stage.payer.guide().purse(stage.scheme, stage.bank.id).disclose(made.paid)
    mint.judge(codec.read_json(codec.canonical(shown)))
    stage.room.wait_for(disputing.disclose(made.k, shop.gate.tills, shop.store))


@CASES.add(MINT, PURSE, TILL)
def pure(play: Play, side: str) -> None:
    """The same arguments give the same result, in any order, without clock or luck of its own."""
    with play.stage() as stage, recorded(stage) as calls:
        conversation(stage)
        own = [call for call in calls if call.side == side]
        require(bool(own), f"a conversation uses its {side}")
        for call in reversed(own):
            require_equal(call.after, call.before, f"{call.name} leaves its arguments alone")
            again = repeated(call)
            if again != call.result:
                require(held=False, rule=f"{call.name} of the {side} is a function", found=again)


@CASES.add()
def drawn(play: Play) -> None:
    """What a payment comes to is left to luck only where the traits say so."""
    with play.stage() as stage:
        settlement = stage.shop.till.offer(stage.price_micro, stage.room.at()).settlement
        is_drawn = settlement == "probabilistic"
        require(play.traits.drawn or not is_drawn, "the traits say that it is drawn", settlement)


@CASES.add()
def entropy(play: Play) -> None:
    """A till uses no more randomness than the traits allow: more of it changes nothing."""
    count = play.traits.entropy_bytes
    with play.stage() as stage, recorded(stage) as calls:
        conversation(stage)
        tried = 0
        for call in calls:
            if call.side != TILL or call.name not in {"take", "finish"}:
                continue
            tried += 1
            again = repeated(_with_entropy(call, count))
            require_equal(again, call.result, f"{call.name} needs {count} random bytes")
        require(tried > 0, "payments are taken and finished", tried)


def _with_entropy(call: Call, count: int) -> Call:
    """The same call with less of it, and other bytes behind."""

    def cut(value: Any) -> Any:
        if isinstance(value, At):
            used = value.entropy[:count] + bytes(len(value.entropy) - count)
            return msgspec.structs.replace(value, entropy=used)
        return value

    return msgspec.structs.replace(call, before=tuple(cut(each) for each in call.before))


JSON_KINDS = re.compile(r"(broker|vendor) \w+|claim|question")


@CASES.add()
def canonical(play: Play) -> None:
    """Every message has one spelling: parsed and written again it is what it was."""
    with play.stage() as stage:
        conversation(stage)
        count = 0
        for said in stage.line.said:
            if not JSON_KINDS.fullmatch(said.kind):
                continue
            count += 1
            again = codec.canonical(codec.read_json(said.raw))
            require_equal(again, said.raw, f"a `{said.kind}` is canonical")
        require(count > 1, "messages were heard", count)


@CASES.add()
def stable(play: Play) -> None:
    """A till reads its payment, and what it read, written again, to the same payment."""
    with play.stage() as stage:
        for number in range(2):
            paused = Paused(stage.payer, stage.page(number))
            assert paused.purchase is not None, "it was written before it was sent"
            raw = codec.canonical(paused.purchase.paid.payload)
            till = stage.shop.till
            payment = till.read(raw)
            written = codec.canonical(payment)
            require_equal(written, raw, "it is written as it came")
            require_equal(till.read(written), payment, "and read as it was")
            paused.finish(stage.shop.serve(paused.request))
        require_equal(stage.shop.charged_micro(), 2 * stage.price_micro, "both are taken")


@CASES.add("shorter", "longer", "missing", "another's", "as it is")
def changed_change(play: Play, how: str) -> None:
    """A purse adopts the change that it is owed, and no other."""
    with play.stage() as stage:
        hand = Hand(stage)
        made = hand.pay(stage.page(), hand.instrument())
        answer = stage.shop.serve(made.request)
        change = _change_in(stage, made, answer)
        other = _changed(change, how)
        purse, at = hand.purse, stage.room.at()
        due_micro = made.paid.spent.worth_micro - stage.price_micro
        try:
            concluded = purse.conclude(made.paid, Accepted(change=other), at)
        except Refusal:
            require(how != "as it is", "the change that is due is adopted")
            return
        left_micro = sum(each.worth_micro for each in concluded.instruments)
        require_equal(left_micro, due_micro, "what is left is the worth less the price")
        if other is not None:
            require_equal(how, "as it is", "no other change is adopted")


def _change_in(stage: Stage, made: Any, answer: Any) -> Any:
    receipt = receipt_in(answer)
    require(receipt is not None, "a payment has a receipt")
    assert receipt is not None
    if receipt.change is None:
        raise Inapplicable("it gives no change: its payments are exact")
    return receipt.change


def _changed(change: Any, how: str) -> Any:
    """Change with something wrong in it: every number in it less, or more, or of somebody else."""
    if how in {"shorter", "longer"}:
        return _moved(change, -1 if how == "shorter" else 1)
    if how == "another's":
        return _named(change)
    return None if how == "missing" else change


def _moved(value: Any, by: int) -> Any:
    match value:
        case dict():
            return {name: _moved(each, by) for name, each in value.items()}
        case list():
            return [_moved(each, by) for each in value]
        case int() if not isinstance(value, bool) and value < DAY_S * 10_000:
            return value + by
        case _:
            return value


def _named(value: Any) -> Any:
    match value:
        case dict():
            return {name: _named(each) for name, each in value.items()}
        case list():
            return [_named(each) for each in value]
        case str() if len(value) < NAME_CHARS:
            return value + "x"
        case _:
            return value


NAME_CHARS = 8  # names of vendors and currencies are shorter here, keys and signatures longer
