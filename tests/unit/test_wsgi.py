"""The one line before any WSGI application, under the standard library's own server."""

import contextlib
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator

import httpx
import pytest

from farthing.cli import servers
from farthing.errors import Misconfigured
from farthing.vendor.asgi import request_of
from farthing.wsgi import Environ, Paywall, environ_of, scope_of
from tests.kit.folder import PRICE_MICRO, PRICES, Folder

ROOT = Path(__file__).parents[2]
WAIT_S = 20.0
SIDE_BY_SIDE = 16
PRIVATE = '[millicent]\nprotocol = "private"\n'


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        return None


class Site:
    """An application that misbehaves to order: the path says how."""

    def __init__(self) -> None:
        self.seen: list[Environ] = []
        self.threads: list[int] = []
        self.closed: list[str] = []
        self.may_go_on = threading.Event()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        self.seen.append(environ)
        self.threads.append(threading.get_ident())
        name = environ["PATH_INFO"].rpartition("/")[2]
        behave: Callable[..., Iterable[bytes]] = getattr(self, f"_do_{name}", self._do_page)
        return behave(environ, start_response)

    def _do_page(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        size = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(size) if size else b""
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"the page " + body]

    def _do_failing(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("500 No", [("Content-Type", "text/plain")])
        return [b"sorry"]

    def _do_raising(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        raise ValueError("a bug")

    def _do_late(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        time.sleep(2.5)  # the route waits for two seconds
        return list(self._do_page(environ, start_response))

    def _do_slow(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        self.may_go_on.wait(WAIT_S)
        return list(self._do_page(environ, start_response))

    def _do_writing(self, environ: Environ, start_response: Callable[..., Any]) -> list[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"the ")
        write(b"page")
        return []

    def _do_stream(self, environ: Environ, start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            while not self.may_go_on.is_set():
                yield b"more " * 1000
            yield b"end"
        finally:
            self.closed.append("stream")


class Shop:
    """A site behind a paywall, on a socket; every answer is checked against PEP 3333."""

    def __init__(self, folder: Folder, site: Site, url: str, paywall: Paywall) -> None:
        self.folder, self.site, self.url, self.paywall = folder, site, url, paywall
        self.client = httpx.Client(base_url=url, timeout=WAIT_S)

    def payment(self, path: str, method: str = "GET", body: bytes = b"") -> tuple[str, str]:
        asked = self.client.request(method, path, content=body)
        assert asked.status_code == 402, asked.text
        return self.folder.pay(asked.headers["www-authenticate"], path, method)

    def buy(self, path: str, method: str = "GET", body: bytes = b"") -> httpx.Response:
        header = self.payment(path, method, body)
        return self.client.request(method, path, content=body, headers=[header])


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    folder, site = Folder(tmp_path / "vendor", prices=PRICES + PRIVATE), Site()
    paywall = Paywall(validator(site), folder.path)
    with make_server("127.0.0.1", 0, validator(paywall), Server, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        opened = Shop(folder, site, f"http://127.0.0.1:{server.server_port}", paywall)
        with opened.client:
            yield opened
        site.may_go_on.set()
        server.shutdown()
        thread.join()
    paywall.close()


def is_released(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("payment-outcome") == "released")


def test_one_line_sells_an_application(shop: Shop) -> None:
    assert shop.client.get("/free").text == "the page "
    answer = shop.buy("/sold/page?a=1")
    assert (answer.status_code, answer.text) == (200, "the page ")
    assert answer.headers["payment-receipt"]
    environ = shop.site.seen[-1]
    assert environ["HTTP_X_PAY_AMOUNT"] == str(PRICE_MICRO)
    assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/sold/page", "a=1")
    assert "HTTP_AUTHORIZATION" not in environ, "what pays is not the site's to see"


def test_what_only_the_gate_may_say_no_payer_can(shop: Shop) -> None:
    headers = {"X-Pay-Payer": "eve", "X_Pay_Amount": "1", "X-HTTP-Method-Override": "PUT"}
    shop.client.get("/free", headers=headers)
    names = {name for name in shop.site.seen[-1] if name.startswith("HTTP_X")}
    assert names == set()


@pytest.mark.parametrize("path", ["/sold/page", "/bound/page"])
def test_a_body_reaches_the_application_whether_it_is_bound_or_not(shop: Shop, path: str) -> None:
    body = b"x" * 200_000
    answer = shop.buy(path, "POST", body)
    assert (answer.status_code, answer.content) == (200, b"the page " + body)


def test_a_payment_for_one_body_buys_no_other(shop: Shop) -> None:
    header = shop.payment("/bound/page", "POST", b"one")
    answer = shop.client.post("/bound/page", content=b"two", headers=[header])
    assert answer.json()["code"] == "challenge_for_another_body"
    assert shop.site.seen == []


@pytest.mark.parametrize(("name", "status"), [("failing", 500), ("raising", 502), ("late", 502)])
def test_a_site_that_fails_costs_nothing(shop: Shop, name: str, status: int) -> None:
    answer = shop.buy(f"/sold/{name}")
    assert (answer.status_code, is_released(answer)) == (status, True)
    assert shop.buy("/sold/page").status_code == 200, "the next one is served"


def test_what_is_written_the_old_way_is_sold_too(shop: Shop) -> None:
    answer = shop.buy("/sold/writing")
    assert (answer.status_code, answer.text) == (200, "the page")


def test_a_payer_who_leaves_in_the_middle_ends_the_application(shop: Shop) -> None:
    header = shop.payment("/sold/stream")
    with shop.client.stream("GET", "/sold/stream", headers=[header]) as answer:
        assert answer.headers["payment-receipt"], "confirmed at its head"
        next(answer.iter_raw(10))
    ends_s = time.monotonic() + WAIT_S
    while not shop.site.closed and time.monotonic() < ends_s:
        time.sleep(0.01)
    assert shop.site.closed == ["stream"]


def test_a_private_request_is_the_application_as_any_other(shop: Shop) -> None:
    sealed = shop.folder.seal("/sold/page")
    answer = shop.client.post("/.well-known/farthing/private", content=sealed.raw)
    status, headers, body = sealed.read(answer.content)
    assert (status, body) == (200, b"the page ")
    assert "payment-receipt" in dict(headers)
    environ = shop.site.seen[-1]
    assert (environ["REQUEST_METHOD"], environ["PATH_INFO"]) == ("GET", "/sold/page")


def test_one_payment_sent_by_many_at_once_is_taken_once(shop: Shop) -> None:
    header = shop.payment("/sold/slow")

    def send(_: int) -> httpx.Response:
        return httpx.get(shop.url + "/sold/slow", headers=[header], timeout=WAIT_S)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        waiting = [pool.submit(send, number) for number in range(SIDE_BY_SIDE)]
        ends_s = time.monotonic() + WAIT_S
        while sum(one.done() for one in waiting) < SIDE_BY_SIDE - 1 and time.monotonic() < ends_s:
            time.sleep(0.01)
        shop.site.may_go_on.set()
        answers = [one.result() for one in waiting]
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (SIDE_BY_SIDE - 1)
    assert len(shop.site.seen) == 1
    again = shop.client.get("/sold/slow", headers=[header])
    (first,) = [answer for answer in answers if answer.status_code == 200]
    assert again.headers["payment-receipt"] == first.headers["payment-receipt"]


def test_many_buy_at_once_each_in_the_servers_own_thread(shop: Shop) -> None:
    headers = [shop.payment("/sold/page") for _ in range(SIDE_BY_SIDE)]

    def send(header: tuple[str, str]) -> int:
        return httpx.get(shop.url + "/sold/page", headers=[header], timeout=WAIT_S).status_code

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        assert list(pool.map(send, headers)) == [200] * SIDE_BY_SIDE
    assert len(set(shop.site.threads)) > 1


def test_a_folder_that_is_none_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="vendor_not_initialised"):
        Paywall(Site(), tmp_path)


def test_closing_ends_the_thread_and_a_second_time_does_nothing(tmp_path: Path) -> None:
    before = threading.active_count()
    paywall = Paywall(Site(), Folder(tmp_path / "vendor").path)
    started: list[str] = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/free", "SERVER_NAME": "a", "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    }  # fmt: skip  # - as little as there may be
    parts = paywall(environ, lambda status, headers: started.append(status))
    assert (started, b"".join(parts)) == (["200 OK"], b"the page ")
    paywall.close()
    paywall.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("raw", ["", "/a%2Fb%C3%A9?q=1"])
def test_a_request_is_the_same_on_both_sides(raw: str) -> None:
    environ = {
        "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/a", "PATH_INFO": "/b\xc3\xa9",
        "QUERY_STRING": "q=1", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "3",
        "HTTP_X_OWN": "\xe9", "HTTP_HOST": "news.example", "SERVER_NAME": "a", "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "203.0.113.9", "wsgi.url_scheme": "https",
        "RAW_URI": raw, "wsgi.multithread": True,
    }  # fmt: skip  # - one request
    scope = scope_of(environ)
    assert scope["path"] == "/a/bé"
    assert scope["raw_path"] == (raw.partition("?")[0].encode() or None)
    assert request_of(scope).path_query == (raw or "/a/b%C3%A9?q=1")
    assert (b"x-own", b"\xe9") in scope["headers"]
    assert environ_of(scope, environ) == environ


SERVE = """
import os, sys, time
from wsgiref.simple_server import make_server
from farthing.vendor.asgi import request_of
from farthing.wsgi import Paywall

def site(environ, start_response):
    if environ["PATH_INFO"] == "/sold/hangs":
        open(sys.argv[1] + "/begun", "w").close()
        time.sleep(60)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "8")])
    return [b"the page"]

paywall = Paywall(site, sys.argv[1])
with make_server("127.0.0.1", int(sys.argv[2]), paywall) as server:
    if len(sys.argv) > 3:
        os.fork()
    server.serve_forever()
"""


@contextlib.contextmanager
def serving(folder: Folder, port: int, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    url, log = f"http://127.0.0.1:{port}/free", folder.path / "log"
    command = servers.python("-c", SERVE, str(folder.path), str(port), *more)
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    with servers.running(command, url=url, log=log, env=env) as child:
        yield child


def test_a_server_that_was_killed_gives_what_was_paid_for_and_nothing_twice(
    tmp_path: Path,
) -> None:
    folder, port = Folder(tmp_path / "vendor"), servers.free_port()
    url = f"http://127.0.0.1:{port}/sold/page"
    with serving(folder, port) as child:
        header = folder.pay(httpx.get(url).headers["www-authenticate"], "/sold/page")
        first = httpx.get(url, headers=[header])
        assert first.status_code == 200
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    with serving(folder, port):
        again = httpx.get(url, headers=[header])
        other = httpx.get(url + "/other", headers=[header])
    assert (again.status_code, again.text) == (200, "the page")
    assert again.headers["payment-receipt"] == first.headers["payment-receipt"]
    assert other.status_code == 409


def test_a_payment_that_was_served_when_the_server_was_killed_is_not_taken_for_paid(
    tmp_path: Path,
) -> None:
    folder, port = Folder(tmp_path / "vendor"), servers.free_port()
    url = f"http://127.0.0.1:{port}/sold/hangs"
    with serving(folder, port) as child, ThreadPoolExecutor(1) as pool:
        header = folder.pay(httpx.get(url).headers["www-authenticate"], "/sold/hangs")
        paying = pool.submit(httpx.get, url, headers=[header], timeout=WAIT_S)
        ends_s = time.monotonic() + WAIT_S
        while not (folder.path / "begun").exists() and time.monotonic() < ends_s:
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            paying.result()
        child.wait()
    with serving(folder, port):
        again = httpx.get(url, headers=[header])
    assert (again.status_code, again.json()["code"]) == (409, "in_progress")
    assert again.headers["retry-after"], "the same bytes, once its lease is over"


def test_a_server_that_forks_after_it_has_loaded_sells_in_each_process(tmp_path: Path) -> None:
    folder, port = Folder(tmp_path / "vendor"), servers.free_port()
    url = f"http://127.0.0.1:{port}/sold/page"
    with serving(folder, port, "fork"):
        for _ in range(SIDE_BY_SIDE):
            header = folder.pay(httpx.get(url).headers["www-authenticate"], "/sold/page")
            assert httpx.get(url, headers=[header]).status_code == 200
            assert httpx.get(url, headers=[header]).status_code == 200, "whichever process it is"
