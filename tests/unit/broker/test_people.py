from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing.broker import people, risk
from farthing.broker.engine import Transfer
from farthing.broker.people import OpenAccount, PayOut, TopUp, hash_of
from farthing.broker.settling import Payment
from farthing.errors import (
    Conflict,
    Denied,
    OutOfRange,
    Replayed,
    Reused,
    Unfunded,
    Unknown,
)
from farthing.ledger import accounts
from farthing.rails.manual import PayoutState
from tests.unit.broker.desk import Desk, with_desk


def test_tokens_are_repeated_to_the_same_request_only(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        people = desk.engine.people
        first = await people.open(OpenAccount(id="alice"), "k1")
        assert await people.open(OpenAccount(id="alice"), "k1") == first
        with pytest.raises(Reused, match="idempotency_conflict"):
            await people.open(OpenAccount(id="bob"), "k1")
        with pytest.raises(Reused, match="account_exists"):
            await people.open(OpenAccount(id="alice"), "k2")
        token = msgspec.json.decode(first)["tokens"]["pay"]
        assert people.caller(token).party == "alice"
        assert len(hash_of(token)) == 32
        with pytest.raises(Denied):
            people.caller(token + "x")

    with_desk(tmp_path, talk)


def test_a_gates_token_cannot_spend(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        tokens = await desk.open("v7", role="vendor")
        assert tokens["pay"] != tokens["redeem"]
        assert desk.engine.people.caller(tokens["redeem"]).scopes == {"redeem"}
        peer = await desk.open("other", role="broker")
        assert peer["pay"] == peer["redeem"]

    with_desk(tmp_path, talk)


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "operator"},
        {"id": "A"},
        {"id": "a", "commission_e4": 10_001},
        {"id": "a", "commission_e4": -1},
        {"id": "a", "credit_limit_micro": risk.CREDIT_MICRO_MAX + 1},
        {"id": "a", "payout_to": "x\n"},
        {"id": "a", "props": "b=1;a=2"},
        {"id": "a", "props": "a=1;a=2"},
        {"id": "a", "props": "a"},
        {"id": "a", "props": "sub=month"},
        {"id": "a", "props": "a=1;until=2"},
    ],
)
def test_no_account_has_fields_out_of_range(fields: dict[str, Any]) -> None:
    with pytest.raises(OutOfRange):
        OpenAccount(**fields)


def test_a_bank_reference_is_booked_once(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        people = desk.engine.people
        asked = TopUp(payer="alice", amount_micro=100, reference="bank-1")
        first = await people.top_up(asked, "k1")
        assert await people.top_up(asked, "k1") == first
        with pytest.raises(Replayed):
            await people.top_up(asked, "k2")
        with pytest.raises(Reused):
            await people.top_up(msgspec.structs.replace(asked, amount_micro=200), "k3")
        with pytest.raises(Unknown):
            await people.top_up(TopUp(payer="nobody", amount_micro=1, reference="bank-2"), "k4")
        assert desk.balance(accounts.payer("alice")) == -100

    with_desk(tmp_path, talk)


def test_amounts_of_nothing_are_refused() -> None:
    for amount_micro in (0, -5, 10**15 + 1):
        with pytest.raises(OutOfRange):
            TopUp(payer="alice", amount_micro=amount_micro, reference="r")
        with pytest.raises(OutOfRange):
            PayOut(amount_micro=amount_micro)


def test_a_payout_goes_its_way_and_every_step_is_booked(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        people = desk.engine.people
        await desk.open("alice", payout_to="DE00")
        await desk.top_up("alice", 50_000, "bank-1")
        made = msgspec.json.decode(await people.pay_out("alice", PayOut(amount_micro=39_999), "k1"))
        assert desk.balance(accounts.payer("alice")) == -20_000
        assert desk.balance(accounts.clearing("manual")) == -30_000
        assert [line.amount_cents for line in people.export_payouts()] == [3]
        with pytest.raises(Conflict):
            await people.step_payout(made["payout"], PayoutState.CONFIRMED, "s1")
        exported = await people.step_payout(made["payout"], PayoutState.EXPORTED, "s2")
        assert [line.amount_cents for line in people.export_payouts()] == [3]
        for key in ("s3", "s3", "s4"):
            await people.step_payout(made["payout"], PayoutState.CONFIRMED, key)
        assert await people.step_payout(made["payout"], PayoutState.EXPORTED, "s2") == exported
        assert desk.balance(accounts.bank("manual")) == 20_000
        assert desk.balance(accounts.clearing("manual")) == 0
        await people.step_payout(made["payout"], PayoutState.RETURNED, "s5")
        assert desk.balance(accounts.payer("alice")) == -50_000
        assert desk.balance(accounts.bank("manual")) == 50_000
        for number, late in enumerate((PayoutState.EXPORTED, PayoutState.CONFIRMED)):
            with pytest.raises(Conflict, match="payout_step_impossible"):
                await people.step_payout(made["payout"], late, f"late{number}")
        with pytest.raises(Unfunded, match="balance_too_low") as refused:
            await people.pay_out("alice", PayOut(amount_micro=60_000), "k2")
        assert refused.value.detail == "the account has 0.05 EUR (5 cent): ask for at most that"

    with_desk(tmp_path, talk)


def test_what_is_owed_is_not_paid_out(tmp_path: Path) -> None:
    """Money that came by a transfer has paid no debt."""

    async def talk(desk: Desk) -> None:
        await desk.open("alice", payout_to="DE00", credit_limit_micro=30_000)
        await desk.open("bob")
        await desk.top_up("bob", 60_000, "bank-1")
        await desk.open("v7", role="vendor")
        tab = {"payer": "alice", "index": 20_000}
        payment = Payment(scheme="tab", payload=tab, amount_micro=20_000)
        await desk.engine.settling.settle(payment, desk.account("v7"))
        assert desk.balance(accounts.credit("alice")) == 20_000
        move = Transfer(id=f"{1:032x}", to="payer/alice", amount_micro=50_000)
        await desk.engine.transfer("bob", move)
        people = desk.engine.people
        with pytest.raises(Unfunded, match="debt_before_payout"):
            await people.pay_out("alice", PayOut(amount_micro=40_000), "k1")
        await people.pay_out("alice", PayOut(amount_micro=30_000), "k2")

    with_desk(tmp_path, talk)


def test_nobody_is_paid_out_to_nowhere(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 50_000, "bank-1")
        with pytest.raises(Denied, match="payout_destination_missing"):
            await desk.engine.people.pay_out("alice", PayOut(amount_micro=10_000), "k1")

    with_desk(tmp_path, talk)


def test_a_statement_comes_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farthing.broker.people.STATEMENT_LINES_MAX", 2)

    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        for number in range(3):
            await desk.top_up("alice", 10 + number, f"bank-{number}")
        first = msgspec.json.decode(await desk.engine.people.statement("alice"))
        assert [line["changeMicro"] for line in first["lines"]] == [10, 11]
        rest = msgspec.json.decode(await desk.engine.people.statement("alice", first["next"]))
        assert [line["ref"] for line in rest["lines"]] == ["bank-2"]
        assert rest["next"] == 0

    with_desk(tmp_path, talk)


def test_accounts_are_listed_by_role_a_page_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "ACCOUNTS_MAX", 2)

    async def talk(desk: Desk) -> None:
        for name in ("carol", "alice", "bob"):
            await desk.open(name)
        await desk.open("v7", role="vendor")
        await desk.top_up("alice", 500, "b1")
        listed = desk.engine.people.accounts
        first = msgspec.json.decode(listed("payer"))
        assert [one["id"] for one in first["accounts"]] == ["alice", "bob"]
        assert first["accounts"][0] == {"id": "alice", "hasMicro": 500, "owesMicro": 0}
        last = msgspec.json.decode(listed("payer", first["next"]))
        assert ([one["id"] for one in last["accounts"]], last["next"]) == (["carol"], "")
        vendors = msgspec.json.decode(listed("vendor"))
        assert [one["id"] for one in vendors["accounts"]] == ["v7"]

    with_desk(tmp_path, talk)
