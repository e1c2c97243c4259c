"""What broker and gate do that nobody asks them over HTTP, each to be done until it is done.

A deed is prepared, which gives what to do; that is done again after a failure, as the process
itself, its timer or its operator would.
"""

import contextlib
import secrets
from collections.abc import Callable
from typing import NamedTuple

from farthing import marks
from farthing.errors import Replayed
from tests.integration.crash.calls import Callers
from tests.integration.crash.neighbour import NAME, Abroad
from tests.kit.village import RESERVED_S, Village

PAUSE_S = 16  # a peer is asked again
SCHEMES = ("millicent", "payword")

Act = Callable[[], object]


class Deed(NamedTuple):
    """Something that is done, and whose disks it writes."""

    name: str
    parties: tuple[str, ...]
    prepare: Callable[[], Act]


class Deeds:
    """Of one village."""

    def __init__(self, village: Village, callers: Callers, abroad: Abroad) -> None:
        self._village, self._callers, self._abroad = village, callers, abroad

    def all(self) -> list[Deed]:
        both = ("broker", "gate")
        return [
            Deed("end a reservation", ("broker",), self._overdue),
            Deed("resume an errand", ("broker", NAME), self._errand),
            Deed("publish", ("broker",), lambda: self._publish),
            Deed("sweep", both, self._sweep),
            Deed("refund", both, self._refund),
            Deed("forget", ("gate",), self._forget),
            Deed("release", ("gate",), self._release),
            Deed("fetch lists", ("gate",), lambda: self._fetch),
        ]

    def _overdue(self) -> Act:
        for scheme in SCHEMES:
            self._village.ask(*self._callers.reserve(scheme)[:2])
        self._village.later_s += RESERVED_S

        def tick() -> None:
            while self._village.run(self._village.brokers["broker"].engine.tick()):
                pass

        return tick

    def _errand(self) -> Act:
        call = self._abroad.issue()
        far = self._village.apps.pop(NAME)
        (waits,) = self._village.ask(call.to, call.request)
        assert waits.status >= 409, waits.raw
        self._village.apps[NAME] = far
        self._village.later_s += PAUSE_S

        def resume() -> None:
            errands = self._village.brokers["broker"].engine.errands
            self._village.later_s += PAUSE_S * PAUSE_S  # longer than any pause by now
            while self._village.run(errands.resume_due()):
                pass
            (answer,) = self._village.ask(call.to, call.request)
            self._village.require(answer)

        return resume

    def _sweep(self) -> Act:
        self._callers.begin_anew()
        for scheme in SCHEMES:
            self._callers.bought(scheme)
        return lambda: self._village.run(self._village.vendor.clear())

    def _refund(self) -> Act:
        _, k = self._callers.bought("millicent")

        def refund() -> None:
            with contextlib.suppress(Replayed):  # an earlier attempt has done it
                self._village.run(self._village.vendor.refund(k))
            self._village.run(self._village.vendor.clear())

        return refund

    def _forget(self) -> Act:
        now_s = self._village.now_s()
        hold = self._hold(until_s=now_s + 1)
        self._village.run(self._village.vendor.store.do(marks.Take(hold=hold, outcome=b"x")))
        return lambda: self._village.run(self._village.vendor.forget(now_s + 2))

    def _release(self) -> Act:
        hold = self._hold(until_s=self._village.now_s() + 1_000)
        held = self._village.run(self._village.vendor.store.do(hold))

        def release() -> None:
            store = self._village.vendor.store
            payment = self._village.run(store.do(marks.Find(k=hold.k)))
            if payment.state == "held":
                self._village.run(store.do(marks.Release(k=hold.k, fence=held.fence)))

        return release

    def _hold(self, until_s: int) -> marks.Hold:
        now_s = self._village.now_s()
        return marks.Hold(
            k=secrets.token_hex(8),
            digest=secrets.token_bytes(32),
            marks=(marks.Once(id=secrets.token_bytes(8), until_s=until_s),),
            kept=b"",
            now_s=now_s,
            lease_until_s=now_s,
            until_s=until_s,
        )

    def _publish(self) -> None:
        self._village.brokers["broker"].publish()

    def _fetch(self) -> None:
        self._village.run(self._village.vendor.fetch_lists())
