"""Claims: in any order, late, twice, after another gate's life; each is paid once or refused."""

from itertools import chain, permutations
from typing import Any

import msgspec

from farthing.errors import Misconfigured
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.line import Died
from farthing.lab.conformance.repeating import require_claims
from farthing.lab.conformance.room import ENTROPY_BYTES
from farthing.lab.conformance.shop import failing
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.marks import Moment
from farthing.schemes.contract import At, Instrument, Offer, Purse

PAGES = 3
SKEW_S = 120  # clocks of honest parties differ by less
ORDER: tuple[Moment, ...] = ("before", "during", "batch")
ORDERS = tuple("".join(map(str, order)) for order in permutations(range(PAGES)))
FOREVER_S = 400 * DAY_S  # after it no claim of anything that a payer has now can be in time


def bought(stage: Stage) -> list[list[Any]]:
    """Three pages, and the claims that the vendor could show only after each of them."""
    found: list[list[Any]] = []
    for number in range(PAGES):
        before = [claim for claims in found for claim in claims]
        stage.buy(number)
        found.append([claim for claim in require_claims(stage) if claim not in before])
    return found


def shown(stage: Stage, claim: Any) -> dict[str, Any]:
    """The broker's result for one claim in a batch of its own."""
    [result] = stage.bank.redeem(stage.scheme, [claim], stage.shop.id)
    if result["state"] in {"waiting", "challenge"}:
        raise Inapplicable(f"its claims are decided later: {result['state']}")
    return result


@CASES.add(*ORDERS)
def claims_in_order(play: Play, order: str) -> None:
    """In whatever order claims come, what was paid for is earned, and nothing twice."""
    with play.stage() as stage:
        found = bought(stage)
        for place in order:
            for claim in found[int(place)]:
                shown(stage, claim)
        due_micro = PAGES * stage.price_micro
        require_equal(stage.earned_micro, due_micro, "all of it is earned")
        for claim in chain.from_iterable(found):
            with stage.unchanged("a claim that was paid"):
                again = shown(stage, claim)
            require_equal(again.get("paidMicro", 0), 0, "it is not paid again")
        stage.settle_up()
        require_equal(stage.earned_micro, due_micro, "nor is it in later days")


@CASES.add()
def claim_twice_in_a_batch(play: Play) -> None:
    """A claim that stands twice in one batch is paid once."""
    with play.stage() as stage:
        stage.require_exact()
        claims = list(chain.from_iterable(bought(stage)))
        results = stage.bank.redeem(stage.scheme, [*claims, *claims], stage.shop.id)
        if any(result["state"] in {"waiting", "challenge"} for result in results):
            raise Inapplicable("its claims are decided later")
        paid_micro = sum(result.get("paidMicro", 0) for result in results)
        require_equal(paid_micro, PAGES * stage.price_micro, "the batch pays each once")
        require_equal(stage.earned_micro, PAGES * stage.price_micro, "so do the books")


@CASES.add()
def same_luck_at_two_vendors(play: Play) -> None:
    """A payer who draws the same numbers for two vendors leaves neither of them unpaid."""
    with play.stage() as stage:
        stage.require_exact()
        purse = stage.payer.known.purse
        if purse.open is Purse.open:
            raise Inapplicable("nothing is opened for a vendor")
        luck = stage.room.entropy(ENTROPY_BYTES)

        def open_alike(self: Purse, instrument: Instrument, offer: Offer, at: At) -> Any:
            return purse.open(self, instrument, offer, msgspec.structs.replace(at, entropy=luck))

        unlucky = type("Unlucky", (purse,), {"open": open_alike})
        stage.payer.known = msgspec.structs.replace(stage.payer.known, purse=unlucky)
        for shop in (stage.shop, stage.open_shop("daily")):
            stage.buy(shop=shop)
            shop.clear()
            earned_micro = stage.bank.has_micro("vendor", shop.id)
            require_equal(earned_micro, stage.price_micro, f"{shop.id} earns its page")


@CASES.add()
def claim_after_a_restart(play: Play) -> None:
    """A broker that was restarted, and a gate that shows everything again, pay nothing twice."""
    with play.stage() as stage:
        claims = list(chain.from_iterable(bought(stage)))
        stage.shop.clear()
        stage.bank.restart()
        stage.shop.restart()
        stage.shop.clear(again=True)
        for claim in claims:
            shown(stage, claim)
        require_equal(stage.earned_micro, PAGES * stage.price_micro, "each is paid once")


@CASES.add()
def late_claim(play: Play) -> None:
    """A claim that comes too late is refused and moves nothing; what it was for goes elsewhere."""
    with play.stage() as stage:
        claims = list(chain.from_iterable(bought(stage)))
        stage.room.later(FOREVER_S)
        stage.bank.tick()
        for claim in claims:
            with stage.unchanged("a claim after every window"):
                result = shown(stage, claim)
            require_equal(result["state"], "refused", "nothing is paid after every window")
        require_equal(stage.earned_micro, 0, "nothing is earned by it")


@CASES.add()
def claim_in_time(play: Play) -> None:
    """A claim is paid until the moment that the offer named, and not a window later."""
    with play.stage() as stage:
        stage.buy()
        [claim, *_] = require_claims(stage)
        redeem_by_s = stage.shop.till.offer(stage.price_micro, stage.room.at()).redeem_by_s
        if not redeem_by_s:
            raise Inapplicable("its offers name no time until which a vendor must redeem")
        stage.room.now_ms = redeem_by_s * 1000
        stage.bank.tick()
        require_equal(shown(stage, claim)["state"], "paid", "in the last second it is paid")
    with play.stage() as stage:
        stage.buy()
        [claim, *_] = require_claims(stage)
        stage.room.now_ms = (redeem_by_s + SKEW_S + 1) * 1000
        stage.bank.tick()
        require_equal(shown(stage, claim)["state"], "refused", "after skew it is late")


@CASES.add(*ORDER)
def moment(play: Play, name: Moment) -> None:
    """A moment of clearing that the traits name works; one that they do not name is refused."""
    try:
        with play.stage(clearing=name) as stage:
            is_later = ORDER.index(name) > ORDER.index(play.traits.latest)
            require(name in play.traits.moments or is_later, "it is no moment of this scheme")
            for number in range(PAGES):
                stage.buy(number)
                before_micro = (number + 1) * stage.price_micro
                if name == "before" or play.traits.latest == "before":
                    require_equal(stage.earned_micro, before_micro, "it is paid before the page")
            if stage.traits.latest == "before":
                return
            stage.settle_up()
            require_equal(stage.earned_micro, PAGES * stage.price_micro, "all of it is earned")
    except Misconfigured as refusal:
        require(name not in play.traits.moments, "the traits name this moment", refusal)


@CASES.add("page fails", "broker unreachable")
def cleared_before(play: Play, what: str) -> None:
    """Where the broker pays before the page, a page that does not come costs nothing."""
    if "before" not in play.traits.moments:
        raise Inapplicable(f"it is cleared {' or '.join(play.traits.moments)}")
    with play.stage(clearing="before") as stage:
        stage.buy("first")
        earned_micro, page = stage.earned_micro, stage.shop.origin
        if what == "page fails":
            stage.shop.origin = failing
        else:
            _cut_off(stage, Died("broker"))
        fetched = stage.payer.buy(stage.page("lost"))
        status = getattr(fetched.answer, "status", 0)
        require(status != 200, "the page does not come", status)
        stage.line.before = lambda who, what: None
        stage.shop.origin = page
        stage.room.later(120)
        stage.bank.tick()
        require_equal(stage.earned_micro, earned_micro, "nothing more was earned")
        stage.payer.recover()
        stage.buy("second")
        stage.settle_up()
        require_equal(stage.earned_micro, 2 * stage.price_micro, "the pages that came are earned")


def _cut_off(stage: Stage, died: Exception) -> None:
    def cut(who: str, what: str) -> None:
        if who == "broker" and what == "settle":
            raise died

    stage.line.before = cut
