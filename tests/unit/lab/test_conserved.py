"""Each record is held against the others, as it is written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from farthing import marks
from farthing.lab.conserved import Conserved, Held
from farthing.lab.world import World
from tests.unit.wallet.world import World as Wallet
from tests.unit.wallet.world import purchase_on

VENDOR, BROKER, SCHEME = "vendor0", "broker", "millicent"
OWED = 100


class Checked:
    """A running account, and what it found."""

    def __init__(self, *, ended: int = 0) -> None:
        self.findings: list[str] = []
        self.owed = OWED
        self.account = Conserved(
            self.findings.append, lambda *_: self.owed, lambda *_: ended, lambda: 1_000
        )
        self.account.homes[VENDOR] = BROKER

    def hold(self, micro: int, shown: int = 0, *, until_s: int = 9**9) -> None:
        held, offered = Held(micro, until_s, is_shown=False), Held(shown, until_s, is_shown=True)
        self.account._hold(
            "payer0", {(BROKER, SCHEME, "held"): held, (BROKER, SCHEME, "shown"): offered}
        )

    def claim(self, micro: int, *claims: marks.Claim, scheme: str = SCHEME) -> None:
        made = marks.Confirm(k="k", fence=1, outcome=b"", claims=claims)
        self.account.claimed(VENDOR, "k", scheme, micro, made)


def claim(micro: int, order: int = 1) -> marks.Claim:
    return marks.Claim(
        scheme=SCHEME, key=b"c", order=order, value_micro=micro, body=b"", moment="batch"
    )


def heard(order: int, *, refused: bool = False) -> marks.Acknowledge:
    pairs = ((b"c", order),)
    return marks.Acknowledge(scheme=SCHEME, done=pairs, refused=pairs if refused else ())


def holds_as_much(of: Checked) -> None:
    of.hold(60, shown=40)
    of.claim(40, claim(40))
    of.hold(60)


def pays(of: Checked) -> None:
    holds_as_much(of)
    of.owed -= 40
    of.account.paid(VENDOR, SCHEME, 40)
    of.account.acknowledged(VENDOR, heard(1))


def rises(of: Checked) -> None:
    of.hold(60, shown=40)
    of.claim(10, claim(10, 3))
    of.owed -= 10
    of.account.paid(VENDOR, SCHEME, 10)
    of.claim(30, claim(40, 4))
    of.account.acknowledged(VENDOR, heard(3))


def is_on_its_way(of: Checked) -> None:
    of.hold(40, shown=60)


@pytest.mark.parametrize("course", [holds_as_much, pays, rises, is_on_its_way])
def test_a_course_that_is_right_has_no_findings(course: Callable[[Checked], None]) -> None:
    of = Checked()
    course(of)
    of.account.require_of(BROKER, SCHEME)
    assert of.findings == []


def claims_more(of: Checked) -> None:
    of.claim(40, claim(41))


def claims_less(of: Checked) -> None:
    of.claim(40)


def hears_too_early(of: Checked) -> None:
    of.claim(40, claim(40))
    of.account.acknowledged(VENDOR, heard(1))


def is_paid_before(of: Checked) -> None:
    of.account.paid(VENDOR, SCHEME, 40)
    of.account.require_of(BROKER, SCHEME)


def is_paid_twice(of: Checked) -> None:
    of.claim(40, claim(40))
    of.account.paid(VENDOR, SCHEME, 80)
    of.account.require_of(BROKER, SCHEME)


def is_refused_though_paid(of: Checked) -> None:
    of.claim(40, claim(40))
    of.account.paid(VENDOR, SCHEME, 40)
    of.account.acknowledged(VENDOR, heard(1, refused=True))


def holds_more(of: Checked) -> None:
    of.hold(OWED + 1)


def spends_and_keeps(of: Checked) -> None:
    of.hold(OWED)
    of.claim(40, claim(40))


def loses(of: Checked) -> None:
    of.hold(OWED)
    of.hold(OWED - 1)


def takes_what_nobody_offered(of: Checked) -> None:
    of.account.taken(VENDOR, "k", SCHEME, 40)


@pytest.mark.parametrize(
    ("course", "finds"),
    [
        (claims_more, "claims 1 more than it took"),
        (claims_less, "claims -40 more than it took"),
        (hears_too_early, "takes 40 of millicent for paid, its broker has paid 0"),
        (is_paid_before, "was paid 40 of millicent, it claims 0"),
        (is_paid_twice, "was paid 80 of millicent, it claims 40"),
        (is_refused_though_paid, "was paid 40 of millicent, it claims 0"),
        (holds_more, "owes 100 of millicent, wallets hold 101"),
        (spends_and_keeps, "owes 100 of millicent, wallets hold 100 of it, and gates claim 40"),
        (loses, "owes 100 of millicent, wallets hold 99, gates claim 0, and 0 is under way"),
        (takes_what_nobody_offered, "took 40 of millicent as k, offered were None"),
    ],
)
def test_what_is_wrong_is_found_at_once(course: Callable[[Checked], None], finds: str) -> None:
    of = Checked()
    course(of)
    assert any(finds in finding for finding in of.findings)


def test_who_holds_what_has_ended_may_hold_more_than_is_owed() -> None:
    of = Checked(ended=20)
    of.hold(OWED + 20, until_s=1_000)
    assert of.findings == []
    of.hold(OWED + 21, until_s=1_000)
    assert of.findings


def test_who_cheats_is_not_held_to_it() -> None:
    of = Checked()
    of.account.crooks = {VENDOR}
    takes_what_nobody_offered(of)
    claims_more(of)
    is_paid_twice(of)
    holds_more(of)
    assert of.findings == []


def test_a_voucher_that_was_never_sent_gives_its_place_to_another(tmp_path: Path) -> None:
    of = Checked()
    trade = of.account.trades[VENDOR, SCHEME]
    made = replace(purchase_on(Wallet(tmp_path)), vendor_id=VENDOR, scheme=SCHEME, k="k")
    for price_micro in (640, 40, 40):
        of.account.wallet_did("payer0", None, replace(made, price_micro=price_micro))
        assert trade.offered_micro == price_micro
    of.account.taken(VENDOR, "k", SCHEME, 40)
    assert (trade.offered_micro, of.findings) == (0, [])
    of.account.wallet_did("payer0", None, replace(made, price_micro=640))
    assert trade.offered_micro == 0, "what is taken is offered no more"


def test_a_world_has_all_of_it_under_its_eyes() -> None:
    with World(4) as world:
        vendor, payer, checks = world.vendors[0], world.payers[0], world.ground.checks
        page = next(page for page in vendor.pages if page.scheme == SCHEME)
        world.run(payer.buy(f"{vendor.url}{page.path}/1"))
        trade = checks.conserved.trades[vendor.name, SCHEME]
        assert trade.claimed_micro == page.price_micro
        assert trade.offered_micro == 0
        held_micro = sum(held.worth_micro for held in checks.conserved.purses[payer.name].values())
        assert held_micro == sum(held.instrument.worth_micro for held in payer.held())
        payer.lose()
        assert checks.conserved.purses[payer.name] == {}
        assert checks.findings == []


def test_a_wallet_that_takes_for_paid_what_was_not_taken_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with World(4) as world:
        vendor, payer, checks = world.vendors[0], world.payers[0], world.ground.checks
        page = next(page for page in vendor.pages if page.scheme == SCHEME)
        taken = checks.conserved.taken

        def more(vendor: str, k: str, scheme: str, micro: int) -> None:
            taken(vendor, k, scheme, micro + 1)

        monkeypatch.setattr(checks.conserved, "taken", more)
        world.run(payer.buy(f"{vendor.url}{page.path}/1"))
        assert f"{vendor.name} took {page.price_micro + 1} of" in checks.findings[0]
        assert f"{payer.name} has paid {page.price_micro} with" in checks.findings[1]
        assert checks.told[0].startswith(f"{checks.findings[0]} (event ")
        assert checks.course
