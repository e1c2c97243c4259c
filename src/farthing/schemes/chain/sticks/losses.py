"""What each role can lose at most where sticks are paid with."""

from collections.abc import Mapping

from farthing.schemes.chain.credit.losses import LOSSES as ON_CREDIT
from farthing.schemes.losses import Loss, Role

LOSSES: Mapping[Role, tuple[Loss, ...]] = {
    **ON_CREDIT,
    "payer": (
        Loss(by="vendor", of="price"),
        Loss(by="broker", of="float"),
        Loss(by="thief", of="wallet"),  # sticks are authorised above the certificate's limit
        Loss(by="nobody", of="nothing"),
    ),
}
