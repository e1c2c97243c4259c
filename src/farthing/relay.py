"""The broker in the middle of micro-iKP: a site that buys elsewhere what it is paid for.

::

    relay = farthing.relay.Relay("https://news.example", farthing.wallet.open())
    app = farthing.asgi.Paywall(relay, data="vendor")

A payer with one long chain to the relay reads at many vendors, each of whom has one long chain from
the relay. Its routes say `hold = false`: a payment is in the relay's store for good before anything
goes out, and its receipt is what the wallet buys for, once, in the same currency and for no more
than came in. So units out <= units in, at every crash. Source: Hauser, Steiner, Waidner 1996; the
rules are ours.
"""

import asyncio
import logging
import tempfile
from typing import IO

import msgspec

from farthing import codec
from farthing.errors import Refusal
from farthing.vendor.asgi import Receive, Scope, Send, raw_path
from farthing.wallet.app import Wallet
from farthing.wallet.page import Page

CHUNK_BYTES = 65_536
KEPT_BYTES = 1024 * 1024  # of a page in memory; the rest of a longer one lies in a file
PASSED_ON = frozenset({"content-type", "content-language", "last-modified", "etag"})
_log = logging.getLogger("farthing.relay")


class Relay:
    """An ASGI application, to stand behind a `Paywall`."""

    def __init__(self, url: str, wallet: Wallet) -> None:
        """`url` is the vendor's, without a path; `wallet` pays it."""
        self._url = url.rstrip("/")
        self._wallet = wallet

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        told = dict(scope["headers"])
        receipt, amount = told.get(b"x-pay-receipt", b""), told.get(b"x-pay-amount", b"")
        currency = told.get(b"x-pay-currency", b"")
        if scope["method"] != "GET" or not receipt or not currency:
            # Also of a payment that is held only, which is released then.
            await _refuse(send, 501, "relay_unpaid", "only what is paid for good is passed on")
            return
        query: bytes = scope.get("query_string", b"")
        path = raw_path(scope) + (b"?" + query if query else b"")
        url = self._url + path.decode("latin-1")
        with tempfile.SpooledTemporaryFile(KEPT_BYTES) as out:
            try:
                came = int(amount), currency.decode()
                page = await asyncio.to_thread(self._buy, url, out, receipt.decode(), *came)
            except Refusal as refusal:
                _log.warning("nothing was passed on for %s: %s", receipt.decode(), refusal)
                await _refuse(send, 502, refusal.code, refusal.detail)
                return
            if page.status >= 400:
                await _refuse(send, 502, "relay_refused", f"the site answers {page.status}")
                return
            await _pass_on(send, page, out)

    def _buy(
        self, url: str, out: IO[bytes], receipt: str, amount_micro: int, currency: str
    ) -> Page:
        limits = self._wallet.limits()
        each_micro = min(limits.per_payment_micro, amount_micro)
        # In what came in: a micro-unit of another currency may be worth a hundred of these.
        limits = msgspec.structs.replace(limits, per_payment_micro=each_micro, currency=currency)
        return self._wallet.get(url, out, limits=limits, once=receipt)


async def _pass_on(send: Send, page: Page, out: IO[bytes]) -> None:
    size_bytes = out.seek(0, 2)
    out.seek(0)
    headers = [
        (name.lower().encode(), value.encode("latin-1"))
        for name, value in page.headers
        if name.lower() in PASSED_ON
    ]
    headers.append((b"content-length", str(size_bytes).encode()))
    await send({"type": "http.response.start", "status": page.status, "headers": headers})
    while part := out.read(CHUNK_BYTES):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _refuse(send: Send, status: int, code: str, detail: str) -> None:
    body = codec.canonical({"code": code, "detail": detail})
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
