"""What a vendor mints and rotates by hand: a warehouse's batch, series, keys.

Series numbers rise; the top bit marks those of a warehouse. A rotated key goes on verifying; a
revoked one is gone, and with it the value of everything that was made with it.
"""

from collections.abc import Callable

import msgspec

from farthing import codec, marks
from farthing.errors import Misconfigured, Unknown
from farthing.schemes.contract import Json, Key
from farthing.schemes.mac.millicent import scrip
from farthing.schemes.mac.millicent.vendor_keys import SERIES_PURPOSES
from farthing.schemes.mac.millicent.warehouse import PIECES_MAX, Batch
from farthing.stores.keys import KeyRing
from farthing.vendor.booking import RECEIPT_KEY
from farthing.vendor.driver import MarkStore
from farthing.vendor.offering import CHALLENGE_KEY

STOCK_RANGE = "0002"  # payers of warehouse pieces; "0001" are those of the licence
PAYER_BYTES = 6  # random part of a payer_id
# What `rotate` and `revoke` call the keys, and what the ring calls them.
NAMES = {
    "challenge": CHALLENGE_KEY,
    "receipt": RECEIPT_KEY,
    "change": scrip.OWN_SERIES,
    "licence": scrip.LICENSED_SERIES,
    "payers": scrip.PAYER_RANGE,
    "stock": scrip.STOCK_SERIES,
}
KEY_BYTES = 32
RENEWED_FROM = scrip.SERIES_SIZE // 10 * 9  # the rest lasts an hour at 400 payments a second
_SERIES = frozenset(SERIES_PURPOSES)


def purpose_of(name: str) -> str:
    """The purpose behind a name on the command line; `Unknown`."""
    if name not in NAMES:
        raise Unknown("key_name_unknown", f"keys are called {', '.join(NAMES)}")
    return NAMES[name]


def next_series(ring: KeyRing, purpose: str) -> str:
    """The id of the next series of this purpose: one that no series has or had."""
    number = (scrip.STOCK_BIT if purpose == scrip.STOCK_SERIES else 0) | 1
    while any(
        ring.find(one, scrip.series_id(number)) or ring.is_revoked(one, scrip.series_id(number))
        for one in SERIES_PURPOSES
    ):
        number += 1
    return scrip.series_id(number)


def next_range(ring: KeyRing) -> str:
    """The id of the next payer range: one that none has or had, and not the warehouse's."""
    purpose, number = scrip.PAYER_RANGE, 1
    while (
        (name := f"{number:04x}") == STOCK_RANGE
        or ring.find(purpose, name)
        or ring.is_revoked(purpose, name)
    ):
        number += 1
    return name


def rotate(ring: KeyRing, purpose: str, entropy: bytes, *, not_after_s: int = 0) -> Key:
    """A new current key of this purpose, from 32 random bytes."""
    if purpose == scrip.PAYER_RANGE:
        key_id = next_range(ring)
    elif purpose in _SERIES:
        key_id = next_series(ring, purpose)
    else:
        return ring.rotate(purpose, entropy, not_after_s=not_after_s)
    key = Key(id=key_id, purpose=purpose, secret=entropy, not_after_s=not_after_s)
    ring.add(key)
    return key


async def renew(ring: KeyRing, store: MarkStore, entropy: Callable[[int], bytes]) -> list[Key]:
    """A new current series in the place of each that is nearly used up; those that were made.

    Without one, payments with change would fail from one second to the next.
    """
    made: list[Key] = []
    for purpose in (scrip.OWN_SERIES, scrip.STOCK_SERIES):
        try:
            key = ring.current(purpose)
        except Misconfigured:  # a warehouse's is made when it is first needed
            continue
        lease = marks.LeaseSerials(series=series_name(key), count=0)
        if int(await store.do(lease)) >= RENEWED_FROM:
            made.append(rotate(ring, purpose, entropy(KEY_BYTES)))
    return made


def revoke(ring: KeyRing, purpose: str, key_id: str) -> None:
    """Take a key out of use for good; `Unknown` if there is none."""
    if ring.find(purpose, key_id) is None:
        raise Unknown("key_unknown", f"there is no key {key_id!r} of this kind")
    ring.revoke(purpose, key_id)


def range_key(ring: KeyRing, entropy: bytes) -> Key:
    """The payer range of warehouse pieces, made when it is first needed."""
    found = ring.find(scrip.PAYER_RANGE, STOCK_RANGE)
    if found is None:
        found = Key(id=STOCK_RANGE, purpose=scrip.PAYER_RANGE, secret=entropy)
        ring.add(found)
    return found


def stock_series(ring: KeyRing, entropy: bytes) -> Key:
    """The current series of warehouse scrip, made when it is first needed."""
    try:
        return ring.current(scrip.STOCK_SERIES)
    except Misconfigured:
        return rotate(ring, scrip.STOCK_SERIES, entropy)


def series_name(key: Key) -> str:
    """What the serials of a series are leased as."""
    return f"millicent/{key.id}"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A batch to mint."""

    count: int
    value_micro: int
    discount_e4: int

    def __post_init__(self) -> None:
        """`Misconfigured` outside a batch's limits."""
        if not 1 <= self.count <= PIECES_MAX:
            raise Misconfigured("batch_size_out_of_range", f"a batch has 1 to {PIECES_MAX} pieces")


def batch(
    ring: KeyRing,
    wanted: Wanted,
    *,
    vendor_id: str,
    currency: str,
    first_index: int,
    entropy: bytes,
    now_s: int,
) -> Json:
    """The message that the broker's operator buys; `entropy`: 6 bytes a piece and 32 more.

    Serials `first_index` and on of the current stock series must have been leased for it.
    """
    series = ring.current(scrip.STOCK_SERIES)
    payers = range_key(ring, entropy[:32])
    pieces = []
    for number in range(wanted.count):
        start = 32 + number * PAYER_BYTES
        scrip.require_left(first_index + number)
        pieces.append(
            scrip.mint_scrip(
                series.secret,
                vendor=vendor_id,
                currency=currency,
                value_micro=wanted.value_micro,
                serial=scrip.serial_of(int(series.id, 16), first_index + number),
                payer=STOCK_RANGE + entropy[start : start + PAYER_BYTES].hex(),
                expires_at_s=scrip.fresh_expiry_s(now_s),
            )
        )
    made = Batch(
        discount_e4=wanted.discount_e4,
        k_burn=codec.b64u(ring.current(scrip.BURN_KEY).secret),
        k_payer=codec.b64u(payers.secret),
        payer_range=STOCK_RANGE,
        pieces=tuple(pieces),
    )
    return msgspec.to_builtins(made)


def lease_for(ring: KeyRing, wanted: Wanted, entropy: bytes) -> marks.LeaseSerials:
    """The store command that leases a batch's serials; `entropy`: 32 bytes for a first series."""
    series = stock_series(ring, entropy)
    return marks.LeaseSerials(series=series_name(series), count=wanted.count)
