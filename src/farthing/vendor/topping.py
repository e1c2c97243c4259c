"""Top-ups: more is paid on a stream at an address of its own, as for a page and with any scheme.

    POST /.well-known/farthing/streams/<K of the opening>?ticks=64    402: offers for 64 ticks
    the same with a payment                                           200: its receipt, no body

How the stream is sold is written with its opening, and stays so while the vendor's prices change.
The payment is an ordinary one (its moments of clearing, change, repeats and refunds); what it buys
is out already or soon, so no site is asked.
"""

import re
from collections.abc import Callable, Generator

import msgspec

from farthing import marks
from farthing.errors import BadRequest, Misconfigured, OutOfRange, Refusal
from farthing.schemes.contract import At, Taken
from farthing.vendor import metering
from farthing.vendor.booking import OUTCOME_KEPT_S_MIN
from farthing.vendor.commands import GateCommand, Look, Request, Walk, expect
from farthing.vendor.offering import Offering
from farthing.vendor.payments import Paying
from farthing.vendor.prices import Priced, Route
from farthing.wire import dialects, paths, published

TICKS_MAX = 3_600  # of one top-up: an hour of seconds; who pays for more risks more
PREFIX = b"sold/"

_QUERY = re.compile(r"ticks=([1-9][0-9]{0,3})")
_ENCODE = msgspec.msgpack.Encoder().encode


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream is sold."""

    route: Route
    tick_micro: int
    accept: tuple[str, ...]


_DECODE = msgspec.msgpack.Decoder(Sold).decode


def on_stream(paying: Paying, name: str, found: marks.Memory, *, begun: bool) -> Paying:
    """A payment of the stream `name`, with what that gets by it.

    `Closed` where nobody opened it, or it is over and all of it is paid. `begun`: nothing is
    refused any more. The second half of a payment adds nothing.
    """
    taken, key = paying.taken, metering.key_of(name)
    if not taken.value_micro:
        return paying
    until_s = paying.at.now_s + OUTCOME_KEPT_S_MIN
    counted = metering.counted(taken, name, until_s)
    priced = paying.priced
    if not taken.delivered:
        stream = metering.opened(name, paying.offer, priced.route.pause_s)
        sold = Sold(route=priced.route, tick_micro=stream.price_micro, accept=priced.accept)
        counted = _kept(counted, name, _ENCODE(sold), until_s)
        return msgspec.structs.replace(paying, taken=counted, stream=stream)
    if priced.tops_up is not None:  # so that it can be topped up as long as it goes on
        counted = _kept(counted, name, priced.tops_up.sold, until_s)
    before_micro = metering.paid_micro(found, key)
    if not before_micro and not begun:
        raise metering.unknown()
    if not begun:
        metering.require_going_on(found, name)
    return msgspec.structs.replace(
        paying,
        taken=counted,
        voucher_for=key,
        stream_paid_micro=before_micro + taken.value_micro,
    )


def _kept(taken: Taken, name: str, sold: bytes, until_s: int) -> Taken:
    put = marks.Put(key=PREFIX + name.encode(), value=sold, until_s=until_s)
    return msgspec.structs.replace(taken, records=(*taken.records, put))


class Topping:
    """Sells more of streams that one gate has opened."""

    def __init__(self, offering: Offering, serve: Callable[[Request, Priced], Walk]) -> None:
        """`serve` is the gate's own."""
        self._offering = offering
        self._serve = serve

    def serve(self, request: Request) -> Walk:
        """Serve one request to the address of a stream; returns the answer."""
        at = expect(At, (yield Look()))
        try:
            priced = yield from self._priced(request)
        except Refusal as refusal:
            return self._offering.refuse(request, refusal, at, value_moved=True)
        return (yield from self._serve(request, priced))

    def _priced(self, request: Request) -> Generator[GateCommand, object, Priced]:
        """So many ticks as something with a price; `Closed`, `BadRequest`."""
        name = request.path.removeprefix(published.STREAMS_PATH)
        asked = _QUERY.fullmatch(request.path_query.partition("?")[2])
        if asked is None or int(asked.group(1)) > TICKS_MAX:
            raise BadRequest("ticks_malformed", f"say how many: ?ticks=1 to ?ticks={TICKS_MAX}")
        key = PREFIX + name.encode()
        keys = metering.with_stream(marks.Keys(records=(key,)), name)
        found = expect(marks.Memory, (yield marks.Read(keys=keys)))
        if key not in found.records:
            raise metering.unknown()
        if dialects.claimed(request.headers) is None:  # else it may be one that was taken before
            metering.require_going_on(found, name)
        sold = _DECODE(found.records[key])
        route = msgspec.structs.replace(sold.route, per="", grace=None)
        priced = Priced(
            route=route,
            price_micro=sold.tick_micro * int(asked.group(1)),
            accept=sold.accept,
            matches=paths.glob(route.path),
            tops_up=metering.TopUp(name=name, sold=found.records[key]),
        )
        accept = tuple(scheme for scheme in sold.accept if self._can_express(scheme, priced))
        if not accept:
            raise BadRequest("ticks_not_payable", "no scheme here expresses the price of so many")
        return msgspec.structs.replace(priced, accept=accept)

    def _can_express(self, scheme: str, priced: Priced) -> bool:
        try:
            if scheme in self._offering.tills:
                self._offering.verify_route(scheme, priced)
                return True
        except (OutOfRange, Misconfigured):
            pass
        return False
