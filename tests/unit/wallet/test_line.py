import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import httpx
import pytest

from farthing.errors import Forged, Unavailable
from farthing.wallet.commands import Failed, Request, Response, SendRequest
from farthing.wallet.driver import Driver
from farthing.wallet.line import Line
from farthing.wire.replies import Checking, sign
from tests.unit.wallet.world import World

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
WHOLE = HEAD + b"hello"
BROKEN = HEAD + b"hel"
PROBLEM = (
    b"HTTP/1.1 403 No\r\nConnection: close\r\n"
    b"Content-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
)


class Script:
    """A server that answers with the next of some bytes, and hangs up."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.heads: list[bytes] = []
        self.origin = ""
        self.stays = False
        """Instead of hanging up it waits until the payer does."""


@pytest.fixture
def script() -> Iterator[Script]:
    made = Script()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                head += self.rfile.readline()
            made.heads.append(head)
            self.wfile.write(made.answers.pop(0))
            if made.stays:
                self.rfile.read()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        made.origin = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    world = World(tmp_path)
    with httpx.Client() as client:
        driver = Driver(world.guide(), world.store, client, clock=world.now_s)
        with driver.session() as session, Line(client, session) as line:
            yield line


def ask(line: Line, script: Script) -> object:
    headers = (("Payment-Authorization", "Payment abc"),)
    request = Request(method="GET", url=script.origin + "/a", headers=headers)
    return line.answer(SendRequest(request=request, leg="paid"))


def test_a_page_goes_to_its_place(line: Line, script: Script) -> None:
    script.answers = [WHOLE]
    assert isinstance(ask(line, script), Response)
    out = io.BytesIO()
    assert line.read(out).status_code == 200
    assert out.getvalue() == b"hello"


def test_a_page_that_breaks_off_is_fetched_again_with_the_same_payment(
    line: Line, script: Script
) -> None:
    script.answers = [BROKEN, WHOLE]
    ask(line, script)
    out = io.BytesIO()
    line.read(out)
    assert out.getvalue() == b"hello"
    assert len(script.heads) == 2
    assert all(b"Payment abc" in head for head in script.heads)


def test_a_page_that_always_breaks_off_is_given_up(line: Line, script: Script) -> None:
    script.answers = [BROKEN] * 4
    ask(line, script)
    with pytest.raises(Unavailable, match="site_unreachable") as refused:
        line.read(io.BytesIO())
    assert re.match(r"127\.0\.0\.1:\d+ does not answer \(peer closed", refused.value.detail)


def test_a_refusals_body_is_read_and_kept_for_the_payer(line: Line, script: Script) -> None:
    script.answers = [PROBLEM]
    answer = ask(line, script)
    assert isinstance(answer, Response)
    assert answer.body == b"{}"
    out = io.BytesIO()
    assert line.read(out).status_code == 403
    assert out.getvalue() == b"{}"


def test_a_refusal_that_was_read_comes_part_by_part_too(line: Line, script: Script) -> None:
    script.answers = [PROBLEM]
    line.answer(SendRequest(request=Request(method="GET", url=script.origin), leg="first"))
    assert b"".join(line.parts()) == b"{}"


def test_no_answer_is_a_failure(line: Line, script: Script) -> None:
    script.answers = [b""]
    assert isinstance(ask(line, script), Failed)
    with pytest.raises(Unavailable):
        line.read(io.BytesIO())


def test_a_page_that_is_not_what_was_signed_leaves_nothing_behind(
    line: Line, script: Script
) -> None:
    def replier(_: object, digest: bytes) -> bytes:
        return digest[:16]

    def check(response: Response) -> Checking:
        value = sign(replier, None, 200, [], b"hello").decode()
        return Checking(replier, None, response.status, [], value)

    script.answers = [WHOLE.replace(b"hello", b"hallo"), BROKEN, WHOLE]
    ask(line, script)
    out = io.BytesIO()
    with pytest.raises(Forged, match="reply_altered"):
        line.read(out, check)
    assert out.getvalue() == b""
    ask(line, script)
    line.read(out, check)
    assert out.getvalue() == b"hello", "and what broke off is held against its own word"


def test_who_waits_for_a_part_that_nobody_sends_is_let_go_by_another_thread(
    script: Script, line: Line
) -> None:
    script.answers, script.stays = [BROKEN], True
    asked = SendRequest(request=Request(method="GET", url=script.origin), leg="first")
    line.hang_up()
    line.answer(asked)
    line.hang_up()  # nobody reads yet
    parts = line.parts()
    assert next(parts) == b"hel"
    threading.Timer(0.05, line.hang_up).start()
    with pytest.raises(httpx.HTTPError):
        next(parts)
