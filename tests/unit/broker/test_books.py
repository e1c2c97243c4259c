import asyncio
from pathlib import Path

import pytest

from farthing.broker.answers import Asked
from farthing.broker.books import entry_id, until_of
from farthing.broker.engine import Transfer
from farthing.errors import Forged, Misconfigured, Replayed, Unknown, Unsupported
from farthing.ledger import accounts
from farthing.ledger.transfers import Posting
from farthing.marks import Once, Put
from farthing.schemes.contract import Applied, Key
from tests.unit.broker.desk import Desk, with_desk


def test_a_cause_is_posted_once_even_when_its_answer_is_gone(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        bank, alice = accounts.bank("manual"), accounts.payer("alice")
        postings = (Posting(bank, 5), Posting(alice, -5))

        def post(cause: str) -> None:
            desk.committer.do_now(
                lambda db: desk.books.post(db, (cause,), postings, kind="topup", ref=cause),
                atomic=True,
            )

        await asyncio.to_thread(post, "a")
        with pytest.raises(Replayed):
            await asyncio.to_thread(post, "a")
        await asyncio.to_thread(post, "b")
        assert desk.balance(alice) == -10

    with_desk(tmp_path, talk)


def test_causes_do_not_run_into_each_other() -> None:
    assert entry_id("ab", "c") != entry_id("a", "bc")
    assert len(entry_id("a")) == 16


def test_a_refusal_before_the_writer_is_stored_like_one_in_it(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        asked = Asked(scope="s", key="k", digest=b"d")
        assert desk.books.stored(asked) is None
        await desk.books.refused(asked, Forged("mac_wrong"))
        with pytest.raises(Forged):
            desk.books.stored(asked)
        with pytest.raises(Forged):
            await desk.books.answered(asked, lambda db: (b"late", 0))

    with_desk(tmp_path, talk)


def test_keys_are_kept_once_and_never_replaced(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        first = Key(id="s1", purpose="p", secret=b"1" * 32)
        desk.books.keep_keys(Applied(keys=(first,)))
        desk.books.keep_keys(Applied(keys=(first,)))
        assert desk.ring.find("p", "s1") == first
        with pytest.raises(Misconfigured):
            desk.books.keep_keys(Applied(keys=(Key(id="s1", purpose="p", secret=b"2" * 32),)))

    with_desk(tmp_path, talk)


def test_a_vendor_gets_back_no_commission_that_others_have_paid(tmp_path: Path) -> None:
    """Money that came by a transfer paid none; given back, it would drain what others paid."""

    async def talk(desk: Desk) -> None:
        desk.expected = {"earnings_overstated", "earnings_unshared"}  # nothing was earned here
        await desk.open("alice")
        await desk.top_up("alice", 20_000, "bank-1")
        for number, name in enumerate(("v7", "v8")):
            await desk.open(name, role="vendor", commission_e4=1_000)
            asked = Transfer(id=f"{number:032x}", to=f"vendor/{name}", amount_micro=10_000)
            await desk.engine.transfer("alice", asked)

        async def share_micro(vendor_id: str, earned_micro: int, cause: str) -> int:
            return await desk.committer.do(
                lambda db: desk.books.take_commission(db, {vendor_id: earned_micro}, (cause,)),
                atomic=True,
            )

        assert await share_micro("v7", -1_000, "a") == 0, "nothing was paid yet"
        assert await share_micro("v8", 5_000, "b") == 500
        assert await share_micro("v7", 1_000, "c") == 100
        assert await share_micro("v7", -400, "d") == -40
        assert await share_micro("v7", -4_000, "e") == -60
        assert await share_micro("v7", -4_000, "f") == 0
        assert desk.balance(accounts.COMMISSION) == -500
        assert desk.balance(accounts.vendor("v7")) == -10_000
        assert await share_micro("v8", -5_000, "g") == -500

    with_desk(tmp_path, talk)


def test_accounts_and_schemes_that_are_not_there(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        with pytest.raises(Unsupported):
            desk.books.mint("nothing")
        with pytest.raises(Unknown):
            desk.account("nobody")
        await desk.open("bob", credit_limit_micro=9, props="student=true")
        bob = desk.account("bob")
        assert (bob.role, bob.credit_limit_micro, bob.props) == ("payer", 9, "student=true")

    with_desk(tmp_path, talk)


def test_an_answer_lives_as_long_as_its_longest_mark() -> None:
    marks = (Once(id=b"a", until_s=5), Once(id=b"b", until_s=9))
    assert until_of(Applied(marks=marks)) == 9
    assert until_of(Applied()) == 0


def test_an_answer_is_kept_as_long_as_what_it_used_up_is_remembered() -> None:
    mark = Once(id=b"a", until_s=5)
    used, noted = (
        Put(key=b"b", value=b"", until_s=until_s, once=once)
        for until_s, once in ((7, True), (9, False))
    )
    assert until_of(Applied()) == 0
    assert until_of(Applied(marks=(mark,), records=(noted,))) == 5
    assert until_of(Applied(marks=(mark,), records=(used, noted))) == 7
