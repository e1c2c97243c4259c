"""Each invariant finds what it is there to find."""

import msgspec
import pytest

from farthing import marks
from farthing.lab.faults import CALM
from farthing.lab.invariants import Invariants
from farthing.lab.recount import require_sums
from farthing.lab.world import World
from farthing.ledger import accounts

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
