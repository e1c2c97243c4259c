"""What each role can lose at most where a broker vouches for credit by the day and vendor."""

from collections.abc import Mapping

from farthing.schemes.losses import Loss, Role

LOSSES: Mapping[Role, tuple[Loss, ...]] = {
    "payer": (
        Loss(by="vendor", of="price"),
        Loss(by="broker", of="float"),
        Loss(by="thief", of="limit"),
        Loss(by="nobody", of="nothing"),
    ),
    "vendor": (
        Loss(by="payer", of="nothing"),  # it takes no pledge above the limit
        Loss(by="broker", of="unclaimed"),
        Loss(by="nobody", of="nothing"),
    ),
    "broker": (
        Loss(by="payer", of="limit"),
        Loss(by="vendor", of="nothing"),
        Loss(by="thief", of="certified"),
        Loss(by="nobody", of="nothing"),
    ),
}
RESERVING: Mapping[Role, tuple[Loss, ...]] = {
    **LOSSES,
    "payer": (
        Loss(by="vendor", of="price"),
        Loss(by="broker", of="float"),
        Loss(by="thief", of="wallet"),  # what is reserved may be above the certificate's limit
        Loss(by="nobody", of="nothing"),
    ),
}
"""Of members that also take what lies ready at the broker."""
