"""What a wallet leaves out of a stream, and what it asks for after a break."""

import pytest

from farthing.schemes.streams import Meter
from farthing.wallet import listening
from farthing.wallet.commands import Request, Response
from farthing.wallet.listening import Sieve
from farthing.wallet.streams import Opened

URL = "https://news.example/x"
ASKED = Request(method="GET", url=URL)
BYTES = Meter(unit="bytes", count=10, grace=3)
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


def test_a_file_is_asked_for_from_where_it_broke_off_and_a_live_stream_as_it_is() -> None:
    whole = answer(accept_ranges="bytes")
    rest = listening._rest_of(ASKED, BYTES, whole, 40)
    assert rest is not None
    assert rest.headers == (("Range", "bytes=40-"),)
    again = listening._rest_of(rest, BYTES, answer(206), 70)
    assert again is not None
    assert again.headers == (("Range", "bytes=70-"),)
    assert listening._rest_of(ASKED, BYTES, answer(), 40) is None, "the site gives no parts"
    assert listening._rest_of(ASKED, SECONDS, answer(), 40) == ASKED
    assert (listening._expected(ASKED), listening._expected(rest)) == (200, 206)


def test_a_file_of_known_length_needs_so_many_ticks() -> None:
    whole = answer(content_length="100")
    assert listening._needed(Opened(answer=whole)) == listening.UNCAPPED, "nothing is paid for it"
