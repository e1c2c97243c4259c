"""What everybody may know about eCash before using it."""

from farthing.schemes.contract import Traits
from farthing.schemes.losses import Loss

TRAITS = Traits(
    name="ecash",
    wire="ecash",
    title="eCash",
    source="Chaum 1982, DigiCash; RFC 9474",
    issuer="broker",
    credit=False,
    needs_list=False,
    latest="before",
    moments=("before",),
    losses={
        "payer": (
            Loss(by="vendor", of="price"),
            Loss(by="broker", of="float"),
            Loss(by="thief", of="wallet"),
            Loss(by="nobody", of="nothing"),
        ),
        "vendor": (
            Loss(by="payer", of="nothing"),
            Loss(by="broker", of="unclaimed"),
            Loss(by="nobody", of="nothing"),
        ),
        "broker": (
            Loss(by="payer", of="nothing"),
            Loss(by="vendor", of="nothing"),
            Loss(by="thief", of="outstanding"),  # the ledger pays no more than is out
            Loss(by="nobody", of="nothing"),
        ),
    },
)
