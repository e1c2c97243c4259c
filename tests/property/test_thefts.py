"""Whatever a scheme redeems, paying it again shows in the books: the books of every scheme."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from farthing.auditing import audit_file
from farthing.schemes import registry
from tests.unit.auditing.thieves import Thief, kept_books, thief_of

SCHEMES = [scheme.traits.name for scheme in registry.all_schemes()]
STEPS = 80
PAYING = ("redeem", "capture")


@pytest.fixture(scope="module", params=SCHEMES)
def books(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a broker's file says after a while of this scheme's business."""
    folder = tmp_path_factory.mktemp("books")
    return kept_books(folder, request.param, seed=3, steps=STEPS)


@pytest.fixture
def thief(books: Path, tmp_path: Path) -> Iterator[Thief]:
    with thief_of(books, tmp_path) as found:
        yield found


def codes(thief: Thief) -> set[str]:
    """What is found once the thief has put everything right that can be."""
    thief.rebalance()
    thief.rechain()
    (_, _, file), *_ = thief.run("PRAGMA database_list").fetchall()
    return set(audit_file(Path(str(file))).counts)


def paid(thief: Thief, kind: str) -> list[dict[str, Any]]:
    """Entries by which a vendor was paid for something."""
    found = {
        each: [
            body
            for _, body in thief.entries(each)
            if any(micro < 0 and "/vendor/" in name for name, micro in body["postings"])
        ]
        for each in PAYING
    }
    assert any(found.values()), "a broker of this scheme has paid some"
    if not found[kind]:
        pytest.skip("this scheme clears all before the page, or all after it")
    return found[kind]


def again(thief: Thief, body: dict[str, Any]) -> dict[str, Any]:
    """The same once more, under another number, now."""
    raw = thief.run("SELECT CAST(body AS TEXT) FROM entries ORDER BY seq DESC LIMIT 1").get
    return body | {"id": "ab" * 16, "at_s": json.loads(raw)["at_s"]}


@pytest.mark.parametrize("kind", PAYING)
def test_a_claim_that_is_paid_twice(thief: Thief, kind: str) -> None:
    claims = paid(thief, kind)
    thief.insert(again(thief, claims[0]))
    assert codes(thief) & {"mark_used_twice", "counter_used_twice"}


@pytest.mark.parametrize("kind", PAYING)
@pytest.mark.parametrize("ref", [None, "another"])
def test_a_claim_that_nobody_made(thief: Thief, kind: str, ref: str | None) -> None:
    made = again(thief, paid(thief, kind)[0])
    made.pop("notes")
    thief.insert(made if ref is None else made | {"ref": ref})
    assert "mark_missing" in codes(thief)


@pytest.mark.parametrize("kind", PAYING)
def test_a_claim_that_could_be_paid_again(thief: Thief, kind: str) -> None:
    word, mark, *_ = paid(thief, kind)[0]["notes"][0].split(" ")
    assert word in {"once", "advance"}
    for statement in (
        "DELETE FROM once WHERE id = ?",
        "DELETE FROM records WHERE key = ?",
        "DELETE FROM counters WHERE id = ?",
    ):
        thief.run(statement, (bytes.fromhex(mark),))
    assert "mark_removed" in codes(thief)
