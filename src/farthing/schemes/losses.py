"""What a role can lose at most, so that pages can say it and simulated worlds can measure it.

A scheme declares in its traits, for each role, one `Loss` for everybody who can cause it one.
Source: ours.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import msgspec

Role = Literal["payer", "vendor", "broker"]
Cause = Literal["payer", "vendor", "broker", "peer", "thief", "nobody"]
Amount = Literal[
    "nothing", "price", "held", "limit", "wallet", "float", "unclaimed", "quota", "deposit",
    "certified", "unacknowledged", "unreleased", "outstanding", "prizes", "grace",
]  # fmt: skip  # - one a line would be long


class Loss(msgspec.Struct, frozen=True, kw_only=True):
    """The most that one role loses by one cause."""

    by: Cause
    """Who cheats or fails; a thief has a device or a key; nobody: a crash, a lost message."""
    of: Amount
    """How much, at most."""

    @property
    def prose(self) -> str:
        """The amount in words."""
        return AMOUNTS[self.of]


AMOUNTS: Mapping[Amount, str] = MappingProxyType(
    {
        "nothing": "nothing",
        "price": "the price of one purchase, which is not delivered;"
        " of a second try, if the vendor also says that nothing was paid",
        "prizes": "a prize for each ticket of one purchase, which is not delivered",
        "held": "what it holds that only this vendor takes, what it pays with among it",
        "limit": "the credit limit, for each vendor and day until it is revoked everywhere",
        "wallet": "what the wallet holds, and what its account lets it draw",
        "float": "its balance at that broker, and what it holds that the broker stands for",
        "unclaimed": "what it has not claimed yet, and its balance there",
        "quota": "what the key may still issue: the licensed quota",
        "deposit": "its balance at that peer",
        "certified": "what the key certifies until it is revoked everywhere",
        "unacknowledged": "what it lets payers have before the broker has acknowledged it:"
        " at most its own cap for each promise, here for each segment of a certificate",
        "unreleased": "the last page of a ticket, for which the payer is charged all the same",
        "outstanding": "what is out with payers",
        "grace": "so many ticks of one stream as its grace says",
    }
)

CAUSES: Mapping[Role, Mapping[Cause, str]] = MappingProxyType(
    {
        "payer": {
            "vendor": "a vendor cheats",
            "broker": "the broker cheats or fails",
            "thief": "its device is stolen",
            "nobody": "a crash, or a message that is lost or repeated",
        },
        "vendor": {
            "payer": "a payer cheats",
            "broker": "the broker fails",
            "nobody": "a crash, or a message that is lost or repeated",
        },
        "broker": {
            "payer": "a payer cheats",
            "vendor": "a vendor cheats",
            "thief": "a key of the scheme is stolen",
            "peer": "another broker fails",
            "nobody": "a crash, or a message that is lost or repeated",
        },
    }
)
"""Who can cause a role a loss, in words. A scheme declares each of them; `peer` only where its
spending power is sold at another broker."""
