"""What stands before every route of a broker: who, how often, how large a head, which body."""

import asyncio
import gzip
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest

from farthing.broker.app import Broker, asgi_app
from farthing.broker.front import (
    ATTEMPTS_VARIABLE,
    PROXIES_VARIABLE,
    Front,
    Terms,
    kind_of,
    terms_in_environment,
)
from farthing.broker.plain import Receive, Scope, Send, respond
from farthing.errors import Misconfigured
from farthing.wire.attempts import ATTEMPTS_PER_S_MAX, BURST_S
from farthing.wire.heads import HEADERS_BYTES_MAX, HEADERS_MAX

URL = "http://127.0.0.1:8400"
STRANGER, OTHER, PROXY = "203.0.113.9", "203.0.113.10", "10.0.0.7"
Talk = Callable[["Caller"], Coroutine[Any, Any, None]]


class Caller:
    """Calls a broker from any address."""

    def __init__(self, app: Any, token: str) -> None:
        self.app = app
        self.token = token

    async def call(
        self, method: str, path: str, address: str = STRANGER, **asked: Any
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            return await client.request(method, path, **asked)

    async def statuses(self, count: int, path: str, address: str, **asked: Any) -> list[int]:
        return [(await self.call("POST", path, address, **asked)).status_code for _ in range(count)]


def talking(folder: Path, talk: Talk, **terms: Any) -> None:
    token = Broker.init(folder, broker_id="b", currency="eur", url=URL)
    broker = Broker.open(folder)
    try:
        asyncio.run(talk(Caller(asgi_app(broker, Terms(**terms)), token)))
    finally:
        broker.close()


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/transfer", {"Authorization": "Bearer wrong"}),
        ("/settle", {"Authorization": "Bearer wrong"}),
        ("/accounts", {"Authorization": "Bearer wrong"}),
        ("/settle", {}),
        ("/nowhere", {}),
        ("/cashu/eur/v1/swap", {}),
    ],
)
def test_who_is_refused_again_and_again_is_told_to_wait(
    tmp_path: Path, path: str, headers: dict[str, str]
) -> None:
    async def talk(caller: Caller) -> None:
        found = await caller.statuses(BURST_S + 10, path, STRANGER, headers=headers, content=b"{")
        assert 429 not in found[: BURST_S - 1]
        assert found[-5:] == [429] * 5
        told = await caller.call("POST", path, headers=headers)
        assert (told.json()["code"], told.headers["retry-after"]) == ("rate_limited", "5")
        assert (told.json()["refusal"], told.json()["retry"]) == ("Throttled", "same")
        assert (await caller.statuses(1, path, OTHER, headers=headers)) != [429]
        assert caller.app._app._counts.answers["other", 429] == found.count(429) + 1

    talking(tmp_path, talk, attempts_per_s=1)


def test_garbage_hinders_nobody_who_has_a_token_and_what_is_answered_counts_for_nothing(
    tmp_path: Path,
) -> None:
    async def talk(caller: Caller) -> None:
        await caller.statuses(2 * BURST_S, "/settle", STRANGER)
        known = {"Authorization": f"Bearer {caller.token}"}
        for _ in range(2 * BURST_S):
            assert (await caller.call("GET", "/accounts", headers=known)).status_code == 200
        assert (await caller.call("GET", "/health")).status_code == 429, "nor anybody else's there"
        assert (await caller.call("GET", "/health", OTHER)).status_code == 200

    talking(tmp_path, talk, attempts_per_s=1)


def test_this_machine_is_not_counted_and_a_proxy_speaks_for_whoever_it_names(
    tmp_path: Path,
) -> None:
    async def talk(caller: Caller) -> None:
        for address in ("127.0.0.1", PROXY):
            assert 429 not in await caller.statuses(2 * BURST_S, "/settle", address)
        named = {"X-Forwarded-For": STRANGER}
        found = await caller.statuses(2 * BURST_S, "/settle", PROXY, headers=named)
        assert found[-1] == 429
        assert await caller.statuses(1, "/settle", STRANGER) == [429]
        wrong = {"X-Forwarded-For": "not one"}
        assert await caller.statuses(1, "/settle", PROXY, headers=wrong) == [400]

    talking(tmp_path, talk, attempts_per_s=1, trusted_proxies=(PROXY,))


def test_nobody_is_counted_where_the_operator_says_so(tmp_path: Path) -> None:
    async def talk(caller: Caller) -> None:
        assert 429 not in await caller.statuses(2 * BURST_S, "/settle", STRANGER)

    talking(tmp_path, talk, attempts_per_s=0)


@pytest.mark.parametrize("path", ["/settle", "/accounts", "/cashu/eur/v1/swap", "/nowhere"])
def test_every_route_refuses_a_large_head_and_a_packed_body(tmp_path: Path, path: str) -> None:
    async def talk(caller: Caller) -> None:
        plain = await caller.call("POST", path, content=b"{}")
        assert plain.status_code not in {415, 431}
        sent = sum(len(name) + len(value) for name, value in plain.request.headers.raw)
        room = HEADERS_BYTES_MAX - sent - len(path) - len("x-long")
        for more, is_refused in ((0, False), (1, True)):
            long = {"X-Long": "a" * (room + more)}
            answer = await caller.call("POST", path, content=b"{}", headers=long)
            assert (answer.status_code == 431) is is_refused
            assert (b"too_large" in answer.content) is is_refused
        count = HEADERS_MAX - len(plain.request.headers.raw)
        for more, is_refused in ((0, False), (1, True)):
            many = {f"X-{number}": "1" for number in range(count + more)}
            answer = await caller.call("POST", path, content=b"{}", headers=many)
            assert (answer.status_code == 431) is is_refused
        packed = {"Content-Encoding": "gzip"}
        answer = await caller.call("POST", path, content=gzip.compress(b"{}"), headers=packed)
        assert (answer.status_code, answer.json()["code"]) == (415, "body_compressed")

    talking(tmp_path, talk)


def test_terms_reach_the_workers_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (PROXIES_VARIABLE, ATTEMPTS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    assert terms_in_environment() == Terms()
    for terms in (Terms(), Terms(trusted_proxies=(PROXY, "10.1.0.0/16"), attempts_per_s=7)):
        for name, value in terms.to_variables().items():
            monkeypatch.setenv(name, value)
        assert terms_in_environment() == terms
    monkeypatch.setenv(ATTEMPTS_VARIABLE, "many")
    with pytest.raises(Misconfigured, match="attempts_out_of_range"):
        terms_in_environment()


def test_terms_that_cannot_be_are_refused() -> None:
    assert Terms(attempts_per_s=ATTEMPTS_PER_S_MAX).attempts_per_s == ATTEMPTS_PER_S_MAX
    with pytest.raises(Misconfigured, match="attempts_out_of_range"):
        Terms(attempts_per_s=ATTEMPTS_PER_S_MAX + 1)
    with pytest.raises(Misconfigured, match="trusted_proxy_malformed"):
        Terms(trusted_proxies=("proxy.example",))


def test_what_is_counted_apart_shows_at_a_look() -> None:
    assert kind_of({"headers": [(b"authorization", b"Bearer wrong")]}) == "token"
    assert kind_of({"headers": [(b"x-cashu", b"abc")]}) == "stranger"


@pytest.mark.parametrize("has_begun", [False, True])
def test_a_mistake_of_our_own_is_an_answer_unless_one_has_begun(
    caplog: pytest.LogCaptureFixture, *, has_begun: bool
) -> None:
    counted: list[int] = []

    async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
        if has_begun:
            await respond(send, 200, b"{}")
        raise KeyError("a secret")

    async def run() -> httpx.Response:
        front = Front(breaks, Terms(), refused=counted.append)
        return await Caller(front, "").call("POST", "/cashu/quotes/a-secret-id")

    if has_begun:
        with pytest.raises(KeyError):
            asyncio.run(run())
        return
    answer = asyncio.run(run())
    assert (answer.status_code, answer.json()["code"], counted) == (503, "internal_fault", [503])
    (told,) = [record.getMessage() for record in caplog.records if record.name == "farthing.fault"]
    assert told.startswith("a request: KeyError at ")
    assert "secret" not in caplog.text + answer.text
