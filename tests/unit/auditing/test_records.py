"""The records of every scheme that keeps value, beside its accounts."""

import json
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from farthing.auditing import audit_file, records
from farthing.auditing.holds import Held
from farthing.auditing.report import Findings
from farthing.broker import store
from tests.unit.auditing.thieves import Thief, kept_books, thief_of

STEPS = 30
KEEPING = {
    "agent": "agent/issued/",
    "ecash": "ecash/out/",
    "fairchain": "fairchain/escrow/",
    "millicent": "millicent/pool/",
    "netcash": "netcash/live/",
}


@pytest.fixture(scope="module", params=sorted(KEEPING))
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A broker's file after a while of this scheme's business."""
    folder = tmp_path_factory.mktemp("books")
    return kept_books(folder, request.param, seed=5, steps=STEPS)


@pytest.fixture
def thief(books: Path, tmp_path: Path) -> Iterator[Thief]:
    with thief_of(books, tmp_path) as found:
        yield found


def codes(thief: Thief) -> set[str]:
    (_, _, file), *_ = thief.run("PRAGMA database_list").fetchall()
    return set(audit_file(Path(str(file))).counts)


def test_value_that_time_will_never_look_at(thief: Thief) -> None:
    thief.run("DELETE FROM due")
    assert codes(thief) == {"value_without_end"}


def test_value_whose_records_are_gone(thief: Thief) -> None:
    for prefix in KEEPING.values():
        thief.run("DELETE FROM records WHERE CAST(key AS TEXT) LIKE ?", (prefix + "%",))
    assert codes(thief) == {"records_differ"}


def test_a_raised_issue_has_no_record(thief: Thief) -> None:
    seq, body = thief.entries("issue")[-1]
    (source, micro), (target, _) = body["postings"]
    body["postings"] = [[source, micro + 5], [target, -micro - 5]]
    thief.rewrite(seq, body)
    thief.rebalance()
    thief.rechain()
    assert codes(thief) == {"records_differ"}


def test_a_record_that_is_none(thief: Thief) -> None:
    key = b"millicent/pool/v/1"
    thief.run("INSERT INTO records VALUES (?, x'ff', 0)", (key,))
    assert codes(thief) == {"row_unreadable"}


@pytest.mark.parametrize(
    ("state", "out_micro", "disputed_micro"),
    [
        ({"last": 0, "over": False}, 45, 0),
        ({"last": 3, "over": False}, 35, 5),
        ({"last": 4, "over": False}, 35, 0),
        ({"last": 3, "over": True}, 0, 5),
    ],
)
def test_a_ticket_is_out_until_it_is_committed_to(
    state: dict[str, int], out_micro: int, disputed_micro: int
) -> None:
    value = json.dumps({"ticket": {"unitMicro": 5, "units": 9}} | state).encode()
    found = dict(records.parts_of("fairchain/ticket/x", value))
    assert found == {
        "liability/outstanding/fairchain": out_micro,
        "liability/disputed/fairchain": disputed_micro,
    }


def test_what_lies_apart_is_of_its_account() -> None:
    value = json.dumps({"account": "a", "rest_micro": 7}).encode()
    for key, scheme in (("ticks/prepaid/p", "tick"), ("ikp/stick/s", "ikp")):
        assert records.parts_of(key, value) == [(f"liability/outstanding/{scheme}/a", 7)]


def test_what_was_returned_is_not_out() -> None:
    pool = {"sold_micro": 9, "redeemed_micro": 2, "returned_micro": 3}
    found = records.parts_of("millicent/pool/v7/1", json.dumps(pool).encode())
    assert found == [("liability/outstanding/millicent/v7", 4)]
    issued = {"worthMicro": 9, "claimedMicro": 2, "returnedMicro": 3}
    found = records.parts_of("agent/issued/s", json.dumps(issued).encode())
    assert found == [("liability/outstanding/agent", 4)]


CASH, COINS = "liability/outstanding/netcash", "liability/outstanding/ecash/e9-k1"
TX, ERRAND = "liability/hold/tx_1", "liability/hold/er_1"
NETCASH = b"netcash/live/9/s", (9).to_bytes(8) + bytes(32)
ECASH = b"ecash/out/9-k1", b"9"
STICK = b"ticks/prepaid/p", b'{"account":"a","rest_micro":7}'


@pytest.mark.parametrize(
    ("record", "balances", "holds", "found"),
    [
        (NETCASH, {CASH: -9}, {}, []),
        (NETCASH, {CASH: -8}, {}, ["records_differ"]),
        (NETCASH, {CASH: -4}, {TX: Held("netcash", {CASH: 5})}, []),
        (NETCASH, {}, {TX: Held("netcash", {CASH: 9})}, []),
        (NETCASH, {CASH: -4}, {}, ["records_differ"]),
        (ECASH, {COINS: -9}, {TX: Held("ecash", {COINS: 5})}, []),
        (ECASH, {COINS: -4}, {TX: Held("ecash", {COINS: 5})}, ["records_differ"]),
        (ECASH, {COINS: -4}, {ERRAND: Held("ecash", {COINS: 5})}, []),
        (ECASH, {COINS: -9}, {ERRAND: Held("tab", {"liability/payer/a": 5})}, []),
        (ECASH, {COINS: -9}, {TX: Held("coupon", {"liability/outstanding/coupon": 5})}, []),
        (STICK, {"liability/outstanding/tick/a": -7}, {}, []),
        (STICK, {}, {}, ["records_differ"]),
        ((b"ecash/out/9-k1", b"0"), {}, {}, []),
        (ECASH, {COINS: -9, CASH: 0}, {}, []),
        (ECASH, {COINS: -9, CASH: -1}, {}, ["records_differ"]),
        ((b"ecash/out/9-k1", b"1"), {}, {}, ["records_differ"]),
    ],
)
def test_records_add_up_to_what_is_out_and_what_is_held_of_it(
    record: tuple[bytes, bytes],
    balances: dict[str, int],
    holds: dict[str, Held],
    found: list[str],
) -> None:
    findings = Findings()
    with apsw.Connection(":memory:") as connection:
        connection.execute(store.SCHEMA)
        connection.execute("INSERT INTO records VALUES (?, ?, 0)", record)
        connection.execute("INSERT INTO due VALUES (1, 's', ?)", (record[0],))
        records.compare(connection, balances, holds, findings)
    assert list(findings.counts) == found
