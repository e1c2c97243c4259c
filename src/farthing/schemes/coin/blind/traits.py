"""What everybody may know about every scheme of blind coins before using it."""

from farthing.schemes.contract import Traits
from farthing.schemes.losses import Loss


def traits_of(*, name: str, title: str, source: str) -> Traits:
    """The traits of one of them, which goes by its name on the wire, too."""
    return Traits(
        name=name,
        wire=name,
        title=title,
        source=source,
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
