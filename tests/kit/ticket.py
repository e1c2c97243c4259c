"""A payer who writes commitments and gives tickets by hand, right or wrong."""

from typing import Any

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.schemes.chain.credit.purse import Card
from farthing.schemes.chain.ticket import TICKET
from farthing.schemes.chain.ticket.commitment import TicketCommitment
from farthing.schemes.chain.ticket.till import SEED_KEY
from farthing.schemes.contract import Instrument, Json, Key, Offer
from tests.kit import payword
from tests.kit.canaries import canary, draw
from tests.kit.payword import TODAY

ODDS = 4
RICH_MICRO = 10**9
SEED = Key(id="1", purpose=SEED_KEY, secret=canary("draw-seed"))


def scene(odds: int = ODDS, slot_micro: int = 100_000, **options: Json) -> payword.Scene:
    """A payer with a certificate, and a vendor one ticket in `odds` of which wins."""
    stage = payword.Scene(
        scheme=TICKET, keys=(SEED,), credit_micro=RICH_MICRO, odds=odds, **options
    )
    stage.certificate = stage.certify(slot_micro)
    return stage


class Hand:
    """One commitment against the chain of an offer."""

    def __init__(
        self, certificate: Instrument, offer: Offer, *, name: str = "", **changes: Any
    ) -> None:
        card = msgspec.json.decode(certificate.body, type=Card)
        terms = offer.terms
        self.secret = codec.unb64u(card.secret)
        self.salt, self.seed = draw(f"salt {name}", 16), draw(f"seed {name}", 16)
        self.length = changes.pop("length", 32)
        fields: dict[str, Any] = {
            "odds": terms["winDenominator"],
            "session": terms["session"],
            "unit_micro": terms["unitMicro"],
            "vendor_root": terms["vendorRoot"],
            "slots": (0, 1),
            "vendor": offer.vendor_id,
        }
        unsigned = TicketCommitment(
            certificate=card.certificate,
            day=TODAY,
            length=self.length,
            root=codec.b64u(chain.root_of(self.salt, self.seed, self.length)),
            salt=codec.b64u(self.salt),
            sig="",
            **fields | changes,
        )
        self.commitment = unsigned.sign(self.secret)

    def word(self, index: int) -> bytes:
        return chain.descend(chain.link_key(self.salt), self.seed, self.length, index)

    def first(self, index: int) -> Json:
        """A payment with the commitment itself."""
        return self.later(index) | {"commitment": msgspec.to_builtins(self.commitment)}

    def later(self, index: int) -> Json:
        """A payment with the commitment's id."""
        return {
            "commitment": self.commitment.id,
            "index": index,
            "word": codec.b64u(self.word(index)),
        }
