"""What must hold of every stream of a world: what came, what was paid, and what either side lost.

Counted from the outside, and not by the counters of gate and wallet: what a gate passes on as it
leaves, what a payer gets as it arrives, what a gate has written as paid, payment by payment.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

from farthing import marks
from farthing.lab.bounds import Measured
from farthing.lab.network import SOURCE
from farthing.lab.shows import Show
from farthing.schemes.losses import Cause, Role
from farthing.schemes.streams import Meter
from farthing.vendor.metering import PREFIX

OURS = b"event: payment-"  # the gate's own events, which nobody pays for


class Tally:
    """How many ticks have gone past somewhere."""

    def __init__(self, meter: Meter) -> None:
        """None."""
        self._meter = meter
        self._bytes = 0
        self._events = 0
        self._kept = b""
        self._last_s: float | None = None
        self._gaps_s: list[float] = []

    def add(self, part: bytes, now_s: float) -> None:
        """A part goes past."""
        if part.startswith(OURS) and self._meter.unit != "bytes":
            return
        self._bytes += len(part)
        if self._meter.unit == "messages":
            *events, self._kept = (self._kept + part).split(b"\n\n")
            self._events += sum(event.startswith(b"data:") for event in events)
        elif self._meter.unit == "seconds":
            if self._last_s is not None:
                silence_s = self._meter.count * self._meter.grace
                self._gaps_s.append(min(now_s - self._last_s, silence_s))
            self._last_s = now_s

    def ticks(self, forgiven: int = 0) -> int:
        """Those that have begun; of seconds without the longest `forgiven` silences.

        A pause is one of those, which nobody pays for.
        """
        per = self._meter.count
        match self._meter.unit:
            case "bytes":
                return -(-self._bytes // per)
            case "messages":
                return -(-self._events // per)
            case "seconds":
                counted = sorted(self._gaps_s)[: max(len(self._gaps_s) - forgiven, 0)]
                return 0 if self._last_s is None else int(sum(counted) // per) + 1


class Watched:
    """One stream, named after the payment that opened it."""

    def __init__(self, show: Show, vendor: str, source: str) -> None:
        """`source` asked for it."""
        self.show = show
        self.vendor, self.payer = vendor, source
        self.paid_micro = 0
        """That the gate has taken."""
        self.written_micro = 0
        """That it has written down as paid."""
        self.payments = 0
        self.wrote_micro = 0
        """That its payer has written, be it taken or not."""
        self.out, self.came = Tally(show.meter), Tally(show.meter)
        self.is_found = False
        """Whether somebody has lost too much on it."""

    @property
    def bound_micro(self) -> int:
        """The grace."""
        return self.show.meter.grace * self.show.price_micro

    @property
    def unpaid_micro(self) -> int:
        """What is out by now, and not paid."""
        return self.out.ticks(self.payments) * self.show.price_micro - self.paid_micro

    def ahead_micro(self, paid_micro: int) -> int:
        """How much of that has not come by now."""
        return paid_micro - self.came.ticks() * self.show.price_micro

    def lost(self, role: Role, by: Cause, micro: int) -> Measured:
        """A loss beside what either side may lose."""
        return Measured(
            scheme=self.show.scheme,
            role=role,
            by=by,
            of="grace",
            worst_micro=max(micro, 0),
            bound_micro=self.bound_micro,
        )


class Streams:
    """All of a world."""

    def __init__(self, find: Callable[[str], None], time_s: Callable[[], float]) -> None:
        """None yet."""
        self._find = find
        self._time_s = time_s
        self.by_name: dict[str, Watched] = {}

    # --- at the gate ----------------------------------------------------------------------------

    def opens(self, name: str, show: Show, vendor: str, source: str) -> None:
        """A payment is about to open a stream."""
        self.by_name.setdefault(name, Watched(show, vendor, source))

    def paid(self, vendor: str, k: str, micro: int, facts: Iterable[marks.Fact]) -> None:
        """A gate has taken a payment."""
        for fact in facts:
            if isinstance(fact, marks.Put | marks.Add) and fact.key.startswith(PREFIX):
                name = fact.key.removeprefix(PREFIX).decode()
                stream = self.by_name.get(name)
                if stream is None or stream.vendor != vendor:
                    self._find(f"{vendor} was paid {k} for {name}, which nobody has opened there")
                    continue
                stream.paid_micro += micro
                stream.payments += 1
                if isinstance(fact, marks.Put):
                    stream.written_micro = int(fact.value)
                else:
                    stream.written_micro += fact.amount
                if stream.written_micro != stream.paid_micro:
                    self._find(
                        f"{vendor} wrote {stream.written_micro} as paid on {name},"
                        f" and was paid {stream.paid_micro}"
                    )

    def passed(self, name: str, part: bytes, vendor: str) -> None:
        """A gate passes a part on, of a stream that this very request has opened."""
        stream = self.by_name.get(name)
        if stream is None:
            self._find(f"{vendor} passed on {len(part)} bytes of a stream that was not paid for")
            return
        stream.out.add(part, self._time_s())
        self._require(stream, f"{vendor} passed on", stream.unpaid_micro, f"unpaid of {name}")

    # --- at the payer ---------------------------------------------------------------------------

    def wrote(self, name: str, micro: int) -> None:
        """A payer has written a payment for a stream."""
        stream = self.by_name.get(name)
        if stream is None:
            self._find(f"{name} was opened, and its gate has no such payment")
            return
        stream.wrote_micro += micro
        ahead_micro = stream.ahead_micro(stream.wrote_micro)
        self._require(stream, f"{stream.payer} paid", ahead_micro, f"ahead on {name}")

    def _require(self, stream: Watched, who: str, lost_micro: int, what: str) -> None:
        if lost_micro > stream.bound_micro and not stream.is_found:
            stream.is_found = True
            self._find(f"{who} {lost_micro} {what}, its grace is {stream.bound_micro}")

    def came(self, name: str, part: bytes) -> None:
        """A part has come."""
        self.by_name[name].came.add(part, self._time_s())

    # --- what it cost ---------------------------------------------------------------------------

    def losses(self, crooks: Collection[str] = ()) -> list[Measured]:
        """What each stream has cost who is honest."""
        found = []
        for stream in self.by_name.values():
            payer_by: Cause = "vendor" if stream.vendor in crooks else "nobody"
            vendor_by: Cause = "payer" if stream.payer in crooks else "nobody"
            if stream.payer not in crooks:
                found.append(stream.lost("payer", payer_by, stream.ahead_micro(stream.paid_micro)))
            if stream.vendor not in crooks:
                found.append(stream.lost("vendor", vendor_by, stream.unpaid_micro))
        return found


class Serving:
    """One request to a stream's route, as the world sees it."""

    def __init__(self, streams: Streams, show: Show, vendor: str, scope: Mapping[str, Any]) -> None:
        """Not paid yet."""
        self._streams, self._show, self._vendor = streams, show, vendor
        self._source = str(scope[SOURCE])
        self._name = ""

    def begin(self) -> None:
        """In the context of who serves it."""
        SERVING.set(self)

    def writes(self, command: marks.Command) -> None:
        """Its gate is about to write this."""
        if isinstance(command, marks.Confirm | marks.Take):
            k = command.hold.k if isinstance(command, marks.Take) else command.k
            for record in command.records:
                if isinstance(record, marks.Put) and record.key == PREFIX + k.encode():
                    self._name = k
                    self._streams.opens(k, self._show, self._vendor, self._source)

    def tap(self, send: Any) -> Any:
        """What the gate sends goes past here."""
        is_given = False

        async def tapped(event: MutableMapping[str, Any]) -> None:
            nonlocal is_given
            if event["type"] == "http.response.start":
                is_given = event["status"] < HTTPStatus.MULTIPLE_CHOICES
            elif is_given and (part := bytes(event.get("body", b""))):
                self._streams.passed(self._name, part, self._vendor)
            await send(event)

        return tapped


SERVING: ContextVar[Serving | None] = ContextVar("serving", default=None)
