"""What is sold while it runs: a stream goes as far as it is paid for, waits, and goes on.

The gate's own pacing passes the site's bytes on, by the stage's clock; the wallet's own flows open
the stream and pay on, with vouchers or by top-ups. Bytes are the ticks, so that nothing but
payments moves it.
"""

import asyncio
from collections.abc import Iterator

from farthing import marks
from farthing.errors import Misconfigured, Unsupported
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.shop import Walking
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.schemes.contract import Dialect
from farthing.vendor.commands import OriginAnswered, Walk
from farthing.vendor.streaming import Bells, Pacing, Unpaid
from farthing.wallet.commands import Purchase, Request
from farthing.wallet.releasing import hand_over
from farthing.wallet.streams import hand_in, open_stream, pay_on, write

TICK_BYTES, TICKS, GRACE, PAUSE_S = 10, 12, 3, 60
ROUTE = f"""
[[route]]
path = "/stream"
price = "%du"
per = "{TICK_BYTES}B"
grace = {GRACE}
pause_s = {PAUSE_S}
"""
VOUCHERS = (2, 1, 5)  # ticks of each; with the opening and the grace they bring all
OVER_S = 300  # after a midnight: nobody's clock takes it for the day before
AT_ONCE = (1, 2, 4)  # ticks that each of two payers pays on one stream while the other does


@CASES.add()
def stream_pauses(play: Play) -> None:
    """A stream pauses where its payments end, goes on with the next one, and is paid to the end."""
    with play.stage() as stage:
        running = _Running(stage)
        for count in VOUCHERS:
            for _ in range(2):
                running.run_on()
                running.require_paid_for()
            require(not running.is_over, "it waits for the next payment")
            running.pay(count)
        running.run_on()
        require_equal(running.ticks, TICKS, "it goes on to its end")
        require(running.is_over, "and waits for nothing more")
        running.pay(TICKS - running.paid_ticks)
        running.require_paid_once()
        require_equal(running.paid_ticks, TICKS, "and no more of them")


@CASES.add()
def stream_unpaid(play: Play) -> None:
    """Of a stream that nobody pays on the vendor loses its grace, and the payer nothing."""
    with play.stage() as stage:
        running = _Running(stage)
        running.run_on(PAUSE_S + 1)
        require(running.is_over, "it ends after the longest pause")
        running.require_paid_for()
        running.require_paid_once()
        require_equal(running.paid_ticks, 1, "it was the first tick")


@CASES.add()
def stream_over_midnight(play: Play) -> None:
    """A stream that is paid on the next day goes on: what opened it may be for a day, it is not."""
    with play.stage() as stage:
        running = _Running(stage)
        for count in VOUCHERS[:2]:
            running.pay(count)
            running.run_on()
            running.require_paid_for()
            stage.shop.clear()
            stage.room.later(DAY_S - stage.room.now_s % DAY_S + OVER_S)
        running.pay(TICKS - running.paid_ticks)
        running.run_on()
        require_equal(running.ticks, TICKS, "it goes on to its end")
        running.require_paid_once()


@CASES.add("mpp", "x402")
def stream_paid_at_once(play: Play, dialect: Dialect) -> None:
    """What several payers pay on one stream at the same time is all counted, and each once."""
    with play.stage(dialect=dialect) as stage:
        running = _Running(stage)
        for count in AT_ONCE:
            running.race(count)
            running.require_counted()
        running.require_paid_once()


class _Running:
    """A stream that was opened, and how far it has gone."""

    def __init__(self, stage: Stage) -> None:
        shop, payer = stage.shop, stage.payer
        shop.more_routes, shop.origin = ROUTE % stage.price_micro, _live
        try:
            shop.restart()
        except Misconfigured as wrong:
            raise Inapplicable(f"it is not taken for streams: {wrong.detail}") from None
        self._stage = stage
        self._request = Request(method="GET", url=f"{shop.site}/stream")
        self._payers = [payer]
        try:
            self._opened = payer.run_alone(open_stream(payer.guide(), self._request))
        except Unsupported as unheard:
            require(shop.till.streams and stage.dialect == "x402", "it opens a stream", unheard)
            raise Inapplicable("vouchers are not for x402") from None
        assert self._opened.purchase is not None, "it was paid for"
        self._done(payer, self._opened.purchase)
        answer = shop.streamed
        assert answer is not None, "the gate has opened it"
        assert answer.stream is not None, "likewise"
        self._stream = answer.stream
        self.paid_ticks = 1
        self._passed_bytes = 0
        pacing = Pacing(
            answer.stream,
            answer.charged_micro,
            tells=False,
            read=self._read,
            put=self._put,
            bells=Bells(),  # nobody rings: vouchers are taken as by another process of the gate
        )
        self._task = stage.room.begin(self._pass_on(pacing))

    async def _read(self, keys: marks.Keys) -> marks.Memory:
        found: marks.Memory = await self._stage.shop.store.do(marks.Read(keys=keys))
        return found

    async def _put(self, part: bytes) -> None:
        self._passed_bytes += len(part)

    async def _pass_on(self, pacing: Pacing) -> None:
        try:
            await pacing.pass_on(bytes(TICK_BYTES * TICKS))
        except Unpaid:
            return

    @property
    def ticks(self) -> int:
        """That have gone out whole."""
        return self._passed_bytes // TICK_BYTES

    @property
    def is_over(self) -> bool:
        """Whether it ended, or was given up."""
        return self._task.done()

    def run_on(self, seconds: int = 1) -> None:
        """Let it go on for a while."""
        self._stage.room.wait_for(asyncio.sleep(seconds))

    def require_paid_for(self) -> None:
        """It has gone as far as it was paid for, and the grace."""
        bytes_due = min(self.paid_ticks + GRACE, TICKS) * TICK_BYTES
        require_equal(self._passed_bytes, bytes_due, "it goes as far as it is paid for")

    def pay(self, count: int) -> None:
        """The wallet pays so many more ticks, in several payments where its scheme needs them."""
        payer, left = self._stage.payer, count
        while left:
            made = payer.run_alone(pay_on(payer.guide(), self._request, self._opened, left))
            left -= self._counted(payer, made)
        require_equal(left, 0, "what is paid is as many ticks as were wanted")

    def race(self, count: int) -> None:
        """Two payers pay on, one command of each gate's walk after the other; then once more."""
        if len(self._payers) == 1:
            self._payers.append(self._stage.admit("bob"))
        made = [
            (each, each.run_alone(write(each.guide(), self._request, self._opened, count)))
            for each in self._payers
        ]
        walkings = [Walking(self._stage.shop, self._walk(purchase)) for _, purchase in made]
        while any(walking.answer is None for walking in walkings):
            for walking in walkings:
                if walking.answer is None:
                    walking.step()
        for payer, purchase in made:
            payer.run_alone(hand_in(payer.guide(), self._request, purchase))
            self._counted(payer, purchase)

    def require_counted(self) -> None:
        """The store has as many ticks as were paid."""
        memory = self._stage.room.wait_for(self._read(self._stream.keys))
        require_equal(self._stream.ticks_paid(memory), self.paid_ticks, "every tick is counted")

    def require_paid_once(self) -> None:
        """Once all is claimed the vendor has the ticks that were paid, and payers have the rest."""
        stage, due_micro = self._stage, self.paid_ticks * self._stage.price_micro
        spent_micro = stage.spent_micro - sum(payer.held_micro() for payer in self._payers)
        stage.settle_up()
        if stage.traits.credit:  # what is held on credit is paid when it is spent
            spent_micro = stage.spent_micro
        require_equal(stage.earned_micro, due_micro, "each tick is earned once")
        require_equal(spent_micro, due_micro, "and paid for once")

    def _walk(self, purchase: Purchase) -> Walk:
        request = Request(method=purchase.method, url=purchase.url)
        walk = self._stage.shop.walk(request.with_header(*purchase.credential))
        assert isinstance(walk, Iterator), "a payment is taken by a walk"
        return walk

    def _counted(self, payer: Payer, made: Purchase) -> int:
        ticks, broken = divmod(made.price_micro, self._stage.price_micro)
        require(ticks > 0 and not broken, "whole ticks are paid", made.price_micro)
        self.paid_ticks += ticks
        self._done(payer, made)
        return ticks

    def _done(self, payer: Payer, made: Purchase) -> None:
        """It has what it paid for: the second half of the payment goes out, if it has one."""
        payer.store.deliver(made)
        payer.run_alone(hand_over(payer.guide(), made))


def _live() -> OriginAnswered:
    """What runs: its head alone."""
    headers = ((b"content-type", b"application/octet-stream"),)
    return OriginAnswered(status=200, headers=headers, body=None)
