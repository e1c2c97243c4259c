"""`farthing wallet get`: fetch a page or a stream, and pay for it."""

import contextlib
import os
import shutil
import sys
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any, cast

import typer

from farthing import codec
from farthing.cli import output, stopping
from farthing.cli.naming import names_of
from farthing.cli.wallet import Data, Passphrase, unlocked
from farthing.cli.wallet import app as wallet_app
from farthing.errors import Malformed, Misconfigured, Refusal, by_name
from farthing.money import show_micro
from farthing.wallet.app import Wallet
from farthing.wallet.commands import Question
from farthing.wallet.driver import Problem
from farthing.wallet.listening import Heard
from farthing.wallet.messages import JSON_BYTES_MAX
from farthing.wallet.page import Page
from farthing.wallet.policy import Limits, read_limits

GROUP = wallet_app  # with the command below

SPOOLED_BYTES = 1024 * 1024  # of a page in memory before it is shown; more waits in a file
CONTENT_TYPE = "content-type"
FORM = "application/x-www-form-urlencoded"  # as every other client says of such a body
MAY_BE_PAID = (
    "interrupted: it may be paid; the same command fetches it for that payment, and farthing wallet"
    " recover says what became of it"
)

Out = Annotated[Path | None, typer.Option("--out", "-o", help="File to write to.")]
Method = Annotated[
    str, typer.Option("--method", "-X", help="The request's method; POST with a body, else GET.")
]
Header = Annotated[
    list[str] | None,
    typer.Option("--header", "-H", help="One of the request's, as in 'Accept: text/csv'."),
]
Body = Annotated[
    str | None,
    typer.Option("--body", "-d", help="What to send: text, @FILE, or @- for standard input."),
]
InPrivate = Annotated[
    bool, typer.Option("--private", help="Sealed whole, so that nobody sees what is bought.")
]
AsStream = Annotated[
    bool, typer.Option("--stream", help="What is paid while it runs; Ctrl-C ends it.")
]
Most = Annotated[
    str, typer.Option(help="What a stream may cost in all, as in 2c; a site's day else.")
]
PaidBy = Annotated[
    str | None, typer.Option(help="By what it is paid, this time: names as in ecash,millicent.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print what it came to as one JSON object; with --out.")
]


def approve(question: Question) -> bool:
    """The payer's word, on a terminal; without one: no."""
    if not sys.stdin.isatty():
        return False
    price = show_micro(question.price_micro, question.currency)
    reason = question.reason.replace("_", " ")
    return typer.confirm(f"{question.site} asks {price} ({reason}). Pay?", err=True)


def get(
    url: Annotated[str, typer.Argument(help="What to fetch.")],
    passphrase: Passphrase,
    out: Out = None,
    method: Method = "",
    header: Header = None,
    body: Body = None,
    private: InPrivate = False,
    stream: AsStream = False,
    most: Most = "",
    scheme: PaidBy = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Fetch a page or a stream, paying for it within the budgets.

    A body is sent byte for byte, as a form unless a Content-Type says otherwise.

    Example: farthing wallet get http://127.0.0.1:8402/articles/change.html -o page.html

    Example: farthing wallet get http://127.0.0.1:8402/translate -d @text.json
    -H 'Content-Type: application/json'

    Example: farthing wallet get http://127.0.0.1:8402/articles/change.html --private

    Example: farthing wallet get http://127.0.0.1:8402/radio --stream --most 2c > radio.ogg

    Example: farthing wallet get http://127.0.0.1:8402/articles/change.html -o again.html --json
    """
    if as_json and out is None:
        raise typer.BadParameter("name the page's file with --out: the object goes to stdout")
    if stream or most:
        is_plain = method in {"", "GET"} and not header and body is None
        if private or not is_plain or not stream:
            raise typer.BadParameter(
                "a stream is a GET in the open, without headers and body; --most goes with --stream"
            )
        with unlocked(data, passphrase) as wallet:
            _listen(wallet, url, out, most, scheme, as_json=as_json)
        return
    asked: dict[str, Any] = {
        "method": method or ("GET" if body is None else "POST"),
        "headers": headers_of(header or [], is_form=body is not None),
        "body": b"" if body is None else body_of(body),
        "private": private,
    }
    with stopping.told(lambda: [MAY_BE_PAID]), unlocked(data, passphrase) as wallet:
        if out is None:
            with SpooledTemporaryFile(max_size=SPOOLED_BYTES) as spool:  # whole before any is shown
                file = cast(IO[bytes], spool)
                page, refused = _buy(wallet, url, file, scheme, asked)
                if refused is None:
                    shutil.copyfileobj(file, sys.stdout.buffer)
                    with contextlib.suppress(OSError):  # said at the end: what it cost comes first
                        sys.stdout.buffer.flush()
        else:
            with output.opened(out) as file:
                page, refused = _buy(wallet, url, file, scheme, asked)
    if as_json:
        output.print_json(_figures(page) | {"refused": refused.code if refused else ""})
    else:
        _say(page, refused, private=private)
    if _came_to_nothing(page) or page.status >= HTTPStatus.BAD_REQUEST:
        raise typer.Exit(1)


def _buy(
    wallet: Wallet, url: str, file: IO[bytes], scheme: str | None, asked: dict[str, Any]
) -> tuple[Page, Refusal | None]:
    """The page, in the file from its beginning; and what the gate says where it refuses."""
    page = wallet.get(url, file, **asked, limits=_limits(wallet, scheme), ask=approve)
    file.seek(0)
    return page, _refused(page, file)


def _came_to_nothing(page: Page) -> bool:
    """Whether nothing was paid, and what was asked for did not come: a redirect is not followed."""
    is_there = page.status < HTTPStatus.MULTIPLE_CHOICES or page.status == HTTPStatus.NOT_MODIFIED
    return not is_there and not page.paid_micro


def _say(page: Page, refused: Refusal | None, *, private: bool) -> None:
    """What it came to, on stderr."""
    paid = f"paid {show_micro(page.paid_micro, page.currency)}" if page.paid_micro else "free"
    if _came_to_nothing(page):
        paid = "nothing paid"
        if refused is not None:
            paid += f": {refused.code}: {refused.detail}"
        leads = [value for name, value in page.headers if name.lower() == "location"]
        if leads and leads[0].isprintable():  # to an address that nobody has approved
            paid += f": it leads to {leads[0]}"
    by = f" by {page.scheme}" if page.scheme else ""
    if page.scheme and not page.paid_micro:
        by = " by subscription"
    how = " in private" if private else ""
    if isinstance(page.released, dict) and "authorization" in page.released:
        how += f", authorization {page.released['authorization']}"
    output.errors.print(f"{page.status}, {paid}{by}{how}", markup=False, soft_wrap=True)


def headers_of(lines: Sequence[str], *, is_form: bool) -> tuple[tuple[str, str], ...]:
    """The headers in `Name: value` each, that of a form added where it is one; `BadParameter`."""
    pairs = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise typer.BadParameter("write it as in 'Accept: text/csv'", param_hint="--header")
        pairs.append((name.strip(), value.strip()))
    if is_form and not any(name.lower() == CONTENT_TYPE for name, _ in pairs):
        pairs.append((CONTENT_TYPE, FORM))
    return tuple(pairs)


def body_of(text: str) -> bytes:
    """What is named: the text itself, a file's bytes, or those of standard input."""
    if text == "@-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return os.fsencode(text)  # as it was typed, whatever the encoding
    try:
        return Path(text[1:]).read_bytes()
    except OSError as wrong:
        raise Misconfigured("body_unreadable", f"{text[1:]}: {wrong.strerror or wrong}") from None


def _limits(wallet: Wallet, scheme: str | None) -> Limits:
    """The wallet's own, with the schemes that were named."""
    named = None if scheme is None else names_of(scheme)
    return read_limits(wallet.limits(), currency="", schemes=named)


def _listen(
    wallet: Wallet, url: str, out: Path | None, most: str, scheme: str | None, *, as_json: bool
) -> None:
    """A stream into the file or stdout as it comes; exit 1 where it did not come whole."""
    heard = Heard()
    with contextlib.ExitStack() as opened:
        file = sys.stdout.buffer if out is None else opened.enter_context(output.opened(out))
        shown = opened.enter_context(output.watching("stream"))

        def look(now: Heard) -> None:
            nonlocal heard
            heard = now
            file.flush()
            paid = show_micro(now.paid_micro, now.currency)
            shown(f"{now.received_bytes} bytes, paid {paid}")

        with contextlib.suppress(KeyboardInterrupt):  # the way to end a stream that has no end
            limits = _limits(wallet, scheme)
            heard = wallet.listen(url, file, most=most, limits=limits, ask=approve, progress=look)
        file.flush()
    if as_json:
        output.print_json(_figures(heard))
    else:
        _say_heard(heard)
    if heard.status >= HTTPStatus.BAD_REQUEST or heard.ended == "broken" or heard.refused:
        raise typer.Exit(1)


def _say_heard(heard: Heard) -> None:
    """What a stream came to, on stderr."""
    paid = f"paid {show_micro(heard.paid_micro, heard.currency)}" if heard.paid_micro else "free"
    by = f" by {heard.scheme}, {heard.ticks} ticks in {heard.openings + heard.vouchers} payments"
    why = f": {heard.refused}: {heard.why}" if heard.refused else ""
    ended = "" if heard.ended == "whole" else f"; {heard.ended}{why}"
    output.errors.print(
        f"{heard.status}, {paid}{by if heard.scheme else ''}{ended}", markup=False, soft_wrap=True
    )


def _figures(found: Page | Heard) -> dict[str, Any]:
    """What it came to, for programs; the headers stay with the page."""
    return {name: getattr(found, name) for name in found.__struct_fields__ if name != "headers"}


def _refused(page: Page, file: IO[bytes]) -> Refusal | None:
    """What the gate says where it refuses; None for a page of the site's own."""
    kinds = [value for name, value in page.headers if name.lower() == "content-type"]
    if kinds != ["application/problem+json"]:
        return None
    try:
        problem = codec.read_open(file.read(JSON_BYTES_MAX), Problem)
    except Malformed:
        return None
    finally:
        file.seek(0)
    return by_name("", problem.code, problem.detail)  # fit to be shown


GROUP.command()(get)
