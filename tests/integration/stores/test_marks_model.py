"""SQLite answers any sequence of commands as plain dictionaries do."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from farthing.errors import Refusal
from farthing.marks import (
    Acknowledge,
    Add,
    Advance,
    Claim,
    Command,
    Confirm,
    Delete,
    Fact,
    Find,
    Forget,
    Held,
    Hold,
    Keys,
    LeaseSerials,
    Mark,
    Once,
    Pending,
    Put,
    Read,
    Release,
    Stale,
    Take,
    Tally,
)
from farthing.stores.memory import MemoryMarks
from farthing.stores.sqlite import SqliteMarks

START_S = 1_800_000_000
NAMES = (b"a", b"ab", b"\xff")
SUMS = (b"s", b"as")
PAYMENTS = ("p", "q", "r", "s")
SCHEME = "payword"
ALL = 1_000  # more than there is of anything

ids = st.sampled_from(NAMES)
sums = st.sampled_from(SUMS)
ends = st.integers(START_S, START_S + 400)
onces = st.builds(Once, id=ids, until_s=ends)
advances = st.builds(
    Advance,
    id=ids,
    over=st.integers(0, 2),
    to=st.integers(1, 3),
    link=st.binary(max_size=2),
    until_s=ends,
)
marks: st.SearchStrategy[list[Mark]] = st.lists(onces | advances, max_size=3)
records: st.SearchStrategy[list[Fact]] = st.lists(
    st.builds(Put, key=ids, value=st.binary(max_size=2), until_s=ends)
    | st.builds(Delete, key=ids | sums)
    | st.builds(Add, key=sums, amount=st.integers(0, 2**50), until_s=ends),
    max_size=2,
)
claims = st.lists(
    st.builds(
        Claim,
        scheme=st.just(SCHEME),
        key=ids,
        order=st.integers(1, 4),
        value_micro=st.integers(0, 9),
        body=st.just(b"{}"),
        moment=st.just("batch"),
    ),
    max_size=2,
)
payments = st.sampled_from(PAYMENTS)


class Stores(RuleBasedStateMachine):
    """Both stores are given each command; their answers, refusals included, must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "marks.db"
        self.memory = MemoryMarks()
        self.sqlite = SqliteMarks(self.path)
        self.now_s = START_S
        self.held: dict[str, int] = {}

    def teardown(self) -> None:
        self.sqlite.close()
        self.directory.cleanup()

    def both(self, command: Command) -> Any:
        answers = [answer_of(store, command) for store in (self.memory, self.sqlite)]
        assert answers[0] == answers[1]
        return answers[0]

    def hold_of(self, k: str, marks: list[Mark], until_s: int, digest: bytes = b"d") -> Hold:
        return Hold(
            k=k,
            digest=digest,
            marks=tuple(marks),
            kept=b"%d" % self.now_s,
            now_s=self.now_s,
            lease_until_s=self.now_s + 60,
            until_s=until_s,
        )

    @rule(k=payments, marks=marks, until_s=ends, digest=st.sampled_from((b"d", b"d", b"e")))
    def hold(self, k: str, marks: list[Mark], until_s: int, digest: bytes) -> None:
        answer = self.both(self.hold_of(k, marks, until_s, digest))
        if isinstance(answer, Held):
            self.held[k] = answer.fence

    @rule(k=payments, marks=marks, until_s=ends, records=records, claims=claims)
    def take(
        self, k: str, marks: list[Mark], until_s: int, records: list[Fact], claims: list[Claim]
    ) -> None:
        hold = self.hold_of(k, marks, until_s)
        self.both(Take(hold=hold, outcome=b"t", records=tuple(records), claims=tuple(claims)))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), late=st.integers(0, 3), records=records, claims=claims)
    def confirm(
        self, data: st.DataObject, late: int, records: list[Fact], claims: list[Claim]
    ) -> None:
        k = data.draw(st.sampled_from(sorted(self.held)))
        command = Confirm(
            k=k,
            fence=self.held[k] - late // 3,
            outcome=b"c",
            records=tuple(records),
            claims=tuple(claims),
        )
        self.both(command)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        k = data.draw(st.sampled_from(sorted(self.held)))
        self.both(Release(k=k, fence=self.held[k]))

    @rule(step_s=st.integers(1, 120))
    def wait(self, step_s: int) -> None:
        self.now_s += step_s

    @rule(key=ids, order=st.integers(1, 4), is_refused=st.booleans())
    def acknowledge(self, key: bytes, order: int, *, is_refused: bool) -> None:
        pair = ((key, order),)
        refused = pair if is_refused else ()
        self.both(Acknowledge(scheme=SCHEME, done=pair, refused=refused))

    @rule()
    def forget(self) -> None:
        self.both(Forget(now_s=self.now_s, count=ALL))

    @rule(count=st.integers(1, 5))
    def lease(self, count: int) -> None:
        self.both(LeaseSerials(series="s", count=count))

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteMarks(self.path)

    @invariant()
    def both_remember_the_same(self) -> None:
        self.both(
            Read(keys=Keys(counters=NAMES, records=(*NAMES, *SUMS), prefixes=(b"a", b"\xff")))
        )
        for k in PAYMENTS:
            self.both(Find(k=k))
        self.both(Tally())
        pending = Pending(scheme=SCHEME, count=ALL)
        found = [store.do_now(pending) for store in (self.memory, self.sqlite)]
        claims = [sorted(rows, key=lambda row: row[1].key) for rows in found]
        assert [claim for _, claim in claims[0]] == [claim for _, claim in claims[1]]


def answer_of(store: MemoryMarks | SqliteMarks, command: Command) -> object:
    try:
        return store.do_now(command)
    except Refusal as refusal:
        return type(refusal), refusal.code
    except Stale:
        return Stale


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
