"""A stream as it is read and paid for: bytes out as they come, vouchers in between.

What breaks off is opened anew, with the next tick: a live stream goes on where it is by then, a
file where it broke off, if the site gives parts of files and says by what it tells their versions
apart (RFC 9110, 13.1.5); of a file that has changed meanwhile the wallet keeps what it has. What
the gate puts into a stream of events for the wallet is left out.
"""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import IO, Literal

import httpx
import msgspec

from farthing.errors import Overlimit, Refusal
from farthing.schemes.streams import Meter, end_of_event, looked_through, part_of_event
from farthing.wallet.choice import unreachable
from farthing.wallet.commands import Request, Response
from farthing.wallet.driver import Driver, drive
from farthing.wallet.line import Line
from farthing.wallet.paying import Paying, Vouchers
from farthing.wallet.policy import Cap
from farthing.wallet.streams import Opened, open_stream

REOPENS_MAX = 3  # without a byte in between: the site will break off again
SILENCE_S = 300  # of a stream; longer ones have broken off
UNCAPPED = 2**40  # ticks: bytes and events are counted as they come
OURS = b"event: payment-"
NEED_VOUCHER = b"event: payment-need-voucher"
PARTIAL = HTTPStatus.PARTIAL_CONTENT

Ended = Literal["whole", "unpaid", "broken"]


class Heard(msgspec.Struct, kw_only=True):
    """What came of a stream, and what was paid for it."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    received_bytes: int = 0
    paid_micro: int = 0
    currency: str = ""
    scheme: str = ""
    """Empty where nothing was paid."""
    ticks: int = 0
    """Paid."""
    vouchers: int = 0
    """Payments after those that opened it, top-ups among them."""
    openings: int = 0
    ended: Ended = "broken"
    refused: str = ""
    """Code of what kept the wallet from paying on."""
    why: str = ""
    """The same in words."""


Progress = Callable[[Heard], None]


def nothing(heard: Heard) -> None:
    """For whoever does not look on."""


def listen(
    driver: Driver,
    client: httpx.Client,
    request: Request,
    out: IO[bytes],
    *,
    cap: Cap,
    progress: Progress = nothing,
) -> Heard:
    """Read a stream into `out` to its end, or as far as it is paid for.

    Pays at most `cap` in all. Any refusal before anything is paid; afterwards it is named in what
    is returned. `Unavailable` where the site does not answer at all.
    """
    listening = Listening(request, cap)
    while listening.next is not None:
        try:
            _once(driver, client, listening, out, progress)
        except Refusal as refusal:
            listening.refuse(refusal)
    return listening.heard


def _once(
    driver: Driver,
    client: httpx.Client,
    listening: "Listening",
    out: IO[bytes],
    progress: Progress,
) -> None:
    """One connection."""
    request = listening.begin()
    with driver.session() as session, Line(client, session, silence_s=SILENCE_S) as line:
        opened = drive(open_stream(driver.guide, request, listening.cap), line.answer)
        if not listening.answered(opened):
            return
        if opened.purchase is None:
            listening.unpaid(opened, whole=_copy(line.parts(), out, listening.heard))
            return
        session.deliver(opened.purchase)
        drive(session.after(opened.purchase), session.answer)
        left_micro = listening.opened(opened)
        paying = Paying(driver, request, opened, left_micro, needed(opened), line.hang_up)
        reading = Reading(opened, paying, out, listening.heard, progress)
        try:
            with paying:
                listening.heard.ended = reading.run(line)
        finally:
            reading.note()  # after the last voucher, which pays what is owed at the end
        listening.closed(opened, paying.refusal)


class Listening:
    """One stream over all its connections: what is asked for next, and what came of it."""

    def __init__(self, request: Request, cap: Cap) -> None:
        """Pays at most `cap` in all."""
        self.heard = Heard()
        self.next: Request | None = request.with_header("Accept-Encoding", "identity")
        """What is asked for next; None where nothing is."""
        self._cap = cap
        self._asked = self.next
        self._before_bytes = 0
        self._reopens = 0

    @property
    def cap(self) -> Cap:
        """What may still be paid."""
        return self._cap.less(self.heard.paid_micro)

    def begin(self) -> Request:
        """A connection begins, with this request; the last one, unless something is said."""
        assert self.next is not None, "it goes on"
        self._asked, self.next = self.next, None
        self._before_bytes = self.heard.received_bytes
        return self._asked

    def answered(self, opened: Opened) -> bool:
        """Whether what was answered is what was asked for; `Unavailable`."""
        answer, heard = opened.answer, self.heard
        if not isinstance(answer, Response):
            raise unreachable(self._asked.url, answer.reason)
        if heard.openings and not _goes_on(self._asked, answer, heard.received_bytes):
            return False  # at most a tick was paid for it, and the vendor has that
        heard.status, heard.headers = answer.status, answer.headers
        return True

    def opened(self, opened: Opened) -> int:
        """A payment has opened it; what may be paid on this connection, that payment included."""
        heard, purchase = self.heard, opened.purchase
        assert purchase is not None, "it was paid for"
        heard.openings += 1
        heard.currency, heard.scheme = purchase.currency, purchase.scheme
        heard.paid_micro += opened.paid_micro - purchase.price_micro  # openings come to nothing
        return self.cap.micro

    def unpaid(self, opened: Opened, *, whole: bool) -> None:
        """Nothing is paid for what came; what earlier openings cost is paid all the same."""
        self.heard.paid_micro += opened.paid_micro
        self.heard.ended = "whole" if whole else "broken"

    def closed(self, opened: Opened, refusal: Refusal | None) -> None:
        """A connection that was paid for is over, and `heard` says how."""
        heard, purchase, answer = self.heard, opened.purchase, opened.answer
        assert purchase is not None, "it was paid for"
        assert isinstance(answer, Response), "it was opened"
        if refusal is None and heard.ended == "unpaid":
            refusal = self.cap.refusal(purchase.price_micro, heard.currency)
        _note_refusal(heard, refusal)
        if heard.ended != "broken" or refusal is not None:
            return
        self._reopens = 0 if heard.received_bytes > self._before_bytes else self._reopens + 1
        if self._reopens <= REOPENS_MAX:
            self.next = _rest_of(self._asked, opened.meter, answer, heard.received_bytes)

    def refuse(self, refusal: Refusal) -> None:
        """It cannot be opened, or goes on no more; raises what came before anything was paid."""
        if not self.heard.openings:
            raise refusal
        if isinstance(refusal, Overlimit):
            self.heard.ended = "unpaid"
        _note_refusal(self.heard, refusal)


def _note_refusal(heard: Heard, refusal: Refusal | None) -> None:
    heard.refused = refusal.code if refusal is not None else ""
    heard.why = refusal.detail if refusal is not None else ""


def needed(opened: Opened) -> int:
    """How many ticks a file of known length takes; a great many for all else."""
    answer, meter = opened.answer, opened.meter
    assert isinstance(answer, Response), "it was opened"
    length = answer.value("content-length")
    if meter is None or meter.unit != "bytes" or not length.isdecimal():
        return UNCAPPED
    return -(-int(length) // meter.count)


def _goes_on(request: Request, answer: Response, received_bytes: int) -> bool:
    """Whether an answer is what was asked for once more, from where it broke off."""
    if not any(name == "Range" for name, _ in request.headers):
        return answer.status == HTTPStatus.OK
    begins = f"bytes {received_bytes}-"
    return answer.status == PARTIAL and answer.value("content-range").startswith(begins)


def _rest_of(
    request: Request, meter: Meter | None, answer: Response, received_bytes: int
) -> Request | None:
    """What asks for the rest: of a file that part, of a live stream what comes now."""
    if meter is None or meter.unit != "bytes":
        return request
    rest = request.with_header("Range", f"bytes={received_bytes}-")
    if answer.status == PARTIAL:
        return rest  # of the same version
    version = _version(answer) if answer.value("accept-ranges") == "bytes" else ""
    return rest.with_header("If-Range", version) if version else None


def _version(answer: Response) -> str:
    """What tells this version of a file from all others, as `If-Range` takes it; empty if nothing.

    A strong entity tag, or without any tag the time of its last change, if that was a second before
    the answer at least: another change in the same second would not show.
    """
    tag = answer.value("etag")
    if tag:
        return "" if tag.startswith("W/") else tag
    changed = answer.value("last-modified")
    try:
        age = parsedate_to_datetime(answer.value("date")) - parsedate_to_datetime(changed)
        return changed if age >= timedelta(seconds=1) else ""
    except (ValueError, TypeError):  # one is no date, or names no zone
        return ""


def _copy(parts: Iterator[bytes], out: IO[bytes], heard: Heard) -> bool:
    """Whether an answer that nobody pays for came whole."""
    try:
        for part in parts:
            out.write(part)
            heard.received_bytes += len(part)
    except httpx.HTTPError:
        return False
    return True


class Reading:
    """One connection's body."""

    def __init__(
        self,
        opened: Opened,
        paying: Vouchers,
        out: IO[bytes],
        heard: Heard,
        progress: Progress = nothing,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`paying` is told what came; `clock_s` counts seconds."""
        meter, answer = opened.meter, opened.answer
        assert meter is not None, "a stream that is paid for"
        assert isinstance(answer, Response), "likewise"
        self._meter = meter
        self._paying = paying
        self._out = out
        self._heard = heard
        self._before = (heard.paid_micro, heard.ticks, heard.vouchers)
        self._progress = progress
        self._clock_s = clock_s
        self._counter = meter.counter()
        has_events = answer.value("content-type").startswith("text/event-stream")
        self._sieve = Sieve() if has_events and meter.unit != "bytes" else None

    def run(self, line: Line) -> Ended:
        """Until it ends, breaks off, or is not paid for any more."""
        try:
            for part in line.parts():
                if self.take(part):
                    return "unpaid"
        except httpx.HTTPError:
            return "unpaid" if self._paying.ended else "broken"
        return "whole"

    def take(self, part: bytes) -> bool:
        """Whether this part is the last that is paid for."""
        asked = False
        if self._sieve is not None:
            part, asked = self._sieve.pass_through(part)
        paying, meter = self._paying, self._meter
        ticks_max = paying.ticks_sent + meter.grace if meter.unit == "seconds" else UNCAPPED
        self._counter.fit(part, ticks_max, self._clock_s())
        self._out.write(part)
        self._heard.received_bytes += len(part)
        paying.came(self._counter.ticks, self._counter.whole, asked=asked)
        self.note()
        self._progress(self._heard)
        return paying.is_over

    def note(self) -> None:
        """What was paid so far."""
        heard, paying = self._heard, self._paying
        paid_micro, ticks, vouchers = self._before
        heard.paid_micro = paid_micro + paying.paid_micro
        heard.ticks = ticks + paying.ticks
        heard.vouchers = vouchers + paying.vouchers


class Sieve:
    """Takes the gate's own events out of a stream of events."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._kept = b""

    def pass_through(self, part: bytes) -> tuple[bytes, bool]:
        """The site's own events, whole, and whether the gate waits for a voucher; `TooLarge`."""
        looked = looked_through(self._kept)
        part, passed, asked, start = self._kept + part, [], False, 0
        while (end := end_of_event(part, max(start, looked))) >= 0:
            event = part[start:end]
            asked = asked or event.startswith(NEED_VOUCHER)
            if not event.startswith(OURS):
                passed.append(event)
            start = end
        self._kept = part_of_event(part[start:])
        return b"".join(passed), asked
