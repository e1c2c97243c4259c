"""A decision of the mint while it is made: what it reads, and what it will write.

Records that are written are read back from here, so that several steps of one decision may touch
the same pool or licence.
"""

import msgspec

from farthing import codec
from farthing.errors import Busy, Overlimit, Replayed, Revoked
from farthing.marks import Memory, Put, Record
from farthing.schemes.contract import At, End, Flow, Json, Ring
from farthing.schemes.mac.millicent import warehouse
from farthing.schemes.mac.millicent.orders import (
    SUBMIT_S,
    Order,
    kept_until_s,
    open_licence,
    pool_key,
    read_pool,
    used_key,
)
from farthing.schemes.mac.millicent.scrip import (
    GRACE_S,
    LICENSED_SERIES,
    PAYER_RANGE,
    SERIES_BITS,
    STOCK_BIT,
    Burn,
    Scrip,
    mint_scrip,
    payer_secret,
    serial_of,
)

PAYER_ENTROPY_BYTES = 6  # the 48 random bits of a payer_id


class Draft:
    """One decision under way. Refusals leave it to be thrown away."""

    def __init__(self, ring: Ring, currency: str, memory: Memory, at: At) -> None:
        """Over what `recall` named."""
        self._ring = ring
        self._currency = currency
        self._at = at
        self.memory = Memory(counters=memory.counters, records=dict(memory.records))
        self.flows: list[Flow] = []
        self.due: list[tuple[int, bytes]] = []
        self._written: dict[bytes, Record] = {}

    @property
    def records(self) -> tuple[Record, ...]:
        """What will be written, each key once."""
        return tuple(self._written.values())

    def write(self, *records: Record) -> None:
        """Write, and let later steps read it."""
        for record in records:
            self._written[record.key] = record
            if isinstance(record, Put):
                self.memory.records[record.key] = record.value
            else:
                self.memory.records.pop(record.key, None)

    def flow(self, source: End, target: End, amount_micro: int) -> None:
        """Move money."""
        if amount_micro:
            self.flows.append(Flow(source=source, target=target, amount_micro=amount_micro))

    def is_repeat(self, vendor: str, serial: str, digest: bytes, expires_at_s: int) -> bool:
        """Use up a serial; whether this very message did so before. `Replayed` for another."""
        key = used_key(vendor, serial)
        used = self.memory.records.get(key)
        if used == digest:
            return True
        if used is not None:
            raise Replayed("serial_already_used", "this serial was claimed or returned before")
        until_s = kept_until_s(expires_at_s)
        self.write(Put(key=key, value=digest, until_s=until_s, once=True))
        return False

    def pool(
        self, vendor: str, expires_at_s: int, *, sold: int = 0, redeemed: int = 0, returned: int = 0
    ) -> None:
        """Change a pool; `Overlimit` where more would go than was sold."""
        key = pool_key(vendor, expires_at_s)
        pool = read_pool(self.memory, key)
        if redeemed + returned - min(sold, 0) > pool.rest_micro:
            raise Overlimit("more_than_was_sold", "claims of a vendor end where its sales end")
        pool = msgspec.structs.replace(
            pool,
            sold_micro=pool.sold_micro + sold,
            redeemed_micro=pool.redeemed_micro + redeemed,
            returned_micro=pool.returned_micro + returned,
        )
        until_s = kept_until_s(expires_at_s)
        self.write(Put(key=key, value=codec.canonical(pool), until_s=until_s))
        self.due.append((expires_at_s + GRACE_S + SUBMIT_S, key))

    def take_back(self, burn: Burn, target: End) -> None:
        """What a burned piece was worth, to `target`.

        `Busy` where more would come back than was sold: what the piece was renewed from may still
        be to be shown, and the piece itself is no more.
        """
        try:
            if int(burn.serial, 16) >> SERIES_BITS & STOCK_BIT:
                put, flows = warehouse.take_back(burn.vendor, burn.value_micro, self.memory, target)
                self.write(put)
                self.flows += flows
            else:
                self.pool(burn.vendor, burn.expires_at_s, returned=burn.value_micro)
                self.flow(End(kind="outstanding", id=burn.vendor), target, burn.value_micro)
        except Overlimit:
            reason = "the vendor has not shown yet where this piece comes from; it waits for that"
            raise Busy("burn_waits", reason) from None

    def mint(
        self, order: Order, expires_at_s: int, *, payer: str = "", entropy: bytes = b""
    ) -> tuple[Scrip, bytes]:
        """Licensed scrip and its payer's secret; `WrongVendor`, `Revoked`, `Overlimit`.

        `payer` keeps an existing payer_id (change); else one is made of `entropy`.
        """
        record_key, quota = open_licence(order, self.memory, self._at.now_s)
        vendor, series = order.vendor, record_key.decode().rsplit("/", 1)[1]
        k_scrip = self._secret(LICENSED_SERIES, f"{vendor}/{series}")
        payer = payer or quota.payer_range + entropy[:PAYER_ENTROPY_BYTES].hex()
        k_payer = self._secret(PAYER_RANGE, f"{vendor}/{payer[:4]}")
        scrip = mint_scrip(
            k_scrip,
            vendor=vendor,
            currency=self._currency,
            value_micro=order.value_micro,
            serial=serial_of(int(series, 16), quota.next_index),
            payer=payer,
            expires_at_s=expires_at_s,
            props=order.props,
        )
        sold = msgspec.structs.replace(
            quota,
            next_index=quota.next_index + 1,
            sold_micro=quota.sold_micro + order.value_micro,
        )
        until_s = kept_until_s(expires_at_s)
        self.write(Put(key=record_key, value=codec.canonical(sold), until_s=until_s))
        self.pool(vendor, expires_at_s, sold=order.value_micro)
        return scrip, payer_secret(k_payer, vendor, payer)

    def mint_own(
        self, own: str, value_micro: int, expires_at_s: int, entropy: bytes
    ) -> dict[str, Json]:
        """Fresh broker scrip with its secret, as an answer has them."""
        order = Order(value_micro=value_micro, vendor=own)
        scrip, secret = self.mint(order, expires_at_s, entropy=entropy)
        return {"scrip": msgspec.to_builtins(scrip), "secret": codec.b64u(secret)}

    def secret_of(self, scrip: Scrip) -> bytes:
        """The payer's secret of scrip that somebody else minted; `Revoked`."""
        key = self._secret(PAYER_RANGE, f"{scrip.vendor}/{scrip.payer[:4]}")
        return payer_secret(key, scrip.vendor, scrip.payer)

    def _secret(self, purpose: str, key_id: str) -> bytes:
        key = self._ring.find(purpose, key_id)
        if key is None:
            raise Revoked("licence_revoked", "the vendor must license this broker anew")
        return key.secret
