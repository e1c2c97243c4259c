"""Every request to broker and gate while the disk beneath fails at its k-th step, for every k.

A step is a write, a sync or a truncation of a database or its log; k goes up until the request
passes untouched. After a failure the same request again succeeds and moves what it should, once;
after a power cut the file is sound and has everything that was answered.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import apsw
import msgspec
import pytest

from farthing.lab.bad_disk import Fault
from farthing.stores import database
from tests.integration.crash.calls import Call, Callers
from tests.integration.crash.kinds import Kind, broker_kinds, gate_kinds
from tests.integration.crash.middle import Message
from tests.integration.crash.neighbour import NAME, Abroad, with_neighbour
from tests.integration.crash.sizes import seed, size
from tests.integration.crash.test_lost_reply import UNCOUNTED, lasting
from tests.kit.village import Village

STEPS_MAX = 400  # of one request: more would be a loop
LEASE_OVER_S = 40  # a hold that a failure left behind ends by itself half a minute later
SHARDS = 4  # tests, which run side by side
WARM = 2  # the first of a kind may open an account that the others find
STORES = {"broker": "broker.db", NAME: "broker.db", "gate": "marks.db"}

NEW = re.compile("[nv][0-9a-f]{12}")  # an account that one request opened

Moved = Counter[str]


@pytest.fixture(params=[1, database.WAL_PAGES], ids=["checkpoints", "log"])
def village(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Village]:
    """Once with a checkpoint at every commit, once with everything in the log."""
    monkeypatch.setattr(database, "WAL_PAGES", request.param)
    with Village(tmp_path) as village:
        yield village


def books(village: Village) -> Moved:
    """Balances of both brokers, and rows by table."""
    found: Moved = Counter()
    for name, path in STORES.items():
        db = apsw.Connection(str(village.folder / name / path))
        named = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for table in (str(row[0]) for row in named):
            if table not in UNCOUNTED and not table.startswith("sqlite_"):
                rows = db.execute(f"SELECT count(*) FROM {table}").get  # noqa: S608 - its own names
                found[f"{name} {table}"] = cast(int, rows)
        if name != "gate":
            for account, micro in db.execute("SELECT name, balance FROM accounts").fetchall():
                account = NEW.sub("new", str(account).partition("hold/")[0])
                found[f"{name} {account}"] += cast(int, micro)
        db.close()
    return found


def difference(before: Moved, after: Moved) -> Moved:
    """What is more, and less, than before."""
    changed = Counter(after)
    changed.subtract(before)
    return Counter({name: by for name, by in changed.items() if by})


def inner(call: Call, answer: Message) -> tuple[int, bytes]:
    """Status and body, of a sealed answer what is in it."""
    if call.read is bytes or answer.status != 200:
        return answer.status, answer.body
    status, _, body = cast(tuple[int, object, bytes], call.read(answer.body))
    return status, body


def code_of(call: Call, answer: Message) -> str:
    """What it was refused for; "" for nothing. A facilitator says so with status 200."""
    status, body = inner(call, answer)
    if 200 <= status < 300 and b'"extra":{"code":' not in body:
        return ""
    if not body:
        return f"status {status}"  # the answer to a HEAD
    told = msgspec.json.decode(body)
    code: str = told["extra"]["code"] if status == 200 else told["code"]
    assert status == 200 or (status >= 409 and told["retry"] == "same"), answer.raw
    return code


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
        raise AssertionError(f"{self._kind.name} has no end")

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
        return self._kind.make()

    def _ask(self, call: Call) -> Message:
        return self._village.ask(call.to, call.request)[0]

    def _fails(self, fault: Fault, at: int, untouched: Moved) -> bool:
        """Whether the fault came."""
        told = f"{self._kind.name}: {fault.value} of {self._party} at step {at}"
        call = self._make()
        before = books(self._village)
        self._disk.arm(fault, at)
        first = self._ask(call)
        fired = self._disk.fired
        if not fired and fault in {Fault.CUT, Fault.TORN}:
            self._disk.cut()  # right after the answer
        if self._disk.is_dead:
            self._village.reboot(self._party)
            self._require_sound(told)
        self._disk.disarm()
        failed = code_of(call, first)
        assert fired or not failed, f"{told}: {first.raw!r}"
        if not failed:
            moved = difference(before, books(self._village))
            assert moved == untouched, f"{told}: not kept: {difference(untouched, moved)}"
        self._village.later_s = LEASE_OVER_S
        again = [self._ask(call), self._ask(call)]
        self._village.later_s = 0
        for answer in again:
            assert not code_of(call, answer), f"{told}: then {answer.raw!r}"
        expected = again[0] if failed else first
        assert [lasting(call, answer) for answer in again] == 2 * [lasting(call, expected)], told
        moved = difference(before, books(self._village))
        assert moved == untouched, f"{told}: moved {difference(untouched, moved)}"
        return fired

    def _require_sound(self, told: str) -> None:
        db = apsw.Connection(str(self._disk.folder / STORES[self._party]))
        assert db.pragma("integrity_check") == "ok", told
        db.close()


def kinds_of(village: Village, callers: Callers) -> list[tuple[str, Kind]]:
    """Every kind of request, with each party whose disk it may touch."""
    abroad = Abroad(callers, village.neighbour_url, village.deposit_token)
    village.call("/peers", abroad.peer)
    at_broker = with_neighbour(broker_kinds(callers), abroad)
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
