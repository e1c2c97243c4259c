"""The warehouse: scrip that a vendor minted ahead and the broker bought at a discount to resell.

The operator buys a batch (`grant` on the vendor's behalf); its pieces stand on shelves by value and
are sold whole, the smallest that is enough. The vendor was paid up front, so payments with this
scrip, or with change of it, are never claimed. A piece that is burned is paid back by the vendor at
its cost and by the broker's margin, and never more of them than were sold.

Records (key, then JSON)::

    millicent/shelf/<vendor>/<value>/<series and first index>   the pieces that are left
    millicent/stock/<vendor>     discount, and what was sold and returned

Source: the warehouse model of the paper's authors; the cap on returns is ours.
"""

import msgspec

from farthing import codec
from farthing.errors import Expired, Mismatch, Overlimit, Unfit
from farthing.marks import Memory, Put
from farthing.schemes.contract import Applied, At, End, Flow, Key
from farthing.schemes.mac.millicent.orders import kept_until_s
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    DAY_S,
    PAYER_RANGE,
    STOCK_BIT,
    Scrip,
)

SHELF_PREFIX = b"millicent/shelf/"
PIECES_MAX = 50  # of one batch: a message has at most 64 members in a list
STOCK_KEPT_S = 2**40  # its vendor renews pieces without our knowing, as often as it likes
SHELF_LIFE_S = 7 * DAY_S  # pieces with less time left are not sold any more
DISCOUNT_E4_MAX = 5_000  # half the face value


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a vendor hands over: pieces of one value and expiry, and the keys behind them."""

    discount_e4: int
    """Of the face value, parts per 10,000."""
    k_burn: str
    k_payer: str
    payer_range: str
    pieces: tuple[Scrip, ...]

    def __post_init__(self) -> None:
        """`Unfit` for pieces that are not of one kind, or no warehouse's."""
        if not 1 <= len(self.pieces) <= PIECES_MAX:
            raise Unfit("batch_size_out_of_range", f"a batch has 1 to {PIECES_MAX} pieces")
        if not 0 <= self.discount_e4 <= DISCOUNT_E4_MAX:
            raise Unfit("discount_out_of_range", f"a discount is 0 to {DISCOUNT_E4_MAX}")
        first = self.pieces[0]
        kinds = {(p.vendor, p.currency, p.value_micro, p.expires_at_s) for p in self.pieces}
        if len(kinds) != 1 or len({piece.serial for piece in self.pieces}) != len(self.pieces):
            raise Unfit("batch_mixed", "pieces of a batch differ in serial and payer only")
        if not all(piece.series & STOCK_BIT for piece in self.pieces):
            raise Unfit("series_not_for_stock", "a warehouse is stocked from stock series")
        if not all(piece.payer.startswith(self.payer_range) for piece in self.pieces):
            raise Unfit("payer_range_wrong", "the pieces' payers are of the range handed over")
        for text in (self.k_burn, self.k_payer):
            codec.unb64u(text, size_bytes=32)
        if first.props:
            raise Unfit("stock_has_props", "what nobody vouched for is not resold")

    def __repr__(self) -> str:
        """The size only."""
        return f"Batch({len(self.pieces)} pieces)"


class Shelf(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The pieces of one batch that are left."""

    closed: bool = False
    """Whether they are sold no more: after a restore some of them may be out."""
    discount_e4: int
    pieces: tuple[Scrip, ...]


class Stock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was bought of one vendor, and what became of it."""

    discount_e4: int
    """Fixed by the first batch."""
    returned_micro: int = 0
    sold_micro: int = 0


BATCHES = codec.Reader(Batch)
_SHELF, _STOCK = codec.Reader(Shelf), codec.Reader(Stock)


def shelf_prefix(vendor: str) -> bytes:
    """Where the pieces of a vendor stand, the smallest first."""
    return SHELF_PREFIX + f"{vendor}/".encode()


def closed(key: bytes, value: bytes) -> Put:
    """A shelf from which nothing more is sold; its rest is written off when it expires."""
    shelf = msgspec.structs.replace(_SHELF.read(value), closed=True)
    until_s = max((kept_until_s(piece.expires_at_s) for piece in shelf.pieces), default=0)
    return Put(key=key, value=codec.canonical(shelf), until_s=until_s)


def stock_key(vendor: str) -> bytes:
    """Where it is recorded what was bought of a vendor."""
    return f"millicent/stock/{vendor}".encode()


def cost_micro(value_micro: int, discount_e4: int) -> int:
    """What the broker pays for this face value: the discount is rounded down."""
    return value_micro - value_micro * discount_e4 // 10_000


def buy(batch: Batch, vendor: str, memory: Memory, at: At) -> Applied:
    """Put a batch on the shelf and pay for it, once.

    `Mismatch` for another discount than before or a batch that was bought, `Expired` for pieces
    that would not be sold any more.
    """
    first = batch.pieces[0]
    if first.expires_at_s <= at.now_s + SHELF_LIFE_S:
        raise Expired("batch_near_its_end", "pieces with less than a week left are not sold")
    stock = _read_stock(memory, vendor) or Stock(discount_e4=batch.discount_e4)
    if stock.discount_e4 != batch.discount_e4:
        raise Mismatch("discount_differs", f"the discount with {vendor} is {stock.discount_e4}")
    key = shelf_prefix(vendor) + f"{first.value_micro:08d}/{first.serial}".encode()
    if key in memory.records:
        raise Mismatch("batch_on_the_shelf", "this batch was bought before")
    shelf = Shelf(discount_e4=batch.discount_e4, pieces=batch.pieces)
    face_micro = first.value_micro * len(batch.pieces)
    until_s = kept_until_s(first.expires_at_s)
    return Applied(
        flows=(
            Flow(
                source=End(kind="stock", id=vendor),
                target=End(kind="vendor", id=vendor),
                amount_micro=len(batch.pieces) * cost_micro(first.value_micro, stock.discount_e4),
            ),
        ),
        records=(
            Put(key=key, value=codec.canonical(shelf), until_s=until_s),
            Put(key=stock_key(vendor), value=codec.canonical(stock), until_s=STOCK_KEPT_S),
        ),
        keys=(
            Key(
                id=f"{vendor}/{batch.payer_range}",
                purpose=PAYER_RANGE,
                secret=codec.unb64u(batch.k_payer),
            ),
            Key(id=vendor, purpose=BURN_KEY, secret=codec.unb64u(batch.k_burn)),
        ),
        due=((first.expires_at_s, key),),
        answer={"pieces": len(batch.pieces), "faceMicro": face_micro},
    )


def find(
    vendor: str, value_micro: int, memory: Memory, now_s: int, *, largest_micro: int
) -> bytes | None:
    """The shelf with the smallest pieces that are worth enough and not too much, or None."""
    prefix = shelf_prefix(vendor)
    for key in sorted(key for key in memory.records if key.startswith(prefix)):
        if not value_micro <= int(key.split(b"/")[3]) <= largest_micro:
            continue
        shelf = _SHELF.read(memory.records[key])
        pieces = () if shelf.closed else shelf.pieces
        if pieces and pieces[0].expires_at_s > now_s + SHELF_LIFE_S:
            return key
    return None


def sell(
    key: bytes, memory: Memory, source: End
) -> tuple[Scrip, tuple[Put, ...], tuple[Flow, ...]]:
    """The next piece of a shelf, paid from `source`: its cost to the stock, the rest is margin."""
    shelf = _SHELF.read(memory.records[key])
    scrip, rest = shelf.pieces[0], shelf.pieces[1:]
    stock = _read_stock(memory, scrip.vendor)
    assert stock is not None, "a shelf stands only where something was bought"
    until_s = kept_until_s(scrip.expires_at_s)
    sold = msgspec.structs.replace(stock, sold_micro=stock.sold_micro + scrip.value_micro)
    kept = msgspec.structs.replace(shelf, pieces=rest)  # empty it stays, so it is bought once
    records = (
        Put(key=key, value=codec.canonical(kept), until_s=until_s),
        Put(key=stock_key(scrip.vendor), value=codec.canonical(sold), until_s=STOCK_KEPT_S),
    )
    cost = cost_micro(scrip.value_micro, shelf.discount_e4)
    flows = (
        Flow(source=source, target=End(kind="stock", id=scrip.vendor), amount_micro=cost),
        Flow(source=source, target=End(kind="commission"), amount_micro=scrip.value_micro - cost),
    )
    return scrip, records, _some(flows)


def take_back(
    vendor: str, value_micro: int, memory: Memory, target: End
) -> tuple[Put, tuple[Flow, ...]]:
    """What a burned piece changes: the vendor gives its cost, the broker its margin.

    `Overlimit` where more would come back than was sold.
    """
    stock = _read_stock(memory, vendor)
    if stock is None or stock.returned_micro + value_micro > stock.sold_micro:
        raise Overlimit("more_than_was_sold", "returns of a vendor end where its sales end")
    returned = msgspec.structs.replace(stock, returned_micro=stock.returned_micro + value_micro)
    cost = cost_micro(value_micro, stock.discount_e4)
    shelf = End(kind="stock", id=vendor)
    flows = (
        Flow(source=End(kind="vendor", id=vendor), target=shelf, amount_micro=cost),
        Flow(source=shelf, target=target, amount_micro=cost),
        Flow(source=End(kind="commission"), target=target, amount_micro=value_micro - cost),
    )
    put = Put(key=stock_key(vendor), value=codec.canonical(returned), until_s=STOCK_KEPT_S)
    return put, _some(flows)


def write_off(vendor: str, value: bytes) -> tuple[Flow, ...]:
    """Pieces that expired unsold are the broker's loss."""
    shelf = _SHELF.read(value)
    lost = sum(cost_micro(piece.value_micro, shelf.discount_e4) for piece in shelf.pieces)
    loss = Flow(
        source=End(kind="commission"), target=End(kind="stock", id=vendor), amount_micro=lost
    )
    return _some((loss,))


def _some(flows: tuple[Flow, ...]) -> tuple[Flow, ...]:
    return tuple(flow for flow in flows if flow.amount_micro)


def _read_stock(memory: Memory, vendor: str) -> Stock | None:
    found = memory.records.get(stock_key(vendor))
    return _STOCK.read(found) if found is not None else None
