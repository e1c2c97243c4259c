"""Every request to broker and gate while the disk beneath fails at its k-th step, for every k.

A step is a write, a sync or a truncation of a database or its log; k goes up until the request
passes untouched. After a failure the same request again succeeds and moves what it should, once;
after a power cut the file is sound and has everything that was answered.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing.errors import Refusal
from farthing.lab.bad_disk import Fault
from farthing.stores import database
from tests.integration.crash.calls import Callers
from tests.integration.crash.coins import coin_kinds
from tests.integration.crash.deeds import Deed, Deeds
from tests.integration.crash.errands import Errands
from tests.integration.crash.kinds import Kind, broker_kinds, gate_kinds, scheme_kinds
from tests.integration.crash.middle import Message
from tests.integration.crash.moved import (
    Moved,
    books,
    code_of,
    difference,
    end_checkpoint,
    join_log,
    reboot,
)
from tests.integration.crash.neighbour import NAME, Abroad, with_neighbour
from tests.integration.crash.place import Call
from tests.integration.crash.sizes import seed, size
from tests.integration.crash.test_lost_reply import lasting
from tests.kit.turns import EACH_SCHEME, each_in_turn
from tests.kit.village import Village

STEPS_MAX = 400  # of one request: more would be a loop
LEASE_OVER_S = 40  # a hold that a failure left behind ends by itself half a minute later
SHARDS = 4  # tests, which run side by side
WARM = 2  # the first of a kind may open an account that the others find


@pytest.fixture(params=each_in_turn([1, database.WAL_PAGES], of=2), ids=["checkpoints", "log"])
def village(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Village]:
    """Once with a checkpoint at every commit, once with everything in the log."""
    monkeypatch.setattr(database, "WAL_PAGES", request.param)
    with Village(tmp_path) as village:
        yield village


class Trial:
    """One kind of request on one party's disk."""

    def __init__(self, village: Village, callers: Callers, party: str, kind: Kind) -> None:
        self._village, self._callers = village, callers
        self._party, self._kind = party, kind
        self._disk = village.disks[party]

    def run(self, fault: Fault, turn: int) -> int:
        """How many failures there were, one for each step, or for one of some."""
        untouched = self._untouched()
        stride = size().stride
        for runs, at in enumerate(range(1 + turn % stride, STEPS_MAX, stride)):
            if not self._fails(fault, at, untouched):
                self._village.require_sound()
                return runs
        raise AssertionError(f"{self._kind.name}, {fault.value}: no end")

    def _untouched(self) -> Moved:
        moved: Moved = Counter()
        for _ in range(WARM):
            call = self._make()
            before = books(self._village)
            assert not code_of(call, self._ask(call))
            moved = difference(before, books(self._village))
        return moved

    def _make(self) -> Call:
        self._callers.begin_anew()
        self._village.end_overdue()
        return self._kind.make()

    def _ask(self, call: Call) -> Message:
        return self._village.ask(call.to, call.request)[0]

    def _fails(self, fault: Fault, at: int, untouched: Moved) -> bool:
        """Whether the fault came."""
        told = f"{self._kind.name}: {fault.value} of {self._party} at step {at}"
        call = self._make()
        before = books(self._village)
        join_log(self._village, self._party)
        self._disk.arm(fault, at)
        first = self._ask(call)
        end_checkpoint(self._village, self._party)
        fired = self._disk.fired
        if not fired and fault in {Fault.CUT, Fault.TORN}:
            self._disk.cut()  # right after the answer
        if self._disk.is_dead:
            reboot(self._village, self._party)
        self._disk.disarm()
        failed = code_of(call, first)
        assert fired or not failed, f"{told}: {first.raw!r}"
        if failed and b'"retry":' in first.body:
            assert b'"retry":"same"' in first.body, f"{told}: {first.raw!r}"
        if not failed:
            moved = difference(before, books(self._village))
            assert moved == untouched, f"{told}: not kept: {difference(untouched, moved)}"
        self._village.later_s += LEASE_OVER_S if failed else 0
        again = [self._ask(call), self._ask(call)]
        for answer in again:
            assert not code_of(call, answer), f"{told}: then {answer.raw!r}"
        expected = again[0] if failed else first
        assert [lasting(call, answer) for answer in again] == 2 * [lasting(call, expected)], told
        moved = difference(before, books(self._village))
        assert moved == untouched, f"{told}: moved {difference(untouched, moved)}"
        return fired


def kinds_of(village: Village, callers: Callers) -> list[tuple[str, Kind]]:
    """Every kind of request, with each party whose disk it may touch."""
    abroad = Abroad(callers, village.neighbour_url, village.deposit_token)
    village.call("/peers", abroad.peer)
    at_broker = with_neighbour(broker_kinds(callers), abroad) | coin_kinds(callers)
    found = [("broker", kind) for kinds in at_broker.values() for kind in kinds]
    found += [("gate", kind) for kinds in gate_kinds(callers).values() for kind in kinds]
    found += [("broker", kind) for kind in gate_kinds(callers)["GET page"] if "now" in kind.name]
    found += [(NAME, kind) for _, kind in found if kind.name == "issue abroad"]
    return found


@pytest.mark.parametrize("shard", range(SHARDS))
@pytest.mark.timeout(900)  # the full suite's
def test_a_request_that_meets_a_failing_disk_is_done_once_when_it_is_made_again(
    village: Village, shard: int
) -> None:
    turn, faults, callers = seed(), list(Fault), Callers(village)
    runs: Counter[str] = Counter()
    for number, (party, kind) in enumerate(kinds_of(village, callers)):
        if number % SHARDS != shard:
            continue
        trial = Trial(village, callers, party, kind)
        for which in range(size().faults):
            fault = faults[(turn + number // SHARDS + which) % len(faults)]
            runs[fault.value] += trial.run(fault, turn)
    assert runs.total() > SHARDS
    print(f"{runs.total()} failures: {dict(runs)}")  # noqa: T201 - the figures


@pytest.mark.parametrize("scheme", EACH_SCHEME)
@pytest.mark.timeout(900)  # the full suite's
def test_what_is_asked_about_a_scheme_is_done_once_however_the_disk_fails(
    village: Village, scheme: str
) -> None:
    turn, faults, callers = seed(), list(Fault), Callers(village)
    kinds = scheme_kinds(callers, Errands(village, callers, lambda: books(village)), scheme)
    runs: Counter[str] = Counter()
    for number, (party, kind) in enumerate(kinds):
        if number % size().every != turn % size().every:
            continue
        trial = Trial(village, callers, party, kind)
        for which in range(size().scheme_faults):
            runs[kind.name] += trial.run(faults[(turn + number + which) % len(faults)], turn)
    assert runs
    print(f"{runs.total()} failures: {dict(runs)}")  # noqa: T201 - the figures


def fails(
    village: Village, deed: Deed, party: str, fault: Fault, at: int, untouched: Moved
) -> bool:
    """Whether the fault came while a deed was done on this party's disk."""
    told = f"{deed.name}: {fault.value} of {party} at step {at}"
    village.end_overdue()
    act, disk = deed.prepare(), village.disks[party]
    before = books(village)
    join_log(village, party)
    disk.arm(fault, at)
    failed = True
    with contextlib.suppress(Refusal):
        act()
        failed = False
    fired = disk.fired
    assert fired or not failed, told
    if not fired and fault in {Fault.CUT, Fault.TORN}:
        disk.cut()
    if disk.is_dead:
        reboot(village, party)
    disk.disarm()
    if failed:
        act()
    moved = difference(before, books(village))
    assert moved == untouched, f"{told}: moved {difference(untouched, moved)}"
    act()
    moved = difference(before, books(village))
    assert moved == untouched, f"{told}: once more moved {difference(untouched, moved)}"
    return fired


def untouched_by(village: Village, deed: Deed) -> Moved:
    moved: Moved = Counter()
    for _ in range(WARM):
        village.end_overdue()
        act = deed.prepare()
        before = books(village)
        act()
        moved = difference(before, books(village))
    return moved


@pytest.mark.timeout(900)  # the full suite's
def test_a_deed_that_meets_a_failing_disk_is_done_once_when_it_is_done_again(
    village: Village,
) -> None:
    turn, faults, callers = seed(), list(Fault), Callers(village)
    abroad = Abroad(callers, village.neighbour_url, village.deposit_token)
    village.call("/peers", abroad.peer)
    runs: Counter[str] = Counter()
    stride = size().stride
    for number, deed in enumerate(Deeds(village, callers, abroad).all()):
        untouched = untouched_by(village, deed)
        for party in deed.parties:
            for which in range(size().faults):
                fault = faults[(turn + number + which) % len(faults)]
                at = 1 + turn % stride
                while fails(village, deed, party, fault, at, untouched):
                    runs[deed.name] += 1
                    at += stride
                    assert at < STEPS_MAX, f"{deed.name} has no end"
        village.require_sound()
    print(f"{runs.total()} failures: {dict(runs)}")  # noqa: T201 - the figures
