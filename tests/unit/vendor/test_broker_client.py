"""What a vendor makes of its broker's answers, and of none."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Broken,
    Denied,
    Misconfigured,
    Refusal,
    Throttled,
    Unavailable,
    Undecided,
)
from farthing.schemes.contract import Json
from farthing.vendor.broker_client import BrokerClient, problem_of

TOKEN = "TEST-VENDOR-TOKEN"
Said = tuple[str, dict[str, str], bytes]


class Listener(ThreadingHTTPServer):
    """A broker that answers what the test says."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.said: list[Said] = []
        self.status, self.body = 200, b"{}"
        self.hangs_up = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def _answer(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.said.append((self.path, headers, self.rfile.read(length)))
        if self.server.hangs_up:
            return
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST = _answer  # noqa: N815 - the library's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        return


@pytest.fixture
def broker() -> Iterator[Listener]:
    with Listener() as listener:
        thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
        thread.start()
        yield listener
        listener.shutdown()
        thread.join()


def ask(url: str, work: Callable[[BrokerClient], Any]) -> Any:
    async def run() -> Any:
        client = BrokerClient(url, TOKEN)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "url", ["http://broker.example", "http://10.0.0.1:8400", "ftp://localhost", "broker", ""]
)
def test_a_token_never_goes_out_in_the_open(url: str) -> None:
    with pytest.raises(Misconfigured, match="url_insecure"):
        BrokerClient(url, TOKEN)


@pytest.mark.parametrize("url", ["https://broker.example", "http://localhost:1", "http://[::1]:1"])
def test_https_and_this_machine_are_private(url: str) -> None:
    asyncio.run(BrokerClient(url, TOKEN).close())


def test_a_batch_goes_out_under_its_id_with_the_token(broker: Listener) -> None:
    broker.body = codec.canonical({"results": [{"state": "paid", "paidMicro": 1}]})
    results = ask(broker.url, lambda one: one.redeem("millicent", "batch-1", [{"serial": "a"}]))
    assert results == [{"state": "paid", "paidMicro": 1}]
    path, headers, body = broker.said[0]
    assert path == "/redeem/millicent"
    assert headers["idempotency-key"] == "batch-1"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert msgspec.json.decode(body) == {"claims": [{"serial": "a"}]}


def test_a_facilitator_call_has_the_same_key_for_the_same_message(broker: Listener) -> None:
    async def work(one: BrokerClient) -> None:
        for message in ({"a": 1}, {"a": 1}, {"a": 2}):
            await one.facilitate("settle", message)
        await one.facilitate("void", {"a": 1})

    ask(broker.url, work)
    keys = [headers["idempotency-key"] for _, headers, _ in broker.said]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_a_public_document_is_read(broker: Listener) -> None:
    broker.body = b'{"broker":"b"}'
    assert ask(broker.url, lambda one: one.get("/supported")) == {"broker": "b"}


def test_nobody_there_moved_nothing() -> None:
    unused = "http://127.0.0.1:9"
    with pytest.raises(Unavailable, match=f"{unused} does not answer .*; nothing is lost, try"):
        ask(unused, lambda one: one.facilitate("settle", {}))
    with pytest.raises(Unavailable, match="broker_unreachable"):
        ask(unused, lambda one: one.get("/supported"))


def test_an_answer_that_is_cut_off_leaves_it_undecided(broker: Listener) -> None:
    broker.hangs_up = True
    with pytest.raises(Undecided, match="outcome_unknown"):
        ask(broker.url, lambda one: one.facilitate("settle", {}))


def test_a_problem_is_the_refusal_that_it_names(broker: Listener) -> None:
    problem = {"refusal": "Throttled", "code": "batch_in_flight", "detail": "wait"}
    broker.status, broker.body = 429, codec.canonical(problem)
    with pytest.raises(Throttled, match="batch_in_flight"):
        ask(broker.url, lambda one: one.redeem("millicent", "b", []))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff"])
def test_a_success_that_is_no_json_is_strange(broker: Listener, body: bytes) -> None:
    broker.body = body
    with pytest.raises(Broken, match="broker_answered_strangely"):
        ask(broker.url, lambda one: one.facilitate("settle", {}))


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"{}"])
def test_results_that_are_none_are_none(broker: Listener, body: bytes) -> None:
    broker.body = body
    assert ask(broker.url, lambda one: one.redeem("millicent", "b", [])) is None


PROBLEMS: list[tuple[Json, int, type[Refusal]]] = [
    ({"refusal": "Denied", "code": "c", "detail": "d"}, 403, Denied),
    ({"refusal": "NoSuchClass", "code": "c", "detail": "d"}, 400, Broken),
    ({"code": "c"}, 404, Broken),
    ([], 404, Broken),
    ({"code": "c"}, 502, Undecided),
    (None, 503, Undecided),
]


@pytest.mark.parametrize(("body", "status", "kind"), PROBLEMS)
def test_without_a_problem_of_ours_only_the_status_tells(
    body: Json, status: int, kind: type[Refusal]
) -> None:
    assert type(problem_of(codec.canonical(body), status)) is kind


def test_a_token_is_in_no_refusal(broker: Listener) -> None:
    broker.status, broker.body = 500, b"oops"
    with pytest.raises(Refusal) as refused:
        ask(broker.url, lambda one: one.facilitate("settle", {}))
    assert TOKEN not in repr(refused.value) + str(refused.value)
