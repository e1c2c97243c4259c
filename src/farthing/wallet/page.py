"""One page for a payer: fetched into a file, and what was paid for it."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import IO

import httpx
import msgspec

from farthing import codec
from farthing.errors import BadRequest
from farthing.schemes.contract import Json
from farthing.wallet.choice import malformed_url, unreachable
from farthing.wallet.commands import Request, Response
from farthing.wallet.driver import Driver, drive
from farthing.wallet.fetching import Fetched, fetch
from farthing.wallet.line import Line
from farthing.wallet.private import fetch_private
from farthing.wallet.reply import checking
from farthing.wallet.settling import Verdict, is_delivered, receipt_in

Named = Mapping[str, str] | Sequence[tuple[str, str]]
"""Headers of a request; as pairs, where one is to be sent twice."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_VALUE = re.compile(r"[\t -~]*")  # visible ASCII and blanks; the rest means something else to each


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What `get` brought."""

    status: int
    headers: tuple[tuple[str, str], ...]
    paid_micro: int
    currency: str
    scheme: str
    """Empty where nothing was paid."""
    payment_bytes: int
    """Size of the scheme's own payload, 0 where nothing was paid."""
    purchase_id: str
    released: Json = None
    """What was bought beside the page, as its receipt has it: an authorization number."""


def asking(method: str, url: str, headers: Named = (), body: bytes = b"") -> Request:
    """A request that can be sent; `BadRequest` for a method or a header that cannot be."""
    if not _TOKEN.fullmatch(method):
        raise BadRequest("method_malformed", "a method is one word, as in POST")
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    for name, value in pairs:
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise BadRequest("header_malformed", "a header is as in Accept-Language: en, in ASCII")
    return Request(method=method.upper(), url=url, headers=tuple(pairs), body=body)


def in_the_open(
    driver: Driver, client: httpx.Client, request: Request, out: IO[bytes], *, once: str = ""
) -> Page:
    """The page into `out`, paid for if that is what it takes; refusals as of `fetch`.

    A page that breaks off is fetched again with the same payment; `out` must be seekable.
    `Forged` for a page that was altered on its way; `Unavailable` where the site does not answer.
    `once`: what it is bought for; the same purchase fetches it again, and there is no other.
    """
    with driver.session() as session, Line(client, session) as line:
        fetched = drive(fetch(driver.guide, request, once=once), line.answer)
        made = fetched.purchase
        paid = made is not None and fetched.verdict is Verdict.DONE
        check = partial(checking, driver.guide, made) if made and paid else None
        response = line.read(out, check)
        out.flush()  # on a full disk the page has not come, and the same payment fetches it again
        if made is not None and is_delivered(fetched.verdict, response.status_code):
            if not once:  # else the same bytes may be sent for it again, whenever that is
                session.deliver(made)
            drive(session.after(made), session.answer)
    return _page(fetched, response.status_code, tuple(response.headers.multi_items()))


def in_private(driver: Driver, request: Request, out: IO[bytes]) -> Page:
    """The page into `out`, bought under a seal; refusals as of `fetch_private`."""
    try:
        url = str(httpx.URL(request.url))  # as it goes over a line: escaped, the host in ASCII
    except httpx.InvalidURL:
        raise malformed_url() from None
    request = msgspec.structs.replace(request, url=url)
    with driver.session() as session:
        fetched = drive(fetch_private(driver.guide, request), session.answer)
        answer = fetched.answer
        if not isinstance(answer, Response):
            raise unreachable(request.url, answer.reason)
        out.write(answer.body)
        out.flush()
        if fetched.purchase is not None and is_delivered(fetched.verdict, answer.status):
            session.deliver(fetched.purchase)
            drive(session.after(fetched.purchase), session.answer)
    return _page(fetched, answer.status, answer.headers)


def _page(fetched: Fetched, status: int, headers: tuple[tuple[str, str], ...]) -> Page:
    made = fetched.purchase
    paid = made is not None and fetched.verdict is Verdict.DONE
    answer = fetched.answer
    receipt = receipt_in(answer) if paid and isinstance(answer, Response) else None
    return Page(
        status=status,
        headers=headers,
        paid_micro=made.price_micro if made is not None and paid else 0,
        currency=made.currency if made is not None else "",
        scheme=made.scheme if made is not None and paid else "",
        payment_bytes=len(codec.canonical(made.paid.payload)) if made is not None else 0,
        purchase_id=made.id if made is not None else "",
        released=receipt.released if receipt is not None else None,
    )
