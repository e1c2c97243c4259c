"""What everybody may know about Cashu before using it."""

from farthing.schemes.contract import Traits
from farthing.schemes.losses import Loss

TRAITS = Traits(
    name="cashu",
    wire="cashu",
    title="Cashu",
    source="the NUT specifications of the Cashu network, 2026; Wagner 1996",
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
