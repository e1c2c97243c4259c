"""A vendor gives way and shows what was bought; the cases of `lab/conformance` play it out."""

import hashlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import NotYetValid, Unknown, Unsupported
from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.schemes.contract import Instrument
from farthing.schemes.disclosures import Disclosure
from farthing.vendor import disputing
from farthing.wallet.patience import problem_of
from tests.kit.sticks import resigned


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


@pytest.mark.parametrize("scheme", ["netcard", "ikp"])
def test_two_sticks_of_one_serial_are_shown_with_what_their_payer_signed(scheme: str) -> None:
    with Play(scheme, "twice").stage() as stage:
        hand, shop = Hand(stage), stage.shop
        one = hand.instrument()

        def other(seed: bytes, *, signs: bool = True) -> Instrument:
            scene: Any = SimpleNamespace(payer=hand)
            made = resigned(scene, one, salt=codec.b64u(hashlib.sha256(seed).digest()[:16]))
            if signs:
                return made
            body = msgspec.json.decode(made.body)
            body["commitment"]["sig"] = msgspec.json.decode(one.body)["commitment"]["sig"]
            return msgspec.structs.replace(made, body=codec.canonical(body))

        def serve(page: str, stick: Instrument) -> tuple[int, str]:
            answer = shop.serve(hand.pay(stage.page(page), stick).request)
            return answer.status, "" if answer.status == 200 else problem_of(answer).code

        def conflicts() -> list[Disclosure]:
            work = disputing.conflicts(shop.gate.tills, shop.store)
            found: list[Disclosure] = stage.room.wait_for(work)
            return found

        assert serve("a", one) == (200, "")
        assert serve("b", other(b"b", signs=False))[0] == 402
        assert conflicts() == [], "anybody can make what nobody has signed"
        for seed in (b"b", b"b", b"c"):
            assert serve("b", other(seed)) == (403, "serial_used_twice")
        (found,) = conflicts()
        told: Any = stage.bank.books.mint(scheme).judge(found.shown)
        assert (found.scheme, told["vendors"]) == (scheme, [shop.id])
        assert len(set(told["pledges"])) == 2
