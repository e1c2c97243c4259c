import asyncio
from itertools import count
from pathlib import Path

import pytest

from farthing.broker.cashu.counter import INLINE_MAX, Counter
from farthing.errors import Malformed
from farthing.ledger.transfers import NOTES_MAX
from farthing.marks import Once
from farthing.schemes.contract import Applied
from tests.unit.broker.cashu.stall import Stall, at_the_stall


def test_keysets_are_made_once_and_anew_after_a_rotation(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        counter = Counter(stall.desk.books, "eur")
        first = counter.keysets
        assert counter.keysets is first
        stall.rotate()
        assert counter.keysets.active is not first.active
        assert [keys.id for keys in counter.keysets.all][1:] == [keys.id for keys in first.all]

    at_the_stall(tmp_path, talk)


def test_time_does_not_go_back(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        counter = Counter(stall.desk.books, "eur")
        now_s = counter.now_s()
        stall.desk.now_s -= 86_400
        assert counter.now_s() == now_s

    at_the_stall(tmp_path, talk)


def test_a_command_runs_once_and_a_refused_one_leaves_nothing(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        counter = Counter(stall.desk.books, "eur")
        asked, ran = counter.asked("test", b"bytes"), count()

        def refuse(_: object) -> object:
            raise Malformed("no")

        with pytest.raises(Malformed):
            await counter.once(asked, refuse)
        for _ in range(2):
            assert await counter.once(asked, lambda _: next(ran)) == b"0"

    at_the_stall(tmp_path, talk)


def test_much_work_has_a_thread(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        counter = Counter(stall.desk.books, "eur")
        loop_of = asyncio._get_running_loop
        assert await counter.work(INLINE_MAX, loop_of) is not None
        assert await counter.work(INLINE_MAX + 1, loop_of) is None

    at_the_stall(tmp_path, talk)


def test_the_journal_notes_each_coin_however_many(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        counter = Counter(stall.desk.books, "eur")
        marks = tuple(Once(id=b"cashu/%033d" % n, until_s=2**40) for n in range(NOTES_MAX + 1))
        await stall.desk.committer.do(
            lambda db: counter.enact(db, Applied(marks=marks), ("test",), kind="swap"), atomic=True
        )
        assert stall.desk.audit().entries >= 2

    at_the_stall(tmp_path, talk)
