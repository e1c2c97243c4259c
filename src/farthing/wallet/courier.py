"""Payments of one stream to its site, one after the other, over a connection of their own.

A fast stream takes a voucher every few milliseconds, and httpx's client takes most of the time of
sending one: it is made for requests that are each different. This is the standard library's
client, which does no more than is needed here; TLS is verified as httpx verifies it. It serves
wallets that have no proxy and no client of their caller's: those keep what they were given.
"""

import time
from collections.abc import Callable
from functools import cache, lru_cache
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from http.cookiejar import DefaultCookiePolicy
from ssl import SSLContext
from typing import Any
from urllib.request import getproxies

import httpx

from farthing.wallet.commands import Command, Failed, Request, Response, SendRequest, Sent
from farthing.wallet.driver import TIMEOUT_S
from farthing.wallet.messages import JSON_BYTES_MAX

IDLE_S = 5.0  # servers keep a silent connection a little longer, as a rule
AGENT = f"python-httpx/{httpx.__version__}"  # as the wallet's other requests say


class Courier:
    """For one site and one thread at a time; its connection is made when it is wanted."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S, idle_s: float = IDLE_S) -> None:
        """`timeout_s`: of each wait for the site; `idle_s`: a connection silent so long is left."""
        self._url = httpx.URL(url)
        self._target_of = lru_cache(maxsize=1)(_target_of)
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._line: HTTPConnection | None = None
        self._used_s = 0.0

    def answer(self, others: Callable[[Command], Any], command: Command) -> Any:
        """What a paid request is answered; `others` carries out every other command."""
        if isinstance(command, SendRequest) and command.leg == "paid":
            return self.send(command.request)
        return others(command)

    def send(self, request: Request) -> Sent:
        """The answer, of whose body at most `JSON_BYTES_MAX` is read; `Failed` without one."""
        line = self._open()
        headers = {"accept": "*/*", "user-agent": AGENT}
        headers |= {name.lower(): value for name, value in request.headers}
        try:
            target = self._target_of(request.url)
            line.request(request.method, target, request.body or None, headers)
            with line.getresponse() as answer:
                said = _heard(answer, request.url)
                if not answer.isclosed():  # the rest of a long body would come next
                    self.close()
        except (OSError, HTTPException) as wrong:
            self.close()
            return Failed(reason=type(wrong).__name__)
        self._used_s = time.monotonic()
        return said

    def close(self) -> None:
        """Leave the connection; another is made if need be."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _open(self) -> HTTPConnection:
        if self._line is not None and time.monotonic() - self._used_s > self._idle_s:
            self.close()
        if self._line is None:
            host, port = self._url.raw_host.decode("ascii"), self._url.port
            if self._url.scheme == "https":
                tls = _tls()
                self._line = HTTPSConnection(host, port, timeout=self._timeout_s, context=tls)
            else:
                self._line = HTTPConnection(host, port, timeout=self._timeout_s)
        return self._line


def _target_of(url: str) -> str:
    """What the request line says: vouchers go to one address, each top-up to one of its own."""
    return httpx.URL(url).raw_path.decode("ascii")


def _heard(answer: HTTPResponse, url: str) -> Response:
    """As `driver.heard`: every byte of a header is one character."""
    return Response(
        status=answer.status,
        url=url,
        headers=tuple((name.lower(), value) for name, value in answer.getheaders()),
        body=answer.read(JSON_BYTES_MAX),
    )


def goes_direct(client: httpx.Client | None) -> bool:
    """Whether nothing but the network is between a wallet that was given this client and a site."""
    return client is None and not getproxies()


def new_client() -> httpx.Client:
    """What asks brokers and sites, and keeps no cookie.

    By one a broker would know whose coins it signs, and a relay's readers would share a session.
    """
    client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=()))
    return client


@cache
def _tls() -> SSLContext:
    return httpx.create_ssl_context()
