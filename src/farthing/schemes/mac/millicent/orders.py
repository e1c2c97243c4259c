"""What MilliCent's mint reads and remembers: orders, licences, and the pools that pay claims.

Records (key, then JSON)::

    millicent/licence/<vendor>/<series>   quota, sold, next index
    millicent/pool/<vendor>/<expiry>      sold, redeemed, returned
    millicent/used/<vendor>/<serial>      digest of the claim or burn that used this serial
"""

import re

import msgspec

from farthing import codec, props
from farthing.errors import Overlimit, Replayed, Unfit, Unsupported, WrongVendor
from farthing.ids import require_broker_id, require_name
from farthing.marks import Memory, Put
from farthing.money import ACCOUNT_MICRO_MAX
from farthing.schemes.contract import Applied, Key
from farthing.schemes.mac.millicent.payment import Payment
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    DAY_S,
    DISPUTE_S,
    GRACE_S,
    LICENSED_SERIES,
    LIFE_S,
    PAYER_RANGE,
    SCRIP_MICRO_MAX,
    SERIES_SIZE,
    Burn,
)

_SERIES = re.compile(r"[0-9a-f]{10}")
_RANGE = re.compile(r"[0-9a-f]{4}")

LICENCE_PREFIX, POOL_PREFIX = b"millicent/licence/", b"millicent/pool/"
SUBMIT_S = DAY_S  # a vendor may still claim this long after the scrip's grace has ended


class Order(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename={"value_micro": "valueMicro"},
):
    """`issue`: scrip of one vendor, please."""

    broker: str = ""
    """Where the vendor is registered, if not here."""
    exact: bool = False
    """Whether a larger piece will not do."""
    pay: Payment | None = None
    """Broker scrip that pays for it, signed; None: the account pays."""
    props: str = ""
    """Which of the account's properties the scrip is to carry; one that it lacks is refused."""
    reveal: str = ""
    """Names of properties, `age;student`: the scrip is to carry those that the account has."""
    value_micro: int
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for a value out of range."""
        if not 0 < self.value_micro <= SCRIP_MICRO_MAX:
            raise Unfit("scrip_value_out_of_range", f"scrip is worth 1 to {SCRIP_MICRO_MAX} micro")
        require_name(self.vendor)
        if self.broker:
            require_broker_id(self.broker)
            if self.vendor == self.broker:
                raise Unfit("vendor_is_a_broker", "brokers sell their own scrip themselves")
        if len(self.reveal) > props.BYTES_MAX:
            raise Unfit("reveal_too_long", f"at most {props.BYTES_MAX} bytes of names")

    def revealing(self, vouched: str) -> "Order":
        """The order for a payer with these properties, canonical: those that it names."""
        named = self.reveal.split(";")
        shown = {key: value for key, value in props.read(vouched).items() if key in named}
        return msgspec.structs.replace(self, props=props.write(shown))


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """An order with the expiry that its scrip will have if it is minted now."""

    order: Order
    expires_at_s: int


class Licence(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename="camel",
):
    """`grant`: mint for me. Secrets are base64url of 32 bytes; a repr shows none."""

    k_burn: str
    k_payer: str
    k_scrip: str
    not_after_s: int
    payer_range: str
    """4 hex digits."""
    quota_micro: int
    replaces: bool = False
    """Whether nothing more is sold under the vendor's earlier licences: their keys are revoked."""
    series: str
    """10 hex digits."""

    def __post_init__(self) -> None:
        """`Unfit` for an id that is not hex, or a number that is not above zero."""
        if not _SERIES.fullmatch(self.series) or not _RANGE.fullmatch(self.payer_range):
            raise Unfit("licence_malformed", "series is 10 hex digits, payerRange 4")
        if not 0 < self.quota_micro <= ACCOUNT_MICRO_MAX:
            raise Unfit("licence_malformed", f"a quota is 1 to {ACCOUNT_MICRO_MAX} micro-units")
        if not 0 < self.not_after_s <= codec.JSON_INT_MAX:
            raise Unfit("licence_malformed", "a licence ends at a time in unix seconds")

    def __repr__(self) -> str:
        """Series and quota only."""
        return f"Licence({self.series}, {self.quota_micro})"


class Quota(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A licence as the broker's books know it."""

    next_index: int
    not_after_s: int
    payer_range: str
    quota_micro: int
    sold_micro: int


class Pool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Value sold for one vendor with one expiry, and what became of it."""

    redeemed_micro: int = 0
    returned_micro: int = 0
    sold_micro: int = 0

    @property
    def rest_micro(self) -> int:
        """What may still be claimed or returned."""
        return self.sold_micro - self.redeemed_micro - self.returned_micro


class CashOut(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename={"in_scrip": "inScrip"},
):
    """`take_back`: a burn receipt, for money or for broker scrip."""

    broker: str = ""
    """Where the vendor is registered, if not here."""
    burn: Burn
    in_scrip: bool = False

    def __post_init__(self) -> None:
        """`OutOfRange` for a broker id that is none."""
        if self.broker:
            require_broker_id(self.broker)


class Burned(msgspec.Struct, frozen=True, kw_only=True):
    """A cash-out with the expiry that broker scrip for it would have."""

    cash_out: CashOut
    expires_at_s: int


ORDERS, LICENCES = codec.Reader(Order), codec.Reader(Licence)
CASH_OUTS, POOLS = codec.Reader(CashOut), codec.Reader(Pool)
_QUOTA = codec.Reader(Quota)


def licence_prefix(vendor: str) -> bytes:
    """Where the licences of a vendor are recorded."""
    return LICENCE_PREFIX + f"{vendor}/".encode()


def used_up(key: bytes, value: bytes) -> Put:
    """A licence from which nothing more is minted."""
    quota = msgspec.structs.replace(_QUOTA.read(value), next_index=SERIES_SIZE)
    # Scrip of it was sold until now at the latest, or until the licence's end.
    until_s = kept_until_s(quota.not_after_s + LIFE_S + DAY_S)
    return Put(key=key, value=codec.canonical(quota), until_s=until_s)


def pool_key(vendor: str, expires_at_s: int) -> bytes:
    """Where the value sold for a vendor with this expiry is recorded."""
    return POOL_PREFIX + f"{vendor}/{expires_at_s:012d}".encode()


def pool_expiry_s(key: bytes) -> int:
    """The expiry that a pool's key names."""
    return int(key.rsplit(b"/", 1)[1])


def used_key(vendor: str, serial: str) -> bytes:
    """Where it is recorded what a serial was used for."""
    return f"millicent/used/{vendor}/{serial}".encode()


def kept_until_s(expires_at_s: int) -> int:
    """How long records about scrip with this expiry are kept."""
    return expires_at_s + GRACE_S + SUBMIT_S + DISPUTE_S


def read_pool(memory: Memory, key: bytes) -> Pool:
    """The pool under `key`; an empty one where nothing was sold yet."""
    found = memory.records.get(key)
    return POOLS.read(found) if found is not None else Pool()


def unredeemed(memory: Memory, micro: int) -> Put:
    """The one pool in `memory` without a payment of `micro`; `Unsupported` if there are two."""
    if len(memory.records) != 1:
        raise Unsupported("settle_unsupported", "a renewal is claimed in batches")
    ((key, value),) = memory.records.items()
    pool = POOLS.read(value)
    freed = msgspec.structs.replace(pool, redeemed_micro=pool.redeemed_micro - micro)
    return Put(key=key, value=codec.canonical(freed), until_s=kept_until_s(pool_expiry_s(key)))


def open_licence(order: Order, memory: Memory, now_s: int) -> tuple[bytes, Quota]:
    """The first licence that can mint this order; `WrongVendor`, `Overlimit`."""
    prefix = licence_prefix(order.vendor)
    found = sorted(key for key in memory.records if key.startswith(prefix))
    if not found:
        raise WrongVendor("vendor_unknown", f"no licence to mint for {order.vendor!r}")
    for key in found:
        quota = _QUOTA.read(memory.records[key])
        in_quota = quota.sold_micro + order.value_micro <= quota.quota_micro
        if in_quota and now_s < quota.not_after_s and quota.next_index < SERIES_SIZE:
            return key, quota
    raise Overlimit("licence_used_up", "the vendor must grant a new series before more is sold")


def register(licence: Licence, vendor_id: str, memory: Memory) -> Applied:
    """Take a licence into the books, and its keys into the ring; `Replayed` for a known series."""
    key = licence_prefix(vendor_id) + licence.series.encode()
    if key in memory.records:
        raise Replayed("series_already_granted", "a series is granted once; grant the next one")
    quota = Quota(
        next_index=0,
        not_after_s=licence.not_after_s,
        payer_range=licence.payer_range,
        quota_micro=licence.quota_micro,
        sold_micro=0,
    )
    until_s = kept_until_s(licence.not_after_s + LIFE_S + DAY_S)
    ended: tuple[Put, ...] = ()
    if licence.replaces:
        earlier = sorted(k for k in memory.records if k.startswith(licence_prefix(vendor_id)))
        ended = tuple(used_up(known, memory.records[known]) for known in earlier)
    return Applied(
        records=(*ended, Put(key=key, value=codec.canonical(quota), until_s=until_s)),
        keys=(
            _key(LICENSED_SERIES, f"{vendor_id}/{licence.series}", licence.k_scrip),
            _key(PAYER_RANGE, f"{vendor_id}/{licence.payer_range}", licence.k_payer),
            _key(BURN_KEY, vendor_id, licence.k_burn),
        ),
        answer={"series": licence.series, "quotaMicro": licence.quota_micro},
    )


def _key(purpose: str, key_id: str, secret: str) -> Key:
    return Key(id=key_id, purpose=purpose, secret=codec.unb64u(secret, size_bytes=32))
