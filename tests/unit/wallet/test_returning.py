"""What a return says that it gave back, at a real broker; `test_app.py` has what is left to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play
from farthing.schemes.coin.epochs import EPOCH_S, GRACE_S, epoch_at
from farthing.wallet.returning import Returned, give_back


def given(payer: Payer) -> Returned:
    """Of the only instrument, by a driver whose broker is in this process."""

    @contextmanager
    def session() -> Iterator[Any]:
        with payer.session() as opened:
            yield SimpleNamespace(answer=lambda command: payer.answer(command, opened))

    driver: Any = SimpleNamespace(guide=payer.guide(), store=payer.store, session=session)
    (one,) = give_back(driver, payer.book, scheme="", vendor_id="")
    return one


def test_coins_that_are_good_are_returned_and_the_others_stay() -> None:
    with Play("ecash", "returning").stage() as stage:
        payer, room = stage.payer, stage.room
        stage.buy("one")
        room.later(epoch_at(room.now_s).signs_until_s - room.now_s + 1)
        stage.buy("two")  # its change is of the next epoch
        held_micro = payer.held_micro()
        room.later(EPOCH_S + GRACE_S)
        first = given(payer)
        assert not first.refused
        assert 0 < first.worth_micro < held_micro
        assert payer.held_micro() == held_micro - first.worth_micro
        second = given(payer)
        assert (second.refused, second.worth_micro) == ("coins_over", payer.held_micro())


def test_tokens_that_their_vendor_may_still_claim_follow() -> None:
    with Play("agent", "returning").stage() as stage:
        payer = stage.payer
        stage.buy("one")
        held_micro, has_micro = payer.held_micro(), stage.bank.has_micro("payer", payer.id)
        gone = given(payer)
        assert stage.bank.has_micro("payer", payer.id) == has_micro + gone.worth_micro
        assert gone.rest_micro > 0
        assert gone.worth_micro + gone.rest_micro == held_micro
        stage.settle_up()
        stage.room.later(gone.rest_at_s - stage.room.now_s + 1)
        stage.settle_up()
        assert stage.bank.has_micro("payer", payer.id) == has_micro + held_micro
