"""The far side on real sockets: a site and a broker on 127.0.0.1, each in a thread."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from farthing import codec
from farthing.errors import Denied, Refusal, row_of
from farthing.wallet.app import Wallet, init
from farthing.wallet.commands import Failed, Request, Response
from farthing.wallet.peering import KEYS_PATH
from tests.unit.wallet.farside import BROKER, CURRENCY, PAGE, Bank, Site
from tests.unit.wallet.world import CHEAP, PASSPHRASE

TOKEN, ADMIN = "tok-alice", "tok-admin"
PEER = "south"  # a broker that this one buys of
Handle = Callable[[Request], Response | Failed]


def read_body(asked: BaseHTTPRequestHandler) -> bytes:
    """Of a request, chunked or not."""
    if asked.headers.get("transfer-encoding") != "chunked":
        return asked.rfile.read(int(asked.headers.get("content-length", "0")))
    body = b""
    while size := int(asked.rfile.readline(), 16):
        body += asked.rfile.read(size)
        asked.rfile.readline()
    asked.rfile.readline()
    return body


@contextmanager
def served(handle_at: Callable[[str], Handle]) -> Iterator[str]:
    """The origin of a server that answers with `handle_at(origin)`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one segment: apart they wait for delayed ACKs

        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def _answer(self) -> None:
            request = Request(
                method=self.command,
                url=origin + self.path,
                headers=tuple(self.headers.items()),
                body=read_body(self),
            )
            answer = handle(request)
            if isinstance(answer, Failed):
                self.close_connection = True
                return
            body = answer.body or (PAGE if answer.status == 200 else b"")
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _answer  # noqa: N815 - names that http.server looks for

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Payers hang up, some of them killed."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    origin = f"http://127.0.0.1:{server.server_port}"
    handle = handle_at(origin)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class BankApi:
    """The broker's HTTP face, as far as a wallet needs it."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.seen: list[Request] = []
        self.credits: set[str] = set()

    def handle(self, request: Request) -> Response | Failed:
        self.seen.append(request)
        path = "/" + request.url.split("/", 3)[3]
        try:
            return _json(request, self._answer(request, path))
        except Refusal as refusal:
            row = row_of(refusal, value_moved=True)
            problem = {
                "code": refusal.code,
                "detail": refusal.detail,
                "retry": row.retry,
                "refusal": type(refusal).__name__,
            }
            return _json(request, problem, status=403 if row.status == 402 else row.status)

    def _answer(self, request: Request, path: str) -> Any:
        headers = {name.lower(): value for name, value in request.headers}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if path == KEYS_PATH:
            return {"broker": BROKER, "keys": [], "peers": [PEER]}
        if path == "/health":
            return {"broker": BROKER, "state": "up"}
        if token not in {TOKEN, ADMIN}:
            raise Denied("token_unknown", "send a token of this broker")
        if path == "/balance":
            return {"id": "alice", "currency": CURRENCY, "payerMicro": self.bank.balance_micro}
        if path == "/topup":
            if token != ADMIN:
                raise Denied("scope_missing", "this needs a token with scope admin")
            if headers["idempotency-key"] not in self.credits:
                self.credits.add(headers["idempotency-key"])
                self.bank.balance_micro += msgspec.json.decode(request.body)["amountMicro"]
            return {}
        assert path == "/issue/millicent", path
        message = msgspec.json.decode(request.body)
        return {"answer": self.bank.issue(headers["idempotency-key"], message)}


def _json(request: Request, value: Any, status: int = 200) -> Response:
    kind = "application/json" if status == 200 else "application/problem+json"
    return Response(
        status=status,
        url=request.url,
        headers=(("content-type", kind),),
        body=codec.canonical(value),
    )


def site_at(clock: Callable[[], int], found: list[Site]) -> Callable[[str], Handle]:
    """A site under whatever origin it is served; it is left in `found`."""

    def make(origin: str) -> Handle:
        found.append(Site(clock, origin=origin))
        return found[-1].handle

    return make


class Town:
    """A site, a broker and a wallet that has an account there."""

    def __init__(self, site: Site, api: BankApi, wallet: Wallet) -> None:
        self.site = site
        self.api = api
        self.wallet = wallet


@contextmanager
def town_in(folder: Path) -> Iterator[Town]:
    """All of it served, on the clock of this machine; the wallet is in the folder."""
    sites: list[Site] = []
    api = BankApi(Bank(now_s))
    with (
        served(site_at(now_s, sites)),
        served(lambda _: api.handle) as broker,
        init(folder / "wallet.db", PASSPHRASE, cost=CHEAP) as wallet,
    ):
        wallet.add_broker(broker, "alice", TOKEN, broker_id=BROKER, currency=CURRENCY)
        yield Town(sites[0], api, wallet)


def now_s() -> int:
    """Unix seconds."""
    return int(time.time())
