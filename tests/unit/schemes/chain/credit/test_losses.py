from farthing.schemes.chain.credit.losses import LOSSES, RESERVING
from farthing.schemes.losses import CAUSES


def test_every_cause_is_declared_for_every_role_but_another_broker() -> None:
    """No member is sold at another broker."""
    for role, causes in CAUSES.items():
        assert {loss.by for loss in LOSSES[role]} == causes.keys() - {"peer"}


def test_only_a_thief_of_the_device_takes_more_where_money_is_reserved() -> None:
    changed = {
        (role, loss.by): loss.of
        for role, losses in RESERVING.items()
        for loss in losses
        if loss not in LOSSES[role]
    }
    assert changed == {("payer", "thief"): "wallet"}
