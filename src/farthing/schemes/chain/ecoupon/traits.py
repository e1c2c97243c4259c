"""What everybody may know about e-coupons before using them."""

from farthing.schemes.chain.credit.losses import LOSSES
from farthing.schemes.contract import Traits
from farthing.schemes.losses import Loss

TRAITS = Traits(
    name="ecoupon",
    wire="ecoupon",
    title="e-coupons",
    source="Patil & Shyamasundar 2005",
    issuer="broker",
    credit=True,
    needs_list=False,
    latest="batch",
    losses={
        **LOSSES,
        "payer": (
            # A vendor and whom a purse was handed to can bill all of it, whatever the hour: only
            # the vendor saw the time.
            Loss(by="vendor", of="held"),
            *(loss for loss in LOSSES["payer"] if loss.by != "vendor"),
        ),
    },
)
