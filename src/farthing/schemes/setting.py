"""Who a mint, purse or till works for: time, keys and accounts; import these from `contract`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from farthing.marks import Moment
from farthing.schemes.losses import Loss, Role

Json = Any  # a JSON value; the readers in `codec` have checked its depth and size


class At(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What only the edge knows: the time, randomness, and serials leased for this call."""

    now_s: int
    """Unix seconds."""
    entropy: bytes = b""
    """At least as many random bytes as the traits ask for; used once."""
    serials: tuple[int, ...] = ()
    """Fresh serials of the series that the till named."""

    @property
    def number(self) -> int:
        """The one serial; -1 without any."""
        return self.serials[0] if self.serials else -1

    def __repr__(self) -> str:
        """The time only."""
        return f"At({self.now_s})"


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody may know about a scheme before using it."""

    name: str
    """Registry name, as commands take it."""
    wire: str
    """Wire name, `[a-z]+`: the MPP method."""
    variant: str = ""
    """`terms.variant`, where several schemes share a wire name."""
    tag: str = ""  # what its domain tags and marks begin with, where that is not its name
    title: str
    source: str
    """The paper, or "ours"."""
    issuer: Literal["broker", "vendor"]
    credit: bool
    """Whether the payer is billed after spending."""
    resold: bool = False
    """Whether a broker can sell what is issued at another broker."""
    needs_list: bool
    """Whether the till must consult a revocation list that may go stale."""
    latest: Moment
    """The latest clearing moment that is safe for the vendor."""
    moments: tuple[Moment, ...] = ("before", "during", "batch")
    """When its payments can be cleared at all."""
    props: bool = False
    """Whether a payment shows properties of the payer that the broker vouches for."""
    drawn: bool = False
    """Whether a payment may come to more or less than its price by luck: its claims say to what."""
    entropy_bytes: int = 0
    """How many random bytes `take` and `finish` together may use."""
    sealed: bool = False
    """Whether the goods go out sealed with the offer: the gate fetches them and calls `seal`."""
    losses: Mapping[Role, tuple[Loss, ...]] = {}
    """What each role can lose at most, by whom."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key of one purpose. Its repr shows no key material."""

    id: str
    purpose: str
    secret: bytes = b""
    """Private or symmetric key, 32 bytes; empty where only the public half is known."""
    public: bytes = b""
    """Ed25519 public key, 32 bytes; empty for symmetric keys."""
    not_after_s: int = 0
    """When the key stops signing; it may verify for longer. 0: no end."""

    def __repr__(self) -> str:
        """Purpose and id only."""
        return f"Key({self.purpose}, {self.id})"


class Ring(Protocol):
    """Keys by purpose, as one role holds them. `Misconfigured` where a key is missing."""

    def current(self, purpose: str) -> Key:
        """The key of `purpose` that signs or mints now."""

    def live(self, purpose: str) -> Sequence[Key]:
        """The current key of `purpose` and the one before, which still verifies; newest first."""

    def known(self, purpose: str) -> Sequence[Key]:
        """Every key of `purpose` that still verifies, newest first."""

    def find(self, purpose: str, key_id: str) -> Key | None:
        """The key of `purpose` with this id, or None."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """Who a mint, purse or till works for, and with which keys."""

    broker_id: str
    currency: str
    ring: Ring
    vendor_id: str = ""
    """Empty at the broker's mint and in the wallet."""
    broker_url: str = ""
    options: dict[str, Json] = {}
    """The scheme's own settings, from `prices.toml` or the broker's configuration."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls a mint: an authenticated account at the issuer."""

    id: str
    role: Literal["payer", "vendor", "broker"]
    credit_limit_micro: int = 0
    """What the operator lets this payer owe; 0 for prepaid."""
    props: str = ""
    """What the operator vouches for, `key=value;key=value`, keys rising."""
