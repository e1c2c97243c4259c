"""Every party ends between any two steps, before or after its command; nothing is lost or doubled.

A purchase is some dozens of commands: those of the wallet's flow, those of the gate's walk, those
of the broker. For each k the party that is about to carry out command k dies (or dies just after
it), is opened again over what it had written, and the payer asks for the page once more.
"""

from collections.abc import Callable
from contextlib import suppress

from farthing.errors import Refusal, Undecided
from farthing.lab.conformance.buying import require_held
from farthing.lab.conformance.cases import CASES, Inapplicable, Violated, require, require_equal
from farthing.lab.conformance.hand import Paused
from farthing.lab.conformance.line import Died
from farthing.lab.conformance.repeating import NotReturned, give_back
from farthing.lab.conformance.stage import Play, Stage
from farthing.marks import Moment
from farthing.wallet.commands import Failed, Response

STEPS_MAX = 400  # of one purchase: an errand, a payment and an enquiry have under 100
TRIES_MAX = 4  # of a page after a crash: a lease may have to end, an enquiry to be made
LEASE_S = 90  # longer than a hold lives: origin time-out and 30 s


class Steps:
    """Counts commands, and ends a party at one of them."""

    def __init__(self, stage: Stage, at: int, *, after: bool) -> None:
        """At command `at`, counted from 0; `after`: once it is done."""
        self._at, self._after, self._count = at, after, 0
        self.died = ""
        """Who and at what; empty while nobody did."""
        stage.line.before = self._begin
        stage.line.after = self._end

    def _begin(self, who: str, what: str) -> None:
        if not self._after:
            self._pass(who, what)

    def _end(self, who: str, what: str) -> None:
        if self._after:
            self._pass(who, what)

    def _pass(self, who: str, what: str) -> None:
        self._count += 1
        if self._count == self._at + 1:
            self.died = f"{who} at {what}"
            raise Died(who)


def buy_whatever_happens(stage: Stage, url: str) -> None:
    """The page, in as many tries as crashes and leases cost; the wallet is opened again if dead."""
    for number in range(TRIES_MAX):
        try:
            fetched = stage.payer.buy(url)
            if isinstance(fetched.answer, Response) and fetched.answer.status == 200:
                return
        except Died as died:
            require_equal(died.who, stage.payer.id, "others' deaths are heard as failures")
            stage.payer.restart()
            if url in stage.payer.got:  # it died over what comes after the page
                return
        except Refusal as refusal:
            require(number < TRIES_MAX - 1, "the page comes in the end", refusal)
        stage.room.later(LEASE_S)
        stage.bank.tick()
    require(held=False, rule="the page comes in the end")


def _all_steps(
    play: Play, *, after: bool, what: Callable[[Stage], None], clearing: Moment | None = None
) -> None:
    """`what` with a crash at step 0, 1, 2 ... until one run has none."""
    for at in range(STEPS_MAX):
        with play.stage(clearing=clearing) as stage:
            stage.require_exact()
            _buy_before(stage)
            steps = Steps(stage, at, after=after)
            try:
                what(stage)
            except (Violated, Refusal) as wrong:
                wrong.add_note(f"after a crash of {steps.died}, step {at}")
                raise
            if not steps.died:
                require(at > 5, "a purchase has steps", at)
                return
    require(held=False, rule="a purchase comes to an end")


def _buy_before(stage: Stage) -> None:
    """What is there before anything breaks: a page that another payer has bought."""
    payer, stage.payer = stage.payer, stage.admit("earlier")
    stage.buy("earlier")
    stage.payer = payer
    stage.line.said.clear()


def _buy_one(stage: Stage) -> None:
    buy_whatever_happens(stage, stage.page())
    _reckon(stage)


def _reckon(stage: Stage) -> None:
    """Whatever died: one page, one price, nothing lost, nothing doubled, nothing stuck."""
    stage.line.before = stage.line.after = lambda who, what: None
    stage.room.later(LEASE_S)
    stage.payer.recover()
    due_micro = 2 * stage.price_micro  # with the page that was bought before
    require_equal(stage.shop.charged_micro(), due_micro, "the page is charged once")
    stage.shop.clear()
    stage.bank.tick()
    require_equal(stage.earned_micro, due_micro, "the vendor earns it once")
    require_held(stage)
    stage.buy("afterwards")
    stage.settle_up()
    require_equal(stage.earned_micro, due_micro + stage.price_micro, "and everybody goes on")


WHEN = ("before each command", "after each command")


@CASES.add(*WHEN)
def restart_while_buying(play: Play, when: str) -> None:
    """Any party may end before or after any command of a first purchase: it is paid once."""
    _all_steps(play, after=when == WHEN[1], what=_buy_one)


@CASES.add(*WHEN)
def restart_while_clearing_before(play: Play, when: str) -> None:
    """Likewise where the broker pays before the page goes out."""
    if "before" not in play.traits.moments:
        raise Inapplicable(f"it is cleared {' or '.join(play.traits.moments)}")
    _all_steps(play, after=when == WHEN[1], what=_buy_one, clearing="before")


@CASES.add(*WHEN)
def restart_while_returning(play: Play, when: str) -> None:
    """Any party may end while the rest is taken back: it comes back once."""
    _all_steps(play, after=when == WHEN[1], what=_return)


def _return(stage: Stage) -> None:
    before, after = stage.line.before, stage.line.after
    stage.line.before = stage.line.after = lambda who, what: None
    stage.buy()
    had_micro = stage.payer.held_micro() + stage.bank.has_micro("payer", stage.payer.id)
    stage.line.before, stage.line.after = before, after
    try:
        give_back(stage)
    except Died:
        stage.payer.restart()
    except (NotReturned, Undecided):
        pass  # somebody has died, or it is refused once more
    except Inapplicable:
        if not stage.line.heard("broker take_back") and not stage.line.heard("vendor take_back"):
            raise
    stage.line.before = stage.line.after = lambda who, what: None
    stage.room.later(LEASE_S)
    stage.payer.recover()
    payer = stage.payer
    for other in reversed(stage.payers):  # what others have may have ended meanwhile
        stage.payer = other
        with suppress(Inapplicable):  # it ends by itself
            _return_all(stage)
    stage.payer = payer
    stage.await_returns()
    if not stage.traits.credit:
        has_micro = stage.payer.held_micro() + stage.bank.has_micro("payer", stage.payer.id)
        require_equal(has_micro, had_micro, "nothing is lost and nothing doubled")
        require_equal(stage.payer.held_micro(), 0, "all of it came back")
    require_held(stage)
    stage.settle_up()
    require_equal(stage.earned_micro, 2 * stage.price_micro, "the vendor earns both pages")


def _return_all(stage: Stage) -> None:
    while stage.payer.instruments():
        held = len(stage.payer.instruments())
        give_back(stage)
        if len(stage.payer.instruments()) == held:
            return


LOST = {
    "a payment": ["payment"],
    "a reply": ["reply"],
    "three payments": ["payment"] * 3,
    "three replies": ["reply"] * 3,
    "a payment and a reply": ["payment", "reply"],
}


@CASES.add(*LOST)
def lost(play: Play, what: str) -> None:
    """What is lost between wallet and gate is sent again, as it was: the page is paid once."""
    with play.stage() as stage:
        stage.buy("before")
        stage.line.faults = list(LOST[what])
        buy_whatever_happens(stage, stage.page())
        stage.payer.recover()
        require_equal(stage.shop.charged_micro(), 2 * stage.price_micro, "it is charged once")
        require_held(stage)
        stage.settle_up()
        require_equal(stage.earned_micro, 2 * stage.price_micro, "and earned once")


def _given_up(stage: Stage) -> Paused:
    """A second page's payment, still on its way when its wallet takes it as never made."""
    stage.buy("before")
    paused = Paused(stage.payer, stage.page("late"))
    stage.line.faults = ["payment"] * TRIES_MAX
    paused.finish(Failed(reason="ConnectError"))
    stage.line.faults = []
    stage.room.later(LEASE_S)
    stage.payer.recover()
    return paused


@CASES.add()
def late_payment(play: Play) -> None:
    """A payment that arrives when its wallet has given it up is found, and its change adopted."""
    with play.stage() as stage:
        paused = _given_up(stage)
        stage.shop.serve(paused.request)
        require_equal(stage.shop.charged_micro(), 2 * stage.price_micro, "it is taken")
        stage.buy("after")
        require_equal(stage.shop.charged_micro(), 3 * stage.price_micro, "and the next page, too")
        require_held(stage)
        stage.settle_up()
        require_equal(stage.earned_micro, 3 * stage.price_micro, "three pages are earned")


@CASES.add()
def late_copy(play: Play) -> None:
    """Who gives a payment up and pays anew pays once: a copy of the first one is not taken, too."""
    with play.stage() as stage:
        paused = _given_up(stage)
        stage.buy("late")
        require_equal(stage.shop.charged_micro(), 2 * stage.price_micro, "it is paid anew")
        stage.shop.serve(paused.request)
        require_equal(stage.shop.charged_micro(), 2 * stage.price_micro, "it is paid once")
        require_held(stage)
        stage.settle_up()
        require_equal(stage.earned_micro, 2 * stage.price_micro, "two pages are earned")


@CASES.add("broker", "vendor")
def restart_between_messages(play: Play, who: str) -> None:
    """Broker and gate keep nothing in memory: restarted before every command they go on."""
    with play.stage() as stage:

        def restart(doer: str, what: str) -> None:
            if who == "broker" and doer != "broker":
                stage.bank.restart()
            if who == "vendor" and doer == stage.payer.id:
                stage.shop.restart()

        stage.line.before = restart
        for number in range(2):
            stage.buy(number)
        stage.settle_up()
        require_equal(stage.earned_micro, 2 * stage.price_micro, "both pages are earned")
