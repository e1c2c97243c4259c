"""What of a request and an answer goes through; the rest is shown before a real origin."""

import asyncio
import json
import threading
from typing import Any

import pytest

from farthing.errors import Misconfigured
from farthing.vendor import proxy
from farthing.vendor.asgi import Scope
from farthing.vendor.proxy import Upstream, end_to_end
from tests.kit.origin import Origin


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8000", "ftp://a", "http://a/path", "http://a?q", "http://a:x", "http://"],
)
def test_an_upstream_that_is_no_origin_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(Misconfigured, match="upstream_malformed"):
        Upstream(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://origin.example/"])
def test_an_origin_is_a_scheme_a_host_and_a_port(url: str) -> None:
    asyncio.run(Upstream(url).close())


def test_what_connection_names_is_for_one_connection() -> None:
    pairs = [
        (b"connection", b"close, X-One"),
        (b"connection", b"x-two"),
        (b"x-one", b"1"),
        (b"x-two", b"2"),
        (b"x-three", b"3"),
        (b"transfer-encoding", b"chunked"),
        (b"upgrade", b"h2c"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
    ]
    kept = [(b"x-three", b"3"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert end_to_end(pairs) == kept


@pytest.mark.parametrize(
    "name",
    [
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ],
)
def test_what_is_for_one_connection_ends_here_though_nobody_says_so(name: bytes) -> None:
    assert end_to_end([(name, b"a"), (b"x-one", b"1")]) == [(b"x-one", b"1")]


@pytest.mark.parametrize(
    "name", [b"forwarded", b"x-real-ip", b"x-forwarded-for", b"x_forwarded_for", b"x_real_ip"]
)
def test_who_asks_is_for_the_gate_to_say(name: bytes) -> None:
    with Origin() as origin:
        asyncio.run(talk(Upstream(origin.url), (name, b"10.9.8.7"), method="GET", path="/page"))
        assert "10.9.8.7" not in str([heard.headers for heard in origin.heard])


def test_a_payer_takes_nothing_away_of_what_the_gate_tells_the_site() -> None:
    pairs = [(b"connection", b"x-pay-amount, x-pay-replay, x-one"), (b"x-one", b"1")]
    told = [(b"x-pay-amount", b"200"), (b"x-pay-replay", b"true")]
    assert end_to_end([*pairs, *told]) == told


async def talk(
    upstream: Upstream,
    *headers: tuple[bytes, bytes],
    method: str = "POST",
    path: str = "/",
    query: bytes = b"",
) -> list[dict[str, Any]]:
    sent = await ask(upstream, *headers, method=method, path=path, query=query)
    await upstream.close()
    return sent


async def ask(
    upstream: Upstream,
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    path: str = "/page",
    query: bytes = b"",
) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if method == "GET":  # it has no body, and its reader stays
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope: Scope = {"type": "http", "method": method, "path": path, "headers": list(headers)}
    scope["query_string"] = query
    await upstream(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("query", "target"),
    [
        (b"x=%c3%a4&y=a+b;~'!", "/page?x=%c3%a4&y=a+b;~'!"),
        ("q=\u00e4%20+".encode(), "/page?q=%C3%A4%20+"),
    ],
)
def test_a_target_goes_out_as_it_came_and_escaped_where_it_was_not(
    query: bytes, target: str
) -> None:
    with Origin() as origin:
        sent = asyncio.run(talk(Upstream(origin.url), method="GET", path="/page", query=query))
        assert sent[0]["status"] == 200
        assert [heard.target for heard in origin.heard] == [target]


def test_nobody_there_is_a_bad_gateway() -> None:
    sent = asyncio.run(talk(Upstream("http://127.0.0.1:9")))
    assert sent[0]["status"] == 502
    assert b"origin_unreachable" in sent[1]["body"]


@pytest.mark.parametrize(
    "framing",
    [
        [(b"content-length", b"1"), (b"content-length", b"2")],
        [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
    ],
)
def test_a_length_that_is_said_twice_is_a_bad_request(
    framing: list[tuple[bytes, bytes]],
) -> None:
    sent = asyncio.run(talk(Upstream("http://127.0.0.1:9"), *framing))
    assert sent[0]["status"] == 400
    assert b"length_ambiguous" in sent[1]["body"]


def test_it_starts_and_stops_with_its_server() -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(Upstream("http://127.0.0.1:9")({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_an_origin_that_hangs_on_a_free_path_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "HEAD_TIMEOUT_S", 0.1)
    with Origin() as origin:
        sent = asyncio.run(talk(Upstream(origin.url), method="GET", path="/hangs"))
    assert sent[0]["status"] == 502


def test_a_connection_is_used_again_whatever_became_of_its_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(proxy, "CONNECTIONS_MAX", 1)
    monkeypatch.setattr(proxy, "HEAD_TIMEOUT_S", 0.1)

    async def run(upstream: Upstream) -> list[int]:
        found = [await ask(upstream, path=path) for path in ("/page", "/hangs", "/page", "/page")]
        gone = asyncio.ensure_future(ask(upstream, path="/hangs"))
        await asyncio.sleep(0)
        gone.cancel()
        found.append(await ask(upstream))
        await upstream.close()
        return [sent[0]["status"] for sent in found]

    with Origin() as origin:
        assert asyncio.run(run(Upstream(origin.url))) == [200, 502, 200, 200, 200]


def test_who_waits_too_long_for_a_connection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "CONNECTIONS_MAX", 1)
    monkeypatch.setattr(proxy, "WAIT_TIMEOUT_S", 0.05)

    async def run(upstream: Upstream) -> list[dict[str, Any]]:
        first = asyncio.ensure_future(ask(upstream, path="/hangs"))
        await asyncio.sleep(0)
        sent = await ask(upstream)
        first.cancel()
        await asyncio.wait({first})
        await upstream.close()
        return sent

    with Origin() as origin:
        sent = asyncio.run(run(Upstream(origin.url)))
    assert sent[0]["status"] == 502
    assert b"is busy" in sent[1]["body"]


def test_the_next_event_of_a_stream_may_be_long_in_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "HEAD_TIMEOUT_S", 0.1)
    with Origin() as origin:
        threading.Timer(0.3, origin.go_on.set).start()
        sent = asyncio.run(talk(Upstream(origin.url), method="GET", path="/events"))
    body = b"".join(message.get("body", b"") for message in sent)
    assert body == b"data: 1\n\ndata: 2\n\n"


class Sender:
    """Sends one request through an upstream, its body part by part, as an HTTP server hands it."""

    def __init__(self, *parts: bytes, method: str = "POST", version: str = "1.1") -> None:
        self.scope: dict[str, Any] = {"type": "http", "method": method, "path": "/echo"}
        self.scope |= {"headers": [], "http_version": version}
        self._parts = list(parts)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> Any:
        if not self._parts:
            await asyncio.Event().wait()
        part = self._parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": part != b""}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    def through(self, upstream: Upstream) -> "asyncio.Future[None]":
        return asyncio.ensure_future(upstream(self.scope, self.receive, self.send))

    def heard(self) -> Any:
        return json.loads(b"".join(message.get("body", b"") for message in self.sent))


def test_a_body_whose_length_only_its_end_tells_is_passed_on() -> None:
    """HTTP/2 has no chunks, and need not say a length."""

    async def run(upstream: Upstream) -> None:
        full, empty = Sender(b"ab", b"cd", b"", version="2"), Sender(b"", version="2")
        for sender in (full, empty):
            await sender.through(upstream)
        await upstream.close()
        assert full.heard()["size"] == 4
        assert empty.heard()["size"] == 0

    with Origin() as origin:
        asyncio.run(run(Upstream(origin.url)))


@pytest.mark.parametrize(("method", "closes"), [("GET", True), ("DELETE", True), ("POST", False)])
def test_an_unread_body_is_not_the_next_request(method: str, *, closes: bool) -> None:
    """Sites that do not expect one leave it in the connection."""

    async def run(upstream: Upstream) -> None:
        sender = Sender(b"GET /sold HTTP/1.1\r\n\r\n", b"", method=method)
        sender.scope["headers"] = [(b"transfer-encoding", b"chunked")]
        await sender.through(upstream)
        await upstream.close()
        assert (["connection", "close"] in sender.heard()["headers"]) == closes

    with Origin() as origin:
        asyncio.run(run(Upstream(origin.url)))


def test_whoever_sends_slowly_takes_no_connection_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "CONNECTIONS_MAX", 1)
    monkeypatch.setattr(proxy, "BODY_TIMEOUT_S", 0.2)

    async def run(upstream: Upstream) -> list[list[dict[str, Any]]]:
        silent, slow = Sender(), Sender(b"a")
        for sender in (silent, slow):
            sender.scope["headers"] = [(b"content-length", b"10")]
        waiting = [silent.through(upstream)]
        await asyncio.sleep(0.05)
        first = await ask(upstream)  # one that has sent nothing yet is in nobody's way
        waiting.append(slow.through(upstream))
        await asyncio.wait(waiting)
        second = await ask(upstream)
        await upstream.close()
        assert [sent[0]["status"] for sent in (first, second)] == [200, 200]
        return [silent.sent, slow.sent]

    with Origin() as origin:
        found = asyncio.run(run(Upstream(origin.url)))
    for sent in found:
        assert sent[0]["status"] == 400
        assert b"request_too_slow" in sent[1]["body"]


def test_a_hang_up_frees_the_connection_to_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else so many hang-ups shut a site, at no cost."""
    monkeypatch.setattr(proxy, "CONNECTIONS_MAX", 1)

    async def run(upstream: Upstream) -> None:
        sender = Sender(method="GET")
        sender.scope["path"] = "/events"
        hang_up = asyncio.Event()

        async def receive() -> Any:
            await hang_up.wait()
            return {"type": "http.disconnect"}

        reading = asyncio.ensure_future(upstream(sender.scope, receive, sender.send))
        while len(sender.sent) < 2:
            await asyncio.sleep(0.01)
        assert not reading.done()
        hang_up.set()
        await asyncio.wait_for(reading, 5)
        assert [message["type"] for message in sender.sent][-1] == "http.response.body"
        assert sender.sent[-1]["more_body"], "the end of it never came"
        assert (await asyncio.wait_for(ask(upstream), 5))[0]["status"] == 200
        await upstream.close()

    with Origin() as origin:
        asyncio.run(run(Upstream(origin.url)))
