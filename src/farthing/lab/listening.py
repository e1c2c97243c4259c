"""A payer of a world reads a stream and pays for it while it runs: the wallet's own flows and sums.

What production does in threads (`wallet/paying.py`) is done in tasks here: one reads, one decides
what is due and writes it, one hands it in. What is counted, asked for next, due, written, handed in
and refused is the wallet's.
"""

import asyncio
import io
import random
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from farthing.errors import Refusal
from farthing.lab.connections import Connection
from farthing.lab.network import NoAnswer
from farthing.lab.payer import LIMITS, Line, PayerParty, message_of
from farthing.lab.shows import Show, file_of
from farthing.wallet.commands import Command, Failed, Purchase, Request, Response, SendRequest, Sent
from farthing.wallet.driver import TIMEOUT_S, Driver, Session
from farthing.wallet.errand import Flow
from farthing.wallet.listening import Ended, Heard, Listening, Reading, needed
from farthing.wallet.paying import Vouchers
from farthing.wallet.policy import Cap, Policy
from farthing.wallet.streams import OVER, Opened, open_stream
from farthing.wallet.turns import (
    Due,
    HandIn,
    IsUnderWay,
    Settled,
    Turn,
    Write,
    take_turns,
)

if TYPE_CHECKING:
    from farthing.lab.world import World

T = TypeVar("T")

LISTENED = 10  # addresses of one route
SILENCE_S = 30.0  # after which a payer takes a stream for broken off
STOPS = 0.2  # of those who listen, after a while
STOPS_S = 6.0  # at most
TICKS_MAX = (3, 20, 1_000)  # that somebody pays for at most
EACH_MAX = (1, 4, 1_000_000)  # ticks that a budget allows for one payment


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants of a stream."""

    url: str
    show: Show
    ticks_max: int = TICKS_MAX[-1]
    each_max: int = EACH_MAX[-1]
    stops_s: float | None = None
    """When it has heard enough; None: at the end."""


def listen(world: "World", luck: random.Random) -> None:
    """A payer listens to a stream: to its end, for a while, or as long as its money lasts."""
    payer, vendor = luck.choice(world.payers), luck.choice(world.vendors)
    if not vendor.shows or not payer.is_up:
        return
    show = luck.choice(vendor.shows)
    wanted = Wanted(
        url=f"{vendor.url}{show.path}/{luck.randrange(LISTENED)}",
        show=show,
        ticks_max=luck.choice(TICKS_MAX),
        each_max=luck.choice(EACH_MAX),
        stops_s=luck.random() * STOPS_S if luck.random() < STOPS else None,
    )
    world.payments += 1
    world.begin(payer, f"listen {wanted.url}", listened(world, payer, wanted))


async def listened(world: "World", payer: PayerParty, wanted: Wanted) -> str:
    """How listening ended; refusals as of the first opening."""
    heard = await Listener(payer, wanted).run()
    world.payments += heard.openings + heard.vouchers - 1
    return f"{heard.ended} {heard.ticks} {heard.refused}"


class Listener:
    """One payer at one stream, over all its connections."""

    def __init__(self, payer: PayerParty, wanted: Wanted) -> None:
        """Nothing is asked for yet."""
        self._payer = payer
        self._wanted = wanted
        self._loop = payer.ground.loop
        request = Request(method="GET", url=wanted.url)
        self._most_micro = wanted.ticks_max * wanted.show.price_micro
        self._listening = Listening(request, Cap(micro=self._most_micro))
        self._names: list[str] = []
        self._out = io.BytesIO()
        self._stops_s = None if wanted.stops_s is None else self._loop.time() + wanted.stops_s

    async def run(self) -> Heard:
        """As `wallet.listening.listen`."""
        listening = self._listening
        while listening.next is not None and not self._has_enough:
            try:
                await self._once(listening.begin())
            except Refusal as refusal:
                listening.refuse(refusal)
        self._check()
        return listening.heard

    async def _once(self, request: Request) -> None:
        driver, listening = self._driver(), self._listening
        with driver.session() as session:
            line = Opening(self._payer)
            opened = await line.carry(open_stream(driver.guide, request, listening.cap), session)
            if not listening.answered(opened):
                line.hang_up()
                return
            if opened.purchase is None:
                await line.drain()
                listening.unpaid(opened, whole=True)
                return
            session.deliver(opened.purchase)
            await line.carry(session.after(opened.purchase), session)
            left_micro = listening.opened(opened)
            self._names.append(opened.name)
            self._streams.wrote(opened.name, opened.purchase.price_micro)
            ticks = needed(opened)
            paying = Paying(self._payer, driver, request, opened, left_micro, ticks, line.hang_up)
            clock_s = self._loop.time
            reading = Reading(opened, paying, self._out, listening.heard, clock_s=clock_s)
            listening.heard.ended = await self._read(line, opened, paying, reading)
            line.hang_up()
            await paying.close()
            reading.note()
            listening.closed(opened, paying.refusal)

    @property
    def _streams(self) -> Any:
        return self._payer.ground.checks.streams

    def _driver(self) -> Driver:
        """As the wallet's, with the budget of this payer."""
        driver = self._payer.driver_for("")
        each_micro = self._wanted.each_max * self._wanted.show.price_micro
        policy = Policy(msgspec.structs.replace(LIMITS, per_payment_micro=each_micro))
        driver.guide = msgspec.structs.replace(driver.guide, policy=policy)
        return driver

    async def _read(
        self, line: "Opening", opened: Opened, paying: "Paying", reading: Reading
    ) -> Ended:
        """As `Reading.run`."""
        paying.begin()
        try:
            while (part := await line.next_part()) is not None:
                self._streams.came(opened.name, part)
                if reading.take(part):
                    return "unpaid"
                if self._has_enough:
                    return "broken"
        except NoAnswer:
            return "unpaid" if paying.ended else "broken"
        return "whole"

    @property
    def _has_enough(self) -> bool:
        return self._stops_s is not None and self._loop.time() >= self._stops_s

    def _check(self) -> None:
        """Whether what came is what the site has sent, and cost no more than it might."""
        show, got = self._wanted.show, self._out.getvalue()
        url, find = self._wanted.url, self._payer.ground.checks.find
        wrote_micro = sum(self._streams.by_name[name].wrote_micro for name in self._names)
        if wrote_micro > self._most_micro:
            find(f"{self._payer.name} paid {wrote_micro} for {url}, at most {self._most_micro}")
        if show.meter.unit == "bytes":
            path = url.partition(".example")[2]
            if not file_of(path, show.meter).startswith(got):
                find(f"{self._payer.name} got another file than {url}: {len(got)} bytes")
        elif show.meter.unit == "messages" and b"event: payment-" in got:
            find(f"{self._payer.name} got the gate's own events of {url}")


class Opening(Line):
    """The way of a flow that opens a stream: the last answer stays open."""

    def __init__(self, payer: PayerParty) -> None:
        """Of a payer."""
        super().__init__(payer)
        self._connection: Connection | None = None

    async def _answer(self, command: Command, session: Session) -> Any:
        if isinstance(command, SendRequest) and command.leg in {"first", "paid"}:
            return await self._open(command.request)
        return await super()._answer(command, session)

    async def _open(self, request: Request) -> Sent:
        self.hang_up()
        ground = self._payer.ground
        self._connection = Connection(ground.loop)
        ground.network.connect(self._payer.site, message_of(request), self._connection)
        timer = ground.loop.call_later(TIMEOUT_S, self._connection.end, "no answer in time")
        try:
            head = await self._connection.head
        except NoAnswer as wrong:
            return Failed(reason=type(wrong).__name__)
        finally:
            timer.cancel()
        headers = tuple((name.decode(), value.decode("latin-1")) for name, value in head.headers)
        kind = dict(headers).get("content-type", "")
        body = b""
        if kind.startswith("application/problem+json"):
            try:
                body = await self.rest()
            except NoAnswer as wrong:
                return Failed(reason=type(wrong).__name__)
        return Response(status=head.status, url=request.url, headers=headers, body=body)

    async def next_part(self) -> bytes | None:
        """As of the connection."""
        assert self._connection is not None, "it was opened"
        return await self._connection.next_part(SILENCE_S)

    async def rest(self) -> bytes:
        """All that comes until the end."""
        body = b""
        while (part := await self.next_part()) is not None:
            body += part
        return body

    async def drain(self) -> None:
        """Read on until it ends or breaks off."""
        with suppress(NoAnswer):
            await self.rest()

    def hang_up(self) -> None:
        """Nobody reads on."""
        if self._connection is not None:
            self._connection.hang_up()


class Paying(Vouchers):
    """As `wallet.paying.Paying`, in tasks."""

    def __init__(self, payer: PayerParty, *of: Any) -> None:
        """`of`: as `Vouchers`."""
        super().__init__(*of)
        self._payer = payer
        self._loop = payer.ground.loop
        self._last: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[bool] | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Pay from now on."""
        self._task = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Pay what is owed, and no more."""
        self._closed = True
        self._notify()
        assert self._task is not None, "it was begun"
        await self._task

    def _notify(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(True)

    async def _run(self) -> None:
        turns, answer = take_turns(self), None
        with suppress(StopIteration):
            while True:
                answer = await self._take(turns.send(answer))
        await self._settled()
        self._finish()

    async def _take(self, turn: Turn) -> Any:
        match turn:
            case Due():
                return await self._next()
            case IsUnderWay():
                return self._last is not None and not self._last.done()
            case Settled():
                return await self._settled()
            case Write(flow=flow, count=count):
                return await self._carry(lambda session: self._writing(session, flow, count))
            case HandIn(voucher=voucher):
                self._wrote(voucher.price_micro)
                handed = self._carry(lambda session: self._handing_in(session, voucher))
                self._last = self._loop.create_task(handed)
                return None

    async def _settled(self) -> None:
        if self._last is not None:
            await self._last

    async def _next(self) -> int:
        while not self._is_due():
            self._wake = self._loop.create_future()
            timer = None
            if self._wait_s is not None:
                timer = self._loop.call_later(self._wait_s, _is_late, self._wake)
            if await self._wake:
                if timer is not None:
                    timer.cancel()
            else:
                self._asked = True
        return self._begin()

    async def _carry(self, flow: Callable[[Session], Flow[T]]) -> T:
        with self._driver.session() as session:
            return await Line(self._payer).carry(flow(session), session)

    def _not_paid(self, voucher: Purchase, refusal: Refusal) -> None:
        if refusal.code == OVER or self._may_pay_anew(refusal):  # which charges nothing
            self._wrote(-voucher.price_micro)
        super()._not_paid(voucher, refusal)

    def _wrote(self, micro: int) -> None:
        self._payer.ground.checks.streams.wrote(self._opened.name, micro)


def _is_late(wake: asyncio.Future[bool]) -> None:
    if not wake.done():
        wake.set_result(False)
