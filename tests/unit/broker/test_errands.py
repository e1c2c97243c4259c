"""Errands as rows: what is kept of them, and when they are tried again. See the integration too."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from farthing.broker.answers import Asked
from farthing.broker.errands import FIRST_PAUSE_S, PAUSE_S_MAX, Errand
from farthing.errors import Refusal
from tests.kit.brokers import NORTH, SOUTH, Brokers, with_brokers


async def left(brokers: Brokers, key: str = "k") -> Errand:
    """An order whose answer was lost."""
    brokers.wire.faults = ["reply lost"]
    assert (await brokers.ask(brokers.order(), key)).status_code == 503
    errands = brokers.north.engine.errands
    rows = brokers.north.engine.books.committer.read(
        lambda db: db.execute("SELECT id, tries, sealed FROM errands").fetchall()
    )
    ((errand_id, tries, sealed),) = rows
    assert isinstance(tries, int)
    assert isinstance(sealed, bytes)
    return errands._read((str(errand_id), tries, sealed))


def due_s(brokers: Brokers) -> int:
    row = brokers.north.engine.books.committer.read(
        lambda db: db.execute("SELECT due_s FROM errands").fetchone()
    )
    assert row is not None
    return int(row[0])


def test_an_errand_knows_its_request_and_shows_no_message(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        errand = await left(brokers)
        assert errand.asked == Asked(scope="alice/issue/millicent", key="k", digest=errand.digest)
        assert (errand.peer, errand.tries) == (SOUTH, 1)
        assert repr(errand) == f"Errand({errand.id}, {SOUTH}, issue)"
        found = brokers.north.engine.errands.find(errand.asked)
        assert found == errand
        for file in (tmp_path / NORTH).iterdir():
            assert b'"exact"' not in file.read_bytes()
        await brokers.north.engine.errands.resume(errand)

    with_brokers(tmp_path, talk)


def test_the_same_key_for_another_request_is_a_conflict_while_the_errand_is_open(
    tmp_path: Path,
) -> None:
    async def talk(brokers: Brokers) -> None:
        errand = await left(brokers)
        other = await brokers.ask(brokers.order(7), "k")
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
        await brokers.north.engine.errands.resume(errand)

    with_brokers(tmp_path, talk)


def test_a_silent_peer_is_asked_ever_more_rarely(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        errand = await left(brokers)
        errands, books = brokers.north.engine.errands, brokers.north.engine.books
        pauses = [due_s(brokers) - books.now_s()]
        for _ in range(12):
            brokers.wire.faults = ["lost"]
            with pytest.raises(Refusal, match="peer_undecided"):
                await errands.resume(errand)
            pauses.append(due_s(brokers) - books.now_s())
        assert FIRST_PAUSE_S - 1 <= pauses[0] <= FIRST_PAUSE_S
        assert pauses[-1] >= PAUSE_S_MAX - 1
        assert all(later >= earlier - 1 for earlier, later in pairwise(pauses))
        assert await errands.resume_due() == 0  # not due: nobody is asked
        seen = len(brokers.wire.keys)
        assert seen == 1
        await errands.resume(errand)

    with_brokers(tmp_path, talk)


def test_whoever_comes_too_late_finds_the_answer(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        errand = await left(brokers)
        errands = brokers.north.engine.errands
        first = await errands.resume(errand)
        assert await errands.resume(errand) == first
        assert await errands.run(errand) == first
        assert errands.find(errand.asked) is None

    with_brokers(tmp_path, talk)


def test_two_at_once_sell_one_piece(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        asked = brokers.order()
        answers = await asyncio.gather(*(brokers.ask(asked, "k") for _ in range(6)))
        done = {answer.content for answer in answers if answer.is_success}
        assert len(done) == 1
        assert {answer.status_code for answer in answers} <= {200, 503}
        assert brokers.at(NORTH, "liability/payer/alice") == 48_000

    with_brokers(tmp_path, talk)


def test_a_request_that_looked_just_before_the_errand_was_written_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is refused as a repeat, and that refusal is the answer to both for good."""

    async def talk(brokers: Brokers) -> None:
        await left(brokers)
        errands = brokers.north.engine.errands
        find, looks = errands.find, iter([None])
        monkeypatch.setattr(errands, "find", lambda asked: next(looks, find(asked)))
        again = await brokers.ask(brokers.order(), "k")
        assert again.status_code == 200, again.text
        assert await errands.resume_due() == 0, "nothing is left open"

    with_brokers(tmp_path, talk)
