"""A broker that buys a foreign vendor's scrip of another broker and sells it on: real brokers."""

import asyncio
from pathlib import Path

import pytest

from farthing.broker import errands
from farthing.broker.people import hash_of
from farthing.schemes.contract import Accepted
from tests.kit.brokers import (
    ALICE_MICRO,
    DEPOSIT_MICRO,
    NORTH,
    SOUTH,
    Brokers,
    with_brokers,
)
from tests.kit.millicent import held
from tests.kit.parties import VENDOR, binding_of


def alice_has(brokers: Brokers) -> int:
    return brokers.at(NORTH, "liability/payer/alice")


def test_scrip_of_another_brokers_vendor_is_bought_spent_and_given_back(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        piece = await brokers.buy(2_000)
        assert (piece.vendor_id, piece.worth_micro) == (VENDOR, 2_000)
        assert alice_has(brokers) == ALICE_MICRO - 2_000
        assert brokers.at(SOUTH, "liability/payer/broker-north") == DEPOSIT_MICRO - 2_000
        brokers.require_sound()
        offer = brokers.vendor.offer(200)
        paid = brokers.purse.pay(piece, offer, binding_of(), brokers.clock.at())
        served = brokers.vendor.serve(paid.payload, offer)
        taken = Accepted(change=served.change)
        (change,) = brokers.purse.conclude(paid, taken, brokers.clock.at()).instruments
        claims = {"claims": brokers.vendor.claims()}
        paid_out = await brokers.ok(SOUTH, f"{SOUTH} {VENDOR}", "/redeem/millicent", claims)
        assert paid_out["paidMicro"] == 200
        receipt = brokers.burned(change)
        assert receipt.message["broker"] == SOUTH
        answer = await brokers.ask(receipt, "back")
        assert answer.json() == {"answer": {"creditedMicro": 1_800}}
        assert alice_has(brokers) == ALICE_MICRO - 200
        assert brokers.at(SOUTH, f"liability/vendor/{VENDOR}") == 200

    with_brokers(tmp_path, talk)


def test_the_same_order_again_buys_nothing_more(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        asked = brokers.order()
        first, again = [await brokers.ask(asked, "k") for _ in range(2)]
        assert first.content == again.content
        assert len(brokers.wire.keys) == 1
        other = await brokers.ask(brokers.order(2_001), "k")
        assert other.json()["code"] == "idempotency_conflict"
        assert alice_has(brokers) == ALICE_MICRO - 2_000

    with_brokers(tmp_path, talk)


FAULTS = ["lost", "reply lost", "died before", "died after"]


@pytest.mark.parametrize("by", ["the payer", "time"])
@pytest.mark.parametrize("fault", FAULTS)
def test_an_order_that_breaks_off_anywhere_is_finished_once(
    tmp_path: Path, fault: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "FIRST_PAUSE_S", 0)

    async def talk(brokers: Brokers) -> None:
        brokers.wire.faults = [fault]
        asked = brokers.order()
        answer = await brokers.ask(asked, "k")
        assert answer.status_code == 503
        brokers.require_sound(holding=True)
        assert alice_has(brokers) == ALICE_MICRO - 2_000  # on hold
        await brokers.restart()
        if by == "time":
            assert await brokers.north.engine.errands.resume_due() == 1
            assert await brokers.north.engine.errands.resume_due() == 0
        (piece,) = brokers.received(asked, await brokers.ask(asked, "k"))
        assert piece.worth_micro == 2_000
        assert len(set(brokers.wire.keys)) == 1
        assert alice_has(brokers) == ALICE_MICRO - 2_000
        assert brokers.at(SOUTH, "liability/payer/broker-north") == DEPOSIT_MICRO - 2_000

    with_brokers(tmp_path, talk)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_receipt_that_breaks_off_anywhere_is_credited_once(tmp_path: Path, fault: str) -> None:
    async def talk(brokers: Brokers) -> None:
        receipt = brokers.burned(await brokers.buy())
        brokers.wire.faults = [fault]
        assert (await brokers.ask(receipt, "k")).status_code == 503
        other = await brokers.ask(receipt, "k2")
        assert other.json()["code"] == "receipt_under_way"
        await brokers.restart()
        assert (await brokers.ask(receipt, "k")).json()["answer"] == {"creditedMicro": 2_000}
        again = await brokers.ask(receipt, "k3")
        assert again.json()["answer"] == {"creditedMicro": 2_000}  # a repeat: nothing moves
        assert alice_has(brokers) == ALICE_MICRO

    with_brokers(tmp_path, talk)


def test_a_peer_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        brokers.wire.faults = ["down"]
        asked = brokers.order()
        answer = await brokers.ask(asked, "k")
        assert (answer.status_code, answer.json()["code"]) == (503, "peer_unreachable")
        assert answer.json()["fault"] == "broker"
        assert alice_has(brokers) == ALICE_MICRO
        brokers.require_sound()
        assert (await brokers.ask(asked, "k")).is_success  # it is back

    with_brokers(tmp_path, talk)


def test_an_order_that_may_have_been_read_is_not_undone_by_a_dead_line(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        brokers.wire.faults = ["reply lost", "down"]
        asked = brokers.order()
        for _ in range(2):
            assert (await brokers.ask(asked, "k")).status_code == 503
            brokers.require_sound(holding=True)
        assert (await brokers.ask(asked, "k")).is_success

    with_brokers(tmp_path, talk)


def test_a_line_found_dead_undoes_nothing_that_another_message_has_bought(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        wire, asked = brokers.wire, brokers.order()
        wire.faults = ["down late", "reply late"]
        first = asyncio.create_task(brokers.ask(asked, "k"))
        while wire.faults == ["down late", "reply late"]:
            await asyncio.sleep(0.001)
        second = asyncio.create_task(brokers.ask(asked, "k"))
        assert (await first).json()["code"] == "peer_undecided"
        wire.dead.set()
        assert (await second).is_success
        assert alice_has(brokers) == ALICE_MICRO - 2_000

    with_brokers(tmp_path, talk)


def test_a_token_lost_on_the_way_undoes_nothing_that_may_have_been_bought(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        brokers.wire.faults = ["reply lost"]
        asked = brokers.order()
        assert (await brokers.ask(asked, "k")).status_code == 503
        token = hash_of(brokers.tokens[f"{SOUTH} broker-north"])
        _move_token(brokers, token, bytes(32))
        assert (await brokers.ask(asked, "k")).json()["code"] == "peer_undecided"
        brokers.require_sound(holding=True)
        _move_token(brokers, bytes(32), token)
        assert (await brokers.ask(asked, "k")).is_success

    with_brokers(tmp_path, talk)


def test_a_refusal_of_the_peer_is_told_and_changes_nothing(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        before = brokers.audits()[0].balances
        answer = await brokers.ask(brokers.order(vendor="nobody"), "k1")
        assert (answer.status_code, answer.json()["code"]) == (403, "vendor_unknown")
        assert answer.json()["detail"].startswith(f"{SOUTH} says: ")
        again = await brokers.ask(brokers.order(vendor="nobody"), "k1")
        assert again.content == answer.content
        deposit = {"amountMicro": DEPOSIT_MICRO - 1_000, "to": "payer/hoard", "id": "0" * 32}
        await brokers.made(SOUTH, "hoard", "payer")
        await brokers.ok(SOUTH, f"{SOUTH} broker-north", "/transfer", deposit)
        poor = await brokers.ask(brokers.order(), "k2")
        assert (poor.json()["refusal"], poor.json()["fault"]) == ("PeerFailed", "broker")
        assert poor.json()["code"] == "peer_balance_used_up"
        assert brokers.audits()[0].balances == before
        assert (await brokers.ask(brokers.order(1_000), "k3")).is_success
        back = deposit | {"to": "payer/broker-north", "id": "1" * 32}
        await brokers.ok(SOUTH, f"{SOUTH} hoard", "/transfer", back)

    with_brokers(tmp_path, talk)


def _move_token(brokers: Brokers, before: bytes, after: bytes) -> None:
    """The south takes another token from now on."""
    brokers.south.engine.books.committer.do_now(
        lambda db: db.execute("UPDATE tokens SET hash = ? WHERE hash = ?", (after, before))
    )


def test_a_token_that_the_peer_does_not_take_is_our_fault(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        token = hash_of(brokers.tokens[f"{SOUTH} broker-north"])
        _move_token(brokers, token, bytes(32))
        answer = await brokers.ask(brokers.order(), "k")
        assert answer.json()["code"] == "peer_denies_us"
        assert (answer.json()["refusal"], answer.json()["fault"]) == ("PeerFailed", "broker")
        assert alice_has(brokers) == ALICE_MICRO

    with_brokers(tmp_path, talk)


WRONG = [
    "null",
    "{}",
    '{"scrip":{},"secret":""}',
    '{"creditedMicro":1}',
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_of_the_peer_costs_the_payer_nothing(tmp_path: Path, wrong: str) -> None:
    async def talk(brokers: Brokers) -> None:
        brokers.wire.faults = [wrong]
        answer = await brokers.ask(brokers.order(), "k")
        assert answer.json()["code"] == "peer_answered_wrongly"
        assert answer.json()["refusal"] == "PeerFailed"
        assert alice_has(brokers) == ALICE_MICRO
        # What the south has taken is between the operators.
        await brokers.funded(SOUTH, "broker-north", 2_000)

    with_brokers(tmp_path, talk)


def test_what_the_payer_lacks_is_refused_before_the_peer_is_asked(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        answer = await brokers.ask(brokers.order(ALICE_MICRO + 1), "k")
        assert answer.json()["refusal"] == "Unfunded"
        stranger = {"broker": "west", "valueMicro": 5, "vendor": VENDOR}
        unknown = await brokers.post(NORTH, f"{NORTH} alice", "/issue/millicent", stranger)
        assert (unknown.status_code, unknown.json()["code"]) == (403, "peer_unknown")
        own = {"broker": SOUTH, "valueMicro": 5, "vendor": SOUTH}
        unfit = await brokers.post(NORTH, f"{NORTH} alice", "/issue/millicent", own)
        assert unfit.json()["code"] == "vendor_is_a_broker"
        assert brokers.wire.keys == []

    with_brokers(tmp_path, talk)


def test_a_receipt_credits_one_account_once_by_whichever_way_it_comes(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        await brokers.made(NORTH, "mallory", "payer")
        await brokers.made(SOUTH, "mallory", "payer")
        receipt = brokers.burned(await brokers.buy())
        assert (await brokers.ask(receipt, "k")).is_success
        thief = await brokers.post(
            NORTH, f"{NORTH} mallory", "/take-back/millicent", receipt.message
        )
        assert thief.json()["code"] == "serial_already_used"
        direct = await brokers.post(
            SOUTH, f"{SOUTH} mallory", "/take-back/millicent", receipt.message["burn"]
        )
        assert direct.json()["code"] == "serial_already_used"
        other = brokers.burned(await brokers.buy())
        first = await brokers.post(
            SOUTH, f"{SOUTH} mallory", "/take-back/millicent", other.message["burn"]
        )
        assert first.is_success
        late = await brokers.ask(other, "k2")
        assert late.json()["code"] == "serial_already_used"
        assert brokers.at(NORTH, "liability/payer/mallory") == 0
        forged = dict(receipt.message["burn"], mac="0" * 32)
        wrong = await brokers.post(
            NORTH, f"{NORTH} alice", "/take-back/millicent", {"broker": SOUTH, "burn": forged}
        )
        assert wrong.json()["code"] == "burn_receipt_wrong"

    with_brokers(tmp_path, talk)


def test_the_key_document_names_the_peers(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        shown = (await brokers.clients[NORTH].get("/.well-known/farthing-keys")).json()
        assert shown["peers"] == [SOUTH]
        other = (await brokers.clients[SOUTH].get("/.well-known/farthing-keys")).json()
        assert other["peers"] == []

    with_brokers(tmp_path, talk)


def test_a_peer_shows_who_it_is_before_it_is_added(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        operator = f"{NORTH} operator"
        for changed, code in (
            ({"id": "west"}, "peer_is_another"),
            ({"id": NORTH}, "peer_is_this_broker"),
            ({"token": "ft_nobody"}, "token_unknown"),
            ({"url": "http://south.example"}, "url_insecure"),
            ({"id": "no spaces"}, "broker_id_malformed"),
            ({"commissionE4": 10_001}, "commission_out_of_range"),
        ):
            answer = await brokers.post(NORTH, operator, "/peers", brokers.peer(**changed))
            assert answer.json()["code"] == code
        denied = await brokers.post(NORTH, f"{NORTH} alice", "/peers", brokers.peer())
        assert denied.json()["code"] == "scope_missing"
        token = brokers.tokens[f"{SOUTH} broker-north"].encode()
        for file in (tmp_path / NORTH).iterdir():
            assert token not in file.read_bytes()

    with_brokers(tmp_path, talk)


def test_what_is_owed_is_settled_at_the_bank_and_shown_from_both_sides(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        operator = f"{NORTH} operator"
        piece = await brokers.buy(30_000)
        (shown,) = await brokers.get(NORTH, operator, "/peers")
        assert (shown["owedMicro"], shown["thereMicro"]) == (30_000, DEPOSIT_MICRO - 30_000)
        payment = {"amountMicro": 30_000, "reference": "bank-1"}
        done = await brokers.ok(NORTH, operator, f"/peers/{SOUTH}/payments", payment)
        assert done["owedMicro"] == 0
        await brokers.funded(SOUTH, "broker-north", 30_000)
        twice = await brokers.post(NORTH, operator, f"/peers/{SOUTH}/payments", payment)
        assert twice.json()["code"] == "request_already_done"
        assert (await brokers.ask(brokers.burned(piece), "back")).is_success
        (shown,) = await brokers.get(NORTH, operator, "/peers")
        assert shown["owedMicro"] == -30_000  # the south has money of ours
        received = {"amountMicro": 30_000, "reference": "bank-2", "received": True}
        await brokers.ok(NORTH, operator, f"/peers/{SOUTH}/payments", received)
        assert alice_has(brokers) == ALICE_MICRO
        out = {"amountMicro": 30_000, "to": "payer/bank", "id": "2" * 32}
        await brokers.made(SOUTH, "bank", "payer")
        await brokers.ok(SOUTH, f"{SOUTH} broker-north", "/transfer", out)
        unknown = await brokers.post(NORTH, operator, "/peers/west/payments", payment)
        assert unknown.json()["code"] == "peer_unknown"

    with_brokers(tmp_path, talk)


def test_a_commission_is_a_claim_on_the_peer(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        operator = f"{NORTH} operator"
        await brokers.ok(NORTH, operator, "/peers", brokers.peer(commissionE4=501))
        piece = await brokers.buy(999)
        await brokers.buy(999)
        assert brokers.at(NORTH, "income/commission") == 1_998 * 501 // 10_000
        assert brokers.at(NORTH, f"asset/peer/{SOUTH}") == -1_998 + 100
        assert (await brokers.ask(brokers.burned(piece), "back")).is_success
        assert brokers.at(NORTH, "income/commission") == 999 * 501 // 10_000
        settled = {"amountMicro": 50, "reference": "bank", "received": True}
        await brokers.ok(NORTH, operator, f"/peers/{SOUTH}/payments", settled)

    with_brokers(tmp_path, talk)


def test_a_peers_account_may_not_sell_us_batches_of_its_own(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        made = await brokers.ok(
            NORTH, f"{NORTH} operator", "/accounts", {"id": "west", "role": "broker"}
        )
        brokers.tokens["west"] = made["tokens"]["redeem"]
        answer = await brokers.post(NORTH, "west", "/grant/millicent", {"pieces": []})
        assert answer.json()["refusal"] in {"Denied", "BadRequest", "Malformed"}
        assert answer.json()["code"] == "wrong_kind_of_account"
        await brokers.funded(NORTH, "west", 5_000)
        order = brokers.order().message
        bought = await brokers.post(NORTH, "west", "/issue/millicent", order)
        assert bought.is_success  # it buys as a payer does
        assert held(brokers.received(brokers.order(), bought)[0]).scrip.vendor == VENDOR

    with_brokers(tmp_path, talk)
