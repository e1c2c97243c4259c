"""A POST that is paid for, at a real gate: what is sent, what a crash costs, what a budget does."""

import hashlib
import io
import os
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import anyio
import httpx
import msgspec
import pytest

from farthing.cli import servers
from farthing.cli.showroom import Showroom
from farthing.errors import Unavailable
from farthing.wallet.app import Wallet, open_wallet
from tests.integration.crash.fleet import environment
from tests.unit.wallet.servers import read_body

PRICE_MICRO = 200
WAIT_S = 20
ROUTES = f"""accept = ["payword"]
[[route]]
path = "/api/*"
methods = ["POST", "PUT"]
price = "{PRICE_MICRO}u"
bind_body = true

[[route]]
path = "/loose"
methods = ["POST"]
price = "{PRICE_MICRO}u"
"""


class Api(BaseHTTPRequestHandler):
    """Says what it was sent; at `/api/slow` once it may."""

    protocol_version = "HTTP/1.1"
    heard: ClassVar[list[tuple[str, str, bytes]]] = []
    """Method, content type and body of what was served."""
    has_come: ClassVar[threading.Event] = threading.Event()
    may_go_on: ClassVar[threading.Event] = threading.Event()

    def _answer(self) -> None:
        body = read_body(self)
        kind = self.headers.get("content-type", "")
        self.heard.append((self.command, kind, body))
        if self.path == "/api/slow":
            self.has_come.set()
            self.may_go_on.wait(WAIT_S)
        said = f"{self.command} {hashlib.sha256(body).hexdigest()}\n".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: object) -> None:
        return None


def said(body: bytes, method: str = "POST") -> str:
    """What the API answers to this."""
    return f"{method} {hashlib.sha256(body).hexdigest()}\n"


class Stage:
    """A gate before the API, and a wallet in a folder as the command has it."""

    def __init__(self, room: Showroom, folder: Path) -> None:
        self.room, self.folder = room, folder
        self.env = environment(
            FARTHING_DATA=str(folder), FARTHING_WALLET_PASSPHRASE=room.passphrase
        )

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """`farthing wallet` with these, under way."""
        return subprocess.Popen(
            servers.python("-m", "farthing.cli", "wallet", *arguments),
            cwd=self.folder,
            env={**os.environ, **self.env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def post(self, path: str, *arguments: str, given: bytes = b"") -> tuple[int, str, str]:
        """Exit code, what came, and what is said of it."""
        child = self.start("get", self.room.gate_url + path, *arguments)
        out, err = child.communicate(given, timeout=60)
        return child.returncode, out.decode(), " ".join(err.decode().split())

    def wallet(self, client: httpx.Client | None = None) -> Wallet:
        return open_wallet(self.folder / "wallet.db", self.room.passphrase, client=client)

    def states(self) -> list[str]:
        """Of the purchases, the first one first."""
        with self.wallet() as wallet:
            return [entry.state for entry in reversed(wallet.history())]

    def earned_micro(self) -> int:
        """By the vendor, by its own account."""
        raw = servers.run_once(
            servers.python("-m", "farthing.cli", "vendor", "report", "--json"),
            env={"FARTHING_DATA": str(self.folder / "vendor")},
        )
        return sum(line["earned_micro"] for line in msgspec.json.decode(raw))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Showroom, Path]]:
    folder = tmp_path_factory.mktemp("posting")
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            with Showroom(folder, ["payword"], url, quiet=True) as showroom:
                (folder / "vendor" / "prices.toml").write_text(ROUTES)
                showroom.processes["vendor"].terminate()
                showroom.processes["vendor"].wait()
                showroom.start_gate()
                yield showroom, folder
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def stage(room: tuple[Showroom, Path]) -> Stage:
    Api.heard.clear()
    Api.has_come.clear()
    Api.may_go_on.clear()
    return Stage(*room)


def test_text_a_file_and_standard_input_are_sent_byte_for_byte(stage: Stage) -> None:
    raw = bytes(range(256)) * 4 + b"\r\n\n"
    (stage.folder / "raw.bin").write_bytes(raw)
    as_json = ("-H", "Content-Type: application/json")
    paid = "200, paid 0.0002 EUR (0.02 cent) by payword"
    url = stage.room.gate_url + "/api/x"
    assert stage.post("/api/x", "-d", '{"a": "é"}', *as_json) == (
        0, said('{"a": "é"}'.encode()), paid,
    )  # fmt: skip  # - one answer
    assert stage.post("/api/x", "-d", "@raw.bin") == (0, said(raw), paid)
    assert stage.post("/api/x", "--body", "@-", "-X", "put", given=raw) == (
        0, said(raw, "PUT"), paid,
    )  # fmt: skip  # - one answer
    form = "application/x-www-form-urlencoded"
    assert [(method, kind) for method, kind, _ in Api.heard] == [
        ("POST", "application/json"),
        ("POST", form),
        ("PUT", form),
    ]
    with stage.wallet() as wallet:
        newest = wallet.history(3)
    assert [(entry.method, entry.url) for entry in newest] == [
        ("PUT", url),
        ("POST", url),
        ("POST", url),
    ]


def test_a_wallet_that_is_killed_pays_the_same_body_once_and_another_body_anew(
    stage: Stage,
) -> None:
    before, earned_micro = len(stage.states()), stage.earned_micro()
    child = stage.start("get", stage.room.gate_url + "/api/slow", "-d", "one")
    assert Api.has_come.wait(WAIT_S), "the API works on what is paid for"
    child.kill()
    child.communicate()
    Api.may_go_on.set()
    code, out, _ = stage.post("/api/slow", "-d", "two")
    assert (code, out) == (0, said(b"two")), "another body is another purchase"
    code, out, _ = stage.post("/api/slow", "-d", "one")
    assert (code, out) == (0, said(b"one"))
    states = stage.states()[before:]
    assert states.count("done") == 2
    assert set(states) <= {"done", "released"}
    assert stage.earned_micro() - earned_micro == 2 * PRICE_MICRO


class Losing(httpx.HTTPTransport):
    """Loses every answer that has a receipt."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if "payment-receipt" in answer.headers or "/outcome" in request.url.path:
            answer.close()
            raise httpx.ReadError("lost")
        return answer


@pytest.mark.parametrize("path", ["/api/lost", "/loose"])
def test_an_answer_that_was_lost_comes_again_and_the_api_works_once(
    stage: Stage, path: str
) -> None:
    before, out = len(stage.states()), io.BytesIO()
    url = stage.room.gate_url + path
    with (
        stage.wallet(httpx.Client(transport=Losing())) as wallet,
        pytest.raises(Unavailable, match="site_unreachable"),
    ):
        wallet.get(url, out, method="POST", body=b"one")
    with stage.wallet() as wallet:
        page = wallet.get(url, out, method="POST", body=b"one")
    assert (page.status, page.paid_micro, out.getvalue()) == (
        200,
        PRICE_MICRO,
        said(b"one").encode(),
    )
    assert [body for _, _, body in Api.heard] == [b"one"]
    assert stage.states()[before:] == ["done"]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_program_posts_what_a_generator_gives(stage: Stage, kind: str) -> None:
    url, whole = stage.room.gate_url + "/api/x", b"a=1"

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a=", b"1"):
            yield part

    async def post(wallet: Wallet) -> httpx.Response:
        async with httpx.AsyncClient(auth=wallet.auth()) as client:
            return await client.post(url, content=parts())

    with stage.wallet() as wallet:
        if kind == "sync":
            with httpx.Client(auth=wallet.auth()) as client:
                answer = client.post(url, content=iter([b"a=", b"1"]))
        else:
            answer = anyio.run(post, wallet)
        assert wallet.history(1)[0].state == "done"
    assert (answer.status_code, answer.text) == (200, said(whole))
    assert [(method, body) for method, _, body in Api.heard] == [("POST", whole)]


def test_above_a_budget_nothing_is_sent_to_the_api(stage: Stage) -> None:
    with stage.wallet() as wallet:
        limits = wallet.limits()
        wallet.set_limits(msgspec.structs.replace(limits, per_payment_micro=PRICE_MICRO - 1))
    code, out, err = stage.post("/api/x", "-d", "one")
    with stage.wallet() as wallet:
        wallet.set_limits(limits)
    assert (code, out) == (1, "")
    assert "above_budget_per_payment" in err
    assert Api.heard == []
