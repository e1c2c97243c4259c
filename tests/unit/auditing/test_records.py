"""The records of every scheme that keeps value, beside its accounts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from farthing.auditing import audit_file, records
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
