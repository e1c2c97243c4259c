"""What a wallet leaves out of a stream, and what it asks for after a break."""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest

from farthing.errors import Overlimit, TooLarge
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.streams import EVENT_BYTES_MAX, Meter
from farthing.wallet import listening
from farthing.wallet.commands import Purchase, Request, Response
from farthing.wallet.errand import Flow
from farthing.wallet.listening import Sieve
from farthing.wallet.policy import ABOVE_MOST, Cap, Limits
from farthing.wallet.releasing import hand_over
from farthing.wallet.streams import Opened
from tests.unit.wallet.gate_town import PRICE_MICRO, town
from tests.unit.wallet.world import World

URL = "https://news.example/x"
ASKED = Request(method="GET", url=URL)
BYTES = Meter(unit="bytes", count=10, grace=3)
STREAM = f'[[route]]\npath = "/x"\nprice = "{PRICE_MICRO}u"\nper = "1s"\n'
LIMITS = Limits(per_payment_micro=10**6, per_site_day_micro=10**7, per_day_micro=10**7)
SECONDS = Meter(unit="seconds", count=1, grace=3)


def answer(status: int = 200, **headers: str) -> Response:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(status=status, url=URL, headers=named)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_gates_own_events_are_left_out_however_they_are_cut(size: int) -> None:
    text = (
        b"data: 1\n\nevent: payment-need-voucher\ndata: {}\n\n"
        b"event: news\ndata: 2\n\nevent: payment-receipt\ndata: {}\n\ndata: 3\n\n"
    )
    sieve = Sieve()
    found = [sieve.pass_through(text[at : at + size]) for at in range(0, len(text), size)]
    assert b"".join(part for part, _ in found) == b"data: 1\n\nevent: news\ndata: 2\n\ndata: 3\n\n"
    assert sum(asked for _, asked in found) == 1


def test_an_event_that_does_not_end_is_not_kept_for_ever() -> None:
    sieve, part = Sieve(), b"data: " + b"x" * (EVENT_BYTES_MAX - 6)
    assert sieve.pass_through(part) == (b"", False)
    with pytest.raises(TooLarge, match="event_too_large"):
        sieve.pass_through(b"x")
    again = Sieve()
    again.pass_through(part)
    assert again.pass_through(b"\n\n") == (part + b"\n\n", False)


class Breaking(httpx.SyncByteStream):
    """A body that breaks off after this."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        if self._body:
            yield self._body
        raise httpx.ReadError("broken off")


class Desk:
    """A driver over a world."""

    is_direct = False

    def __init__(self, world: World) -> None:
        self.guide = world.guide()
        self.answer, self.deliver = world.answer, world.store.deliver
        self.store = world.store

    def after(self, purchase: Purchase) -> Flow[bool | None]:
        return hand_over(self.guide, purchase)

    def session(self) -> AbstractContextManager["Desk"]:
        return nullcontext(self)


def heard_of(
    world: World, bodies: list[bytes], most_micro: int = 10**6, way: str = "tick"
) -> listening.Heard:
    """What comes of a stream that breaks off after each of these, and then always at once."""
    world.site.open(way, more=STREAM)
    world.limits = LIMITS
    coming = list(bodies)

    def site(asked: httpx.Request) -> httpx.Response:
        request = Request(method="GET", url=str(asked.url), headers=tuple(asked.headers.items()))
        found = world.site.handle(request)
        if not isinstance(found, Response):
            raise httpx.ReadError("lost")
        if found.status != 200:
            return httpx.Response(found.status, headers=found.headers, content=found.body)
        body = coming.pop(0) if coming else b""
        return httpx.Response(200, headers=found.headers, stream=Breaking(body))

    driver: Any = Desk(world)
    with httpx.Client(transport=httpx.MockTransport(site)) as client:
        return listening.listen(driver, client, ASKED, io.BytesIO(), cap=Cap(micro=most_micro))


@pytest.mark.parametrize("bodies", [[], [b"a"], [b"", b"", b"a", b"", b"b"]])
def test_a_stream_that_breaks_off_is_opened_anew_so_often_and_no_more(
    tmp_path: Path, bodies: list[bytes]
) -> None:
    world = town(tmp_path, "tick")
    heard = heard_of(world, bodies)
    assert heard.openings == len(bodies) + 1 + listening.REOPENS_MAX
    assert heard.received_bytes == len(b"".join(bodies))
    assert heard.ended == "broken"
    assert heard.paid_micro == heard.openings * PRICE_MICRO == world.site.earned_micro()


def test_it_is_opened_anew_only_within_what_may_be_paid(tmp_path: Path) -> None:
    world = town(tmp_path, "tick")
    heard = heard_of(world, [], most_micro=3 * PRICE_MICRO - 1)
    assert (heard.openings, heard.ended, heard.refused) == (2, "unpaid", ABOVE_MOST)
    assert heard.paid_micro == world.site.earned_micro() == 2 * PRICE_MICRO
    assert heard.why == (
        "a tick costs 0.0002 EUR (0.02 cent), 0.000199 EUR (0.0199 cent) is left of --most:"
        " raise it"
    )


def test_a_tick_above_what_may_be_paid_is_refused_before_anything_is_paid(tmp_path: Path) -> None:
    world = town(tmp_path, "tick")
    with pytest.raises(Overlimit, match=ABOVE_MOST):
        heard_of(world, [], most_micro=PRICE_MICRO - 1)
    assert world.site.earned_micro() == 0


def test_no_more_is_loaded_for_a_stream_than_it_may_cost(tmp_path: Path) -> None:
    """What is loaded may be money that lies apart until tomorrow."""
    world = town(tmp_path, "tick")
    heard_of(world, [], most_micro=2 * PRICE_MICRO)
    (ask,) = [ask for ask in world.bank.asked if ask.asked.operation == "issue"]
    assert ask.asked.message["limitMicro"] == SLOTS * 2 * PRICE_MICRO


def test_no_more_scrip_is_loaded_for_a_stream_than_it_may_cost(tmp_path: Path) -> None:
    world = town(tmp_path, "millicent")
    heard = heard_of(world, [b"x"], most_micro=2 * PRICE_MICRO, way="millicent")
    assert (heard.scheme, heard.openings) == ("millicent", 2)
    asked = [ask.amount_micro for ask in world.bank.asked if ask.asked.operation == "issue"]
    assert asked == [2 * PRICE_MICRO]


def test_an_opening_whose_answer_was_lost_counts(tmp_path: Path) -> None:
    world = town(tmp_path, "tick")
    world.site.faults = ["reply_lost"]
    with pytest.raises(Overlimit, match=ABOVE_MOST):
        heard_of(world, [], most_micro=2 * PRICE_MICRO - 1)
    assert world.site.earned_micro() == PRICE_MICRO
    world.site.faults = ["reply_lost"]
    heard = heard_of(world, [], most_micro=2 * PRICE_MICRO)
    assert (heard.paid_micro, heard.ended) == (2 * PRICE_MICRO, "unpaid")


TAGGED = answer(accept_ranges="bytes", etag='"a"')


def test_an_opening_that_came_to_nothing_counts(tmp_path: Path) -> None:
    world = town(tmp_path, "tick")
    world.site.faults = ["reply_lost", "", "origin_fails"]
    heard = heard_of(world, [])
    assert (heard.openings, heard.paid_micro) == (0, PRICE_MICRO)


def test_a_file_is_asked_for_from_where_it_broke_off_and_a_live_stream_as_it_is() -> None:
    rest = listening._rest_of(ASKED, BYTES, TAGGED, 40)
    assert rest is not None
    assert rest.headers == (("Range", "bytes=40-"), ("If-Range", '"a"'))
    again = listening._rest_of(rest, BYTES, answer(206, etag='"b"'), 70)
    assert again is not None
    assert dict(again.headers) == {"Range": "bytes=70-", "If-Range": '"a"'}
    tagged = answer(etag='"a"')
    assert listening._rest_of(ASKED, BYTES, tagged, 40) is None, "the site gives no parts"
    assert listening._rest_of(ASKED, SECONDS, answer(), 40) == ASKED


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"etag": 'W/"a"', "last_modified": "Sun, 22 Nov 2026 09:00:00 GMT"}, ""),
        ({"last_modified": "Sun, 22 Nov 2026 09:00:00 GMT"}, "Sun, 22 Nov 2026 09:00:00 GMT"),
        ({"last_modified": "Sun, 22 Nov 2026 10:00:00 GMT"}, ""),  # within the second
        ({"last_modified": "today"}, ""),
        ({}, ""),
    ],
)
def test_only_what_tells_versions_apart_lets_a_file_go_on(
    headers: dict[str, str], version: str
) -> None:
    of_all = {"accept_ranges": "bytes", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}
    found = answer(200, **of_all, **headers)
    rest = listening._rest_of(ASKED, BYTES, found, 40)
    assert (dict(rest.headers)["If-Range"] if rest else "") == version


def test_what_comes_after_a_break_begins_there() -> None:
    rest = listening._rest_of(ASKED, BYTES, TAGGED, 40)
    assert rest is not None
    for found, goes_on in (
        (answer(206, content_range="bytes 40-99/100"), True),
        (answer(206, content_range="bytes 39-99/100"), False),
        (answer(206), False),
        (TAGGED, False),  # another version, from its beginning
    ):
        assert listening._goes_on(rest, found, 40) is goes_on
    assert listening._goes_on(ASKED, answer(), 40)
    assert not listening._goes_on(ASKED, answer(206), 40)


def test_a_file_of_known_length_needs_so_many_ticks() -> None:
    whole = answer(content_length="100")
    assert listening.needed(Opened(answer=whole)) == listening.UNCAPPED, "nothing is paid for it"
