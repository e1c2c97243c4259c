"""Between a wallet and wherever broker and gate are: it passes requests on, or keeps one back."""

from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from tests.integration.crash.place import Call, Place


class Kept(Exception):  # noqa: N818 - nothing went wrong
    """A request was kept back: nothing of it has reached anybody."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call


class Line(httpx.BaseTransport):
    """One wallet's way to a place, byte by byte."""

    def __init__(self, place: Place, *, hidden: str = "") -> None:
        """`hidden`: a header of answers that does not get through."""
        urls = {"broker": place.broker_url, "gate": place.gate_url}
        self._names = {urlsplit(url).port: name for name, url in urls.items()}
        self._place, self._hidden = place, hidden.encode()
        self.passes: Callable[[Call], bool] = lambda call: True
        """What is not kept back."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        lines = [b"%s %s HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
        lines += [b"%s: %s" % pair for pair in request.headers.raw]
        to = self._names[urlsplit(str(request.url)).port]
        call = Call(to, b"\r\n".join([*lines, b"", b""]) + body)
        if not self.passes(call):
            raise Kept(call)
        (answer,) = self._place.ask(to, call.request)
        told = [line.split(b": ", 1) for line in answer.head.split(b"\r\n")[1:] if line]
        headers = [(name, value) for name, value in told if name.lower() != self._hidden]
        return httpx.Response(answer.status, headers=headers, content=answer.body)
