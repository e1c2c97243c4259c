"""The wallet's side: ask first, pay by halves, and believe no broker that assigns another range."""

from collections.abc import Callable

import msgspec
import pytest

from farthing.errors import Expired, Forged, Malformed, NotYetValid, OutOfRange, Unfit
from farthing.schemes.chain.fairchain.purse import UNITS_MIN
from farthing.schemes.chain.fairchain.ticket import ESCROW_MICRO_MAX, SUBMIT_S, UNITS_MAX
from farthing.schemes.chain.times import LAPSE_S, SKEW_S
from farthing.schemes.contract import (
    Accepted,
    AskFirst,
    Burned,
    Json,
    Need,
    Paid,
    Rolled,
)
from tests.kit.fairchain import ESCROW_MICRO, UNIT_MICRO, Scene, held_of, link
from tests.kit.parties import VENDOR, binding_of, on_the_wire


def test_the_broker_is_asked_before_the_first_payment_and_its_answer_pays() -> None:
    scene = Scene()
    first = scene.asked()
    answer = on_the_wire(scene.broker.run("issue", first.asked.message, scene.account).answer)
    assert scene.escrow is not None
    offer = scene.vendor.offer(UNIT_MICRO)
    paid = scene.payer.purse.pay(scene.escrow, offer, binding_of(), scene.clock.at(), answer)
    assert isinstance(paid, Paid)
    assert paid.general is not None
    assert paid.general.worth_micro + paid.spent.worth_micro == ESCROW_MICRO
    scene.vendor.serve(paid.payload, offer)
    concluded = scene.payer.purse.conclude(paid, Accepted(), scene.clock.at())
    assert concluded.instruments[0].worth_micro == paid.spent.worth_micro - UNIT_MICRO


def test_after_a_crash_the_same_answer_is_received_and_no_ticket_is_lost() -> None:
    scene = Scene()
    first = scene.asked()
    answer = on_the_wire(scene.broker.run("issue", first.asked.message, scene.account).answer)
    received = scene.payer.purse.receive(first.asked, answer, scene.clock.at())
    assert isinstance(received, tuple)
    general, ticket = received
    assert (general.vendor_id, ticket.vendor_id) == ("", VENDOR)
    assert scene.buy(ticket) is not None


@pytest.mark.parametrize(
    ("escrow_micro", "units"),
    [
        (UNIT_MICRO, 1),
        (UNITS_MIN * UNIT_MICRO, UNITS_MIN),
        (80 * UNIT_MICRO, 20),
        (10_000 * UNIT_MICRO, UNITS_MAX),
    ],
)
def test_a_ticket_takes_a_part_of_a_large_escrow_and_all_of_a_small_one(
    escrow_micro: int, units: int
) -> None:
    assert Scene(escrow_micro).asked().asked.message["wants"] == [[VENDOR, UNIT_MICRO, units]]


def test_one_escrow_pays_several_vendors_each_under_another_name() -> None:
    scene = Scene()
    news, daily = scene.ticket(), scene.ticket(vendor=scene.other)
    for _ in range(3):
        news, daily = scene.buy(news) or news, scene.buy(daily, scene.other) or daily
    assert (scene.clear(), scene.clear(scene.other)) == (3 * UNIT_MICRO, 3 * UNIT_MICRO)
    assert held_of(news).ticket.payer != held_of(daily).ticket.payer


def test_a_ticket_pays_to_its_last_unit() -> None:
    scene = Scene(3 * UNIT_MICRO)
    ticket = scene.ticket()
    assert scene.escrow is None
    for left in (2, 1):
        after = scene.buy(ticket)
        assert after is not None
        assert after.worth_micro == left * UNIT_MICRO
        ticket = after
    assert scene.buy(ticket) is None
    assert scene.clear() == 3 * UNIT_MICRO


def test_what_was_not_charged_is_paid_again_with_the_same_link() -> None:
    scene = Scene()
    ticket = scene.ticket()
    paid = scene.payer.pay(ticket, scene.vendor.offer(UNIT_MICRO))
    purse, at = scene.payer.purse, scene.clock.at()
    assert purse.conclude(paid, Rolled(), at).instruments == (ticket,)
    assert purse.conclude(paid, Rolled(), at).release is None
    assert purse.conclude(paid, Burned(), at).instruments == ()
    again = scene.payer.pay(ticket, scene.vendor.offer(UNIT_MICRO))
    assert again.payload == paid.payload


def test_the_first_payment_carries_the_ticket_and_the_next_its_name() -> None:
    scene = Scene()
    ticket = scene.ticket()
    paid, _ = scene.commit(ticket)
    assert paid.payload == link(ticket, 1, whole=True)
    left = scene.release(paid).instruments[0]
    assert scene.payer.pay(left, scene.vendor.offer(UNIT_MICRO)).payload == link(ticket, 3)


def _with(member: str, value: Json) -> Callable[[Json], Json]:
    def change(answer: Json) -> Json:
        answer["tickets"][0]["ticket"][member] = value
        return answer

    return change


@pytest.mark.parametrize(
    "change",
    [
        _with("units", 9),
        _with("unitMicro", 100),
        _with("vendor", "daily"),
        _with("broker", "other"),
        _with("currency", "usd"),
        _with("root", "A" * 22),
        _with("id", "A" * 22),
        _with("firstMicro", 7),
        lambda answer: {"tickets": []},
        lambda answer: {"tickets": answer["tickets"] * 2},
        lambda answer: {},
        lambda answer: {"tickets": [answer["tickets"][0] | {"receiptKey": "short"}]},
    ],
)
def test_another_ticket_than_was_ordered_is_not_taken(change: Callable[[Json], Json]) -> None:
    scene = Scene()
    asked = scene.asked().asked
    answer = on_the_wire(scene.broker.run("issue", asked.message, scene.account).answer)
    with pytest.raises((Forged, Malformed, Unfit)):
        scene.payer.purse.receive(asked, change(answer), scene.clock.at())


def test_an_escrow_with_a_worth_of_the_brokers_own_is_not_taken() -> None:
    scene = Scene()
    asked = scene.payer.purse.ask(Need(amount_micro=500, currency="eur"), scene.clock.at())
    answer = {"endsAtS": 1, "escrow": "n_", "key": "A" * 43, "leftMicro": 10**6}
    with pytest.raises(Malformed):
        scene.payer.purse.receive(asked, answer, scene.clock.at())
    with pytest.raises(OutOfRange, match="escrow_out_of_range"):
        scene.payer.purse.ask(
            Need(amount_micro=ESCROW_MICRO_MAX + 1, currency="eur"), scene.clock.at()
        )


def test_nothing_is_paid_that_would_be_refused() -> None:
    scene = Scene()
    ticket = scene.ticket()
    with pytest.raises(OutOfRange, match="unit_is_not_the_price"):
        scene.payer.pay(ticket, scene.vendor.offer(UNIT_MICRO + 1))
    assert scene.escrow is not None
    with pytest.raises(OutOfRange, match="escrow_used_up"):
        scene.payer.purse.pay(
            scene.escrow, scene.vendor.offer(10**6), binding_of(), scene.clock.at()
        )
    scene.clock.now_s = ticket.expires_at_s
    with pytest.raises(Expired, match="ticket_expired"):
        scene.payer.pay(ticket, scene.vendor.offer(UNIT_MICRO))
    scene.clock.now_s = scene.escrow.expires_at_s
    with pytest.raises(Expired, match="escrow_over"):
        scene.asked()
    held = msgspec.structs.replace(held_of(ticket), spent=12)
    used = msgspec.structs.replace(ticket, body=msgspec.json.encode(held, order="sorted"))
    scene.clock.now_s = ticket.expires_at_s - 1
    with pytest.raises(OutOfRange, match="ticket_used_up"):
        scene.payer.pay(used, scene.vendor.offer(UNIT_MICRO))


def test_escrows_are_given_back_and_tickets_come_back_by_themselves() -> None:
    scene = Scene()
    ticket, purse = scene.ticket(), scene.payer.purse
    assert scene.escrow is not None
    asked = purse.give_back(scene.escrow, scene.clock.at())
    answer = scene.broker.run("take_back", asked.message, scene.account).answer
    assert purse.receive(asked, answer, scene.clock.at()) == ()
    scene.clock.now_s = ticket.expires_at_s + SUBMIT_S + SKEW_S + LAPSE_S - 1
    with pytest.raises(NotYetValid, match="ticket_not_over"):
        purse.give_back(ticket, scene.clock.at())
    scene.pass_time(1)
    put_away = purse.give_back(ticket, scene.clock.at())
    scene.broker.run("take_back", put_away.message, scene.account)


def test_an_escrow_has_no_receipts_and_reprs_show_no_secret() -> None:
    scene = Scene()
    assert scene.escrow is not None
    assert scene.payer.purse.receipt_key(scene.escrow) == b""
    ticket = scene.ticket()
    assert len(scene.payer.purse.receipt_key(ticket)) == 32
    assert repr(held_of(ticket)) == f"Held({VENDOR}, 0)"
    assert isinstance(scene.asked(), AskFirst)
