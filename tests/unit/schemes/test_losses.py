"""A loss is said in words, whatever it is of and whoever causes it."""

from typing import get_args

from farthing.schemes.losses import AMOUNTS, CAUSES, Amount, Cause, Loss, Role


def test_every_amount_and_every_cause_has_words() -> None:
    assert set(AMOUNTS) == set(get_args(Amount))
    assert set(CAUSES) == set(get_args(Role))
    assert set().union(*CAUSES.values()) == set(get_args(Cause))
    assert Loss(by="payer", of="nothing").prose == "nothing"


def test_nobody_causes_itself_a_loss() -> None:
    assert all(role not in causes for role, causes in CAUSES.items())
