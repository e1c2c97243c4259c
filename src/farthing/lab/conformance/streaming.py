"""What is sold while it runs: a stream goes as far as it is paid for, waits, and goes on.

The gate's own pacing passes the site's bytes on, by the stage's clock; the wallet's own flows open
the stream and pay on. Bytes are the ticks, so that nothing but payments moves it.
"""

import asyncio

from farthing import marks
from farthing.lab.conformance.cases import CASES, Inapplicable, require, require_equal
from farthing.lab.conformance.stage import Play, Stage
from farthing.vendor.commands import OriginAnswered
from farthing.vendor.streaming import Bells, Pacing, Unpaid
from farthing.wallet.commands import Request
from farthing.wallet.streams import open_stream, pay_on

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
        stage.settle_up()
        due_micro = TICKS * stage.price_micro
        require_equal(stage.earned_micro, due_micro, "each tick is earned once")
        require_equal(stage.spent_micro, due_micro, "and paid for once")


@CASES.add()
def stream_unpaid(play: Play) -> None:
    """Of a stream that nobody pays on the vendor loses its grace, and the payer nothing."""
    with play.stage() as stage:
        running = _Running(stage)
        running.run_on(PAUSE_S + 1)
        require(running.is_over, "it ends after the longest pause")
        running.require_paid_for()
        stage.settle_up()
        require_equal(stage.earned_micro, stage.price_micro, "the first tick is earned")
        require_equal(stage.spent_micro, stage.price_micro, "and no other is paid for")


class _Running:
    """A stream that was opened, and how far it has gone."""

    def __init__(self, stage: Stage) -> None:
        shop, payer = stage.shop, stage.payer
        if not shop.till.streams:
            raise Inapplicable("its till is not paid for streams")
        shop.more_routes, shop.origin = ROUTE % stage.price_micro, _live
        shop.restart()
        self._stage = stage
        self._request = Request(method="GET", url=f"{shop.site}/stream")
        self._opened = payer.run_alone(open_stream(payer.guide(), self._request))
        assert self._opened.purchase is not None, "it was paid for"
        payer.store.deliver(self._opened.purchase)
        answer = shop.streamed
        assert answer is not None, "the gate has opened it"
        assert answer.stream is not None, "likewise"
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
        """The wallet pays so many more ticks."""
        payer = self._stage.payer
        made = payer.run_alone(pay_on(payer.guide(), self._request, self._opened, count))
        payer.store.deliver(made)
        require_equal(made.price_micro, count * self._stage.price_micro, "a voucher pays them all")
        self.paid_ticks += count


def _live() -> OriginAnswered:
    """What runs: its head alone."""
    headers = ((b"content-type", b"application/octet-stream"),)
    return OriginAnswered(status=200, headers=headers, body=None)
