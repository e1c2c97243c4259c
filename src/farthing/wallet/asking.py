"""A mint that must answer before a payment can be made: with a fair chain's ticket, for one.

    instrument chosen -> ask written, instrument offered -> mint answers -> purchase written

The purchase is written in the transaction that ends the ask. A process that dies in between leaves
an open ask: whoever finds it sends it again with its key, and gives the answer to `Purse.receive`.
"""

from farthing import ids
from farthing.schemes.contract import Asked, At, Instrument, Json
from farthing.wallet.commands import Ask, Wish
from farthing.wallet.errand import ID_BYTES, SPOILT, Flow, answer_to

KEY_FROM = 480  # bytes of the entropy of one look: behind what purses use of it


def first_of(asked: Asked, instrument: Instrument, wish: Wish, site: str, at: At) -> Ask:
    """The ask that comes before a payment from `instrument`, ready to be written."""
    return Ask(
        id=ids.new_id("ask", at.entropy[KEY_FROM : KEY_FROM + ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=wish.broker_id,
        scheme=wish.scheme,
        vendor_id=wish.vendor_id,
        site=site,
        amount_micro=wish.price_micro,
        asked=asked,
        instrument_id=instrument.id,
    )


def asked_first(ask: Ask) -> Flow[tuple[Ask, Json] | None]:
    """The ask with the mint's answer; None where the mint calls the instrument spoilt.

    `Unavailable` if no answer came, `Denied` if the account's token is not taken: the ask stays
    open. Any other refusal of the mint: the ask is over, and the instrument as good as before.
    """
    try:
        return ask, (yield from answer_to(ask))
    except SPOILT:
        return None
