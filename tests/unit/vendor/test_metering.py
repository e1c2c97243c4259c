"""Streams at the gate: what opens one, what vouchers add, and what is refused."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from farthing import marks
from farthing.errors import Misconfigured, OutOfRange
from farthing.schemes.contract import Instrument
from farthing.vendor import metering
from farthing.vendor.commands import Answer, OriginAnswered
from farthing.vendor.prices import read
from farthing.wire import receipts
from farthing.wire.offers import CHALLENGE_LIFE_S
from farthing.wire.x402_entry import requirements
from tests.kit.shop import (
    KNOWN,
    PAGE,
    Buyer,
    Payment,
    Shop,
    answering,
    asking,
    code_of,
    is_released,
    receipt_in,
    received_in,
    value_of,
)

PRICE_MICRO = 100
STREAM = f"""accept = ["millicent", "tick"]
[[route]]
path = "/articles/*"
price = "{PRICE_MICRO}u"
per = "1s"
"""


@dataclass
class Reader:
    """A payer with one stream."""

    shop: Shop = field(default_factory=lambda: Shop(STREAM))

    def __post_init__(self) -> None:
        self.buyer = Buyer(self.shop, "tick")
        self.instrument: Instrument = self.buyer.instrument()
        *_, self.received = received_in(self.shop.get(), "mpp")
        self.name = ""

    def pay(self, ticks: int = 1, *, stream: str | None = None) -> Payment:
        offer = msgspec.structs.replace(self.received.offer, price_micro=PRICE_MICRO * ticks)
        received = msgspec.structs.replace(self.received, offer=offer)
        named = self.name if stream is None else stream
        self.buyer.stream = named
        payment = self.buyer.answer(received, self.instrument)
        self.buyer.stream = ""
        assert payment.paid.after is not None
        self.instrument = payment.paid.after
        return payment

    def open(self) -> Answer:
        payment = self.pay(stream="")
        self.name = payment.k
        return self.shop.get(payment.header)

    @property
    def paid_micro(self) -> int:
        key = metering.key_of(self.name)
        memory = self.shop.store.do_now(marks.Read(keys=marks.Keys(records=(key,))))
        return metering.paid_micro(memory, key)


def test_vouchers_are_offered_in_mpp_only_and_say_what_a_tick_is() -> None:
    answer = Shop(STREAM.replace('"millicent", ', "")).get()
    [received] = received_in(answer, "mpp")
    assert received.offer.intent == "session"
    assert received.offer.terms["stream"] == {"unit": "seconds", "count": 1, "grace": 3}
    assert not value_of(answer, b"payment-required")


def test_other_schemes_open_a_stream_with_a_charge_in_both_dialects() -> None:
    answer = Shop(STREAM).get()
    offers = {one.offer.scheme: one.offer for one in received_in(answer, "mpp")}
    assert {name: offer.intent for name, offer in offers.items()} == {
        "millicent": "charge",
        "tick": "session",
    }
    [single] = received_in(answer, "x402")
    assert single.offer.scheme == "millicent"
    assert single.offer.terms["stream"] == offers["tick"].terms["stream"]
    assert single.offer.price_micro == PRICE_MICRO


def test_the_first_payment_opens_a_stream_and_vouchers_pay_on() -> None:
    reader = Reader()
    opened = reader.open()
    assert opened.stream is not None
    assert (opened.stream.name, opened.stream.price_micro) == (reader.name, PRICE_MICRO)
    assert reader.shop.visits[0].streams
    for ticks in (1, 64, 3):
        answer = reader.shop.get(reader.pay(ticks).header)
        assert (answer.status, answer.body, answer.stream) == (200, b"", None)
        assert answer.voucher_for == opened.stream.key
        assert receipt_in(answer) is not None
    assert reader.paid_micro == 69 * PRICE_MICRO == reader.shop.earned_micro()
    assert len(reader.shop.visits) == 1
    assert len(reader.shop.claims("tick")) == 1, "the last word is claimed"


def test_a_voucher_twice_pays_once_and_an_opening_twice_opens_once() -> None:
    reader = Reader()
    opening = reader.pay(stream="")
    reader.name = opening.k
    first = reader.shop.get(opening.header)
    voucher = reader.pay(2)
    answers = [reader.shop.get(voucher.header) for _ in range(2)]
    assert answers[0].headers == answers[1].headers
    assert [answer.body for answer in answers] == [b"", b""]
    assert reader.paid_micro == 3 * PRICE_MICRO
    again = reader.shop.get(opening.header)
    assert (again.status, code_of(again), again.stream) == (403, "stream_opened_before", None)
    assert receipt_in(again) == receipt_in(first)
    assert len(reader.shop.visits) == 1


def test_two_streams_and_a_page_of_one_chain_are_paid_apart() -> None:
    shop = Shop(STREAM + f'[[route]]\npath = "/page"\nprice = "{PRICE_MICRO}u"\n')
    one = Reader(shop)
    one.open()
    other = Reader(shop)
    other.buyer, other.instrument = one.buyer, one.instrument
    other.open()
    one.instrument = other.instrument
    shop.get(one.pay(5).header)
    page = one.buyer.pay(instrument=one.instrument, path="/page")
    assert shop.get(page.header, path="/page").stream is None
    assert (one.paid_micro, other.paid_micro) == (6 * PRICE_MICRO, PRICE_MICRO)
    assert shop.earned_micro() == 8 * PRICE_MICRO


def test_vouchers_of_several_chains_at_once_are_all_counted() -> None:
    reader = Reader()
    opened = reader.open()
    assert opened.stream is not None
    walkings = []
    for ticks in (1, 2, 4, 8):
        reader.instrument = reader.buyer.instrument()
        walkings.append(reader.shop.start(reader.pay(ticks).header))
    for walking in walkings:
        walking.until(marks.Take)
    answers = [walking.go() for walking in reversed(walkings)]
    assert [answer.status for answer in answers if answer is not None] == [200] * 4
    assert reader.paid_micro == 16 * PRICE_MICRO == reader.shop.earned_micro()
    told = [answer.stream_paid_micro for answer in answers if answer is not None]
    assert max(told) <= reader.paid_micro, "nothing is passed on that was not paid"


def test_a_voucher_for_a_stream_that_nobody_opened_is_gone_and_costs_nothing() -> None:
    reader = Reader()
    reader.open()
    kept = reader.instrument
    answer = reader.shop.get(reader.pay(stream="tick:nobody:1").header)
    assert (answer.status, code_of(answer)) == (410, "stream_unknown")
    reader.instrument = kept
    assert reader.shop.get(reader.pay().header).status == 200


def test_vouchers_go_under_a_fresh_challenge_once_the_first_is_over() -> None:
    reader = Reader()
    reader.open()
    reader.shop.clock.now_s += CHALLENGE_LIFE_S
    kept = reader.instrument
    assert code_of(reader.shop.get(reader.pay().header)) == "challenge_expired"
    *_, reader.received = received_in(reader.shop.get(), "mpp")
    reader.instrument = kept
    assert reader.shop.get(reader.pay().header).status == 200


def test_any_process_of_the_gate_takes_vouchers() -> None:
    reader = Reader()
    reader.open()
    reader.shop.restart()
    assert reader.shop.get(reader.pay(4).header).status == 200
    assert reader.paid_micro == 5 * PRICE_MICRO


def test_a_site_that_fails_opens_nothing_and_the_tick_is_not_charged() -> None:
    reader = Reader()
    reader.shop.origin = answering(msgspec.structs.replace(PAGE, status=500))
    answer = reader.open()
    assert (answer.status, answer.stream, is_released(answer)) == (500, None, True)
    assert reader.paid_micro == reader.shop.earned_micro() == 0


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (((b"content-type", b"text/html"),), "origin_sends_no_events"),
        (
            ((b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")),
            "origin_compresses_events",
        ),
        (((b"content-type", b"text/event-stream; charset=utf-8"),), ""),
    ],
)
def test_messages_are_those_of_an_event_stream(
    headers: tuple[tuple[bytes, bytes], ...], code: str
) -> None:
    reader = Reader(Shop(STREAM.replace("1s", "1 message")))
    reader.shop.origin = answering(OriginAnswered(status=200, headers=headers, body=None))
    answer = reader.open()
    assert (code_of(answer), answer.stream is None) == (code, bool(code))


def test_a_page_that_became_a_stream_is_offered_anew() -> None:
    for before, after in ((STREAM.replace('per = "1s"\n', ""), STREAM), (STREAM, None)):
        shop = Shop(before)
        reader = Reader(shop)
        payment = reader.pay(stream="")
        shop.restart(prices=after or STREAM.replace('per = "1s"\n', ""))
        answer = shop.get(payment.header)
        assert (answer.status, code_of(answer)) == (402, "challenge_for_another_target")


def test_the_closing_receipt_is_signed_for_all_that_was_paid() -> None:
    reader = Reader()
    opened = reader.open()
    assert opened.stream is not None
    assert opened.stream.closing is not None
    receipt = receipts.from_json(msgspec.json.decode(opened.stream.closing(700)))
    assert receipt.amount_micro == 700
    key = reader.shop.ring.current("farthing/vendor/receipt/1")
    receipts.verify(receipt, public=key.public)


@pytest.mark.parametrize(
    ("per", "unit", "count"),
    [
        ("1s", "seconds", 1),
        ("s", "seconds", 1),
        ("16kB", "bytes", 16_000),
        ("16 KiB", "bytes", 16_384),
        ("1MB", "bytes", 10**6),
        ("1 message", "messages", 1),
        ("10 messages", "messages", 10),
    ],
)
def test_a_tick_is_written_as_people_write_it(per: str, unit: str, count: int) -> None:
    meter = metering.read(per, None)
    assert meter is not None
    assert (meter.unit, meter.count, meter.grace) == (unit, count, 3)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ('per = "1 minute"', "per_unreadable"),
        ('per = "0s"', "per_unreadable"),
        ('per = "3601s"', "per_out_of_range"),
        ('per = "2000MiB"', "per_out_of_range"),
        ("grace = 3", "grace_without_per"),
        ('per = "1s"\ngrace = 0', "per_out_of_range"),
        ('per = "1s"\ngrace = 65', "per_out_of_range"),
        ('per = "1s"\npause_s = 0', "seconds_out_of_range"),
        ('per = "1s"\nhold = false', "stream_conflict"),
        ('per = "1s"\nreplay_body = true', "stream_conflict"),
        ('per = "1s"\nbind_body = true', "stream_conflict"),
        ('per = "1s"\nclearing = "before"', "stream_conflict"),
        ('per = "1s"\nrequires = {age = 18}', "stream_conflict"),
    ],
)
def test_what_no_stream_can_have_is_refused_with_its_line(line: str, code: str) -> None:
    text = f'accept = ["tick"]\n[[route]]\npath = "/a"\nprice = "100u"\n{line}\n'
    with pytest.raises(Misconfigured, match="line") as caught:
        read(text, currency="eur", known=KNOWN)
    assert caught.value.code == code


def test_an_offer_sells_the_fewest_ticks_that_its_scheme_expresses() -> None:
    units = "[payword]\nunit_micro = 500\n"
    shop = Shop('accept = ["millicent", "payword"]\n' + units + STREAM.partition("\n")[2])
    offers = {one.offer.scheme: one.offer for one in received_in(shop.get(), "mpp")}
    assert {name: offer.price_micro for name, offer in offers.items()} == {
        "millicent": PRICE_MICRO,
        "payword": 5 * PRICE_MICRO,
    }
    assert offers["payword"].terms["stream"] == {
        "unit": "seconds",
        "count": 1,
        "grace": 3,
        "ticks": 5,
    }
    stream = metering.opened("k", offers["payword"], 60)
    assert stream.price_micro == PRICE_MICRO


def test_what_one_payment_buys_is_64_ticks_at_most() -> None:
    for unit_micro, accept in ((64, ("payword", "millicent")), (65, ("millicent",))):
        units = f'accept = ["payword", "millicent"]\n[payword]\nunit_micro = {unit_micro}\n'
        route = STREAM.partition("\n")[2].replace(f"{PRICE_MICRO}u", "1u")
        assert Shop(units + route).book.routes[0].accept == accept


def test_vouchers_do_not_go_by_x402() -> None:
    reader = Reader()
    [single] = received_in(reader.shop.get(), "x402")
    request, at = asking(), reader.shop.clock.at()
    tender = reader.shop.gate.tender(request, reader.shop.book.routes[0], at)
    entry = requirements(tender, tender.offers[1])
    reader.received = msgspec.structs.replace(
        single, offer=tender.offers[1], echo={**single.echo, "accepted": entry}
    )
    answer = reader.shop.get(reader.pay(stream="").header)
    assert (answer.status, code_of(answer)) == (400, "session_not_in_dialect")


def test_a_scheme_that_expresses_no_few_ticks_is_not_taken_for_a_stream() -> None:
    units = STREAM.replace("tick", "payword") + "[payword]\nunit_micro = 100000\n"
    assert Shop(units).book.routes[0].accept == ("millicent",)
    with pytest.raises(Misconfigured) as caught:
        Shop(units.replace('"millicent", ', ""))
    assert caught.value.code == "price_not_payable"


@pytest.mark.parametrize("traits", ["sealed", "authorizes"])
def test_what_is_sold_as_a_whole_pays_for_no_stream(traits: str) -> None:
    shop = Shop(STREAM)
    till: Any = shop.gate.tills["millicent"]
    if traits == "sealed":
        till.traits = msgspec.structs.replace(till.traits, sealed=True)
    else:
        till.authorizes = True
    with pytest.raises(OutOfRange, match="streams_not_paid"):
        shop.gate.verify_route("millicent", shop.book.routes[0])


def test_a_plan_covers_no_stream() -> None:
    plan = 'subscription = {plan = "radio", days = 30, paths = ["/articles/*"]}\n'
    with pytest.raises(Misconfigured, match="line") as caught:
        Shop(STREAM + f'[[route]]\npath = "/plan"\nprice = "900u"\n{plan}')
    assert caught.value.code == "plan_covers_stream"
