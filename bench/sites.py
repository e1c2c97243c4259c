"""The site that is measured, with and without a gate before it: `python -m bench.sites NAME PORT`.

`plain` is the site itself, `paid` the same behind `farthing.asgi.Paywall` over the folder that
`FARTHING_DATA` names; `framed` and `framed_paid` are a program of a framework; `download` is a site
of files.
"""

import sys
from typing import cast

from litestar import Litestar, MediaType, get

from farthing.asgi import Paywall
from farthing.cli.servers import serve
from farthing.vendor.asgi import App, Receive, Scope, Send

PAGE = b"<!doctype html><title>A page</title>" + b"<p>Small money, long history.</p>" * 60
CHUNK = bytes(65_536)
_HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-length", str(len(PAGE)).encode()),
]


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """Two kilobytes of HTML at every path."""
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": PAGE})


def plain() -> App:
    """The site."""
    return site


async def files(scope: Scope, receive: Receive, send: Send) -> None:
    """As many bytes as the query says, in chunks of 64 kB."""
    if scope["type"] != "http":
        return
    left = int(scope["query_string"] or b"0")
    headers = [(b"content-length", str(left).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while left > len(CHUNK):
        left -= len(CHUNK)
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": CHUNK[:left]})


def download() -> App:
    """A site of files."""
    return files


def paid() -> App:
    """The site behind a gate."""
    return Paywall(site)


@get("/{place:path}", media_type=MediaType.HTML)
async def _page(place: str) -> bytes:
    return PAGE


def framed() -> App:
    """The page as a route of Litestar, whose routing and headers each request goes through."""
    return cast(App, Litestar([_page], openapi_config=None))  # ASGI, under types of its own


def framed_paid() -> App:
    """That behind a gate."""
    return Paywall(framed())


if __name__ == "__main__":
    serve(f"bench.sites:{sys.argv[1]}", host="127.0.0.1", port=int(sys.argv[2]), workers=1)
