"""Where payer and vendor do not agree: one of them gives way, or both show what was bought."""

from farthing import codec
from farthing.errors import Refusal, Unsupported
from farthing.lab.conformance.cases import CASES, Inapplicable, require_equal
from farthing.lab.conformance.changing import edits
from farthing.lab.conformance.stage import SETTLING_DAYS, Play, Stage, require_bought
from farthing.schemes.contract import Json
from farthing.vendor import disputing
from farthing.wallet.commands import Purchase

LOST = ["", *["payment"] * 3]  # the first half comes, the second one three times not
OVER_S = 3 * 86_400  # afterwards nothing of this day can be submitted any more
DESCRIPTION = "A tally stick, split"
ROUTE = f"""
[[route]]
path = "/described/**"
price = "%du"
description = "{DESCRIPTION}"
"""


@CASES.add("payer", "vendor", "nobody")
def give_way(play: Play, who: str) -> None:
    """What was paid by half is whose the other side leaves it to, and nobody's where none does."""
    with play.stage() as stage:
        stage.require_exact()
        if not stage.payer.guide().purse(stage.scheme, stage.bank.id).releases:
            raise Inapplicable("its purse pays in one piece")
        had_micro = stage.bank.has_micro("payer", stage.payer.id)
        made = _half_paid(stage)
        require_equal(stage.bank.has_micro("disputed"), stage.price_micro, "the half is disputed")
        if who == "payer":
            stage.line.faults = ["payment"] * 3
            require_equal(stage.payer.recover().releases_sent, 1, "the broker takes the other half")
        stage.room.later(OVER_S)
        stage.bank.tick()
        if who == "vendor":
            _waive(stage, made)
        for _ in SETTLING_DAYS:
            stage.room.later(OVER_S * 10)
            stage.bank.tick()
        left_micro = had_micro - (0 if who == "vendor" else stage.price_micro)
        require_equal(stage.bank.has_micro("payer", stage.payer.id), left_micro, "the payer's part")
        earned_micro = stage.price_micro if who == "payer" else 0
        require_equal(stage.earned_micro, earned_micro, "the vendor's part")
        require_equal(stage.bank.has_micro("disputed"), 0, "nothing is disputed for ever")
        unclaimed_micro = -stage.bank.balances().get("liability/unclaimed", 0)
        lone_micro = stage.price_micro if who == "nobody" else 0
        require_equal(unclaimed_micro, lone_micro, "and nobody's part")


def _half_paid(stage: Stage) -> Purchase:
    """A page that came, whose second half did not reach its vendor; the first is submitted."""
    stage.line.faults = list(LOST)
    fetched = stage.buy()
    require_equal(stage.earned_micro, 0, "half a payment earns nothing")
    stage.shop.clear()
    assert fetched.purchase is not None, "the page was bought"
    return fetched.purchase


def _waive(stage: Stage, made: Purchase) -> None:
    """The vendor leaves it to the payer; twice is once."""
    shop = stage.shop
    for _ in range(2):
        stage.room.wait_for(disputing.waive(made.k, shop.gate.tills, shop.store, shop))


@CASES.add()
def disclosure(play: Play) -> None:
    """Payer and vendor open alike what was bought, and nobody opens it otherwise."""
    with play.stage() as stage:
        shop, bank = stage.shop, stage.bank
        shop.more_routes = ROUTE % stage.price_micro
        shop.restart()
        fetched = stage.payer.buy(f"{shop.site}/described/a")
        require_bought(fetched)
        made = fetched.purchase
        assert made is not None, "the page was bought"
        try:
            told = stage.payer.guide().purse(stage.scheme, bank.id).disclose(made.paid)
        except Unsupported as refusal:
            raise Inapplicable(refusal.detail) from None
        shown = codec.read_json(codec.canonical(told))
        work = disputing.disclose(made.k, shop.gate.tills, shop.store)
        of_vendor = stage.room.wait_for(work)
        require_equal(of_vendor.shown, shown, "payer and vendor show the same")
        mint = bank.books.mint(stage.scheme)
        judged = mint.judge(shown)
        require_equal(judged["description"], DESCRIPTION, "the broker reads what was ordered")
        require_equal(judged["vendor"], shop.id, "and of whom")
        for path, changed in edits(shown):
            if _is_believed(stage, changed):
                require_equal(changed, shown, f"what was changed at {path} is refused")


def _is_believed(stage: Stage, shown: Json) -> bool:
    try:
        stage.bank.books.mint(stage.scheme).judge(shown)
    except Refusal:
        return False
    return True
