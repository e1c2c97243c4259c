"""Whether a page that was paid for came as the vendor sent it, where the scheme lets a wallet tell.

The change is safe before this is asked: it rides in the receipt, which has a signature of its own.
A page that fails counts as not delivered, so the same request made again brings it for the same
payment.
"""

from farthing.errors import Forged
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Purchase, Response
from farthing.wallet.settling import receipt_in
from farthing.wire.replies import HEADER, Checking

NOT_MODIFIED = 304


def checking(guide: Guide, purchase: Purchase, answer: Response) -> Checking | None:
    """What to hold the page's body against, as it comes; None where there is nothing to check.

    `Forged` for a page without its signature or receipt, or with another head than was signed.
    """
    if not (200 <= answer.status < 300 or answer.status == NOT_MODIFIED):
        return None
    replier = guide.purse(purchase.scheme, purchase.broker_id).replier(purchase.paid)
    if replier is None:
        return None
    receipt = receipt_in(answer)
    if receipt is None:
        raise Forged("reply_unsigned", "the page came without its receipt; it is paid for")
    return Checking(
        replier,
        receipt.change,
        answer.status,
        [(name.lower().encode(), value.encode("latin-1")) for name, value in answer.headers],
        answer.value(HEADER.decode()),
    )
