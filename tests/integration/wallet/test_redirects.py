"""A client that follows redirects: what is paid is what it ends at, and no payment goes farther."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from farthing.errors import Denied
from farthing.wallet.app import Wallet, init
from farthing.wallet.commands import Failed, Request, Response
from tests.unit.wallet.farside import BROKER, CURRENCY, Bank, Site
from tests.unit.wallet.servers import (
    TOKEN,
    BankApi,
    Town,
    now_s,
    served,
    site_at,
    town_in,
)
from tests.unit.wallet.world import CHEAP, PASSPHRASE


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with town_in(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_paid_request_is_never_redirected(tmp_path: Path, kind: str) -> None:
    """A site that answers a payment with a redirect does not get it carried to another place."""
    stolen: list[Request] = []
    sites: list[Site] = []

    def thief(request: Request) -> Response | Failed:
        stolen.append(request)
        return Response(status=200, url=request.url)

    with served(lambda _: thief) as elsewhere:

        def redirecting(origin: str) -> Any:
            site = site_at(now_s, sites)(origin)

            def handle(request: Request) -> Response | Failed:
                if any(name.lower() == "authorization" for name, _ in request.headers):
                    where = (("location", elsewhere + "/a"),)
                    return Response(status=307, url=request.url, headers=where)
                return site(request)

            return handle

        api = BankApi(Bank(now_s))
        with (
            served(redirecting) as origin,
            served(lambda _: api.handle) as broker,
            init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP) as wallet,
        ):
            wallet.add_broker(broker, "alice", TOKEN, broker_id=BROKER, currency=CURRENCY)
            with pytest.raises(Denied, match="redirect_with_payment"):
                _get_following(kind, origin, wallet)
    assert stolen == []


def _get_following(kind: str, origin: str, wallet: Wallet) -> None:
    if kind == "sync":
        with httpx.Client(auth=wallet.auth(), follow_redirects=True) as client:
            client.get(origin + "/a")
        return

    async def get() -> None:
        async with httpx.AsyncClient(auth=wallet.auth(), follow_redirects=True) as client:
            await client.get(origin + "/a")

    anyio.run(get)


def test_a_page_behind_a_redirect_is_paid_where_it_is(town: Town) -> None:
    def moved(_: str) -> Any:
        where = (("location", town.site.origin + "/a"),)
        return lambda request: Response(status=302, url=request.url, headers=where)

    with (
        served(moved) as origin,
        httpx.Client(auth=town.wallet.auth(), follow_redirects=True) as client,
    ):
        answer = client.get(origin + "/old")
    assert (answer.status_code, str(answer.url)) == (200, town.site.origin + "/a")
    assert town.site.charges == [("/a", 200)]


def test_what_redirects_is_asked_for_each_time_and_what_was_sold_is_paid_at_once(
    town: Town,
) -> None:
    seen: list[str] = []

    def handle(request: Request) -> Response | Failed:
        seen.append(request.url.removeprefix(origin))
        if request.url.endswith("/old"):
            where = (("location", origin + "/a"),)
            return Response(status=302, url=request.url, headers=where)
        answer = town.site.handle(request)
        assert isinstance(answer, Response)
        return answer

    with (
        served(lambda _: handle) as origin,
        httpx.Client(auth=town.wallet.auth(), follow_redirects=True) as client,
    ):
        town.site.origin, town.site.realm = origin, origin.partition("//")[2]
        for path in ("/old", "/old", "/b", "/a"):
            assert client.get(origin + path).status_code == 200
    assert seen == ["/old", "/a", "/a"] * 2 + ["/b", "/b", "/a"]
    assert [path for path, _ in town.site.charges] == ["/a", "/a", "/b", "/a"]


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    ("status", "method", "body"), [(303, "GET", b""), (302, "GET", b""), (307, "POST", b"a=1")]
)
def test_what_is_paid_behind_a_redirect_is_the_request_that_it_became(
    town: Town, kind: str, status: int, method: str, body: bytes
) -> None:
    """Host, method and body are the new one's, and what was meant for the first site stays."""
    seen: list[Request] = []
    handle = town.site.handle

    def spy(request: Request) -> Response | Failed:
        seen.append(request)
        return handle(request)

    def moved(_: str) -> Any:
        where = (("location", origin + "/a"),)
        return lambda request: Response(status=status, url=request.url, headers=where)

    with served(lambda _: spy) as origin, served(moved) as first:
        town.site.origin, town.site.realm = origin, origin.partition("//")[2]
        own = {"Cookie": "session=mine", "Authorization": "Basic bWluZQ=="}
        assert _post_following(kind, first + "/old", town.wallet, own) == 200
    assert town.site.charges == [("/a", 200)]
    assert [(request.method, request.body) for request in seen] == [(method, body)] * 2
    for request in seen:
        headers = {name.lower(): value for name, value in request.headers}
        assert headers["host"] == town.site.realm
        assert "mine" not in headers.get("cookie", "")
        assert not headers.get("authorization", "").startswith("Basic")


def _post_following(kind: str, url: str, wallet: Wallet, headers: dict[str, str]) -> int:
    """The status in the end; the body comes in parts."""
    if kind == "sync":
        with httpx.Client(auth=wallet.auth(), follow_redirects=True) as client:
            return client.post(url, content=iter([b"a=", b"1"]), headers=headers).status_code

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a=", b"1"):
            yield part

    async def post() -> int:
        async with httpx.AsyncClient(auth=wallet.auth(), follow_redirects=True) as client:
            return (await client.post(url, content=parts(), headers=headers)).status_code

    return anyio.run(post)
