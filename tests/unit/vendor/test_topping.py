"""Streams that any scheme opens, and what is paid on them at their own address."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from farthing import marks
from farthing.errors import Closed
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.contract import Dialect
from farthing.vendor import metering, topping
from farthing.vendor.booking import OUTCOME_KEPT_S_MIN
from farthing.vendor.commands import OriginAnswered
from farthing.wire import mpp, published
from tests.kit.folder import DAY_S, Folder
from tests.kit.shop import (
    DIALECTS,
    SCHEMES,
    Buyer,
    Shop,
    answering,
    code_of,
    is_released,
    receipt_in,
    received_in,
    value_of,
)
from tests.kit.site import Site, with_site
from tests.kit.streams import PRICE_MICRO, STREAM, Reader

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


def write(shop: Shop, *facts: marks.Fact) -> None:
    """As somebody else's payment does."""
    hold = marks.Hold(
        k="other", digest=b"", marks=(), kept=b"", now_s=0, lease_until_s=0, until_s=0
    )
    shop.store.do_now(marks.Take(hold=hold, outcome=b"", records=facts))


@every_scheme
@every_dialect
def test_any_scheme_opens_a_stream_and_tops_it_up(scheme: str, dialect: Dialect) -> None:
    reader = Reader(scheme, dialect)
    answer = reader.open()
    assert answer.stream is not None
    assert (answer.stream.name, answer.stream.price_micro) == (reader.name, PRICE_MICRO)
    assert answer.charged_micro == PRICE_MICRO
    link = value_of(answer, b"link")
    assert link == f'<{published.top_up_path(reader.name)}>; rel="payment"'
    for ticks in (3, 7):
        answer = reader.send(reader.top_up(ticks), ticks)
        assert (answer.status, answer.body, answer.stream) == (200, b"", None)
        receipt = receipt_in(answer)
        assert receipt is not None
        assert receipt.amount_micro == ticks * PRICE_MICRO
        assert (answer.voucher_for, answer.stream_paid_micro) == (
            metering.key_of(reader.name),
            reader.paid_micro,
        )
    assert reader.paid_micro == 11 * PRICE_MICRO == reader.shop.earned_micro()
    assert len(reader.shop.visits) == 1, "no site is asked to take money"


def test_a_stream_that_ticks_have_opened_is_topped_up_with_all_else() -> None:
    reader = Reader("tick")
    assert reader.open().stream is not None
    for ticks, scheme in ((2, "millicent"), (3, "payword"), (4, "tick")):
        assert reader.send(reader.top_up(ticks, scheme), ticks).status == 200
    assert reader.paid_micro == 10 * PRICE_MICRO == reader.shop.earned_micro()


def test_a_top_up_is_an_ordinary_offer_of_every_scheme_that_expresses_it() -> None:
    prices = STREAM.replace(f"unit_micro = {PRICE_MICRO}", f"unit_micro = {2 * PRICE_MICRO}")
    reader = Reader("millicent", shop=Shop(prices))
    reader.open()
    for ticks, schemes in ((4, ["millicent", "payword", "tick"]), (3, ["millicent", "tick"])):
        asked = reader.shop.get(path=reader.path(ticks), method="POST")
        for dialect in DIALECTS:
            offers = [one.offer for one in received_in(asked, dialect)]
            assert [offer.scheme for offer in offers] == schemes
            assert {offer.price_micro for offer in offers} == {ticks * PRICE_MICRO}
            assert not any("stream" in offer.terms for offer in offers)
            assert {offer.description for offer in offers} == {"The radio"}


def test_the_price_of_a_stream_stays_as_it_was_opened() -> None:
    reader = Reader("millicent")
    reader.open()
    reader.shop.restart(prices=STREAM.replace('price = "100u"', 'price = "300u"'))
    assert reader.send(reader.top_up(2), 2).status == 200
    assert reader.paid_micro == 3 * PRICE_MICRO


def test_a_stream_is_known_for_a_month_after_its_last_payment() -> None:
    reader = Reader("payword")
    reader.open()
    now_s = reader.shop.clock.now_s
    for days in (29, 58):
        reader.shop.clock.now_s = now_s + days * DAY_S
        reader.shop.store.do_now(marks.Forget(now_s=reader.shop.clock.now_s, count=100))
        reader.buyers.clear()
        if days == 29:
            assert reader.send(reader.top_up(1, "millicent"), 1).status == 200
    assert reader.shop.get(path=reader.path(1), method="POST").status == 402


def test_several_top_ups_at_once_are_all_counted() -> None:
    reader = Reader("millicent")
    reader.open()
    ways = [(scheme, dialect) for scheme in ("millicent", "payword") for dialect in DIALECTS]
    walkings = []
    for ticks, (scheme, dialect) in enumerate(ways, start=1):
        payment = reader.top_up(ticks, scheme, dialect)
        walkings.append(reader.shop.start(payment.header, path=reader.path(ticks), method="POST"))
    for walking in walkings:
        walking.until(marks.Take)
    answers = [walking.go() for walking in reversed(walkings)]
    assert [answer.status for answer in answers if answer is not None] == [200] * 4
    assert reader.paid_micro == 11 * PRICE_MICRO == reader.shop.earned_micro()


@every_scheme
@every_dialect
def test_a_top_up_twice_pays_once_and_an_opening_twice_opens_once(
    scheme: str, dialect: Dialect
) -> None:
    reader = Reader(scheme, dialect)
    first = reader.open()
    payment = reader.top_up(5)
    answers = [reader.send(payment, 5) for _ in range(2)]
    assert answers[0].headers == answers[1].headers
    assert reader.paid_micro == 6 * PRICE_MICRO == reader.shop.earned_micro()
    again = reader.open()
    assert (again.status, code_of(again), again.stream) == (403, "stream_opened_before", None)
    said = value_of(first, b"payment-receipt") or value_of(first, b"payment-response")
    assert said.encode() in dict.fromkeys(value for _, value in again.headers)


@every_scheme
@every_dialect
def test_of_a_stream_that_is_over_what_is_owed_is_taken_and_nothing_else(
    scheme: str, dialect: Dialect
) -> None:
    reader = Reader(scheme, dialect)
    answer = reader.open()
    assert answer.stream is not None
    now_s = reader.shop.clock.now_s
    late = reader.top_up(5)
    reader.shop.store.do_now(metering.ended(answer.stream, 4, now_s, now_s + DAY_S))
    owed = reader.top_up(3)
    for _ in range(2):
        answer = reader.send(owed, 3)
        assert answer.status == 200, "what was taken before is answered as before"
    earned_micro = reader.shop.earned_micro()
    assert earned_micro == 4 * PRICE_MICRO == reader.paid_micro
    for refused in (reader.send(late, 5), reader.shop.get(path=reader.path(1), method="POST")):
        assert (refused.status, code_of(refused)) == (410, "stream_over")
    assert (reader.shop.earned_micro(), reader.paid_micro) == (earned_micro, earned_micro)


def test_a_stream_of_a_name_that_was_forgotten_begins_anew() -> None:
    reader = Reader("millicent")
    memory = marks.Memory(records={metering.over_key(reader.name): b"0"})
    with pytest.raises(Closed, match="stream_over"):
        metering.require_going_on(memory, reader.name)
    write(reader.shop, marks.Put(key=metering.over_key(reader.name), value=b"0", until_s=10**10))
    reader.open()
    assert reader.send(reader.top_up(2), 2).status == 200


def test_nothing_is_paid_on_a_stream_that_nobody_opened() -> None:
    reader = Reader("millicent")
    asked = reader.shop.get(path=reader.path(1), method="POST")
    assert (asked.status, code_of(asked)) == (410, "stream_unknown")
    reader.open()
    payment = reader.top_up(1)
    reader.shop.store.do_now(
        marks.Forget(now_s=reader.shop.clock.now_s + 20 * OUTCOME_KEPT_S_MIN, count=100)
    )
    answer = reader.send(payment, 1)
    assert (answer.status, code_of(answer)) == (410, "stream_unknown")
    assert reader.paid_micro == 0


def test_a_stream_that_goes_between_the_offer_and_the_payment_takes_nothing() -> None:
    reader = Reader("millicent")
    reader.open()
    payment = reader.top_up(1)
    earned_micro = reader.shop.earned_micro()
    write(reader.shop, marks.Delete(key=metering.key_of(reader.name)))
    answer = reader.send(payment, 1)
    assert (answer.status, code_of(answer)) == (410, "stream_unknown")
    assert reader.shop.earned_micro() == earned_micro


@pytest.mark.parametrize(
    "query",
    ["", "?", "?ticks=0", "?ticks=-1", "?ticks=01", "?ticks=3601", "?ticks=99999", "?tick=1"],
)
def test_so_many_ticks_are_sold_as_are_named(query: str) -> None:
    reader = Reader("millicent")
    reader.open()
    path = published.top_up_path(reader.name) + query
    answer = reader.shop.get(path=path, method="POST")
    assert (answer.status, code_of(answer)) == (400, "ticks_malformed")
    assert reader.shop.get(path=reader.path(topping.TICKS_MAX), method="POST").status == 402


def test_more_than_any_scheme_can_express_is_not_offered() -> None:
    reader = Reader("millicent")
    reader.open()
    key = topping.PREFIX + reader.name.encode()
    found: marks.Memory = reader.shop.store.do_now(marks.Read(keys=marks.Keys(records=(key,))))
    sold = msgspec.msgpack.decode(found.records[key], type=topping.Sold)
    dear = msgspec.msgpack.encode(msgspec.structs.replace(sold, tick_micro=PAYMENT_MICRO_MAX))
    write(reader.shop, marks.Put(key=key, value=dear, until_s=0))
    assert reader.shop.get(path=reader.path(1), method="POST").status == 402
    answer = reader.shop.get(path=reader.path(2), method="POST")
    assert (answer.status, code_of(answer)) == (400, "ticks_not_payable")


def test_schemes_that_a_vendor_takes_no_more_are_not_offered() -> None:
    reader = Reader("millicent")
    reader.open()
    reader.shop._known = ("payword",)
    reader.shop.restart(
        prices=STREAM.replace('"millicent", ', "")
        .replace(', "tick"', "")
        .replace('[millicent]\nprotocol = "private"\n', "")
    )
    asked = reader.shop.get(path=reader.path(2), method="POST")
    assert [one.offer.scheme for one in received_in(asked, "mpp")] == ["payword"]


def test_a_payment_for_a_page_opens_no_stream_and_the_reverse() -> None:
    for before, after in ((STREAM.replace('per = "1kB"\n', ""), STREAM), (STREAM, None)):
        shop = Shop(before)
        reader = Reader("millicent", shop=shop)
        shop.restart(prices=after or STREAM.replace('per = "1kB"\n', ""))
        answer = reader.open()
        assert (answer.status, code_of(answer)) == (402, "challenge_for_another_target")


def test_a_stream_is_not_opened_under_a_seal() -> None:
    shop = Shop(STREAM.replace(f'price = "{PRICE_MICRO}u"', 'price = "200u"'))
    answer = shop.get(Buyer(shop, "millicent").pay("private").header)
    assert code_of(answer) == "stream_in_private"
    assert shop.earned_micro() == 0


def test_a_site_that_fails_opens_nothing_and_costs_nothing() -> None:
    reader = Reader("millicent")
    reader.shop.origin = answering(OriginAnswered(status=500, headers=(), body=b""))
    answer = reader.open()
    assert (answer.status, answer.stream, is_released(answer)) == (500, None, True)
    assert not value_of(answer, b"link")
    assert reader.paid_micro == reader.shop.earned_micro() == 0


# --- in a process ---------------------------------------------------------------------------------


def test_a_stream_is_topped_up_at_its_own_door_and_goes_on_at_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "vendor")
    (folder.path / "prices.toml").write_text(
        f'accept = ["millicent"]\n[[route]]\npath = "/**"\nprice = "{PRICE_MICRO}u"\n'
        'per = "1B"\ngrace = 1\n'
    )

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            challenge = (await opened.get("/radio")).headers["www-authenticate"]
            name = str(mpp.read_challenges([challenge])[0].echo["id"])
            unknown = await opened.post(published.top_up_path(name, 1))
            assert (unknown.status_code, unknown.json()["code"]) == (410, "stream_unknown")
            header = folder.pay(challenge, "/radio")
            reading = asyncio.create_task(opened.get("/radio", headers=[header]))
            for ticks in (2, 3, 1):
                path = published.top_up_path(name, ticks)
                while (asked := await opened.post(path)).status_code == 410:
                    await asyncio.sleep(0.01)
                paid = folder.pay(asked.headers["www-authenticate"], path, "POST")
                done = await opened.post(path, headers=[paid])
                assert (done.status_code, done.content) == (200, b"")
                assert done.headers["payment-receipt"]
            path = published.top_up_path(name, 4)
            early = folder.pay((await opened.post(path)).headers["www-authenticate"], path, "POST")
            page = await reading
            assert page.text == "the page"
            path = published.top_up_path(name, 1)  # the tick that went out unpaid
            asked = await opened.post(path)
            owed = folder.pay(asked.headers["www-authenticate"], path, "POST")
            for _ in range(2):
                assert (await opened.post(path, headers=[owed])).status_code == 200
            for ticks, headers in ((1, []), (4, [early])):
                over = await opened.post(published.top_up_path(name, ticks), headers=headers)
                assert (over.status_code, over.json()["code"]) == (410, "stream_over")
            assert page.headers["link"] == f'<{published.top_up_path(name)}>; rel="payment"'
        assert len(site.seen) == 1

    with_site(folder, talk)
    assert folder.earned_micro() == 8 * PRICE_MICRO
