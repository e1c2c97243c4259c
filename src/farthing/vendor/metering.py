"""Streams at the gate: routes that are sold by the tick, and what was paid on each stream.

::

    [[route]]
    path = "/radio"
    price = "0.01c"
    per = "1s"          # or "16kB", or "1 message" of an event stream
    grace = 3           # ticks that run unpaid before the stream pauses

The first payment opens a stream and pays its first tick, or the fewest that its scheme can express.
Ticks go on with vouchers, under the same challenge or another one for the same page; with every
scheme more is paid at an address of the stream's own (`topping.py`). What was paid on a stream is
one sum in the store, named after the K of its opening and written with each payment: so every
process of the gate takes payments for a stream that another one serves.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from farthing.errors import (
    Closed,
    Misconfigured,
    OriginFailed,
    OutOfRange,
    Unfit,
    Unsolicited,
    Unsupported,
)
from farthing.marks import Add, Delete, Fact, Hold, Keys, Memory, Put, Take
from farthing.schemes import streams
from farthing.schemes.contract import Offer, Taken, Till
from farthing.schemes.streams import BYTES_MAX, Meter, Unit
from farthing.wire.offers import Credential

GRACE = 3  # ticks: what either side may lose where the vendor says nothing else
PAUSE_S = 60  # an unpaid stream is closed after so long
PREFIX = b"stream/"
OVER = b"over/"  # of what has gone out of a stream that is over, in micro-units
EVENT_STREAM = b"text/event-stream"

_PER = re.compile(r"([1-9]\d{0,9})? ?(s|B|kB|MB|KiB|MiB|messages?)")
_BYTES = {"B": 1, "kB": 1000, "MB": 1000**2, "KiB": 1024, "MiB": 1024**2}


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that a payment has opened."""

    name: str
    """K of that payment."""
    meter: Meter
    price_micro: int
    """Of a tick."""
    pause_s: int
    closing: Callable[[int], bytes] | None = None
    """The receipt for all that was paid, from its micro-units: JSON. Known once it is opened."""

    @property
    def key(self) -> bytes:
        """Of its record."""
        return key_of(self.name)

    @property
    def keys(self) -> Keys:
        """What a gate reads while it goes on."""
        return Keys(records=(self.key,))

    def ticks_paid(self, memory: Memory) -> int:
        """How many, as far as the store knows."""
        return paid_micro(memory, self.key) // self.price_micro


class TopUp(msgspec.Struct, frozen=True, kw_only=True):
    """What is sold at a stream's own address."""

    name: str
    """K of the opening."""
    sold: bytes
    """How the stream is sold, as its opening wrote it."""


def read(per: str, grace: int | None) -> Meter | None:
    """What `per` and `grace` of a route say; None for a page. `Misconfigured`."""
    if not per:
        if grace is not None:
            raise Misconfigured("grace_without_per", "a page has no grace: give `per` or leave it")
        return None
    found = _PER.fullmatch(per)
    if found is None:
        raise Misconfigured("per_unreadable", "write a tick as 1s, 16kB or 1 message")
    count, name = int(found.group(1) or 1), found.group(2)
    unit: Unit = "messages" if name.startswith("message") else "bytes"
    if name == "s":
        unit = "seconds"
    try:
        size = min(count * _BYTES.get(name, 1), BYTES_MAX + 1)
        return Meter(unit=unit, count=size, grace=GRACE if grace is None else grace)
    except OutOfRange as wrong:
        raise Misconfigured("per_out_of_range", wrong.detail) from None


def conflicts(route: Any) -> list[str]:
    """What a route says that no stream can have: a body that is kept, prices that differ."""
    if not route.per:
        return []
    usual = {
        "hold": True,
        "replay_body": False,
        "bind_body": False,
        "reduced": (),
        "requires": {},
        "subscription": None,
    }
    wrong = [key for key, value in usual.items() if getattr(route, key) != value]
    return [*wrong, "clearing"] if route.clearing == "before" else wrong


def key_of(name: str) -> bytes:
    """Where the store keeps what was paid on a stream."""
    return PREFIX + name.encode()


def over_key(name: str) -> bytes:
    """Where the store keeps what a stream came to, once it is over."""
    return OVER + name.encode()


def keys_of(name: str) -> Keys:
    """What tells whether anything is taken for a stream."""
    return Keys(records=(key_of(name), over_key(name)))


def with_stream(keys: Keys, name: str) -> Keys:
    """What a till reads, and the records of the stream that it pays."""
    records = (*keys.records, *keys_of(name).records)
    return Keys(counters=keys.counters, records=records, prefixes=keys.prefixes)


def without_stream(memory: Memory, name: str) -> Memory:
    """What the till asked for."""
    own = keys_of(name).records
    records = {key: value for key, value in memory.records.items() if key not in own}
    return Memory(counters=memory.counters, records=records)


def paid_micro(memory: Memory, key: bytes) -> int:
    """What was paid on a stream; 0 for one that nobody opened."""
    return int(memory.records.get(key, b"0"))


def require_going_on(memory: Memory, name: str) -> None:
    """`Closed` for a stream that is over, and of which nothing is owed."""
    due = memory.records.get(over_key(name))
    if due is not None and paid_micro(memory, key_of(name)) >= int(due):
        raise Closed("stream_over", "this stream has ended, and all of it is paid")


def ended(stream: Stream, ticks: int, now_s: int, until_s: int) -> Take:
    """Writes that a stream is over, of which so many ticks have gone out."""
    due = b"%d" % (ticks * stream.price_micro)
    hold = Hold(
        k=f"over/{stream.name}",
        digest=hashlib.sha256(due).digest(),
        marks=(),
        kept=b"",
        now_s=now_s,
        lease_until_s=now_s,
        until_s=until_s,
    )
    put = Put(key=over_key(stream.name), value=due, until_s=until_s)
    return Take(hold=hold, outcome=b"", records=(put,))


def unknown() -> Closed:
    """Refuses to take anything for a stream that nobody opened."""
    return Closed("stream_unknown", "no such stream goes on here; open one")


def counted(taken: Taken, name: str, until_s: int = 0) -> Taken:
    """A payment with what its stream gets by it, which is kept until then at least.

    What opens a stream begins its sum, whatever another of that name had once.
    """
    key, until_s = key_of(name), max(taken.until_s, until_s)
    facts: tuple[Fact, ...] = (
        Put(key=key, value=b"%d" % taken.value_micro, until_s=until_s),
        Delete(key=over_key(name)),
    )
    if taken.delivered:
        facts = (Add(key=key, amount=taken.value_micro, until_s=until_s),)
    return msgspec.structs.replace(taken, records=(*taken.records, *facts))


def name_of(
    till: Till, payment: Any, credential: Credential, meter: Meter | None, top_up: TopUp | None
) -> str:
    """K of the opening of the stream that a payment pays; empty where it buys a page.

    `Unsolicited` for an offer from before the route became a stream, or a page again.
    """
    offer = credential.offer
    assert offer is not None, "it answers an offer"
    if streams.is_metered(offer) is not (meter is not None):
        raise Unsolicited("challenge_for_another_target", "this is sold otherwise now; ask again")
    if meter is None:
        return top_up.name if top_up is not None else ""
    if credential.dialect == "private":
        raise Unsupported("stream_in_private", "what is sealed goes out whole, no stream does")
    if offer.intent == "charge":
        return credential.k
    if credential.dialect != "mpp":
        raise Unsupported("session_not_in_dialect", "vouchers are for MPP: its `session` intent")
    name = till.stream_of(payment)
    if not name:
        raise Unfit("action_missing", "say whether this opens a stream or is a voucher for one")
    return name


def opened(name: str, offer: Offer, pause_s: int) -> Stream:
    """The stream that a payment for `offer` opens."""
    meter = streams.meter_in(offer)
    tick_micro = offer.price_micro // meter.ticks
    return Stream(name=name, meter=meter, price_micro=tick_micro, pause_s=pause_s)


def require_metered(meter: Meter, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """`OriginFailed` for an answer that cannot be counted as the route says."""
    if meter.unit != "messages":
        return
    found = dict(headers)
    if not found.get(b"content-type", b"").startswith(EVENT_STREAM):
        raise OriginFailed("origin_sends_no_events", "the site sends no event stream here")
    if b"content-encoding" in found:
        raise OriginFailed("origin_compresses_events", "the site sends its events compressed")
