"""The demo's stream: a page sold by the kilobyte, which pauses while nobody pays and goes on."""

import queue
import threading

import httpx
import msgspec

from farthing.errors import Broken
from farthing.wallet.app import Wallet
from farthing.wallet.commands import Request, Response
from farthing.wallet.driver import TIMEOUT_S, drive
from farthing.wallet.line import Line
from farthing.wallet.streams import open_stream, pay_on

PATH = "/index.html"  # nearly 5 kB, which nothing else of the demo buys
ROUTE = """
[[route]]
path = "/index.html"
price = "0.01c"
per = "1kB"
grace = 1
accept = {accept}
"""
QUIET_S = 0.5  # nothing comes for so long: the stream waits for its payer
END_S = 30  # the most that a demo waits for what is paid


class Streamed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    scheme: str
    paused_after_bytes: int
    """One tick that was paid, and the grace."""
    resumed_to_bytes: int
    """With one tick more."""
    received_bytes: int
    ticks: int
    paid_micro: int


def show_stream(wallet: Wallet, url: str) -> Streamed:
    """Open it with one tick, wait until it pauses, pay one, see it go on, pay the rest.

    `wallet` pays with one scheme only. Any refusal; `Broken` for a stream that does not pause.
    """
    driver, request = wallet.driver(wallet.limits()), Request(method="GET", url=url)
    with (
        httpx.Client(timeout=TIMEOUT_S) as client,
        driver.session() as session,
        Line(client, session) as line,
    ):
        opened = drive(open_stream(driver.guide, request), line.answer)
        if opened.purchase is None or opened.meter is None:
            raise Broken("stream_not_sold", "the demo's stream was not paid for")
        session.deliver(opened.purchase)
        came: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(line, came), daemon=True).start()
        sizes, paid_micro = [_received(came, QUIET_S)], opened.purchase.price_micro
        assert isinstance(opened.answer, Response), "it was paid for"
        length = int(opened.answer.value("content-length"))
        needed = -(-length // opened.meter.count)
        for count in (1, needed - 2):
            made = drive(pay_on(driver.guide, request, opened, count), session.answer)
            session.deliver(made)
            paid_micro += made.price_micro
            sizes.append(sizes[-1] + _received(came, QUIET_S if count == 1 else END_S))
    if not sizes[0] < sizes[1] < sizes[2] == length:
        raise Broken("stream_not_paused", f"it came in {sizes} bytes of {length}")
    return Streamed(
        scheme=opened.purchase.scheme,
        paused_after_bytes=sizes[0],
        resumed_to_bytes=sizes[1],
        received_bytes=sizes[2],
        ticks=needed,
        paid_micro=paid_micro,
    )


def _read(line: Line, came: "queue.SimpleQueue[int]") -> None:
    """Sizes of the parts as they come; 0 at the end."""
    try:
        for part in line.parts():
            came.put(len(part))
    finally:
        came.put(0)


def _received(came: "queue.SimpleQueue[int]", quiet_s: float) -> int:
    """How many bytes came until there was silence, or the end."""
    total = 0
    try:
        while size := came.get(timeout=quiet_s if total or quiet_s == END_S else END_S):
            total += size
    except queue.Empty:
        pass
    return total
