"""A page that goes out unpaid, for less, twice for one payment, or wrong, is found."""

import msgspec
import pytest

from farthing.lab.given import PAGE, Given
from farthing.lab.goods import Page
from farthing.lab.world import World
from tests.kit.planted import page_given_for_nothing

NEWS = Page(scheme="payword", moment="batch", hold=True, price_micro=200)


@pytest.fixture
def found() -> list[str]:
    return []


@pytest.fixture
def given(found: list[str]) -> Given:
    return Given(found.append, {"ann": {"k1": 200, "k2": 100, "k4": 100}})


def test_what_was_paid_goes_out_in_the_open_and_under_a_seal_as_often_as_it_is_asked_for() -> None:
    with World(4, ["millicent"]) as world:
        vendor, payer = world.vendors[2], world.payers[0]
        assert vendor.is_private("millicent")
        for page in vendor.pages:
            for private in (False, True):
                url = f"{vendor.url}{page.path}/{int(private)}"
                assert world.run(payer.buy(url, private=private)).verdict is not None
        assert world.ground.checks.findings == []


def test_a_page_goes_out_again_for_the_same_payment_only(given: Given, found: list[str]) -> None:
    for _ in range(2):
        given.gives("ann", NEWS, "/a", ["k1"])
    assert found == []
    given.gives("ann", NEWS, "/b", ["k0", "k1"])
    assert found == ["ann gave /b for k1, and /a before"]


def test_a_page_for_nothing_and_one_for_less_are_found(given: Given, found: list[str]) -> None:
    given.gives("ann", NEWS, "/a", ["k3"])
    given.gives("ann", NEWS, "/b", ["k2"])
    special = msgspec.structs.replace(NEWS, kind="props")
    given.gives("ann", special, "/c", ["k4"])
    assert found == [
        "ann gave /a, and nobody has paid for it: ['k3']",
        "ann gave /b of 200 for 100: k2",
    ]


def test_a_gate_that_gives_the_page_although_it_took_nothing_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page_given_for_nothing(monkeypatch)
    with World(4, ["millicent"]) as world:
        vendor, payer = world.vendors[0], world.payers[0]
        before = next(page for page in vendor.pages if page.moment == "before")
        world.run(payer.buy(f"{vendor.url}{before.path}/1"))
        assert world.ground.checks.findings == []
        world.broker.kill("so that it takes nothing")
        world.run(payer.buy(f"{vendor.url}{before.path}/2"))
        found = world.ground.checks.findings
        assert [it for it in found if f"gave {before.path}/2, and nobody" in it]


@pytest.mark.parametrize("private", [False, True])
def test_a_payer_that_has_another_page_or_what_was_not_taken_is_found(*, private: bool) -> None:
    with World(4, ["millicent"]) as world:
        vendor, payer, checks = world.vendors[2], world.payers[0], world.ground.checks
        url = f"{vendor.url}{vendor.pages[0].path}/1"
        made = world.run(payer.buy(url, private=private)).purchase
        assert made is not None
        checks.given.got(payer.name, made, PAGE + b"/else")
        assert "gave payer0 b'page /else'" in checks.findings.pop()
        del checks.sold[vendor.name][made.k]
        checks.given.got(payer.name, made, PAGE + vendor.pages[0].path.encode() + b"/1")
        assert "has not taken" in checks.findings.pop()
        assert checks.findings == []
