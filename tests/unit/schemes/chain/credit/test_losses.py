from farthing.schemes.chain.credit.losses import LOSSES
from farthing.schemes.losses import CAUSES


def test_every_cause_is_declared_for_every_role_but_another_broker() -> None:
    """No member is sold at another broker."""
    for role, causes in CAUSES.items():
        assert {loss.by for loss in LOSSES[role]} == causes.keys() - {"peer"}
