"""A loss is held against what the scheme declares of it."""

import pytest

from farthing.lab.bounds import Measured, Stakes, bound_micro, measured, worst
from farthing.schemes import registry
from farthing.schemes.contract import Scheme
from farthing.schemes.losses import Amount, Loss

STAKES = Stakes(
    price_micro=200,
    held_micro=5_000,
    limit_micro=10**7,
    stolen_micro=60,
    unacknowledged_micro=70,
)


@pytest.mark.parametrize(
    ("of", "bound"),
    [
        ("nothing", 0),
        ("price", 200),
        ("unreleased", 200),
        ("prizes", 200),
        ("held", 5_200),
        ("limit", 10**7),
        ("wallet", 60),
        ("unacknowledged", 70),
        ("grace", 0),
    ],
)
def test_a_declared_amount_follows_from_what_was_at_stake(of: Amount, bound: int) -> None:
    assert bound_micro(Loss(by="payer", of=of), STAKES) == bound


@pytest.mark.parametrize("scheme", registry.all_schemes(), ids=lambda one: one.traits.name)
def test_a_loss_above_the_declared_one_is_told(scheme: Scheme) -> None:
    crash = measured(scheme.traits, "vendor", "nobody", 1, STAKES)
    assert (crash.worst_micro, crash.bound_micro, crash.is_within) == (1, 0, False)
    assert measured(scheme.traits, "vendor", "nobody", -1, STAKES).is_within


def test_of_many_worlds_the_one_that_breaks_its_bound_is_shown() -> None:
    def seen(worst_micro: int, bound_micro: int) -> Measured:
        return Measured(
            scheme="s",
            role="payer",
            by="vendor",
            of="price",
            worst_micro=worst_micro,
            bound_micro=bound_micro,
        )

    assert worst([seen(5, 9), seen(3, 2), seen(7, 7)]) == (seen(3, 2),)
    assert worst([seen(5, 9), seen(7, 7)]) == (seen(7, 7),)
