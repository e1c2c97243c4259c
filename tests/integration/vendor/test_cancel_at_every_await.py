"""A request is cancelled at its n-th suspension, for every n: it is confirmed, or released."""

import asyncio

import pytest

from farthing import marks
from farthing.schemes.contract import Dialect
from farthing.vendor import driver
from farthing.vendor.asgi import BUFFER_BYTES_MAX, App, Receive, Scope, Send
from tests.kit.page import Page, answer_with, length
from tests.kit.shop import PRICE_MICRO, Buyer, Shop

TURNS_MAX = 200  # of the event loop; more than any request here takes
SHORT = answer_with(b"the ", b"page", headers=length(8), pause=2)
CHUNKED = answer_with(b"the ", b"page", b"", pause=2)
LONG = answer_with(b"x" * BUFFER_BYTES_MAX, b"y", headers=length(BUFFER_BYTES_MAX + 1), pause=2)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    return


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    opened = Shop()
    monkeypatch.setattr(driver, "now", opened.clock.at)
    return opened


def state_of(shop: Shop, k: str) -> marks.State | None:
    found = shop.find(k)
    return None if found is None else found.state


async def cancelled_after(page: Page, turns: int, *, again: int = 0) -> bool:
    """Cancel the request after so many turns of the loop; whether it had ended before."""
    task = asyncio.ensure_future(page.run())
    for _ in range(turns):
        await asyncio.sleep(0)
    if task.done():
        task.result()
        return True
    task.cancel()
    for _ in range(again):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return False


APPS = {
    "short": SHORT,
    "chunked": CHUNKED,
    "long": LONG,
    "failing": answer_with(b"no", b"", status=500, pause=2),
    "silent": silent,
}


@pytest.mark.parametrize("app", APPS.values(), ids=APPS)
@pytest.mark.parametrize("again", [0, 1, 2])
@pytest.mark.parametrize(
    ("scheme", "dialect"), [("millicent", "mpp"), ("payword", "mpp"), ("millicent", "private")]
)
def test_cancelled_anywhere_it_is_confirmed_or_released(
    shop: Shop, app: App, again: int, scheme: str, dialect: Dialect
) -> None:
    buyer = Buyer(shop, scheme)
    for turns in range(TURNS_MAX):
        payment = buyer.pay(dialect)
        before_micro = shop.earned_micro()
        page = Page(shop, app, payment)
        ended = asyncio.run(cancelled_after(page, turns, again=again))
        charged_micro = shop.earned_micro() - before_micro
        state = state_of(shop, payment.k)
        assert state != "held", f"frozen at turn {turns}"
        assert charged_micro == (PRICE_MICRO if state == "confirmed" else 0)
        if any(message.get("body") for message in page.sent) and not ended:
            assert state == "confirmed" or page.is_released
        follow = Page(shop, SHORT, payment)
        asyncio.run(follow.run())
        assert (follow.status, follow.body) == (200, b"the page")
        assert shop.earned_micro() == before_micro + PRICE_MICRO
        if ended:
            return
    raise AssertionError("the request never ended")


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"more ", "more_body": True})
        await asyncio.sleep(0)


def test_an_endless_stream_ends_when_its_request_is_cancelled(shop: Shop) -> None:
    buyer = Buyer(shop, "millicent")

    async def run(turns: int) -> marks.State | None:
        payment = buyer.pay()
        task = asyncio.ensure_future(Page(shop, endless, payment).run())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=1)
        if not done:
            task.cancel()
        assert done, f"it went on after turn {turns}"
        return state_of(shop, payment.k)

    for turns in range(40):
        assert asyncio.run(run(turns)) != "held"
