"""Two payers of a real broker compare what it gives them."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import Conflict, Refusal, Unsupported
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.wallet.commands import Answered, AskMint, Command
from farthing.wallet.driver import Session
from farthing.wallet.key_lists import Shown, look_up
from tests.kit.turns import schemes_in_turn

BLIND = schemes_in_turn(("ecash", "cashu"))


def shown(payer: Payer) -> Shown:
    return payer.run_alone(look_up(payer.guide(), payer.book, payer.scheme, payer.bank.id))


def given(stage: Stage, change: Any) -> None:
    """The payer is given something else than everybody."""
    payer, answer = stage.payer, stage.payer.answer

    def answered(command: Command, session: Session) -> Any:
        said = answer(command, session)
        if isinstance(command, AskMint) and isinstance(said, Answered):
            return Answered(value=change(said.value))
        return said

    payer.answer = answered  # type: ignore[method-assign]  # of one payer


@pytest.mark.parametrize("scheme", BLIND)
def test_all_have_one_list_before_and_after_they_buy(scheme: str) -> None:
    with Play(scheme, "comparing").stage() as stage:
        ann, bob = stage.payer, stage.admit("bob")
        mine = shown(ann)
        assert (mine.broker, mine.scheme, len(mine.digest)) == (stage.bank.id, scheme, 43)
        stage.payer = ann
        stage.buy("one")
        assert shown(ann) == shown(bob) == mine


def test_a_list_that_the_broker_did_not_sign_is_refused() -> None:
    with Play("ecash", "comparing").stage() as stage:
        given(stage, lambda value: value | {"epoch": value["epoch"] + 1})
        with pytest.raises(Refusal):
            shown(stage.payer)


def test_another_list_than_before_is_a_conflict_and_both_are_named() -> None:
    with Play("ecash", "comparing").stage() as stage:
        stage.buy("one")
        payer = stage.payer
        now = shown(payer)
        (held,) = payer.book.held()
        purse: Any = payer.guide().purse("ecash", stage.bank.id)
        pocket = purse.readers.pockets.read(held.instrument.body)
        other = msgspec.structs.replace(pocket.keysets, currency="usd")
        assert other.digest != pocket.keysets.digest
        before = msgspec.structs.replace(pocket, keysets=other)
        body = codec.canonical(before)
        with payer.store.file.write():
            instrument = msgspec.structs.replace(held.instrument, body=body)
            payer.book._rows.put_instrument(stage.bank.id, "", instrument)
        with pytest.raises(Conflict, match="keysets_differ") as refused:
            shown(payer)
        assert now.digest in refused.value.detail
        assert codec.b64u(other.digest) in refused.value.detail


def test_a_scheme_that_is_not_blind_has_no_such_list() -> None:
    play, refused = Play("millicent", "comparing"), pytest.raises(Unsupported, match="keys_unsup")
    with play.stage() as stage, refused:
        shown(stage.payer)
