"""Time: on both sides of every edge, and for as long as a repeat may come."""

from collections.abc import Callable

from farthing import codec, marks
from farthing.errors import Busy, Expired, NotYetValid, Refusal
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.hand import Hand, Made, code_of, credential_of
from farthing.lab.conformance.repeating import give_back
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.ledger.accounts import BREAKAGE
from farthing.schemes.contract import Account, At, Instrument, Taken
from farthing.vendor.driver import ENTROPY_BYTES

SKEW_S = 120  # an instrument is taken so long after its end: honest clocks differ by less
DISPUTE_S = 30 * DAY_S  # so much longer a vendor can still be asked what became of a payment
NEVER_S = 1_000 * DAY_S  # what ends later does not end in any test's time


def taken_at(stage: Stage, made: Made, now_s: int) -> Taken:
    """What the till says of a payment at a given time; any refusal."""
    till = stage.shop.till
    stage.shop.mirror(now_s)
    payment = till.read(_payload(made))
    keys = till.recall(payment)
    memory = stage.shop.store.do_now(marks.Read(keys=keys)) if keys else marks.NOTHING
    binding = Hand(stage).binding(made.request.url, made.received)
    at = At(now_s=now_s, entropy=stage.room.entropy(ENTROPY_BYTES))
    return till.take(payment, made.received.offer, binding, memory, at)


def _payload(made: Made) -> bytes:
    return codec.canonical(made.paid.payload)


def edge_s(is_taken: Callable[[int], bool], low_s: int, high_s: int) -> int:
    """The last second at which it is taken: it is at `low_s`, and is not at `high_s`."""
    while high_s - low_s > 1:
        middle_s = (low_s + high_s) // 2
        low_s, high_s = (middle_s, high_s) if is_taken(middle_s) else (low_s, middle_s)
    return low_s


def _made(stage: Stage) -> tuple[Made, int]:
    """A payment, and when its instrument ends; `Inapplicable` where it never does."""
    hand = Hand(stage)
    made = hand.pay(stage.page(), hand.instrument())
    expires_at_s = made.paid.spent.expires_at_s
    if expires_at_s > stage.room.now_s + NEVER_S:
        raise Inapplicable("its instruments do not end")
    return made, expires_at_s


@CASES.add("first payment", "later payment")
def expiry(play: Play, which: str) -> None:
    """An instrument is taken until its end and the skew of clocks, and not a second longer."""
    with play.stage() as stage:
        stage.shop.require_proved()
        if which == "later payment":
            stage.buy("before")
        made, expires_at_s = _made(stage)

        def is_taken(now_s: int) -> bool:
            try:
                taken_at(stage, made, now_s)
            except Expired:
                return False
            return True

        require(is_taken(stage.room.now_s), "it is taken now")
        require(not is_taken(expires_at_s + NEVER_S), "it ends at all")
        last_s = edge_s(is_taken, stage.room.now_s, expires_at_s + NEVER_S)
        require_equal(last_s, expires_at_s + SKEW_S, "the last second at which it is taken")
        with stage.unchanged("an expired payment"):
            refused = False
            try:
                taken_at(stage, made, last_s + 1)
            except Refusal:
                refused = True
        require(refused, "a second later it is refused")


@CASES.add()
def beginning(play: Play) -> None:
    """An instrument of tomorrow, or a payment, is not taken before the skew of clocks allows it."""
    with play.stage() as stage:
        made, _ = _made(stage)

        def is_early(now_s: int) -> bool:
            try:
                taken_at(stage, made, now_s)
            except NotYetValid:
                return True
            return False

        began_s = stage.room.now_s - 2 * DAY_S
        if not is_early(began_s):
            raise Inapplicable("its instruments have no beginning, only an end")
        last_s = edge_s(is_early, began_s, stage.room.now_s)
        begins_s = last_s + 1 + SKEW_S
        is_dated = begins_s == stage.room.now_s  # the payment says when it was made
        require(is_dated or begins_s % DAY_S == 0, "it begins with its day, less the skew")


@CASES.add()
def expired_in_the_wallet(play: Play) -> None:
    """A wallet pays with nothing that has ended, and buys what it needs instead."""
    with play.stage() as stage:
        stage.buy("first")
        held = stage.payer.instruments()
        own = [each for each in held if each.vendor_id] or held  # coins are for no vendor yet
        ends = [each.expires_at_s for each in own]
        if not ends or max(ends) > stage.room.now_s + NEVER_S:
            raise Inapplicable("its instruments do not end")
        stage.room.now_ms = (max(ends) + 1) * 1000
        stage.buy("second")
        require_equal(stage.shop.charged_micro(), 2 * stage.price_micro, "both pages are earned")


@CASES.add()
def last_second(play: Play) -> None:
    """In the last second of an instrument a wallet still buys with it."""
    with play.stage() as stage:
        made, expires_at_s = _made(stage)
        stage.room.now_ms = (expires_at_s - 1) * 1000
        hand = Hand(stage)
        late = hand.pay(stage.page(), made.paid.spent)
        require_equal(stage.shop.serve(late.request).status, 200, "it is taken")


@CASES.add()
def challenge_expiry(play: Play) -> None:
    """An offer is paid in its last second and not after it, by the clock that made it."""
    with play.stage() as stage:
        stage.shop.require_proved()
        hand = Hand(stage)
        made = hand.pay(stage.page(), hand.instrument())
        name, _ = credential_of(made.request)
        if name.lower() != "authorization":
            raise Inapplicable("this dialect's offers have no end of their own")
        stage.room.now_ms = made.received.expires_at_s * 1000
        with stage.unchanged("an expired offer"):
            answer = stage.shop.serve(made.request)
        require_equal(code_of(answer), "challenge_expired", "it is over")
        stage.room.later(-1)
        require_equal(stage.shop.serve(made.request).status, 200, "a second before it is not")


@CASES.add()
def kept_long_enough(play: Play) -> None:
    """Marks and outcome are kept until the instrument has ended and the dispute window is over."""
    with play.stage() as stage:
        made, expires_at_s = _made(stage)
        taken = taken_at(stage, made, stage.room.now_s)
        least_s = expires_at_s + SKEW_S + DISPUTE_S
        require(taken.until_s >= least_s, "the outcome is kept", taken.until_s - least_s)
        require(bool(taken.marks), "a payment leaves a mark")
        for mark in taken.marks:
            require(mark.until_s >= least_s, "a mark is kept", mark.until_s - least_s)
            is_own = mark.id.startswith((play.traits.tag or play.name).encode())
            require(is_own, "a mark's id begins with its scheme's name or tag", mark.id[:16])
        for claim in taken.claims:
            require_equal(claim.scheme, play.name, "a claim is of its own scheme")


@CASES.add()
def forgotten(play: Play) -> None:
    """What a gate has forgotten, long after its end, is not taken anew."""
    with play.stage() as stage:
        made, expires_at_s = _made(stage)
        require_equal(stage.shop.serve(made.request).status, 200, "it is taken")
        stage.room.now_ms = (expires_at_s + NEVER_S) * 1000
        stage.shop.store.do_now(marks.Forget(now_s=stage.room.now_s, count=1_000))
        stage.bank.tick()
        with stage.unchanged("a payment after everything was forgotten"):
            answer = stage.shop.serve(made.request)
        require(answer.status != 200, "it is refused", answer.status)


DUE_MAX = 40  # times of one purchase at which the broker looks at something


def await_end(stage: Stage, until_s: int) -> None:
    """Let time pass; vendors clear, and the broker looks, around each second when it must."""
    for _ in range(DUE_MAX):
        due_s = stage.bank.next_due_s()
        if due_s is None or due_s >= until_s:
            return
        for now_s in (due_s - 1, due_s, due_s + 1):
            if stage.room.now_s <= now_s < until_s:
                stage.room.now_ms = now_s * 1000
                for shop in stage.shops.values():
                    shop.clear()
                stage.bank.tick()
    require(held=False, rule="what time alone does comes to an end")


@CASES.add()
def left_alone(play: Play) -> None:
    """What nobody spends and nobody returns ends: it comes back or lapses, and none stays out."""
    with play.stage() as stage:
        stage.require_exact()
        stage.buy()
        ends_s = [each.expires_at_s for each in stage.payer.instruments()]
        if not ends_s or max(ends_s) > stage.room.now_s + NEVER_S:
            raise Inapplicable("its instruments do not end")
        for shop in stage.shops.values():
            shop.clear()
        await_end(stage, stage.room.now_s + NEVER_S)
        _require_ended(stage)
        for held in stage.payer.book.held():
            refusal: Refusal | None = None
            try:
                stage.payer.give_back(held.instrument, held.site or stage.shop.site)
            except Refusal as wrong:
                refusal = wrong
            waits = isinstance(refusal, Busy)
            require(not waits, "what has ended is over for its mint, and no return waits", refusal)
        _require_ended(stage)


def _require_ended(stage: Stage) -> None:
    require_equal(stage.bank.has_micro("outstanding"), 0, "nothing stays out")
    lapsed_micro = -stage.bank.balances().get(BREAKAGE, 0)
    require_equal(stage.spent_micro, stage.price_micro + lapsed_micro, "the rest came back")
    require_equal(stage.earned_micro, stage.price_micro, "the vendor earns the page alone")


@CASES.add()
def returned_in_the_last_second(play: Play) -> None:
    """As long as purse and mint say that it can be returned, it comes back whole."""
    with play.stage() as stage:
        stage.require_exact()
        if play.traits.credit:
            raise Inapplicable("it is on credit")
        stage.buy()
        stage.purse_returns()
        (instrument, *_) = stage.payer.instruments()
        begins_s, never_s = stage.room.now_s, stage.room.now_s + NEVER_S
        last_s = instrument.expires_at_s - 1
        if not _is_returned(stage, instrument, never_s):
            last_s = edge_s(lambda now_s: _is_returned(stage, instrument, now_s), begins_s, never_s)
        elif last_s > never_s:
            raise Inapplicable("its instruments do not end")
        await_end(stage, last_s)
        stage.room.now_ms = last_s * 1000
        stage.bank.tick()
        give_back(stage)
        stage.await_returns()
        require_equal(stage.payer.held_micro(), 0, "nothing is left in the wallet")
        for shop in stage.shops.values():
            shop.clear()
        require_equal(stage.spent_micro, stage.price_micro, "the rest came back")


def _is_returned(stage: Stage, instrument: Instrument, now_s: int) -> bool:
    """Whether the purse returns it at that time, and the mint takes it, as far as time goes."""
    at = At(now_s=now_s, entropy=stage.room.entropy(ENTROPY_BYTES))
    payer, mint = stage.payer, stage.bank.books.mint(stage.scheme)
    try:
        asked = payer.guide().purse(stage.scheme, stage.bank.id).give_back(instrument, at)
        if asked.to == "broker":
            message = codec.read_json(codec.canonical(asked.message))
            mint.check(asked.operation, message, Account(id=payer.id, role="payer"), at)
    except Refusal:
        return False
    return True
