"""The contract of every payment scheme: a mint, a purse and a till.

- The **mint** runs at the issuer: `issue`, `redeem`, `take_back`, `grant` (a vendor hands over
  what the broker needs to mint for it) and `status` (a payer asks what became of its payment),
  each as `check` (cryptography, no state, in parallel workers), `recall` (what the decision reads)
  and `apply` (in the one writer).
- The **purse** runs in the wallet: `ask`/`receive` get spending power, `pay`/`conclude` spend it,
  `inquire`/`learn` end a doubt at the broker, `share`/`accept` pass it on, `survey`/`reclaim` get
  back what a lost wallet held; `seal_request` and `unseal_answer` hide a whole purchase, where a
  scheme can.
- In a **dispute** a payer gives way by the purse's `give_way`, a vendor by the till's `waive`; each
  shows what was bought by `disclose`, which the mint's `judge` reads.
- The **till** runs at the gate: `offer` and `seal`, `read`, `recall`, `take`, `endorse`, `finish`,
  `stream_of` where a payment is one of many for a stream; later `sweep` and `answer` talk to the
  broker. `unseal` and `seal_answer` are the other end of a purchase that is hidden whole.
- All is pure. Payloads are JSON, the same in every dialect; `At` brings time and randomness.
- Money moves only as `Flow`s between the ends named here; the engine turns them into postings.

The shape was tried against the hard cases of later schemes (`tests/kit/thin`) before it was
frozen: `docs/decisions/0002-the-scheme-contract.md` has what they forced.
"""

from collections.abc import Mapping

import msgspec

from farthing.schemes.flows import End, EndKind, Flow
from farthing.schemes.messages import (
    Abroad,
    Accepted,
    Applied,
    Asked,
    AskFirst,
    Binding,
    Burned,
    Challenge,
    Checked,
    Concluded,
    Conclusion,
    Dialect,
    Finished,
    Instrument,
    Issued,
    Need,
    Offer,
    Operation,
    Paid,
    Redeemed,
    Returned,
    Rolled,
    Settlement,
    Taken,
    Waiting,
)
from farthing.schemes.mint import Batch, Mint
from farthing.schemes.purse import Purse, Replier
from farthing.schemes.refunds import Charged, Refund
from farthing.schemes.reissues import Comeback, Lost
from farthing.schemes.setting import Account, At, Json, Key, Ring, Setting, Traits
from farthing.schemes.sharing import Portion, Shared
from farthing.schemes.till import Till

__all__ = [
    "Abroad", "Accepted", "Account", "Applied", "AskFirst", "Asked", "At", "Batch", "Binding",
    "Burned", "Challenge", "Charged", "Checked", "Comeback", "Concluded", "Conclusion", "Dialect",
    "End", "EndKind", "Finished", "Flow", "Instrument", "Issued", "Json", "Key", "Lost", "Mint",
    "Need", "Offer", "Operation", "Paid", "Portion", "Purse", "Redeemed", "Refund", "Replier",
    "Returned", "Ring", "Rolled", "Scheme", "Setting", "Settlement", "Shared", "Taken", "Till",
    "Traits", "Waiting",
]  # fmt: skip  # - names only: one a line would hide the classes below


class Scheme(msgspec.Struct, frozen=True, kw_only=True):
    """One registered scheme."""

    traits: Traits
    mint: type[Mint]
    """At the broker."""
    purse: type[Purse]
    till: type[Till]
    vendor_mint: type[Mint] | None = None
    """At the vendor, where the vendor issues too; its gate mounts it."""
    options: Mapping[str, tuple[Json, ...]] = {}
    """What a vendor may set under the scheme's name in `prices.toml` (`Setting.options`), each with
    some of its values: simulated vendors differ in them."""
