"""`farthing wallet get`: what is asked, what is shown, and what is said of it."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from farthing.cli import fetching, wallet
from farthing.errors import BadRequest, Misconfigured, Refusal, Throttled
from farthing.wallet import app as wallets
from farthing.wallet.commands import Response
from farthing.wallet.listening import Heard
from farthing.wallet.page import Page
from farthing.wallet.policy import Limits
from farthing.wire import problems
from tests.kit.fetched import unpaid
from tests.unit.cli.test_wallet import run
from tests.unit.wallet.farside import PAGE
from tests.unit.wallet.servers import served
from tests.unit.wallet.world import PASSPHRASE

RUNNER = CliRunner()


@pytest.fixture
def folder(wallet_folder: Path) -> Path:
    return wallet_folder


def test_a_site_that_does_not_answer_is_said(folder: Path) -> None:
    assert isinstance(run(folder, "get", "http://127.0.0.1:9/"), Refusal)


@pytest.mark.parametrize("more", [(), ("--stream",), ("--private",)])
@pytest.mark.parametrize("url", ["127.0.0.1:8402/x", "localhost:8402/x"])
def test_an_address_without_its_scheme_is_said(
    folder: Path, url: str, more: tuple[str, ...]
) -> None:
    wrong = run(folder, "get", url, *more)
    assert isinstance(wrong, BadRequest)
    assert "begins with https:// or http://" in wrong.detail


@pytest.mark.parametrize("more", [(), ("--stream",)])
@pytest.mark.parametrize("name", ["none/page", ""])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_asked(
    folder: Path, name: str, more: tuple[str, ...]
) -> None:
    wrong = run(folder, "get", "http://127.0.0.1:9/", "-o", str(folder / name), *more)
    assert isinstance(wrong, Misconfigured)
    assert wrong.code == "file_not_writable"


class Radio:
    """A wallet to which a stream comes as far as it may be paid."""

    def __enter__(self) -> "Radio":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def limits(self) -> Limits:
        """The usual ones."""
        return Limits()

    def listen(self, url: str, out: IO[bytes], **_: object) -> Heard:
        out.write(b"music")
        return Heard(
            status=200,
            paid_micro=200,
            currency="eur",
            scheme="tick",
            ticks=5,
            openings=1,
            vouchers=2,
            ended="unpaid",
            refused="above_most",
            why="a tick costs too much",
        )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_is_interrupted_is_told_that_it_may_be_paid(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    class Slow(Radio):
        def get(self, *_: object, **__: object) -> None:
            signal.raise_signal(number)

    monkeypatch.setattr(fetching, "unlocked", lambda *_: Slow())
    command = ["get", "http://127.0.0.1:9/", "--passphrase", PASSPHRASE]
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    try:
        done = RUNNER.invoke(wallet.app, command)
    finally:
        signal.signal(signal.SIGINT, kept)
    assert (done.exit_code, done.stdout) == (code, "")
    assert "it may be paid" in done.stderr
    assert "farthing wallet recover" in done.stderr


def test_a_stream_that_is_not_paid_to_its_end_says_why_and_ends_with_1(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "unlocked", lambda *_: Radio())
    asked = ["--stream", "--most", "0.02c", "--passphrase", PASSPHRASE]
    command = ["get", "http://127.0.0.1:9/", *asked]
    done = RUNNER.invoke(wallet.app, command)
    assert (done.exit_code, done.stdout) == (1, "music")
    assert done.stderr.endswith("; unpaid: above_most: a tick costs too much\n")
    assert " by tick, 5 ticks in 3 payments; " in done.stderr


@pytest.mark.parametrize("more", [(), ("--stream",)])
def test_what_is_to_be_paid_by_is_for_this_page_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    asked: list[Limits] = []

    class Buyer(Radio):
        def get(self, *_: object, limits: Limits, **__: object) -> Page:
            asked.append(limits)
            return unpaid(200)

        def listen(self, url: str, out: IO[bytes], **options: Any) -> Heard:
            asked.append(options["limits"])
            return super().listen(url, out)

    monkeypatch.setattr(fetching, "unlocked", lambda *_: Buyer())
    for named in ((), ("--scheme", "ecash,payword")):
        command = ["get", "http://127.0.0.1:9/", "--passphrase", PASSPHRASE, *named, *more]
        RUNNER.invoke(wallet.app, command)
    assert [limits.schemes for limits in asked] == [(), ("ecash", "payword")]


@pytest.mark.parametrize("more", [(), ("--stream",)])
def test_a_program_reads_what_it_came_to(
    folder: Path, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    class Buyer(Radio):
        def get(self, _: str, out: IO[bytes], **__: object) -> Page:
            out.write(PROBLEM)
            return unpaid(403, ("Content-Type", "application/problem+json"))

    monkeypatch.setattr(fetching, "unlocked", lambda *_: Buyer())
    asked = ["--passphrase", PASSPHRASE, "--json", *more]
    assert RUNNER.invoke(wallet.app, ["get", "http://127.0.0.1:9/", *asked]).exit_code == 2
    into = ["-o", str(folder / "page")]
    done = RUNNER.invoke(wallet.app, ["get", "http://127.0.0.1:9/", *asked, *into])
    said = msgspec.json.decode(done.stdout)
    assert (done.exit_code, done.stderr) == (1, "")
    if more:
        assert (said["ticks"], said["refused"], said["ended"]) == (5, "above_most", "unpaid")
    else:
        assert (said["status"], said["paid_micro"]) == (403, 0)
        assert said["refused"] == "property_missing"
    assert "headers" not in said


def test_a_scheme_that_is_none_is_bad_usage(folder: Path) -> None:
    for named in ("gold", ""):  # the second is a shell's variable that is not set
        command = ["get", "http://127.0.0.1:9/", "--scheme", named, "--data", str(folder)]
        done = RUNNER.invoke(wallet.app, [*command, "--passphrase", PASSPHRASE])
        assert done.exit_code == 2
        assert "known: millicent" in done.stderr


PROBLEM = b'{"code":"property_missing","detail":"for students only","status":403}'


@contextlib.contextmanager
def refusing(kind: str, body: bytes, status: int = 403, to: str = "") -> Iterator[str]:
    """A site that answers everything so; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            if to:
                self.send_header("location", to)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/a"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("kind", "body", "shown", "said"),
    [
        ("application/problem+json", PROBLEM, "", ": property_missing: for students only"),
        ("application/problem+json", b"{", "{", ""),
        ("text/plain", b"no", "no", ""),
    ],
)
def test_a_refusal_is_said_in_words(
    folder: Path, kind: str, body: bytes, shown: str, said: str
) -> None:
    environment = {wallets.PASSPHRASE_VARIABLE: PASSPHRASE}
    with refusing(kind, body) as url:
        done = RUNNER.invoke(wallet.app, ["get", url, "--data", str(folder)], env=environment)
        file = folder / "page"
        RUNNER.invoke(
            wallet.app, ["get", url, "--data", str(folder), "-o", str(file)], env=environment
        )
    assert (done.exit_code, done.stdout) == (1, shown)
    assert " ".join(done.stderr.split()) == f"403, nothing paid{said}"
    assert file.read_bytes() == body


def test_a_page_that_is_elsewhere_is_not_said_to_be_free(folder: Path) -> None:
    environment = {wallets.PASSPHRASE_VARIABLE: PASSPHRASE}
    to = "https://news.example/" + "long/" * 20
    with refusing("text/plain", b"gone", 302, to) as url:
        done = RUNNER.invoke(wallet.app, ["get", url, "--data", str(folder)], env=environment)
    assert (done.exit_code, done.stderr) == (1, f"302, nothing paid: it leads to {to}\n")


def test_a_page_that_the_payer_has_already_is_no_failure(folder: Path) -> None:
    environment = {wallets.PASSPHRASE_VARIABLE: PASSPHRASE}
    asked = ["-H", 'If-None-Match: "1"', "--data", str(folder)]
    with refusing("text/plain", b"", 304) as url:
        done = RUNNER.invoke(wallet.app, ["get", url, *asked], env=environment)
    assert (done.exit_code, done.stderr) == (0, "304, free\n")


def test_headers_are_as_typed_and_a_body_is_a_form_unless_it_is_said() -> None:
    read = fetching.headers_of
    assert read(["Accept: text/csv", "X-A:1", "x-a: b:c"], is_form=False) == (
        ("Accept", "text/csv"),
        ("X-A", "1"),
        ("x-a", "b:c"),
    )
    assert read(["Content-Type: application/json"], is_form=True) == (
        ("Content-Type", "application/json"),
    )
    assert read([], is_form=True) == (("content-type", fetching.FORM),)
    with pytest.raises(typer.BadParameter, match="Accept: text/csv"):
        read(["Accept"], is_form=False)


def test_a_body_that_cannot_be_read_is_said_before_anything_is_asked(folder: Path) -> None:
    wrong = run(folder, "get", "http://127.0.0.1:9/", "-d", f"@{folder / 'none'}")
    assert isinstance(wrong, Misconfigured)
    assert wrong.code == "body_unreadable"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("-X", "PO ST"), "method_malformed"),
        (("-H", "X A: 1"), "header_malformed"),
        (("-H", "X-A: é"), "header_malformed"),
        (("-H", "X-A: 1\nX-B: 2"), "header_malformed"),
    ],
)
def test_what_cannot_be_sent_is_refused(folder: Path, more: tuple[str, str], code: str) -> None:
    wrong = run(folder, "get", "http://127.0.0.1:9/", *more)
    assert isinstance(wrong, BadRequest)
    assert wrong.code == code


@pytest.mark.parametrize("more", [("-d", "a"), ("-H", "A: b"), ("-X", "POST"), ("--private",)])
def test_a_stream_is_a_plain_get(folder: Path, more: tuple[str, ...]) -> None:
    command = ["get", "http://127.0.0.1:9/", "--stream", *more, "--passphrase", PASSPHRASE]
    assert RUNNER.invoke(wallet.app, [*command, "--data", str(folder)]).exit_code == 2


def test_a_wait_that_a_flooded_site_asks_for_is_said(folder: Path) -> None:
    status, headers, body = problems.problem(Throttled("rate_limited", "wait a little"))
    named = [(name.decode(), value.decode()) for name, value in headers]
    told = [pair for pair in named if pair[0] != "retry-after"]  # then it is one second
    answers = [
        Response(status=status, url="", headers=tuple(told), body=body),
        Response(status=200, url=""),
    ]
    with served(lambda _: lambda _: answers.pop(0)) as origin:
        command = ["get", origin + "/a", "--passphrase", PASSPHRASE, "--data", str(folder)]
        done = RUNNER.invoke(wallet.app, command)
    assert (done.exit_code, done.stdout.encode()) == (0, PAGE)
    assert done.stderr == "asked too often (429): going on in 1 s\n200, free\n"
