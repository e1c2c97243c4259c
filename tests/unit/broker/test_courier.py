import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from farthing import codec
from farthing.broker.courier import HttpCourier, require_url
from farthing.broker.peers import Met, Peer
from farthing.broker.web import BODY_BYTES_MAX
from farthing.errors import Denied, Misconfigured, Refusal, Unavailable, Undecided, Unfunded

SOUTH = Peer(
    id="south", url="https://south.example", token="ft_secret", commission_e4=0, carry_e4=0
)
Handle = Callable[[httpx.Request], httpx.Response]


def carried(handle: Handle) -> Any:
    async def talk() -> Any:
        courier = HttpCourier(httpx.MockTransport(handle))
        try:
            return await courier.carry(SOUTH, "millicent", "take_back", {"a": 1}, "er_1")
        finally:
            await courier.close()

    return asyncio.run(talk())


def problem(refusal: str, code: str, status: int = 403) -> httpx.Response:
    return httpx.Response(status, json={"refusal": refusal, "code": code, "detail": "because"})


def test_a_message_goes_with_our_token_and_the_errands_key() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"answer": {"creditedMicro": 5}, "more": 1})

    assert carried(handle) == {"creditedMicro": 5}
    (request,) = seen
    assert str(request.url) == "https://south.example/take-back/millicent"
    assert request.headers["authorization"] == "Bearer ft_secret"
    assert request.headers["idempotency-key"] == "er_1"
    assert request.content == codec.canonical({"a": 1})


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        (httpx.ConnectError("x"), Unavailable),
        (httpx.ConnectTimeout("x"), Unavailable),
        (httpx.ReadTimeout("x"), Undecided),
        (httpx.WriteError("x"), Undecided),
        (httpx.RemoteProtocolError("x"), Undecided),
        (httpx.PoolTimeout("x"), Undecided),
    ],
)
def test_only_a_line_that_never_stood_is_sure_not_to_have_been_read(
    wrong: Exception, kind: type[Refusal]
) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise wrong

    with pytest.raises(kind):
        carried(handle)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (problem("Unfunded", "account_overdrawn"), Unfunded, "account_overdrawn"),
        (problem("Denied", "token_unknown"), Denied, "token_unknown"),
        (problem("Busy", "mark_held", 409), Undecided, "peer_undecided"),
        (problem("Unavailable", "x", 503), Undecided, "peer_undecided"),
        (problem("Broken", "internal_fault", 503), Undecided, "peer_undecided"),
        (problem("Nonsense", "x"), Undecided, "peer_undecided"),
        (httpx.Response(502, content=b"<html>"), Undecided, "peer_answered_strangely"),
        (httpx.Response(200, content=b"<html>"), Undecided, "peer_answered_strangely"),
        (httpx.Response(200, json={}), Undecided, "peer_answered_strangely"),
        (
            httpx.Response(200, content=b" " * (BODY_BYTES_MAX + 1)),
            Undecided,
            "peer_answered_strangely",
        ),
    ],
)
def test_what_is_no_decision_is_undecided(
    answer: httpx.Response, kind: type[Refusal], code: str
) -> None:
    with pytest.raises(kind) as caught:
        carried(lambda _: answer)
    assert caught.value.code == code


def test_a_peer_says_who_it_is_and_what_we_have() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(200, json={"broker": "south", "state": "up"})
        return httpx.Response(200, json={"id": "n", "currency": "eur", "payerMicro": 7})

    courier = HttpCourier(httpx.MockTransport(handle))
    met = asyncio.run(courier.meet("https://south.example/", "ft_secret"))
    assert met == Met(
        broker_id="south", url="https://south.example", currency="eur", balance_micro=7
    )
    strange = HttpCourier(httpx.MockTransport(lambda _: httpx.Response(200, content=b"[]")))
    with pytest.raises(Undecided, match="peer_answered_strangely"):
        asyncio.run(strange.meet("https://south.example/", "ft_secret"))


def test_tokens_travel_over_tls_or_stay_on_this_machine() -> None:
    assert require_url("http://127.0.0.1:8400/") == "http://127.0.0.1:8400"
    with pytest.raises(Misconfigured, match="url_insecure"):
        require_url("http://south.example")
