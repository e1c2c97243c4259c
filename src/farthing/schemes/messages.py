"""What mints, purses and tills take and give: frozen structs, shared by every scheme.

`contract.py` says who takes what; import these names from there.
"""

from typing import Any, Literal

import msgspec

from farthing.marks import Claim, Fact, Mark, Moment, Record
from farthing.schemes.flows import Flow
from farthing.schemes.setting import Account, Json, Key

Operation = Literal["issue", "redeem", "take_back", "grant", "status"]
Settlement = Literal["final", "deferred", "probabilistic"]
Dialect = Literal["mpp", "x402", "private", "cashu", "mcp"]


class Binding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The request that a payment is tied to."""

    dialect: Dialect
    k: str
    """The key of the payment: what makes two arrivals the same payment."""
    method: str
    host: str
    path_query: str
    target: str
    """`<METHOD> <path-and-query>`, or its hash where that is long; what a payer signs."""
    body_digest: bytes = b""
    """SHA-256 of the request body where it was bound, else empty."""
    owner: bytes = b""
    """Under whose key the whole request was sealed (`Till.unseal`); empty where it was not."""
    stream: str = ""
    """In the wallet: K of the opening of the stream that a voucher is for; empty for all else."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a 402 asks for, in one scheme."""

    scheme: str
    """Registry name."""
    intent: Literal["charge", "session"] = "charge"
    price_micro: int
    currency: str
    vendor_id: str
    broker_id: str
    broker_url: str
    settlement: Settlement
    guarantor: Literal["broker", "vendor", "none"] = "broker"
    redeem_by_s: int = 0
    """When the vendor must have redeemed, unix seconds; 0 where nothing is open."""
    terms: dict[str, Json] = {}
    """The till's own terms: unit, chain length, protocol ..."""
    description: str = ""
    external_id: str = ""
    sealed: bytes = b""
    """The goods, sealed (NetBill): the body of the 402, in no header; empty where not asked for."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A message whose cryptography is right. Travels between processes."""

    operation: Operation
    message: Any
    """The scheme's own parsed message."""
    account: Account


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation at the mint does, all of it in one transaction."""

    flows: tuple[Flow, ...] = ()
    marks: tuple[Mark, ...] = ()
    records: tuple[Record, ...] = ()
    claims: tuple[Claim, ...] = ()
    """At a vendor's own mint: what it will show the broker because of this."""
    keys: tuple[Key, ...] = ()
    """Keys for the issuer's ring (a licence); written there before the rest commits."""
    due: tuple[tuple[int, bytes], ...] = ()
    """Pairs (unix seconds, record key): when `lapse` looks at a record."""
    answer: Json = None
    """Stored and sent, byte for byte, to whoever sends the same request again."""
    for_payer: Json = None
    """Of a redemption: what the vendor must pass on (change, keys)."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is changed by it: a question was answered."""
        facts = (self.flows, self.marks, self.records, self.claims, self.keys, self.due)
        return not any(facts)

    def __repr__(self) -> str:
        """The money only: answers hold secrets, marks and records hold words."""
        return f"{type(self).__name__}({self.flows!r})"


class Issued(Applied, frozen=True, kw_only=True):
    """Spending power went out; `answer` is what `Purse.receive` takes."""


class Redeemed(Applied, frozen=True, kw_only=True):
    """A claim was paid. `paid_micro` is what this call added: 0 for a repeat, less for a refund."""

    paid_micro: int = 0
    batched: bool = False
    """Whether it is for a batch only: it gives a payer something back, and no page waits for it."""


class Returned(Applied, frozen=True, kw_only=True):
    """Spending power came back."""


class Challenge(Applied, frozen=True, kw_only=True):
    """The mint wants more from the vendor first (MR3); `answer` is the question."""


class Waiting(Applied, frozen=True, kw_only=True):
    """Nothing decided yet: ask again from `until_s` on, under a new idempotency key."""

    until_s: int


class Abroad(Applied, frozen=True, kw_only=True):
    """Decided as far as it goes here: another broker must answer first, then `Mint.resume`."""

    peer: str
    """Id of the broker that is asked."""
    operation: Operation
    """Of the message there."""
    message: Json
    hold: str = ""
    """Id of the `hold` end that the flows fill, if they do."""
    kept: bytes
    """What `resume` needs."""


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What a wallet wants spending power for."""

    amount_micro: int
    """At least this much."""
    currency: str
    vendor_id: str = ""
    offer: Offer | None = None
    """The offer that made the need, if there is one."""
    means: "Instrument | None" = None
    """What pays for it, of the kind that `Purse.means` names; None: the account."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A message for the mint, and what the purse must keep to understand the answer."""

    operation: Operation
    message: Json
    to: Literal["broker", "vendor"] = "broker"
    """Whose mint: the broker's, or that of the vendor whose scrip it is about: `vendor_id`."""
    vendor_id: str = ""
    bearer: bool = False
    """Whether the message pays for itself: then it goes without the account's token."""
    kept: bytes = b""
    """Secret; sealed in the wallet file before the message is sent."""

    def __repr__(self) -> str:
        """Operation and addressee only: a message may be worth money."""
        return f"Asked({self.operation}, {self.to})"


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """Spending power in a wallet. Its repr shows no secret."""

    id: str
    scheme: str
    vendor_id: str
    """Empty where any vendor takes it."""
    currency: str
    worth_micro: int
    """What is left of it."""
    expires_at_s: int
    body: bytes
    """The scheme's own state, secret, sealed at rest."""

    def __repr__(self) -> str:
        """Scheme, id and worth only."""
        return f"Instrument({self.scheme}, {self.id}, {self.worth_micro})"


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """A payment ready to send."""

    payload: Json
    """The same object in every dialect."""
    spent: Instrument
    """What it was made of, as it was before; with the answer to an `AskFirst` in it."""
    after: Instrument | None
    """What is left if it is taken; None where nothing is, or only the change will tell."""
    kept: bytes = b""
    """Secret state for `conclude`."""
    price_micro: int | None = None
    """What the vendor will charge this payer; None: the price of the offer."""
    k: str = ""
    """What `Till.own_k` says of it: its K where one challenge serves several payments."""
    general: Instrument | None = None
    """What is left of the instrument that asked first, where `spent` came of the answer."""

    def __repr__(self) -> str:
        """The instruments only: a payload is worth money."""
        return f"Paid({self.spent!r}, {self.after!r})"


class AskFirst(msgspec.Struct, frozen=True, kw_only=True):
    """The broker must answer before this payment can be made; after a crash `receive` hears it."""

    asked: Asked


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor took the payment; all of it is the receipt's, its time by the vendor's clock."""

    change: Json = None
    released: Json = None
    issued_at_s: int = 0

    def __repr__(self) -> str:
        """The name only: change and keys are worth money."""
        return "Accepted()"


class Rolled(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing was charged."""


class Burned(msgspec.Struct, frozen=True, kw_only=True):
    """The instrument is worth nothing any more (spent elsewhere, revoked)."""


Conclusion = Accepted | Rolled | Burned


class Concluded(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished payment leaves in the wallet."""

    instruments: tuple[Instrument, ...] = ()
    release: Json = None
    """One more payload under the same offer, sent until it is taken or `Replayed`; or None."""
    shown: Json = None
    """What the payer bought beyond the body: a key, an authorization number."""

    def __repr__(self) -> str:
        """The instruments only."""
        return f"Concluded({self.instruments!r})"


class Taken(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A payment that is right, and what it would do."""

    value_micro: int
    """What the vendor earns: the price, or more where the scheme has no change."""
    reference: str
    """Stable name of this payment, in receipts and at the broker."""
    payer: str
    """Pseudonym, for the origin and the vendor's report."""
    owner: bytes = b""
    """Public name of the key that may ask for the outcome; what `verify_owner` takes."""
    marks: tuple[Mark, ...]
    until_s: int
    """How long marks and outcome are kept."""
    records: tuple[Fact, ...] = ()
    """Written with the confirm."""
    claims: tuple[Claim, ...] = ()
    kept: bytes = b""
    """Stored with the hold and given back to `finish`: keys. A resume keeps the first."""
    finishing: Any = None
    """What `finish` wants of the payment besides; never stored, since a resume takes it anew."""
    moment: Moment = "batch"
    """The latest safe moment of clearing for this very payment."""
    mac_key: bytes = b""
    """Key of the receipt where payer and vendor share one; empty: the vendor's Ed25519 key."""
    value_moved: bool = False
    """Whether checking it has spent something that a refusal cannot give back (a link)."""
    delivered: bool = False
    """What it pays for is out already (sealed, streaming, or the page before): the origin is not
    asked, the receipt is the answer, and clearing `before` is one call without a reservation."""

    def __repr__(self) -> str:
        """Reference and value only."""
        return f"Taken({self.reference}, {self.value_micro})"


class Finished(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the till adds to a receipt."""

    change: Json = None
    released: Json = None
    """Keys and answers that the payer bought."""

    def __repr__(self) -> str:
        """The name only: change and keys are worth money."""
        return "Finished()"
