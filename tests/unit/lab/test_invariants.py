"""Each invariant finds what it is there to find."""

from collections.abc import Iterator
from types import SimpleNamespace

import apsw
import msgspec
import pytest

from farthing import marks
from farthing.broker import store
from farthing.lab import invariants
from farthing.lab.faults import CALM
from farthing.lab.invariants import Invariants
from farthing.lab.recount import require_sums
from farthing.lab.world import World
from farthing.ledger import accounts, transfers
from farthing.vendor.refunding import PREFIX as REFUND

VENDOR = "vendor0"
HELD = marks.Held(fence=1, kept=b"", resumed=False)


def hold(k: str, *wanted: marks.Mark) -> marks.Hold:
    return marks.Hold(
        k=k, digest=bytes(32), marks=wanted, kept=b"", now_s=0, lease_until_s=9, until_s=99
    )


def once(name: bytes) -> marks.Once:
    return marks.Once(id=name, until_s=99)


def advance(over: int, to: int) -> marks.Advance:
    return marks.Advance(id=b"chain", over=over, to=to, link=b"", until_s=99)


def findings(*commands: marks.Command) -> list[str]:
    checks = Invariants()
    vars(checks.remembered)["uses"] = lambda *_: None  # there is no store
    for command in commands:
        checks.gate_did(VENDOR, command, HELD)
    return checks.findings


def confirm(k: str) -> marks.Confirm:
    return marks.Confirm(k=k, fence=1, outcome=b"")


def test_a_course_of_things_that_is_right_has_no_findings() -> None:
    assert not findings(
        hold("a", once(b"1"), advance(0, 3)),
        confirm("a"),
        hold("b", once(b"2")),
        marks.Release(k="b", fence=1),
        marks.Take(hold=hold("c", once(b"2"), advance(3, 4)), outcome=b""),
    )


@pytest.mark.parametrize(
    ("commands", "finds"),
    [
        ([hold("a", once(b"1")), confirm("a"), hold("b", once(b"1")), confirm("b")], "twice"),
        ([hold("a", advance(0, 3)), confirm("a"), hold("b", advance(2, 4)), confirm("b")], "moved"),
        ([confirm("a")], "did not hold"),
        ([hold("a"), marks.Release(k="a", fence=1), confirm("a")], "did not hold"),
    ],
)
def test_marks_that_are_used_twice_are_found(commands: list[marks.Command], finds: str) -> None:
    assert [finding for finding in findings(*commands) if finds in finding]


def test_entries_are_added_up_as_the_broker_does() -> None:
    with World(4) as world:
        page, payer = world.vendors[0].pages[0], world.payers[0]
        world.run(payer.buy(f"{world.vendors[0].url}{page.path}/1"))
        checks = world.ground.checks
        assert sum(checks.books[world.broker.name].values()) == 0
        assert checks.sold[world.vendors[0].name]
        assert checks.findings == []


def test_an_entry_that_is_missing_or_does_not_sum_is_found() -> None:
    with World(4) as world:
        checks, books = world.ground.checks, world.broker.connection
        checks.broker_committed(world.broker.name, books)
        assert checks.findings == []
        last = int(books.execute("SELECT max(seq) FROM entries").get)
        body = books.execute("SELECT body FROM entries WHERE seq = ?", (last,)).get
        entry = msgspec.json.decode(body)
        entry["postings"][0][1] += 1
        books.execute(
            "INSERT INTO entries VALUES (?, x'00', ?, x'00')",
            (last + 2, msgspec.json.encode(entry)),
        )
        checks.broker_committed(world.broker.name, books)
        assert any("missing" in finding for finding in checks.findings)
        assert any("entry_unbalanced" in finding for finding in checks.findings)


def test_a_mark_that_is_forgotten_too_early_is_found() -> None:
    with World(4) as world:
        world.run(world.act(range(20), CALM))
        world.run(world.settle())
        for vendor in world.vendors:
            vendor.connection.execute("DELETE FROM onces")
        require_sums(world)
        assert any("forgotten" in finding for finding in world.ground.checks.findings)


@pytest.mark.parametrize("query", ["DELETE FROM counters", "UPDATE counters SET place = place - 1"])
def test_a_counter_that_goes_back_without_a_payment_is_found(query: str) -> None:
    with World(4, ["payword"]) as world:
        world.run(world.act(range(20), CALM))
        world.run(world.settle())
        require_sums(world)
        assert not any("counter" in finding for finding in world.ground.checks.findings)
        for vendor in world.vendors:
            vendor.connection.execute(query)
        require_sums(world)
        assert any("has a counter at" in finding for finding in world.ground.checks.findings)


def test_a_balance_that_its_entries_do_not_sum_to_is_found() -> None:
    with World(4) as world:
        checks, books, payer = world.ground.checks, world.broker.connection, world.payers[0]
        name = accounts.payer(payer.name)
        books.execute("UPDATE accounts SET balance = balance - 7 WHERE name = ?", (name,))
        world.run(world.top_up(world.payers[1], 10))
        assert not any(name in it for it in checks.findings), "it is read where something moves"
        world.run(world.top_up(payer, 10))
        assert any(it.startswith(f"{name} has ") for it in checks.findings)


@pytest.fixture
def journal() -> Iterator[apsw.Connection]:
    with apsw.Connection(":memory:") as connection:
        connection.execute(store.SCHEMA)
        yield connection


def book(journal: apsw.Connection, kind: str, moved: dict[str, int]) -> None:
    """An entry, with the balances as a broker stores them."""
    seq = int(journal.execute("SELECT count(*) FROM entries").get) + 1
    postings = tuple(transfers.Posting(name, micro) for name, micro in moved.items())
    name = seq.to_bytes(16)
    entry = transfers.Entry(id=name, postings=postings, kind=kind, ref="s", at_s=1)
    row = (seq, name, transfers.write(entry))
    journal.execute("INSERT INTO entries VALUES (?, ?, ?, x'')", row)
    for account, micro in moved.items():
        journal.execute("INSERT OR IGNORE INTO accounts VALUES (?, 0, 0, 0)", (account,))
        changed = "UPDATE accounts SET balance = balance + ? WHERE name = ?"
        journal.execute(changed, (micro, account))


ANN, VIC, BANK, FEE = "liability/payer/ann", "liability/vendor/vic", "asset/bank/m", "income/x"
OUT = accounts.outstanding("coupon", "vic")


def test_what_entries_move_is_counted_by_what_they_are_for(
    journal: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, moved in (
        ("topup", {BANK: 100, ANN: -100}),
        ("issue", {ANN: 60, OUT: -60}),
        ("redeem", {OUT: 20, VIC: -20}),
        ("take_back", {VIC: 1, ANN: -1}),
        ("commission", {VIC: 2, "income/commission": -2}),
        ("commission", {"asset/peer/north": 3, "income/commission": -3}),
        ("peer", {BANK: 5, "asset/peer/north": -5}),
        ("transfer", {ANN: 7, VIC: -7}),
        ("payout", {ANN: 4, "asset/clearing/m": -4}),
        ("payout", {VIC: 6, "asset/clearing/m": -6}),
        ("payout", {"asset/clearing/m": 6, VIC: -6}),
        ("payout", {"asset/clearing/m": 4, BANK: -4}),
        ("lapse", {accounts.BREAKAGE: -8, OUT: 8}),
        ("lapse", {OUT: 9, ANN: -9}),
    ):
        book(journal, kind, moved)
    checks = Invariants()
    monkeypatch.setattr(checks, "_audit", lambda *_: None)  # no broker books such things
    checks.broker_committed("home", journal)
    assert checks.findings == []
    assert checks.earned == {"vic": 20 - 1}
    assert checks.shares == {"north": 3}
    assert checks.paid_out == {ANN: 4, VIC: 0}
    assert checks.lapsed == {("home", "coupon"): 8}
    assert checks.came_back == {("home", "coupon"): 9}
    assert checks.books["home"][OUT] == -60 + 20 + 8 + 9
    book(journal, "topup", {BANK: 1, ANN: -1})
    checks.broker_committed("home", journal)
    assert (checks.findings, checks.books["home"][BANK]) == ([], 102), "only what is new is read"


def test_money_that_nobody_has_is_found(journal: apsw.Connection) -> None:
    book(journal, "topup", {BANK: 5, ANN: -5})
    book(journal, "transfer", {ANN: 5, VIC: -5})
    checks = Invariants()
    checks.broker_committed("home", journal)
    assert checks.findings == [], "an account may be empty"
    book(journal, "transfer", {ANN: 1, VIC: -1})
    checks.broker_committed("home", journal)
    audited, counted = checks.findings
    assert audited.startswith("audit of home: account_below_floor: ")
    assert counted == f"{ANN} is below zero: -1"


def test_the_entry_that_is_missing_is_named(journal: apsw.Connection) -> None:
    for _ in range(4):
        book(journal, "topup", {BANK: 5, ANN: -5})
    journal.execute("DELETE FROM entries WHERE seq = 3")
    checks = Invariants()
    checks.broker_committed("home", journal)
    assert checks.findings[0] == "entry 3 is missing from the journal"


class Gate:
    """What invariants say of one gate, whose outcomes are their amounts and nothing else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def outcome(raw: bytes) -> SimpleNamespace:
            return SimpleNamespace(receipt=SimpleNamespace(amount_micro=int(raw)))

        def kept(raw: bytes) -> SimpleNamespace:
            return SimpleNamespace(scheme=raw.decode())

        monkeypatch.setattr(invariants, "read_outcome", outcome)
        monkeypatch.setattr(invariants, "read_kept", kept)
        self.checks = Invariants(lambda: 7.0)
        self.checks.conserved.crooks = {VENDOR}  # what no wallet has offered is not looked at

    def take(self, k: str, micro: int, scheme: str = "payword", won_micro: int = 0) -> None:
        claim = marks.Claim(
            scheme=scheme, key=b"", order=1, value_micro=won_micro, body=b"", moment="batch"
        )
        held = msgspec.structs.replace(hold(k), kept=scheme.encode())
        self.did(marks.Take(hold=held, outcome=str(micro).encode(), claims=(claim,)))

    def did(self, command: marks.Command, *, resumed: bool = False) -> None:
        answer = msgspec.structs.replace(HELD, resumed=resumed)
        self.checks.gate_did(VENDOR, command, answer)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def test_what_a_gate_confirms_is_sold_once(gate: Gate) -> None:
    gate.take("a", 200)
    gate.did(msgspec.structs.replace(hold("b"), kept=b"payword"))
    gate.did(marks.Confirm(k="b", fence=1, outcome=b"100"))
    assert (gate.checks.sold, gate.checks.findings) == ({VENDOR: {"a": 200, "b": 100}}, [])
    assert (gate.checks.fees, gate.checks.drawn) == ({}, {})
    gate.take("a", 200)
    assert gate.checks.findings == [f"{VENDOR} confirmed payment a twice"]


def test_what_luck_brings_is_counted_beside_the_price(gate: Gate) -> None:
    gate.take("a", 200, "ticket", 900)
    gate.take("b", 200, "ticket", 0)
    assert gate.checks.drawn == {VENDOR: {"a": 700, "b": -200}}


def test_what_is_given_back_is_given_back_once(gate: Gate) -> None:
    gate.take("a", 200)
    gate.take(REFUND + "a", 5)
    gate.take(REFUND + "gone", 5)
    assert gate.checks.refunded == {VENDOR: {"a": 200, "gone": 0}}
    assert (gate.checks.sold, gate.checks.fees) == ({VENDOR: {"a": 200}}, {})
    assert gate.checks.findings == []
    gate.take(REFUND + "a", 5)
    assert gate.checks.findings == [f"{VENDOR} gave back payment a twice"]


def test_what_a_vendors_own_mint_charges_is_no_sale(gate: Gate) -> None:
    gate.take("m", 0, "", won_micro=3)
    gate.take("n", 0, "", won_micro=4)
    assert (gate.checks.fees, gate.checks.sold) == ({VENDOR: 7}, {})
    gate.did(marks.Take(hold=hold(REFUND + "a"), outcome=b""))
    assert gate.checks.fees == {VENDOR: 7}


def test_a_hold_that_is_resumed_is_the_one_before(gate: Gate) -> None:
    gate.did(msgspec.structs.replace(hold("b"), kept=b"payword"))
    gate.did(msgspec.structs.replace(hold("b"), kept=b""), resumed=True)
    gate.did(marks.Confirm(k="b", fence=1, outcome=b"100"))
    assert gate.checks.sold == {VENDOR: {"b": 100}}


def test_a_payment_that_is_refused_uses_nothing_up(gate: Gate) -> None:
    held = msgspec.structs.replace(hold("a", once(b"1")), kept=b"payword")
    settled = marks.Settled(outcome=b"")
    gate.checks.gate_did(VENDOR, marks.Take(hold=held, outcome=b"5"), settled)
    gate.checks.gate_did(VENDOR, held, settled)
    assert (gate.checks.sold, gate.checks.used) == ({}, {})
    gate.did(marks.Confirm(k="a", fence=1, outcome=b"5"))
    assert gate.checks.findings == [f"{VENDOR} confirmed a, which it did not hold"]


def test_payments_for_streams_are_told_to_them_with_the_time(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[object, ...]] = []
    monkeypatch.setattr(gate.checks.streams, "paid", lambda *what: told.append(what))
    gate.take("a", 200)
    assert told == [(VENDOR, "a", 200, ())]
    assert Invariants(lambda: 7.0).streams._time_s() == 7.0
    plain = Invariants()
    plain.streams._find("wrong")
    plain.given._find("worse")
    assert plain.findings == ["wrong", "worse"]


def test_a_mark_is_remembered_for_as_long_as_the_longest_of_its_payments_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks = Invariants()
    monkeypatch.setattr(checks.remembered, "uses", lambda *_: None)  # there is no store
    for k, over, to, until_s in (("a", 0, 3, 99), ("b", 3, 5, 50)):
        mark = msgspec.structs.replace(advance(over, to), until_s=until_s)
        checks.gate_did(VENDOR, marks.Take(hold=hold(k, mark, once(k.encode())), outcome=b""), HELD)
    assert checks.findings == []
    assert checks.places == {VENDOR: {b"chain": (5, 99)}}
    assert checks.used == {VENDOR: {b"a": 99, b"b": 99}}
