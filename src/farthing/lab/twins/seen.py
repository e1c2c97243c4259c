"""One request as somebody sees it who reads along, and what it is about."""

import msgspec

from farthing.lab.genesis import BROKER
from farthing.lab.network import Message
from farthing.wallet.choice import is_paid
from farthing.wallet.commands import Request

SETTLING = ("/settle", "/capture", "/void")  # what a gate asks the broker for one payment


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One request that somebody has read along."""

    source: str
    target: str
    message: Message

    @property
    def is_payment(self) -> bool:
        """Whether it pays for a page, in the open."""
        headers = tuple((n.decode(), v.decode("latin-1")) for n, v in self.message.headers)
        return is_paid(Request(method=self.message.method, url=self.message.url, headers=headers))

    @property
    def is_claim(self) -> bool:
        """Whether it claims money of the broker."""
        return self.target == BROKER and "/redeem/" in self.message.url

    @property
    def is_settling(self) -> bool:
        """Whether it settles, captures or voids a payment at the broker."""
        return self.target == BROKER and self.message.url.endswith(SETTLING)
