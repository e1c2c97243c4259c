"""A wallet with nothing but a seed, at a real broker: what it finds is what was lost."""

from pathlib import Path

import pytest

from farthing.errors import Unfunded
from farthing.lab.conformance.payer import CHEAP, PASSPHRASE, Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.wallet.bearing import send
from farthing.wallet.commands import TakeNumber
from farthing.wallet.file import create
from farthing.wallet.restoring import UNUSED_MAX, restore
from farthing.wallet.rows import Rows
from farthing.wallet.seed import put_seed, seed_of

EURO_MICRO = 1_000_000


def lost(stage: Stage) -> Payer:
    """The payer with a new file, of which the seed is all that is known."""
    payer = stage.payer
    seed = seed_of(payer.store.file)
    payer.close()
    for path in payer.path.parent.glob(f"{payer.path.name}*"):
        path.unlink()
    made = create(payer.path, PASSPHRASE, CHEAP)
    put_seed(made, seed)
    made.close()
    payer.open()
    return payer


def restored(payer: Payer) -> int:
    return payer.run_alone(restore(payer.guide(), payer.store.file, payer.bank.id))


def play(scheme: str = "ecash") -> Play:
    return Play(scheme, "restoring")


def test_what_was_not_spent_comes_back_and_pays() -> None:
    with play().stage() as stage:
        stage.buy("one")
        stage.buy("two")
        held_micro = stage.payer.held_micro()
        payer = lost(stage)
        assert payer.held_micro() == 0
        assert restored(payer) == 1
        assert payer.held_micro() == held_micro > 0
        assert restored(payer) == 0
        stage.buy("three")
        assert payer.held_micro() == held_micro - stage.price_micro


def test_numbers_that_were_used_are_not_used_again() -> None:
    with play().stage() as stage:
        stage.buy("one")
        payer = lost(stage)
        restored(payer)
        number = TakeNumber(broker_id=payer.bank.id, scheme="ecash")
        assert payer.store.do(number) == 1


def test_a_wallet_is_lost_as_often_as_it_is_restored() -> None:
    with play().stage() as stage:
        stage.buy("one")
        payer = lost(stage)
        assert restored(payer) == 1
        payer.run_alone(send(payer.guide(), payer.store.file, payer.bank.id, EURO_MICRO))
        assert restored(lost(stage)) == 2
        assert payer.held_micro() > EURO_MICRO


def test_an_empty_account_uses_up_no_numbers() -> None:
    """Else so many refusals in a row end what a restore finds."""
    with play().stage() as stage:
        payer = stage.admit("poor", 0)
        number = TakeNumber(broker_id=payer.bank.id, scheme="ecash")
        for _ in range(UNUSED_MAX + 2):
            with pytest.raises(Unfunded):
                payer.run_alone(send(payer.guide(), payer.store.file, payer.bank.id, EURO_MICRO))
        assert payer.store.do(number) == 0


def test_a_number_is_given_back_only_if_none_came_after(tmp_path: Path) -> None:
    with play().stage() as stage:
        payer = stage.payer
        place = (payer.bank.id, "ecash")
        number = TakeNumber(broker_id=place[0], scheme=place[1])
        first, second = payer.store.do(number), payer.store.do(number)
        rows = Rows(payer.store.file)
        for wrong in (-1, first, second + 1):
            with payer.store.file.write():
                rows.return_number(*place, wrong)
        with payer.store.file.write():
            assert rows.next_number(*place) == second + 1
            rows.return_number(*place, second)
            assert rows.next_number(*place) == second


def test_what_was_given_out_here_is_no_gap() -> None:
    with play().stage() as stage:
        payer = stage.payer
        number = TakeNumber(broker_id=payer.bank.id, scheme="ecash")
        for _ in range(UNUSED_MAX + 1):
            payer.store.do(number)
        stage.buy("one")
        assert restored(payer) == 0
        assert payer.store.do(number) == UNUSED_MAX + 2


def test_a_scheme_that_counts_nothing_is_not_asked(tmp_path: Path) -> None:
    with play("millicent").stage() as stage:
        stage.buy("one")
        payer = lost(stage)
        assert restored(payer) == 0
