import asyncio
from itertools import count
from pathlib import Path

import pytest

from farthing.broker.cashu.counter import INLINE_MAX, Counter
from farthing.broker.cashu.quotes import LOAD_S
from farthing.broker.cashu.spending import PAYOUT_KEY
from farthing.errors import Malformed
from farthing.ledger.transfers import NOTES_MAX
from farthing.marks import Once
from farthing.schemes.contract import Applied, Key
from tests.kit import cashu
from tests.unit.broker.cashu.stall import Refused, Stall, at_the_stall, mint_of, spend_of


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


def test_what_was_answered_is_answered_whatever_has_become_of_keysets_and_coins(
    tmp_path: Path,
) -> None:
    """A wallet whose answer was lost asks when it can."""

    async def talk(stall: Stall) -> None:
        stall.rotate("ending", not_after_s=stall.desk.now_s + 1_000)
        coins, blanks = await stall.load(8), await stall.blanks(8)
        swap = spend_of(coins, blanks)
        swapped = await stall.post("swap", swap)
        coins = await stall.unblinded(blanks, swapped["signatures"])
        code = (await stall.code(8))["request"]
        melt = spend_of(coins, []) | {"quote": (await stall.melt_quote(code))["quote"]}
        melted = await stall.post("melt/bolt11", melt)
        quote = await stall.quote(8)
        paid, mint = await stall.pay(quote), mint_of(quote, await stall.blanks(8))
        minted = await stall.post("mint/bolt11", mint)
        stall.rotate("next")
        for later_s in (0, 1_001, LOAD_S + 1):
            stall.desk.now_s += later_s
            before = stall.rows()
            assert await stall.post("swap", swap) == swapped
            assert await stall.post("melt/bolt11", melt) == melted
            assert await stall.post("mint/bolt11", mint) == minted
            assert await stall.pay(quote) == paid
            assert (await stall.get(f"melt/quote/bolt11/{melt['quote']}"))["state"] == "PAID"
            assert stall.rows() == before

    at_the_stall(tmp_path, talk)


def test_a_key_has_one_payout_code_whatever_has_become_of_the_brokers_key(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        code = await stall.code(8)
        stall.desk.ring.add(Key(id="q", purpose=PAYOUT_KEY, secret=cashu.scalar("another")))
        before = stall.rows()
        assert await stall.code(8) == code
        assert stall.rows() == before
        with pytest.raises(Refused, match="idempotency_conflict"):
            await stall.code(9)
        quote = await stall.melt_quote(code["request"])
        paid = await stall.post(
            "melt/bolt11", spend_of(await stall.load(8), []) | {"quote": quote["quote"]}
        )
        assert paid["state"] == "PAID"

    at_the_stall(tmp_path, talk)


def test_asking_for_quotes_of_payouts_and_about_them_writes_nothing(tmp_path: Path) -> None:
    """Whoever has a code may ask; only who has paid it is shown what proves that."""

    async def talk(stall: Stall) -> None:
        code = (await stall.code(8))["request"]
        coins, before = await stall.load(8), stall.rows()
        mine, other = [await stall.melt_quote(code) for _ in range(2)]
        stall.rotate("2")
        for quote in (mine, other):
            assert await stall.get(f"melt/quote/bolt11/{quote['quote']}") == quote
        assert mine["quote"] != other["quote"]
        assert stall.rows() == before
        await stall.post("melt/bolt11", spend_of(coins, []) | {"quote": mine["quote"]})
        for quote, state in ((mine, "PAID"), (other, "UNPAID")):
            shown = await stall.get(f"melt/quote/bolt11/{quote['quote']}")
            assert (shown["state"], bool(shown["payment_preimage"])) == (state, state == "PAID")

    at_the_stall(tmp_path, talk)
