import pytest

from farthing.errors import Refusal
from farthing.lab.conformance.cases import Violated
from farthing.lab.conformance.stage import Play, require_same


def test_prices_are_those_that_the_scheme_can_say() -> None:
    with Play("payword", "a").stage() as stage:
        assert 1 not in stage.prices_micro
        assert stage.price_micro == 200


def test_what_changes_something_is_violated_with_what_it_changed() -> None:
    with Play("payword", "a").stage() as stage:
        with stage.unchanged("nothing"):
            stage.payer.held_micro()
        before = stage.everything()
        stage.bank.top_up("ann", 1)
        stage.buy()
        with pytest.raises(Violated, match=r"broker\.accounts.*news_payments"):
            require_same(before, stage.everything(), "a purchase")


def test_a_refusal_that_the_table_does_not_know_is_violated() -> None:
    with Play("payword", "a").stage() as stage:
        stage.refusals.append(Refusal("no_row", "x"))
        with pytest.raises(Violated, match="row in the table"):
            stage.require_sound()
        stage.refusals.clear()


def test_one_seed_gives_one_conversation() -> None:
    heard = []
    for seed in ("a", "a", "b"):
        with Play("millicent", seed).stage() as stage:
            stage.buy()
            heard.append([said.raw for said in stage.line.said])
    assert heard[0] == heard[1] != heard[2]
