import apsw
import pytest

from farthing.broker import facts, store
from farthing.broker.operations import LAPSE_RETRY_S
from farthing.errors import Busy, Replayed
from farthing.marks import Advance, Delete, Keys, Once, Place, Put
from farthing.schemes.chain import payword
from farthing.schemes.contract import Applied
from farthing.schemes.revocations import listed_at_s, listing


def connection() -> apsw.Connection:
    made = apsw.Connection(":memory:")
    made.execute(store.SCHEMA)
    return made


ONCE = Applied(marks=(Once(id=b"s/1", until_s=100),))


def advance(over: int, to: int) -> Applied:
    return Applied(marks=(Advance(id=b"s/c", over=over, to=to, link=b"w", until_s=100),))


def test_an_id_is_used_once() -> None:
    db = connection()
    facts.require_unspent(db, ONCE.marks)
    facts.write(db, "s", ONCE)
    with pytest.raises(Replayed):
        facts.write(db, "s", ONCE)
    with pytest.raises(Replayed):
        facts.require_unspent(db, ONCE.marks)


def test_a_counter_moves_from_where_it_stands() -> None:
    db = connection()
    facts.write(db, "s", advance(0, 5))
    facts.write(db, "s", advance(5, 9))
    found = facts.read(db, Keys(counters=(b"s/c", b"s/none")))
    assert found.counters == {b"s/c": Place(to=9, link=b"w")}
    with pytest.raises(AssertionError):
        facts.write(db, "s", advance(5, 10))


def test_records_are_read_by_key_and_by_prefix() -> None:
    db = connection()
    puts = tuple(Put(key=key, value=key, until_s=9) for key in (b"s/a/1", b"s/a/2", b"s/b/1"))
    facts.write(db, "s", Applied(records=puts))
    facts.write(db, "s", Applied(records=(Delete(key=b"s/a/2"),)))
    assert facts.read(db, Keys(prefixes=(b"s/a/",))).records == {b"s/a/1": b"s/a/1"}
    assert facts.read(db, Keys(records=(b"s/b/1", b"s/b/2"))).records == {b"s/b/1": b"s/b/1"}


def test_a_list_is_whole_however_long_and_a_name_on_it_stands_as_it_was_put() -> None:
    db, prefix = connection(), payword.FAMILY.revoked_prefix

    def bar(*names: str, at_s: int) -> None:
        puts = [Put(key=prefix + n.encode(), value=listing("x", at_s), until_s=9) for n in names]
        facts.write(db, "payword", Applied(records=tuple(puts)))

    many = [f"a{number:05}" for number in range(facts.PREFIX_ROWS_MAX + 1)]
    bar(*many, at_s=1)
    number = facts.newest_number(db, "payword")
    bar("z", many[0], at_s=2)
    assert facts.listed(db, prefix) == [*many, "z"]
    assert facts.listed(db, prefix, number) == ["z"]
    found = facts.read(db, Keys(records=(prefix + many[0].encode(),))).records.values()
    assert [listed_at_s(value) for value in found] == [1]


def test_the_journal_notes_marks_and_the_records_that_serve_as_marks() -> None:
    records = (
        Put(key=b"s/used", value=b"", until_s=9, once=True),
        Put(key=b"s/pool", value=b"", until_s=9),
        Delete(key=b"s/freed", once=True),
        Delete(key=b"s/gone"),
    )
    applied = Applied(marks=(*ONCE.marks, *advance(2, 5).marks), records=records)
    once, went_on, used, freed = facts.notes_of(applied)
    assert once == f"once {ONCE.marks[0].id.hex()} {ONCE.marks[0].until_s}"
    assert went_on.split(" ")[2:4] == ["2", "5"]
    assert (used, freed) == (f"once {b's/used'.hex()} 9", f"free {b's/freed'.hex()}")


def test_what_payments_share_is_parted_from_what_is_their_own() -> None:
    own, shared = (
        Put(key=b"s/used/1", value=b"", until_s=9),
        Put(key=b"s/pool/1", value=b"", until_s=9),
    )
    due = ((5, b"s/pool/1"), (6, b"s/used/1"))
    applied = Applied(marks=ONCE.marks, records=(own, shared), due=due)
    mine, ours = facts.parted(applied, b"s/pool/")
    assert (mine.marks, mine.records, mine.due) == (ONCE.marks, (own,), (due[1],))
    assert (ours.marks, ours.records, ours.due) == ((), (shared,), (due[0],))
    assert facts.parted(applied, b"") == (applied, Applied())


def test_what_is_held_is_busy_for_readers_and_writers() -> None:
    db = connection()
    facts.hold(db, [b"s/1", b"s/c", b"s/a/1"], "tx_1")
    for touch in (
        lambda: facts.write(db, "s", ONCE),
        lambda: facts.write(db, "s", advance(0, 1)),
        lambda: facts.write(db, "s", Applied(records=(Delete(key=b"s/a/1"),))),
        lambda: facts.read(db, Keys(counters=(b"s/c",))),
        lambda: facts.read(db, Keys(records=(b"s/a/1",))),
        lambda: facts.read(db, Keys(prefixes=(b"s/a/",))),
        lambda: facts.hold(db, [b"s/1"], "tx_2"),
    ):
        with pytest.raises(Busy):
            touch()
    facts.let_go(db, "tx_1")
    facts.write(db, "s", ONCE)


def test_whoever_has_to_wait_hears_until_when() -> None:
    db = connection()
    facts.hold(db, [b"s/a/1"], "tx_1")
    db.execute(
        "INSERT INTO reservations VALUES "
        "('tx_1', 'shop', 's', 1, 'held', 90, 'void', 1, x'', x'', x'')"
    )
    for keys in (Keys(records=(b"s/a/1",)), Keys(prefixes=(b"s/a/",))):
        with pytest.raises(Busy) as caught:
            facts.read(db, keys)
        assert caught.value.facts == {"untilS": 90}


def test_touched_names_every_mark_and_record() -> None:
    applied = Applied(marks=ONCE.marks, records=(Put(key=b"k", value=b"", until_s=1),))
    assert facts.touched(applied) == [b"s/1", b"k"]


def test_due_records_come_in_order_once_and_only_if_they_still_exist() -> None:
    db = connection()
    put = Put(key=b"s/a", value=b"v", until_s=99)
    facts.write(db, "s", Applied(records=(put,), due=((20, b"s/a"), (10, b"s/gone"), (30, b"s/a"))))
    assert facts.next_due(db, 9) is None
    assert facts.next_due(db, 25) == ("s", b"s/a", b"v")
    assert facts.next_due(db, 25) is None
    assert facts.next_due(db, 30) == ("s", b"s/a", b"v")


def test_the_end_of_a_record_never_shrinks() -> None:
    """What is shown late must not end what others need."""
    db = connection()
    for value, until_s in ((b"1", 50), (b"2", 20), (b"3", 60), (b"4", 10)):
        facts.write(db, "s", Applied(records=(Put(key=b"s/a", value=value, until_s=until_s),)))
    facts.forget(db, 60, 10)
    assert facts.read(db, Keys(records=(b"s/a",))).records == {b"s/a": b"4"}
    facts.forget(db, 61, 10)
    assert not facts.read(db, Keys(records=(b"s/a",))).records
    facts.write(db, "s", Applied(records=(Put(key=b"s/b", value=b"1", until_s=50),)))
    anew = (Delete(key=b"s/b"), Put(key=b"s/b", value=b"2", until_s=20))
    facts.write(db, "s", Applied(records=anew))
    facts.forget(db, 21, 10)
    assert not facts.read(db, Keys(records=(b"s/b",))).records


def test_what_lapse_has_still_to_look_at_is_not_forgotten() -> None:
    """After a long rest more may be due than one step looks at, and money hangs on it."""
    db = connection()
    puts = tuple(Put(key=key, value=b"", until_s=20) for key in (b"s/a", b"s/b", b"s/c"))
    facts.write(db, "s", Applied(records=puts, due=((10, b"s/a"), (15, b"s/b"))))
    facts.forget(db, 30, 10)
    assert set(facts.read(db, Keys(prefixes=(b"s/",))).records) == {b"s/a", b"s/b"}
    assert facts.next_due(db, 30) == ("s", b"s/a", b"")
    facts.queue(db, "s", b"s/a", 30 + LAPSE_RETRY_S)  # refused: looked at again later
    assert facts.next_due(db, 30) == ("s", b"s/b", b"")
    facts.forget(db, 30, 10)
    assert set(facts.read(db, Keys(prefixes=(b"s/",))).records) == {b"s/a"}


def test_nothing_is_forgotten_before_its_time() -> None:
    db = connection()
    facts.write(db, "s", ONCE)
    facts.write(db, "s", advance(0, 5))
    facts.write(db, "s", Applied(records=(Put(key=b"s/a", value=b"v", until_s=100),)))
    assert facts.forget(db, 100, 10) == 0
    assert facts.forget(db, 101, 10) == 3


@pytest.mark.parametrize(
    ("row", "first_s"),
    [
        ("due VALUES (100, 's', x'01')", 100),
        ("once VALUES (x'01', 100)", 101),
        ("counters VALUES (x'01', 1, x'', 100)", 101),
        ("records VALUES (x'01', x'', 100)", 101),
    ],
)
def test_something_is_due_from_its_second_on_and_until_it_was_done(row: str, first_s: int) -> None:
    db = connection()
    assert not facts.is_due(db, 2**40)
    db.execute(f"INSERT INTO {row}")
    assert not facts.is_due(db, first_s - 1)
    assert facts.is_due(db, first_s)
    facts.next_due(db, first_s)
    facts.forget(db, first_s, 10)
    assert not facts.is_due(db, 2**40)


def test_every_table_with_a_time_is_looked_at() -> None:
    timed = connection().execute(
        "SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) i"
        " WHERE m.type = 'table' AND i.name IN ('at_s', 'until_s', 'due_s')"
    )
    assert {name for (name,) in timed} >= {"due", "once", "counters", "records", "answers"}
    for (name,) in timed.fetchall():
        assert f"FROM {name} " in facts._DUE
