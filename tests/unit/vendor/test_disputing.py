"""A vendor gives way and shows what was bought; the cases of `lab/conformance` play it out."""

from collections.abc import Iterator

import pytest

from farthing.errors import NotYetValid, Unknown, Unsupported
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.vendor import disputing


@pytest.fixture
def fair() -> Iterator[Stage]:
    with Play("fairchain", "disputing").stage() as made:
        yield made


def waived(stage: Stage, name: str) -> disputing.Waived:
    shop = stage.shop
    work = disputing.waive(name, shop.gate.tills, shop.store, shop)
    made: disputing.Waived = stage.room.wait_for(work)
    return made


def disclosed(stage: Stage, name: str) -> object:
    shop = stage.shop
    return stage.room.wait_for(disputing.disclose(name, shop.gate.tills, shop.store))


def half_paid(stage: Stage) -> str:
    """K of a payment whose second half never came."""
    stage.line.faults = ["", *["payment"] * 3]
    made = stage.buy().purchase
    assert made is not None
    stage.shop.clear()
    return made.k


def test_what_is_left_to_the_payer_comes_back(fair: Stage) -> None:
    had_micro = fair.bank.has_micro("payer")
    k = half_paid(fair)
    for _ in range(3):
        fair.room.later(DAY_S)
        fair.bank.tick()
    done = waived(fair, k)
    assert (done.scheme, done.reference[:3]) == ("fairchain", "fc:")
    assert waived(fair, done.reference) == done
    fair.settle_up()
    assert fair.bank.has_micro("payer") == had_micro
    assert (fair.earned_micro, fair.bank.has_micro("disputed")) == (0, 0)


def test_nothing_is_left_while_the_other_half_may_still_come(fair: Stage) -> None:
    k = half_paid(fair)
    with fair.unchanged("a waiver too early"), pytest.raises(NotYetValid, match="ticket_not_over"):
        waived(fair, k)


def test_a_payment_that_nobody_knows_is_unknown(fair: Stage) -> None:
    with pytest.raises(Unknown, match="payment_unknown"):
        waived(fair, "fc:none:1")
    with pytest.raises(Unknown, match="payment_unknown"):
        disclosed(fair, "fc:none:1")


def test_a_scheme_without_disputes_says_so() -> None:
    with Play("payword", "disputing").stage() as stage:
        made = stage.buy().purchase
        assert made is not None
        with pytest.raises(Unsupported, match="waiver_unsupported"):
            waived(stage, made.k)
        with pytest.raises(Unsupported, match="disclosure_unsupported"):
            disclosed(stage, made.k)


def test_an_order_that_is_forgotten_is_unknown() -> None:
    with Play("ikp", "disputing").stage() as stage:
        made = stage.buy().purchase
        assert made is not None
        records = vars(stage.shop.store)["_records"]
        for key in [key for key in records if key.startswith(b"ikp/opening/")]:
            del records[key]
        with pytest.raises(Unknown, match="order_forgotten"):
            disclosed(stage, made.k)
