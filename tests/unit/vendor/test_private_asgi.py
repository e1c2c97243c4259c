"""What the site sees of a sealed request, and what its answer becomes on the way out."""

import asyncio

import pytest

from farthing.schemes.contract import Dialect
from farthing.vendor import driver
from farthing.vendor.asgi import BUFFER_BYTES_MAX, App, Message, Receive, Scope, Send
from farthing.vendor.commands import Headers
from farthing.vendor.private_asgi import inner_body, inner_scope
from farthing.wire.sealed import Asked
from tests.kit.page import Page, answer_with, length, scope_of
from tests.kit.shop import PATH, ROUTE, Buyer, Shop

PRIVATE: Dialect = "private"
OUTER = scope_of(
    (b"content-length", b"5000"),
    (b"content-type", b"application/json"),
    (b"user-agent", b"farthing"),
    (b"authorization", b"Basic bm9ib2R5"),
    (b"x-forwarded-for", b"203.0.113.9"),
    (b"connection", b"keep-alive"),
    method="POST",
    path="/.well-known/farthing/private",
)
ASKED = Asked(
    method="PUT",
    path_query="/a%20b/%C3%A9?q=%31",
    headers=(("accept", "text/html"), ("cookie", "a=1")),
    body=b"the body",
    amount_micro=200,
    payload=b"{}",
)


def test_the_site_sees_the_inner_request_and_what_its_proxies_say() -> None:
    scope = inner_scope(OUTER, ASKED)
    assert (scope["method"], scope["path"]) == ("PUT", "/a b/é")
    assert (scope["raw_path"], scope["query_string"]) == (b"/a%20b/%C3%A9", b"q=%31")
    assert scope["headers"] == [
        (b"host", b"news.example"),
        (b"x-forwarded-for", b"203.0.113.9"),
        (b"accept", b"text/html"),
        (b"cookie", b"a=1"),
        (b"content-length", b"8"),
    ]
    assert (scope["client"], scope["scheme"]) == (OUTER["client"], "https")


def test_what_is_no_request_changes_nothing() -> None:
    assert inner_scope(OUTER, None) is OUTER


def test_the_inner_body_comes_whole_and_then_the_line_is_the_payers() -> None:
    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def talk() -> list[Message]:
        receive = inner_body(gone, ASKED)
        return [await receive(), await receive()]

    assert asyncio.run(talk()) == [
        {"type": "http.request", "body": b"the body"},
        {"type": "http.disconnect"},
    ]


# --- answers ------------------------------------------------------------------------------------


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    opened = Shop(ROUTE + 'methods = ["GET", "HEAD"]')
    monkeypatch.setattr(driver, "now", opened.clock.at)
    return opened


def page_of(shop: Shop, app: App, method: str = "GET") -> Page:
    payment = Buyer(shop, "millicent").pay(PRIVATE, method=method)
    page = Page(shop, app, payment, method="POST")
    asyncio.run(page.run())
    found = shop.find(payment.k)
    assert found is not None
    expected = "confirmed" if page.status == 200 else "released"
    assert found.state == expected
    return page


EVENTS: Headers = ((b"content-type", b"text/event-stream"),)


@pytest.mark.parametrize(
    "app",
    [
        answer_with(b"the ", b"page", headers=length(8)),
        answer_with(b"the ", b"page", b""),
        answer_with(b"the page"),
    ],
    ids=["short", "chunked", "at once"],
)
def test_an_answer_is_sent_whole_and_of_known_length(shop: Shop, app: App) -> None:
    page = page_of(shop, app)
    assert (page.status, page.body) == (200, b"the page")
    assert len(page.sent) == 2
    outer = dict(page.sent[0]["headers"])
    assert set(outer) == {b"content-type", b"cache-control", b"content-length"}
    assert outer[b"content-length"] == str(len(page.sent[1]["body"])).encode()


def test_the_answer_to_a_sealed_head_request_has_a_body(shop: Shop) -> None:
    page = page_of(shop, answer_with(b"", headers=length(8)), method="HEAD")
    assert (page.status, page.body, page.headers[b"content-length"]) == (200, b"", b"8")
    assert page.sent[1]["body"]


@pytest.mark.parametrize(
    "app",
    [
        answer_with(b"data: 1\n\n", b"data: 2\n\n", headers=EVENTS),
        answer_with(b"x", b"", headers=length(BUFFER_BYTES_MAX + 1)),
        answer_with(*([b"x" * 65_536] * 20)),
        answer_with(b"x" * 900_000),
    ],
    ids=["events", "long", "chunked", "too long when sealed"],
)
def test_what_no_seal_holds_is_refused_and_not_charged(shop: Shop, app: App) -> None:
    page = page_of(shop, app)
    assert (page.status, page.is_released) == (413, True)
    assert shop.earned_micro() == 0


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a bug")


def test_a_site_that_fails_fails_under_the_seal(shop: Shop) -> None:
    page = page_of(shop, broken)
    assert (page.status, page.is_released) == (502, True)
    seen: list[Scope] = []

    async def remember(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await answer_with(b"")(scope, receive, send)

    page_of(shop, remember)
    assert (seen[0]["method"], seen[0]["path"]) == ("GET", PATH)
