from farthing.schemes.chain.credit.losses import LOSSES
from farthing.schemes.chain.ecoupon.traits import TRAITS


def test_only_what_a_payer_can_lose_with_a_delegate_differs_from_the_base() -> None:
    for role, losses in LOSSES.items():
        differing = set(TRAITS.losses[role]) ^ set(losses)
        assert {loss.by for loss in differing} <= {"vendor"}
        assert bool(differing) is (role == "payer")
