"""One gate, one wallet and one broker, for the hard cases that no program carries yet."""

import msgspec
import pytest

from farthing.errors import (
    Busy,
    Closed,
    Conflict,
    Expired,
    Forged,
    Mismatch,
    Refusal,
    Replayed,
    Unsupported,
    WrongPayer,
)
from farthing.schemes.contract import Accepted, AskFirst, Key, Paid, Redeemed, Rolled, Waiting
from tests.kit.conversation import METER, Stream, binding_of
from tests.kit.parties import DAY_S
from tests.kit.stage import CASES, PRICE_MICRO, stage_for
from tests.kit.thin.shape import GOODS_KEY

every_scheme = pytest.mark.parametrize("name", sorted(CASES))


@every_scheme
def test_what_payers_spend_is_what_vendors_earn(name: str) -> None:
    stage = stage_for(name)
    for _ in range(3):
        stage.wallet.buy(stage.vendor, PRICE_MICRO)
    stage.settle_up()
    assert stage.earned_micro == 3 * PRICE_MICRO


@every_scheme
def test_the_same_payment_again_has_the_same_outcome_and_costs_once(name: str) -> None:
    stage = stage_for(name)
    tender = stage.vendor.tender(PRICE_MICRO)
    paid = stage.wallet.pay(tender)
    reply = stage.vendor.serve(tender, paid.payload)
    assert stage.vendor.serve(tender, paid.payload) == reply
    concluded = stage.wallet.conclude(paid, reply)
    if concluded.release is not None:
        stage.vendor.serve(tender, concluded.release)
    stage.settle_up()
    assert stage.earned_micro == PRICE_MICRO


@every_scheme
def test_a_payment_shown_for_another_offer_is_refused(name: str) -> None:
    stage = stage_for(name)
    tender = stage.vendor.tender(PRICE_MICRO)
    paid = stage.wallet.pay(tender)
    stage.vendor.serve(tender, paid.payload)
    if not paid.k:
        with pytest.raises(Refusal):
            stage.vendor.serve(stage.vendor.tender(PRICE_MICRO), paid.payload)


@pytest.mark.parametrize("name", sorted(set(CASES) - {"netbill"}))
def test_an_origin_that_fails_costs_nothing_and_can_be_paid_afterwards(name: str) -> None:
    stage = stage_for(name)
    assert stage.wallet.buy(stage.vendor, PRICE_MICRO, page=None) == ""
    assert stage.wallet.buy(stage.vendor, PRICE_MICRO) == "page"
    stage.settle_up()
    assert stage.earned_micro == PRICE_MICRO


@pytest.mark.parametrize("name", ["meteore", "ticks"])
def test_a_vendor_may_have_claims_cleared_before_the_page_goes_out(name: str) -> None:
    stage = stage_for(name)
    stage.vendor.clearing = "before"
    stage.wallet.buy(stage.vendor, PRICE_MICRO, page=None)
    assert stage.earned_micro == 0
    for number in (1, 2):
        stage.wallet.buy(stage.vendor, PRICE_MICRO)
        assert stage.earned_micro == number * PRICE_MICRO
    assert stage.vendor.clear() == []


def test_what_is_cleared_by_periods_cannot_be_cleared_before() -> None:
    stage = stage_for("lottery")
    stage.vendor.clearing = "before"
    with pytest.raises(Unsupported):
        stage.wallet.buy(stage.vendor, PRICE_MICRO)
    assert stage.spent_micro == 0


# --- eCash: the change comes after the coins were redeemed ----------------------------------------


def test_ecash_change_is_signed_by_the_capture_and_pays_again() -> None:
    stage = stage_for("thin-ecash", load_micro=400)
    assert stage.wallet.buy(stage.vendor, 100) == "page"
    assert stage.wallet.worth_micro == 300
    assert stage.wallet.buy(stage.vendor, 300) == "page"
    assert (stage.earned_micro, stage.spent_micro, stage.wallet.worth_micro) == (400, 400, 0)


def test_ecash_coins_are_whole_again_after_an_origin_failure() -> None:
    stage = stage_for("thin-ecash", load_micro=400)
    stage.wallet.buy(stage.vendor, 100, page=None)
    assert (stage.earned_micro, stage.wallet.worth_micro) == (0, 400)


def test_ecash_coins_in_a_reservation_are_busy_and_afterwards_spent() -> None:
    stage = stage_for("thin-ecash", load_micro=400)
    first, second = (stage.wallet.pay(stage.vendor.tender(100)).payload for _ in range(2))
    vendor = stage.vendor.account
    assert stage.broker.settle(first, vendor, 100, reserve=True) is None
    with pytest.raises(Busy):
        stage.broker.settle(second, vendor, 100, reserve=True)
    signed = stage.broker.capture(first)
    assert len(signed["signatures"]) == 2
    with pytest.raises(Replayed):
        stage.broker.settle(second, vendor, 100, reserve=True)


def test_ecash_change_that_the_broker_did_not_sign_is_forged() -> None:
    stage = stage_for("thin-ecash", load_micro=400)
    paid = stage.wallet.pay(stage.vendor.tender(100))
    with pytest.raises(Forged):
        stage.wallet.conclude(paid, Accepted(change={"signatures": ["1", "1"]}))


# --- NetBill: the broker sells the key of goods that are there already ----------------------------


def test_netbill_opens_the_goods_with_the_released_key_and_asks_no_origin() -> None:
    stage = stage_for("netbill")
    assert stage.wallet.buy(stage.vendor, 100, page="the article") == "the article"
    assert (stage.earned_micro, stage.spent_micro) == (100, 100)
    assert stage.vendor.asked_origin == 0


def test_netbill_payer_gets_the_key_from_the_broker_when_the_vendor_vanishes() -> None:
    stage = stage_for("netbill")
    tender = stage.vendor.tender(100, "the article")
    paid = stage.wallet.pay(tender)
    stage.vendor.serve(tender, paid.payload)  # and its answer is lost
    conclusion = stage.wallet.inquire(paid)
    assert conclusion is not None
    assert stage.wallet.conclude(paid, conclusion).shown == "the article"


def test_netbill_order_that_nobody_saw_is_open_then_dead_for_ever() -> None:
    stage = stage_for("netbill")
    tender = stage.vendor.tender(100)
    paid = stage.wallet.pay(tender)
    assert stage.wallet.inquire(paid) is None
    stage.room.now_s += 1_000
    assert stage.wallet.inquire(paid) == Rolled()
    with pytest.raises(Expired):
        stage.vendor.serve(tender, paid.payload)
    assert stage.spent_micro == 0


def test_netbill_key_other_than_ordered_is_refused_before_anything_is_charged() -> None:
    stage = stage_for("netbill")
    tender = stage.vendor.tender(100)
    paid = stage.wallet.pay(tender)
    stage.vendor.ring.add(Key(id="1", purpose=GOODS_KEY, secret=bytes(32)))
    with pytest.raises(Mismatch):
        stage.vendor.serve(tender, paid.payload)
    assert stage.spent_micro == 0


def test_netbill_goods_other_than_offered_are_refused_before_the_order_is_signed() -> None:
    stage = stage_for("netbill")
    tender = stage.vendor.tender(100)
    changed = msgspec.structs.replace(tender.offer, sealed=b"junk")
    with pytest.raises(Mismatch):
        stage.wallet.pay(msgspec.structs.replace(tender, offer=changed))


def test_netbill_key_is_told_to_the_payer_of_the_order_only() -> None:
    stage = stage_for("netbill")
    tender = stage.vendor.tender(100)
    paid = stage.wallet.pay(tender)
    stage.vendor.serve(tender, paid.payload)
    with pytest.raises(WrongPayer):
        stage.payer("bob").inquire(paid)


# --- MR3: a challenge a day later -----------------------------------------------------------------


def test_mr3_vendor_commits_answers_and_is_paid_the_exact_sum_after_the_dispute_window() -> None:
    stage = stage_for("lottery")
    payers = [stage.wallet, *(stage.payer(f"payer-{number}") for number in range(4))]
    for payer in payers:
        payer.load(1000)
        payer.buy(stage.vendor, 100)
    assert stage.vendor.clear() == []  # the period is not over
    stage.room.now_s += DAY_S
    assert isinstance(stage.vendor.clear()[0], Waiting)  # for the other vendors
    stage.room.now_s += DAY_S
    assert isinstance(stage.vendor.clear()[0], Redeemed)  # the challenge was answered
    assert (stage.vendor.clear(), stage.earned_micro) == ([], 0)
    stage.settle_up()
    assert stage.earned_micro == 500
    assert 0 < stage.spent_micro < 500  # some lists were opened, some were not


def test_mr3_vendor_that_changes_its_lists_after_the_commitment_earns_nothing() -> None:
    stage = stage_for("lottery")
    for number in range(5):
        payer = stage.payer(f"payer-{number}")
        payer.load(1000)
        payer.buy(stage.vendor, 100)
    stage.room.now_s += DAY_S
    stage.vendor.clear()
    stage.room.now_s += DAY_S
    [commitment] = stage.vendor.due().values()
    [challenge] = stage.vendor.show([commitment])
    stage.vendor.lose(b"mr3/check/")
    with pytest.raises(Conflict):
        stage.vendor.clear()
    with pytest.raises(Mismatch):
        stage.vendor.respond(challenge)
    stage.room.now_s += 2 * DAY_S
    stage.broker.tick()
    assert (stage.earned_micro, stage.spent_micro) == (0, 0)


# --- Ticks: a stream ------------------------------------------------------------------------------


def test_ticks_stream_stops_after_the_grace_and_resumes_with_the_next_tick() -> None:
    stage = stage_for("ticks", load_micro=3000)
    tender = stage.vendor.tender(100)
    stage.wallet.tick(stage.vendor, tender)
    stream = Stream(stage.vendor, tender)
    assert stream.run(60) == (1 + METER.grace) * METER.count
    stage.wallet.tick(stage.vendor, tender)
    assert stream.run(60) == METER.count
    for _ in range(5):
        stage.wallet.tick(stage.vendor, tender)
    assert stream.run(7) == 7
    assert stage.vendor.asked_origin == 1


def test_ticks_bill_what_was_ticked_however_long_it_took() -> None:
    stage = stage_for("ticks", load_micro=3000)
    tender = stage.vendor.tender(100)
    for _ in range(3):
        stage.wallet.tick(stage.vendor, tender)
        stage.room.now_s += 3_600
    assert len(stage.vendor.clear()) == 1  # the last word only
    assert (stage.earned_micro, stage.spent_micro) == (300, 300)
    stage.wallet.tick(stage.vendor, tender)
    stage.vendor.clear()
    assert stage.earned_micro == 400


def test_ticks_voucher_on_a_chain_that_was_never_opened_is_closed() -> None:
    stage = stage_for("ticks", load_micro=3000)
    tender = stage.vendor.tender(100)
    paid = stage.wallet.pay(tender)
    payload = {name: field for name, field in paid.payload.items() if name != "opening"}
    with pytest.raises(Closed):
        stage.vendor.serve(tender, payload)


# --- The fair chain: a message after the answer ---------------------------------------------------


def test_fair_chain_pays_released_units_only_and_a_lone_half_is_disputed() -> None:
    stage = stage_for("fairchain")
    stage.wallet.buy(stage.vendor, 100)
    tender = stage.vendor.tender(100)
    paid = stage.wallet.pay(tender)
    concluded = stage.wallet.conclude(paid, stage.vendor.serve(tender, paid.payload))
    stage.vendor.clear()
    assert (stage.earned_micro, stage.room.owned_micro("disputed")) == (100, 100)
    stage.vendor.serve(tender, concluded.release)
    stage.vendor.clear()
    assert (stage.earned_micro, stage.room.owned_micro("disputed")) == (200, 0)
    assert stage.room.owned_micro("outstanding") == 800
    stage.settle_up()
    assert stage.spent_micro == 200  # what the ticket had left went back
    assert stage.vendor.asked_origin == 2


def test_fair_chain_release_is_taken_again_and_is_contained_in_the_next_unit() -> None:
    stage = stage_for("fairchain")
    tender = stage.vendor.tender(100)
    paid = stage.wallet.pay(tender)
    release = stage.wallet.conclude(paid, stage.vendor.serve(tender, paid.payload)).release
    stage.wallet.buy(stage.vendor, 100)
    with pytest.raises(Replayed):
        stage.vendor.serve(tender, release)
    stage.settle_up()
    assert stage.earned_micro == 200


def test_fair_chain_ticket_that_came_after_a_crash_is_not_lost() -> None:
    stage = stage_for("fairchain")
    tender = stage.vendor.tender(100)
    general = stage.wallet.pick(tender.offer)
    first = stage.wallet.purse.pay(general, tender.offer, binding_of("k"), stage.room.at())
    assert isinstance(first, AskFirst)
    stage.wallet.run(first.asked)  # as the next process does, which knows of no payment
    grown = stage.wallet.pick(tender.offer)
    again = stage.wallet.purse.pay(grown, tender.offer, binding_of("k"), stage.room.at())
    assert isinstance(again, Paid)
    assert stage.wallet.buy(stage.vendor, 100) == "page"


# --- METEORE: the broker is asked in the middle ---------------------------------------------------


def test_meteore_payer_carries_the_word_of_the_broker_that_was_asked_in_the_middle() -> None:
    stage = stage_for("meteore")
    tender = stage.vendor.tender(100)
    account = stage.wallet.pick(tender.offer)
    first = stage.wallet.purse.pay(account, tender.offer, binding_of(tender.k), stage.room.at())
    assert isinstance(first, AskFirst)
    assert stage.spent_micro == 0
    paid = stage.wallet.pay(tender)
    assert (stage.spent_micro, stage.earned_micro) == (100, 0)
    assert stage.vendor.serve(tender, paid.payload).page == "page"
    stage.vendor.clear()
    assert stage.earned_micro == 100


def test_meteore_confirmation_is_for_one_offer_and_unchanged() -> None:
    stage = stage_for("meteore")
    tender = stage.vendor.tender(100)
    paid = stage.wallet.pay(tender)
    with pytest.raises(Mismatch):
        stage.vendor.serve(stage.vendor.tender(100), paid.payload)
    with pytest.raises(Forged):
        stage.vendor.serve(tender, paid.payload | {"price": 1})


def test_meteore_money_that_no_vendor_claimed_goes_back() -> None:
    stage = stage_for("meteore")
    stage.wallet.pay(stage.vendor.tender(100))  # and the wallet dies
    assert stage.spent_micro == 100
    stage.settle_up(days=3)
    assert (stage.spent_micro, stage.earned_micro) == (0, 0)
