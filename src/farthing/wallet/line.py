"""The line to a site during one `get`: the last answer stays open until its page is read.

A page that breaks off is fetched again with the same payment, which the gate repeats.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Any, Self

import httpx

from farthing.errors import Forged
from farthing.wallet.choice import malformed_url, unreachable
from farthing.wallet.commands import Command, Failed, Request, Response, SendRequest, Sent
from farthing.wallet.driver import Session, has_json, heard
from farthing.wallet.httpx_auth import PAYERS_LEGS
from farthing.wire.replies import Checking

BODY_TRIES = 3  # a site that breaks off three times will do so again
CHUNK_BYTES = 65_536  # read from a site at once


Check = Callable[[Response], Checking | None]
"""What the body of an answer is held against, from its head; `Forged`."""


class _Checked(httpx.SyncByteStream):
    """A body on its way, held against what the vendor signed."""

    def __init__(self, stream: Any, check: Checking | None) -> None:
        self._stream = stream
        self._check = check

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            if self._check is not None:
                self._check.add(part)
            yield part
        if self._check is not None:
            self._check.require()

    def close(self) -> None:
        self._stream.close()


def _empty(out: IO[bytes]) -> None:
    out.seek(0)
    out.truncate()


class Line:
    """One page on its way."""

    def __init__(
        self, client: httpx.Client, session: Session, *, silence_s: float | None = None
    ) -> None:
        """`client` must not follow redirects; `silence_s`: of a site, where not as the client's."""
        self._client = client
        self._timeout: Any = httpx.USE_CLIENT_DEFAULT
        if silence_s is not None:
            self._timeout = httpx.Timeout(**client.timeout.as_dict() | {"read": silence_s})
        self._session = session
        self._sent: Request | None = None
        self._last: httpx.Response | None = None
        self._is_reading = False
        self._why = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._last is not None:
            self._last.close()
            self._last = None

    def answer(self, command: Command) -> Any:
        """As `Session.answer`, keeping the page."""
        if isinstance(command, SendRequest) and command.leg in PAYERS_LEGS:
            return self._send(command.request)
        return self._session.answer(command)

    def _send(self, request: Request) -> Sent:
        self._drop()
        self._sent = request
        try:
            response = self._client.send(
                self._client.build_request(
                    request.method,
                    request.url,
                    headers=list(request.headers),
                    content=request.body,
                    timeout=self._timeout,
                ),
                stream=True,
            )
            self._last = response
            if has_json(response):
                response.read()
                return heard(response, response.content)
            return heard(response)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL):
            raise malformed_url() from None
        except httpx.HTTPError as wrong:
            self._drop()
            self._why = str(wrong) or type(wrong).__name__
            return Failed(reason=type(wrong).__name__)

    def parts(self) -> Iterator[bytes]:
        """The body as it comes; httpx's own error where it breaks off."""
        if self._last is not None and self._last.is_stream_consumed:
            yield self._last.content  # a refusal, which the flow has read
        elif self._last is not None:
            self._is_reading = True
            try:
                yield from self._last.iter_raw()
            finally:
                self._is_reading = False

    def hang_up(self) -> None:
        """Let whoever waits for the next part, in another thread, find that it broke off."""
        stream = self._last.extensions.get("network_stream") if self._last is not None else None
        if stream is not None and self._is_reading:
            with suppress(OSError):  # the site was faster
                stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def read(self, out: IO[bytes], check: Check | None = None) -> httpx.Response:
        """The body into `out`; sent again with the same payment where it breaks off.

        `Forged` for a page that was altered on its way: `out` is then as empty as before.
        """
        for _ in range(BODY_TRIES):
            if self._last is None:
                break
            response = self._last
            try:
                if check is not None:
                    response.stream = _Checked(response.stream, check(heard(response)))
                for part in response.iter_bytes(CHUNK_BYTES):
                    out.write(part)
            except Forged:
                _empty(out)
                raise
            except httpx.HTTPError as wrong:
                _empty(out)
                self._why = str(wrong) or type(wrong).__name__
                assert self._sent is not None, "an answer has a request"
                self._send(self._sent)
            else:
                return response
        assert self._sent is not None, "what is read was asked for"
        raise unreachable(self._sent.url, self._why)
