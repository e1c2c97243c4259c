import contextlib
import io
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from farthing.errors import Denied, Forged, Overlimit, Throttled, Unsupported
from farthing.schemes import registry
from farthing.wallet.app import open_wallet
from farthing.wallet.commands import Failed, Request, Response
from farthing.wire import problems
from tests.unit.wallet.farside import PAGE
from tests.unit.wallet.servers import TOKEN, Town, served, town_in
from tests.unit.wallet.world import PASSPHRASE


def now_s() -> int:
    return int(time.time())


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with town_in(tmp_path) as opened:
        yield opened


def test_a_client_pays_for_pages_without_being_told(town: Town) -> None:
    with httpx.Client(auth=town.wallet.auth(max_per_day="5c")) as client:
        for path in ("/a", "/b"):
            answer = client.get(town.site.origin + path)
            assert (answer.status_code, answer.content) == (200, PAGE)
    assert town.site.charges == [("/a", 200), ("/b", 200)]
    assert [entry.state for entry in town.wallet.history()] == ["done", "done"]


def test_an_async_client_fetches_eight_images_at_once(town: Town) -> None:
    async def fetch_all() -> list[int]:
        found: list[int] = []

        async def one(client: httpx.AsyncClient, number: int) -> None:
            answer = await client.get(f"{town.site.origin}/image-{number}")
            found.append(answer.status_code)

        async with (
            httpx.AsyncClient(auth=town.wallet.auth()) as client,
            anyio.create_task_group() as group,
        ):
            for number in range(8):
                group.start_soon(one, client, number)
        return found

    assert anyio.run(fetch_all) == [200] * 8
    assert sorted(path for path, _ in town.site.charges) == [f"/image-{n}" for n in range(8)]


def test_a_request_body_is_sent_again_with_the_payment(town: Town) -> None:
    with httpx.Client(auth=town.wallet.auth()) as client:
        answer = client.post(town.site.origin + "/form", content=iter([b"a=", b"1"]))
    assert answer.status_code == 200
    assert town.site.charges == [("/form", 200)]


def test_a_flooded_site_is_waited_for_by_either_client(town: Town) -> None:
    handle, left = town.site.handle, [0]
    status, headers, body = problems.problem(Throttled("rate_limited", "wait a little"))
    told = [(name.decode(), value.decode()) for name, value in headers]
    told = [pair for pair in told if pair[0] != "retry-after"]  # then it is one second

    def flooded(request: Request) -> Response | Failed:
        if left[0]:
            left[0] -= 1
            return Response(status=status, url=request.url, headers=tuple(told), body=body)
        return handle(request)

    town.site.handle = flooded  # type: ignore[method-assign]  # what is before the site

    async def get(path: str) -> int:
        async with httpx.AsyncClient(auth=town.wallet.auth()) as client:
            return (await client.get(town.site.origin + path)).status_code

    left[0] = 1
    with httpx.Client(auth=town.wallet.auth()) as client:
        assert client.get(town.site.origin + "/a").status_code == 200
    left[0] = 1
    assert anyio.run(get, "/b") == 200
    assert town.site.charges == [("/a", 200), ("/b", 200)]


def test_a_budget_is_kept_and_its_refusal_raised(town: Town) -> None:
    with httpx.Client(auth=town.wallet.auth(max_per_day="300u")) as client:
        client.get(town.site.origin + "/a")
        with pytest.raises(Overlimit, match="above_budget_per_day"):
            client.get(town.site.origin + "/b")
    assert town.site.charges == [("/a", 200)]


def test_whose_budget_it_is_and_how_it_is_raised_is_said(town: Town) -> None:
    wallet, page = town.wallet, town.site.origin + "/b"
    with httpx.Client(auth=wallet.auth()) as client:
        client.get(town.site.origin + "/a")
    own = wallet.auth(max_per_day="300u")
    wallet.set_limits(msgspec.structs.replace(wallet.limits(), per_day_micro=300))
    for auth, told in (
        (own, 'that this program has set for itself; raise it there: max_per_day="1c"'),
        (wallet.auth(max_per_day="300u"), 'raise it there: max_per_day="1c"'),
        (wallet.auth(max_per_payment="2c"), "farthing wallet budget --per-day 1c"),
    ):
        with httpx.Client(auth=auth) as client, pytest.raises(Overlimit) as refused:
            client.get(page)
        assert refused.value.detail.endswith(told)
    other = msgspec.structs.replace(wallet.limits(), per_payment_micro=1, sites=("x.example",))
    with pytest.raises(Denied, match="this program may pay"):
        wallet.get(page, io.BytesIO(), limits=other)
    with pytest.raises(Overlimit, match="this program has set for itself"):
        wallet.get(page, io.BytesIO(), limits=msgspec.structs.replace(other, sites=()))


def test_a_broken_connection_is_taken_up_by_the_same_request(town: Town) -> None:
    town.site.faults = ["reply_lost"]
    with httpx.Client(auth=town.wallet.auth()) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(town.site.origin + "/a")
        assert client.get(town.site.origin + "/a").status_code == 200
    assert town.site.charges == [("/a", 200)]
    assert [entry.state for entry in town.wallet.history()] == ["done"]


class Failing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Spoils the first page that was paid for: its end is missing, or it is an error after all."""

    def __init__(self, fault: str) -> None:
        self._fault = fault
        self._sync, self._async = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._spoil(self._sync.handle_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self._spoil(await self._async.handle_async_request(request))

    def close(self) -> None:
        self._sync.close()

    async def aclose(self) -> None:
        await self._async.aclose()

    def _spoil(self, response: httpx.Response) -> httpx.Response:
        if "payment-receipt" in response.headers:
            if self._fault == "status":
                response.status_code = 502
            if self._fault == "body":
                response.stream = Cut(response.stream)
            if self._fault == "altered":
                response.stream = Altered(response.stream)
            if self._fault == "unsigned":
                del response.headers["farthing-reply"]
            if self._fault == "over":
                response.status_code = 403
                response.headers["content-type"] = "application/problem+json"
            self._fault = ""
        return response


class Cut(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that breaks off in its first part."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            yield part[:10]
            raise httpx.ReadError("cut")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part[:10]
            raise httpx.ReadError("cut")

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Altered(Cut):
    """A body in which somebody changed a letter."""

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            yield part.replace(b"page", b"pale")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part.replace(b"page", b"pale")


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("fault", ["altered", "unsigned"])
def test_a_page_that_is_not_as_the_vendor_sent_it_is_refused_and_comes_again_unpaid(
    town: Town, fault: str, kind: str
) -> None:
    url, auth = town.site.origin + "/a", town.wallet.auth()

    async def fetch() -> httpx.Response:
        async with httpx.AsyncClient(auth=auth, transport=Failing(fault)) as client:
            with pytest.raises(Forged, match=f"reply_{fault}"):
                await client.get(url)
            return await client.get(url)

    if kind == "async":
        answer = anyio.run(fetch)
    else:
        with httpx.Client(auth=auth, transport=Failing(fault)) as client:
            with pytest.raises(Forged, match=f"reply_{fault}"):
                client.get(url)
            answer = client.get(url)
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert town.site.charges == [("/a", 200)]
    [holding] = town.wallet.holdings()
    assert (holding.state, holding.worth_micro) == ("ready", 1_800), "the change was kept"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("fault", ["body", "status"])
def test_a_paid_page_that_did_not_come_whole_comes_again_unpaid(
    town: Town, fault: str, kind: str
) -> None:
    url, auth = town.site.origin + "/a", town.wallet.auth()

    async def fetch() -> httpx.Response:
        async with httpx.AsyncClient(auth=auth, transport=Failing(fault)) as client:
            with contextlib.suppress(httpx.ReadError):
                assert (await client.get(url)).status_code == 502
            assert town.site.charges == [("/a", 200)]
            return await client.get(url)

    if kind == "async":
        answer = anyio.run(fetch)
    else:
        with httpx.Client(auth=auth, transport=Failing(fault)) as client:
            with contextlib.suppress(httpx.ReadError):
                assert client.get(url).status_code == 502
            answer = client.get(url)
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert town.site.charges == [("/a", 200)]
    with httpx.Client(auth=auth) as client:
        assert client.get(url).content == PAGE
    assert town.site.charges == [("/a", 200)] * 2, "what was got is bought anew"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_payment_whose_page_is_over_is_not_sent_again(town: Town, kind: str) -> None:
    async def ask() -> httpx.Response:
        auth, failing = town.wallet.auth(), Failing("over")
        async with httpx.AsyncClient(auth=auth, transport=failing) as client:
            return await client.get(town.site.origin + "/a")

    if kind == "sync":
        with httpx.Client(auth=town.wallet.auth(), transport=Failing("over")) as client:
            answer = client.get(town.site.origin + "/a")
    else:
        answer = anyio.run(ask)
    assert answer.status_code == 403
    town.wallet.close()
    assert delivered(town.wallet.path) == [1]


def delivered(path: Path) -> list[int]:
    """Of each purchase whether the same request is another one by now."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT delivered FROM purchases")]


def test_a_cancelled_request_is_taken_up_by_the_same_request(town: Town) -> None:
    async def cancelled() -> None:
        async with httpx.AsyncClient(auth=town.wallet.auth()) as client:
            for delay_ms in (5, 15, 30, 60):
                with anyio.move_on_after(delay_ms / 1000):
                    await client.get(town.site.origin + "/a")
            answer = await client.get(town.site.origin + "/b")
            assert answer.status_code == 200

    anyio.run(cancelled)
    town.wallet.recover()
    assert [path for path, _ in town.site.charges].count("/b") == 1
    charged_micro = sum(amount_micro for _, amount_micro in town.site.charges)
    held_micro = sum(each.worth_micro for each in town.wallet.holdings())
    assert town.api.bank.sold_micro == held_micro + charged_micro


def test_a_site_that_offers_other_schemes_hears_which_are_spent(town: Town) -> None:
    seen: list[str] = []
    handle = town.site.handle

    def other(request: Request) -> Response | Failed:
        headers = {name.lower(): value for name, value in request.headers}
        seen.append(headers.get("accept-payment", ""))
        answer = handle(request)
        if isinstance(answer, Failed) or seen[-1]:
            return answer
        others = tuple(
            (name, value.replace('method="millicent"', 'method="payword"'))
            for name, value in answer.headers
            if name != "payment-required"
        )
        return msgspec.structs.replace(answer, headers=others)

    only = {"millicent": registry.by_name("millicent")}
    with (
        served(lambda _: other) as origin,
        open_wallet(town.wallet.path, PASSPHRASE, schemes=only) as wallet,
        httpx.Client(auth=wallet.auth()) as client,
    ):
        town.site.origin, town.site.realm = origin, origin.partition("//")[2]
        assert client.get(origin + "/a").status_code == 200
    assert [bool(wish) for wish in seen] == [False, True, True]
    assert "millicent" in seen[1]


@pytest.mark.parametrize("schemes", [("payword", "tick"), "payword,tick"])
def test_a_program_says_by_what_it_pays(town: Town, schemes: tuple[str, ...] | str) -> None:
    with served(lambda _: town.site.handle) as origin:
        town.site.origin, town.site.realm = origin, origin.partition("//")[2]
        with (
            httpx.Client(auth=town.wallet.auth(schemes=schemes)) as client,
            pytest.raises(Unsupported, match="by here is payword, tick"),
        ):
            client.get(origin + "/a")
        with httpx.Client(auth=town.wallet.auth(schemes="payword,millicent")) as client:
            assert client.get(origin + "/a").status_code == 200
    assert [entry.scheme for entry in town.wallet.history()] == ["millicent"]


def test_a_header_in_any_letters_is_sent_as_it_is(town: Town) -> None:
    seen: list[str] = []
    handle = town.site.handle

    def spy(request: Request) -> Response | Failed:
        seen.append(dict(request.headers)["X-Name"])
        return handle(request)

    with served(lambda _: spy) as origin, httpx.Client(auth=town.wallet.auth()) as client:
        town.site.origin, town.site.realm = origin, origin.partition("//")[2]
        answer = client.get(origin + "/a", headers=[(b"X-Name", "Zoë".encode())])
    assert answer.status_code == 200
    assert seen == ["Zoë".encode().decode("latin-1")] * 2


def test_no_secret_of_the_account_reaches_the_site(town: Town) -> None:
    seen: list[Request] = []
    handle = town.site.handle

    def spy(request: Request) -> Response | Failed:
        seen.append(request)
        return handle(request)

    with (
        served(lambda origin: spy) as origin,
        httpx.Client(auth=town.wallet.auth()) as client,
    ):
        town.site.origin, town.site.realm = origin, origin.partition("//")[2]
        assert client.get(origin + "/a").status_code == 200
    assert seen
    assert not any(TOKEN in repr(msg.headers) + msg.body.decode() for msg in seen)
