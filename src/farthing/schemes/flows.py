"""How money moves, as schemes say it: from one end to another. The engine knows the accounts."""

from typing import Literal

import msgspec

EndKind = Literal[
    "payer",
    "credit",
    "guarantee",
    "outstanding",
    "vendor",
    "stock",
    "breakage",
    "commission",
    "disputed",
    "unclaimed",
    "lottery",
    "bank",
    "hold",
    "peer",
]


class End(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a flow of money. The engine knows which account it is.

    `credit` is a payer's balance and then its credit, up to the limit. `guarantee` is the same for
    what the broker has promised a vendor: what is above the limit the broker bears itself, as a
    receivable from the payer. `hold` is what one order keeps apart while another broker is asked,
    `peer` what stands between us and that broker, on either side.
    """

    kind: EndKind
    id: str = ""
    """Account or series; for `payer` and `vendor` the account id."""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """Move money from one end to another."""

    source: End
    target: End
    amount_micro: int
