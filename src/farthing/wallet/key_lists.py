"""The list of keys that a broker gives this wallet, for people to compare.

A broker that signed one payer's coins with keys of their own would know these again. So all get one
list, asked for without an account; a new one names those before it, and who holds another one
than these has been given two. Source: ours.
"""

import msgspec

from farthing import codec
from farthing.errors import Unsupported
from farthing.schemes.coin.blind.coinage import CURRENT, require_one_line
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.contract import Asked
from farthing.wallet.book import Book
from farthing.wallet.choice import Guide
from farthing.wallet.errand import Flow
from farthing.wallet.questions import answer_of


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One list."""

    broker: str
    scheme: str
    list: str
    """What it is asked for by: the id of its keyset, of several the first."""
    digest: str
    """SHA-256 of all but the signature, base64url: the same for everybody."""


def look_up(guide: Guide, book: Book, scheme: str, broker_id: str) -> Flow[Shown]:
    """The list that signs now, checked; `Unsupported` for a scheme without one.

    `Conflict` where this wallet's coins came of another list of the same time, which a rotation
    does not explain; refusals of the broker, `Unavailable`.
    """
    purse = guide.purse(scheme, broker_id)
    if not isinstance(purse, BlindPurse):
        raise Unsupported("keys_unsupported", f"coins of {scheme} are not signed blindly")
    asked = Asked(operation="issue", message={"list": CURRENT}, bearer=True)
    answer = yield from answer_of(scheme, broker_id, asked)
    keys = purse.coinage.lists.convert(answer)
    keys.verify(broker_id, guide.brokers[broker_id].currency)
    for held in book.held(scheme):
        if held.broker_id == broker_id:
            known = purse.readers.pockets.read(held.instrument.body).keysets
            require_one_line(keys, known)
    return Shown(broker=broker_id, scheme=scheme, list=keys.name, digest=codec.b64u(keys.digest))
