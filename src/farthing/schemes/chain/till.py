"""What every till of a hash chain does alike."""

from farthing.errors import Unsupported
from farthing.schemes.contract import Charged, Till


class ChainTill(Till):
    """Takes words that cannot be taken back."""

    def refund_series(self, charged: Charged) -> str:
        """`Unsupported`: a word that is out stays out."""
        raise Unsupported(
            "refund_unsupported",
            "a chain only goes forward: sell the payer something else for less,"
            " or give the money back yourself",
        )
