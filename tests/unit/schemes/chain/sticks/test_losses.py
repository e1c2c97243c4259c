from farthing.schemes.chain.credit.losses import LOSSES as ON_CREDIT
from farthing.schemes.chain.sticks.losses import LOSSES


def test_only_a_thief_of_the_device_takes_more_than_on_credit_alone() -> None:
    changed = {
        (role, loss.by): loss.of
        for role, losses in LOSSES.items()
        for loss in losses
        if loss not in ON_CREDIT[role]
    }
    assert changed == {("payer", "thief"): "wallet"}
