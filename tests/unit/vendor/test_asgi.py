"""The gate around an application: what is buffered, what streams, and what fails."""

import asyncio

import pytest

from farthing.schemes.chain.words.till import WordTill
from farthing.vendor import driver
from farthing.vendor.asgi import (
    BUFFER_BYTES_MAX,
    App,
    Message,
    Receive,
    Scope,
    Send,
    origin_scope,
    request_of,
    send_answer,
)
from farthing.vendor.commands import Answer
from tests.kit.page import PAYER, Page, answer_with, length, scope_of
from tests.kit.shop import HOST, PRICE_MICRO, ROUTE, Buyer, Shop

SHORT = answer_with(b"the ", b"page", headers=length(8), pause=2)
CHUNKED = answer_with(b"the ", b"page", b"", pause=2)
LONG = answer_with(b"x" * BUFFER_BYTES_MAX, b"y", headers=length(BUFFER_BYTES_MAX + 1), pause=2)


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    opened = Shop()
    monkeypatch.setattr(driver, "now", opened.clock.at)
    return opened


def bought(shop: Shop, app: App, scheme: str = "millicent", method: str = "GET") -> Page:
    page = Page(shop, app, Buyer(shop, scheme).pay(method=method), method)
    asyncio.run(page.run())
    return page


# --- what is buffered, what streams -------------------------------------------------------------


@pytest.mark.parametrize("app", [SHORT, CHUNKED, LONG], ids=["short", "chunked", "long"])
def test_a_page_is_sent_after_its_confirm(shop: Shop, app: App) -> None:
    earned: list[int] = []
    page = Page(shop, app, Buyer(shop, "millicent").pay())
    send = page._send

    async def watched(message: Message) -> None:
        earned.append(shop.earned_micro())
        await send(message)

    page._send = watched  # type: ignore[method-assign]  # to look at the store at each message
    asyncio.run(page.run())
    assert (page.status, page.is_whole) == (200, True)
    assert len(page.body) in {8, BUFFER_BYTES_MAX + 1}
    assert set(earned) == {PRICE_MICRO}, "durable before the first byte"
    assert b"payment-receipt" in page.headers


def test_one_message_without_a_length_is_buffered(shop: Shop) -> None:
    page = bought(shop, answer_with(b"the page"))
    assert (page.body, page.headers[b"content-length"]) == (b"the page", b"8")


def test_a_stream_goes_out_part_by_part(shop: Shop) -> None:
    page = bought(shop, CHUNKED)
    assert [message.get("body") for message in page.sent[1:]] == [b"the ", b"page", b""]


def test_an_event_stream_is_confirmed_at_its_head(shop: Shop) -> None:
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        kind = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        seen.append(shop.earned_micro())
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": False})

    page = bought(shop, app)
    assert seen == [PRICE_MICRO]
    assert (page.status, page.body) == (200, b"data: 1\n\n")


def test_a_failing_stream_is_passed_on_and_not_charged(shop: Shop) -> None:
    page = bought(shop, answer_with(b"so ", b"sorry", b"", status=500))
    assert (page.status, page.body) == (500, b"so sorry")
    assert page.is_released
    assert shop.earned_micro() == 0


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_no_length(shop: Shop, status: int) -> None:
    page = bought(shop, answer_with(b"", status=status))
    assert page.status == status
    assert b"content-length" not in page.headers
    assert shop.earned_micro() == PRICE_MICRO


def test_a_head_request_gets_the_length_and_no_body() -> None:
    shop = Shop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driver, "now", shop.clock.at)
        page = bought(shop, answer_with(b"", headers=length(5_000_000)), method="HEAD")
    assert (page.status, page.body) == (200, b"")
    assert page.headers[b"content-length"] == b"5000000"
    assert shop.earned_micro() == PRICE_MICRO


def test_work_after_the_answer_does_not_keep_the_payer_waiting(shop: Shop) -> None:
    done: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await SHORT(scope, receive, send)
        done.append("sent")
        await asyncio.sleep(0.01)
        done.append("mailed")
        raise RuntimeError("the mail server is away")

    page = Page(shop, app, Buyer(shop, "millicent").pay())

    async def run() -> None:
        task = asyncio.ensure_future(page.run())
        while not page.is_whole:
            await asyncio.sleep(0)
        assert done in ([], ["sent"])
        await task

    asyncio.run(run())
    assert done == ["sent", "mailed"]
    assert (page.status, shop.earned_micro()) == (200, PRICE_MICRO)


def test_an_answer_cannot_go_around_the_gate(shop: Shop) -> None:
    """A server may send a file by itself if it is asked to; then nobody would see its head."""
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["extensions"])
        await SHORT(scope, receive, send)

    page = bought(shop, app)
    assert page.scope["extensions"]
    assert seen == [{}]


# --- origins that fail --------------------------------------------------------------------------


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    return


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("a bug")


async def raises_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": length(8)})
    await send({"type": "http.response.body", "body": b"the ", "more_body": True})
    raise RuntimeError("a bug")


async def ends_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": length(8)})
    await send({"type": "http.response.body", "body": b"the ", "more_body": True})


FAILING = {
    "silent": silent,
    "raises": raises,
    "raises midway": raises_midway,
    "ends midway": ends_midway,
    "too short": answer_with(b"page", headers=length(8)),
    "too long": answer_with(b"the whole page", headers=length(8)),
    "longer and longer": answer_with(*[b"page"] * 9, headers=length(8)),
}


@pytest.mark.parametrize("app", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("scheme", ["millicent", "payword"])
def test_an_application_that_fails_is_not_charged_for(shop: Shop, app: App, scheme: str) -> None:
    page = bought(shop, app, scheme)
    assert page.status == 502
    assert page.is_released
    assert shop.earned_micro() == 0


def test_an_application_that_hangs_is_ended_and_not_charged_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(ROUTE + "origin_timeout_s = 1")
    monkeypatch.setattr(driver, "now", shop.clock.at)
    ended: list[str] = []

    async def hangs(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    page = bought(shop, hangs)
    assert (page.status, page.is_released, ended) == (502, True, ["cancelled"])


def test_an_application_that_answers_too_late_is_not_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop = Shop(ROUTE + "origin_timeout_s = 1")
    monkeypatch.setattr(driver, "now", shop.clock.at)

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await SHORT(scope, receive, send)

    page = bought(shop, stubborn)
    assert (page.status, page.is_released) == (502, True)
    assert shop.earned_micro() == 0


def test_a_mistake_of_our_own_is_told_to_the_log_and_costs_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a secret")

    app, buyer = answer_with(b"the page"), Buyer(shop, "payword")
    payment = buyer.pay()
    with monkeypatch.context() as patch:
        patch.setattr(WordTill, "take", broken)
        page = Page(shop, app, payment, "GET")
        asyncio.run(page.run())
    assert page.status == 503
    assert b"internal_fault" in page.body
    (told,) = caplog.messages
    assert told.startswith("the gate: KeyError at ")
    assert "test_asgi.py:" in told
    assert "a secret" not in told + page.body.decode() + str(caplog.records[0].exc_info)
    again = Page(shop, app, payment, "GET")
    asyncio.run(again.run())
    assert (again.status, shop.earned_micro()) == (200, PRICE_MICRO), "the same bytes, once"


def test_a_stream_that_breaks_off_after_its_head_breaks_off_for_the_payer(shop: Shop) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the ", "more_body": True})
        raise RuntimeError("a bug")

    page = Page(shop, app, Buyer(shop, "millicent").pay())
    with pytest.raises(RuntimeError):
        asyncio.run(page.run())
    assert not page.is_whole


# --- scopes -------------------------------------------------------------------------------------


def test_the_origin_sees_no_payment_and_nothing_that_only_we_may_say() -> None:
    scope = scope_of(
        (b"authorization", b"Payment abc"),
        (b"payment-authorization", b"Payment abc"),
        (b"payment-signature", b"abc"),
        (b"x-cashu", b"abc"),
        (b"x-pay-payer", b"mallory"),
        (b"x_pay_payer", b"mallory"),
        (b"x-pay_ref", b"mallory"),
        PAYER,
        (b"cookie", b"a=b"),
    )
    seen = origin_scope(scope, ((b"x-pay-payer", b"ann"),))
    assert seen["headers"] == [
        (b"host", HOST.encode()),
        PAYER,
        (b"cookie", b"a=b"),
        (b"x-pay-payer", b"ann"),
    ]
    assert len(scope["headers"]) == 10, "the server's own scope is left alone"


@pytest.mark.parametrize(
    "name",
    [
        b"x-http-method",
        b"x-http-method-override",
        b"x_http_method_override",
        b"x-method-override",
        b"x-original-url",
        b"x-original-uri",
        b"x-override-url",
        b"x-rewrite-url",
    ],
)
def test_the_origin_sees_no_header_by_which_it_would_serve_another_page(name: bytes) -> None:
    seen = origin_scope(scope_of((name, b"/dearer"), PAYER))
    assert seen["headers"] == [(b"host", HOST.encode()), PAYER]


@pytest.mark.parametrize(
    ("client", "scheme", "secure"),
    [
        (("127.0.0.1", 1), "http", True),
        (("127.8.8.8", 1), "http", True),
        (("::1", 1), "http", True),
        (("::ffff:127.0.0.1", 1), "http", True),
        (None, "http", True),
        (("203.0.113.9", 1), "http", False),
        (("10.0.0.1", 1), "http", False),
        (("203.0.113.9", 1), "https", True),
    ],
)
def test_a_request_is_private_over_https_or_on_this_machine(
    client: tuple[str, int] | None,
    scheme: str,
    secure: bool,  # noqa: FBT001 - a row of a table
) -> None:
    assert request_of({**scope_of(), "client": client, "scheme": scheme}).secure is secure


def test_a_path_is_bound_as_it_came() -> None:
    scope = {**scope_of(path="/a b"), "raw_path": b"/a%20b", "query_string": b"q=%20"}
    assert request_of(scope).path_query == "/a%20b?q=%20"
    del scope["raw_path"]
    assert request_of(scope).path_query == "/a%20b?q=%20"


def test_a_whole_answer_says_its_true_length() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    answer = Answer(status=200, headers=((b"content-length", b"999"),), body=b"four")
    asyncio.run(send_answer(send, answer, method="GET"))
    assert sent[0]["headers"] == [(b"content-length", b"4")]
    assert sent[1]["body"] == b"four"
