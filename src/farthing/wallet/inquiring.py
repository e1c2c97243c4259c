"""A doubt that the broker ends: what became of a payment of which its vendor says nothing.

Asked where a scheme lets the broker know (`Purse.inquire`), and only if the vendor could not tell.
The question has no effect at the broker, so it is not written down: a crash asks again.
"""

from typing import Literal

from farthing import ids
from farthing.errors import Refusal
from farthing.schemes.contract import Accepted, Concluded, Conclusion
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Answered, Ask, AskMint, Failed, Purchase, Refused, Settle
from farthing.wallet.errand import ID_BYTES, Flow, look

Ended = Literal["done", "released", "undecided"]


def settle_by_broker(guide: Guide, purchase: Purchase) -> Flow[Ended]:
    """Settle a purchase as its broker says that it ended; undecided where it does not say."""
    conclusion = yield from _conclusion_of(guide, purchase)
    at = yield from look()
    ended: Ended = "undecided"
    concluded = Concluded()
    if conclusion is not None:
        ended = "done" if isinstance(conclusion, Accepted) else "released"
        purse = guide.purse(purchase.scheme, purchase.broker_id)
        concluded = purse.conclude(purchase.paid, conclusion, at)
    yield Settle(
        purchase=purchase,
        state=ended,
        instruments=concluded.instruments,
        release=concluded.release,
        now_s=at.now_s,
    )
    return ended


def _conclusion_of(guide: Guide, purchase: Purchase) -> Flow[Conclusion | None]:
    purse = guide.purse(purchase.scheme, purchase.broker_id)
    at = yield from look()
    asked = purse.inquire(purchase.paid, at)
    if asked is None:
        return None
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=purchase.broker_id,
        scheme=purchase.scheme,
        vendor_id=purchase.vendor_id,
        site=purchase.site,
        amount_micro=purchase.price_micro,
        asked=asked,
    )
    answer: Answered | Refused | Failed = yield AskMint(ask=ask)
    if not isinstance(answer, Answered):
        return None
    try:
        return purse.learn(purchase.paid, answer.value, at)
    except Refusal:
        return None
