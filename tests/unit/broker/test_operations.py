import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from farthing import codec
from farthing.broker.app import DATABASE, Broker
from farthing.broker.operations import BEARER, LAPSE_RETRY_S
from farthing.errors import (
    Busy,
    Forged,
    OutOfRange,
    Overlimit,
    Replayed,
    Reused,
    Unfunded,
    Unsupported,
)
from farthing.ledger import accounts
from farthing.schemes.contract import Applied, At, Checked
from tests.unit.broker.coupon import KEPT_S, LIFE_S, CouponMint
from tests.unit.broker.desk import Desk, with_desk
from tests.unit.broker.test_app import make


def test_issue_moves_money_from_the_payer_to_what_is_outstanding(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        await desk.coupon("alice", 300, "k1")
        assert desk.balance(accounts.payer("alice")) == -700
        assert desk.balance(accounts.outstanding("coupon")) == -300

    with_desk(tmp_path, talk)


def test_a_repeated_request_gets_the_same_bytes_and_moves_nothing(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        run = desk.engine.operations.run
        alice = desk.account("alice")
        first = await run("coupon", "issue", {"micro": 300}, alice, "k1")
        desk.now_s += 86_400
        assert await run("coupon", "issue", {"micro": 300}, alice, "k1") == first
        assert desk.balance(accounts.payer("alice")) == -700

    with_desk(tmp_path, talk)


def test_what_comes_back_waits_until_whoever_gives_it_has_as_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payer may have let go of it already, as of scrip that its vendor has burned."""

    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        coupon = await desk.coupon("alice", 300, "k1")
        run, alice = desk.engine.operations.run, desk.account("alice")

        def short(*_: object, **__: object) -> None:
            raise Unfunded("balance_too_low", "the vendor was paid out")

        monkeypatch.setattr(desk.engine.books, "enact", short)
        with pytest.raises(Busy, match="return_waits"):
            await run("coupon", "take_back", coupon, alice, "k2")
        with pytest.raises(Unfunded):
            await run("coupon", "issue", {"micro": 300}, alice, "k3")
        monkeypatch.undo()
        await run("coupon", "take_back", coupon, alice, "k2")
        assert desk.balance(accounts.payer("alice")) == -1_000

    with_desk(tmp_path, talk)


def test_questions_that_anybody_may_ask_write_nothing(tmp_path: Path) -> None:
    """Else the disk fills without a token and without money."""
    make(tmp_path)
    mark = codec.b64u(bytes(16))

    async def ask(broker: Broker) -> None:
        run, answers = broker.engine.operations.run, set()
        watching = apsw.Connection(str(tmp_path / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)
        before = watching.pragma("data_version")
        for number in range(3):
            answers.add(await run("ecash", "issue", {"list": "current"}, BEARER, f"l{number}"))
            await run("ecash", "issue", {"spent": [mark]}, BEARER, f"s{number}")
        assert len(answers) == 1
        assert watching.pragma("data_version") == before, "nobody has committed anything"

    with contextlib.closing(Broker.open(tmp_path)) as broker:
        asyncio.run(ask(broker))


def test_a_revoked_name_is_listed_once_and_only_where_a_list_is_published(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        operations = desk.engine.operations
        assert operations.listed("tab") == []
        for key, name in (("k1", "p_2"), ("k2", "p_1"), ("k3", "p_2")):
            await operations.revoke("tab", name, key)
        assert operations.listed("tab") == ["p_1", "p_2"]
        with pytest.raises(Unsupported):
            await operations.revoke("coupon", "p_1", "k4")
        for name in ("", "x" * 65, "p\n1"):
            with pytest.raises(OutOfRange):
                await operations.revoke("tab", name, "k5")

    with_desk(tmp_path, talk)


def test_thirty_two_at_once_under_one_key_have_one_effect(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        run = desk.engine.operations.run
        alice = desk.account("alice")
        answers = await asyncio.gather(
            *(run("coupon", "issue", {"micro": 300}, alice, "k1") for _ in range(32))
        )
        assert len(set(answers)) == 1
        assert desk.balance(accounts.payer("alice")) == -700

    with_desk(tmp_path, talk)


@pytest.mark.parametrize("costly", [(), ("issue",)])
def test_a_costly_check_runs_beside_the_loop_and_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, costly: tuple[str, ...]
) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        mint, loop, said = desk.books.mint("coupon"), asyncio.get_running_loop(), []
        plain, here = mint.check, threading.get_ident()

        def check(*asked: Any) -> Checked:
            is_aside = threading.get_ident() != here
            said.append("begun")
            if is_aside:  # the loop goes on, or this waits in vain
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(timeout=60)
            said.append("aside" if is_aside else "inline")
            return plain(*asked)

        monkeypatch.setattr(type(mint), "costly", costly)
        monkeypatch.setattr(mint, "check", check)
        await asyncio.gather(*(desk.coupon("alice", 100, f"k{number}") for number in range(4)))
        assert said == ["begun", "aside" if costly else "inline"] * 4
        assert desk.balance(accounts.payer("alice")) == -600

    with_desk(tmp_path, talk)


def test_the_same_key_with_other_content_is_reused(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        await desk.coupon("alice", 300, "k1")
        with pytest.raises(Reused):
            await desk.coupon("alice", 301, "k1")

    with_desk(tmp_path, talk)


def test_a_refusal_is_stored_and_changes_nothing(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        before = desk.balances()
        with pytest.raises(Unfunded):
            await desk.coupon("alice", 300, "k1")
        assert desk.balances() == before
        await desk.top_up("alice", 1_000, "bank-1")
        with pytest.raises(Unfunded):
            await desk.coupon("alice", 300, "k1")
        await desk.coupon("alice", 300, "k2")

    with_desk(tmp_path, talk)


def test_a_forged_message_is_refused_before_the_writer(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        coupon = await desk.coupon("alice", 300, "k1")
        run = desk.engine.operations.run
        alice = desk.account("alice")
        with pytest.raises(Forged):
            await run("coupon", "take_back", coupon | {"micro": 301}, alice, "k2")

    with_desk(tmp_path, talk)


def test_what_was_taken_back_cannot_be_taken_back_again(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        coupon = await desk.coupon("alice", 300, "k1")
        run = desk.engine.operations.run
        await run("coupon", "take_back", coupon, desk.account("alice"), "k2")
        with pytest.raises(Replayed):
            await run("coupon", "take_back", coupon, desk.account("alice"), "k3")
        assert desk.balance(accounts.payer("alice")) == -1_000

    with_desk(tmp_path, talk)


def test_lapse_books_what_nobody_used_as_breakage_once(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        await desk.coupon("alice", 300, "k1")
        assert await desk.engine.tick() == 0
        desk.now_s += LIFE_S + 1
        assert await desk.engine.tick() == 1
        assert await desk.engine.tick() == 0
        assert desk.balance(accounts.BREAKAGE) == -300
        assert desk.audit().schemes["coupon"].expired_micro == 300

    with_desk(tmp_path, talk)


def test_what_cannot_lapse_by_a_mistake_of_ours_keeps_nothing_else_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        for name, micro in (("k1", 300), ("k2", 200)):
            await desk.coupon("alice", micro, name)
        lapse = CouponMint.lapse

        def breaks(mint: CouponMint, key: bytes, value: bytes, at: At) -> Applied:
            if value == b"300":
                raise KeyError("a secret")
            return lapse(mint, key, value, at)

        desk.now_s += LIFE_S + 1
        with monkeypatch.context() as patch:
            patch.setattr(CouponMint, "lapse", breaks)
            await desk.engine.tick()
            assert desk.balance(accounts.BREAKAGE) == -200
        assert "lapse of coupon: KeyError at " in caplog.messages[0]
        assert "secret" not in caplog.text
        desk.now_s += LAPSE_RETRY_S
        await desk.engine.tick()
        assert desk.balance(accounts.BREAKAGE) == -500

    with_desk(tmp_path, talk)


def test_a_used_coupon_does_not_lapse(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        coupon = await desk.coupon("alice", 300, "k1")
        alice = desk.account("alice")
        await desk.engine.operations.run("coupon", "take_back", coupon, alice, "k2")
        desk.now_s += LIFE_S + 1
        await desk.engine.tick()
        assert desk.balance(accounts.BREAKAGE) == 0

    with_desk(tmp_path, talk)


def test_answers_and_marks_are_forgotten_only_after_their_time(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        coupon = await desk.coupon("alice", 300, "k1")
        alice = desk.account("alice")
        run = desk.engine.operations.run
        first = await run("coupon", "take_back", coupon, alice, "k2")
        desk.now_s += KEPT_S
        while await desk.engine.tick():
            pass
        assert await run("coupon", "take_back", coupon, alice, "k2") == first
        desk.now_s += 1
        while await desk.engine.tick():
            pass
        with pytest.raises(Replayed, match="request_already_done"):
            await run("coupon", "issue", {"micro": 300}, alice, "k1")

    with_desk(tmp_path, talk)


def test_a_grant_puts_its_keys_into_the_ring(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("v7", role="vendor")
        message = {"id": "s1", "secret": "AAAA"}
        vendor = desk.account("v7")
        answer = await desk.engine.operations.run("coupon", "grant", message, vendor, "k1")
        assert msgspec.json.decode(answer) == {"answer": "granted"}
        found = desk.ring.find("farthing/coupon/grant/1", "s1")
        assert found is not None
        assert found.secret == b"\0\0\0"

    with_desk(tmp_path, talk)


def test_credit_draws_on_the_balance_first_and_stops_at_the_limit(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("bob", credit_limit_micro=100)
        await desk.open("v7", role="vendor")
        await desk.top_up("bob", 50, "bank-1")
        run = desk.engine.operations.run
        v7 = desk.account("v7")
        await run("tab", "redeem", {"payer": "bob", "index": 120}, v7, "k1")
        assert desk.balance(accounts.payer("bob")) == 0
        assert desk.balance(accounts.credit("bob")) == 70
        with pytest.raises(Overlimit):
            await run("tab", "redeem", {"payer": "bob", "index": 151}, v7, "k2")
        await run("tab", "redeem", {"payer": "bob", "index": 150}, v7, "k3")
        await desk.top_up("bob", 130, "bank-2")
        assert desk.balance(accounts.credit("bob")) == 0
        assert desk.balance(accounts.payer("bob")) == -30
        assert desk.balance(accounts.vendor("v7")) == -150

    with_desk(tmp_path, talk)
