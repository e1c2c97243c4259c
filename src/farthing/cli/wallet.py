"""`farthing wallet`: load money, read pages, see what was paid, give back the rest."""

import contextlib
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, cast

import httpx
import msgspec
import typer

from farthing import codec
from farthing.cli import output, stopping
from farthing.errors import Malformed, Refusal, Unfunded, by_name
from farthing.money import show_micro
from farthing.schemes import registry
from farthing.wallet import account
from farthing.wallet import app as wallets
from farthing.wallet.book import Book, Holding
from farthing.wallet.commands import Broker, Question
from farthing.wallet.driver import Problem
from farthing.wallet.listening import Heard
from farthing.wallet.messages import JSON_BYTES_MAX
from farthing.wallet.page import Page

app = typer.Typer(help="A wallet: pay for pages, within budgets.", no_args_is_help=True)

SPOOLED_BYTES = 1024 * 1024  # of a page in memory before it is shown; more waits in a file
MAY_BE_PAID = (
    "interrupted: it may be paid; the same command fetches it for that payment, and farthing wallet"
    " recover says what became of it"
)
REFUND_DAYS = 30  # vendors keep an outcome at least as long

Data = Annotated[
    Path | None,
    typer.Option("--data", envvar="FARTHING_DATA", help="Folder of wallet.db; ~/.farthing else."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Passphrase = Annotated[
    str,
    typer.Option(
        envvar=wallets.PASSPHRASE_VARIABLE,
        default_factory=partial(
            output.hidden, "passphrase", f"set {wallets.PASSPHRASE_VARIABLE} to the passphrase"
        ),
        show_default=False,
        help="Opens the wallet; better in the environment than on the command line.",
    ),
]


def _path(data: Path | None) -> Path:
    return data / "wallet.db" if data is not None else wallets.default_path()


@contextlib.contextmanager
def unlocked(data: Path | None, passphrase: str) -> Iterator[wallets.Wallet]:
    """The wallet that the options name; who has too little is told what there is."""
    with wallets.open_wallet(_path(data), passphrase) as wallet:
        try:
            yield wallet
        except Unfunded as short:
            if short.code != "balance_too_low":
                raise
            raise Unfunded(short.code, f"{short.detail}{_what_there_is(wallet)}") from None


def _what_there_is(wallet: wallets.Wallet) -> str:
    """What each account has, as its broker says; empty of one that does not answer."""
    told = ""
    for broker in wallet.brokers():
        if broker.account:
            with contextlib.suppress(Refusal):
                found = wallet.balance(broker.id)
                has = show_micro(found.payer_micro, found.currency)
                told += f"; the account at {broker.id} has {has}"
    return told


@app.command()
def init(
    passphrase: Passphrase,
    broker: Annotated[
        str, typer.Option(help="The broker's address; none: it has what others hand over.")
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the token; FARTHING_TOKEN or a prompt else."),
    ] = None,
    data: Data = None,
) -> None:
    """Make a wallet with an account at a broker, or one that spends what others hand over.

    Example: farthing wallet init --broker http://127.0.0.1:8400 --token-file alice.token
    """
    token = output.token_from(token_file, "account token") if broker else ""
    path = _path(data)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not broker:
        wallets.init(path, passphrase).close()
        output.say(f"{path} is ready, without an account: farthing wallet receive")
        return
    added = _account_at(broker, token)  # asked first: a wallet that is made can be made no more
    with wallets.init(path, passphrase) as wallet:
        named = {"broker_id": added.id, "currency": added.currency}
        wallet.add_broker(added.url, added.account, token, **named)
    output.say(f"{path} is ready: account {added.account} at {added.id}, in {added.currency}")


def _account_at(url: str, token: str) -> Broker:
    with httpx.Client(follow_redirects=False) as client:
        return account.find(client, url, token)


@app.command()
def topup(
    amount: Annotated[str, typer.Argument(help="As in 5eur or 500c.")],
    passphrase: Passphrase,
    admin_token: Annotated[
        str, typer.Option(envvar="FARTHING_ADMIN_TOKEN", help="If you are the operator yourself.")
    ] = "",
    reference: Annotated[str, typer.Option(help="The bank's name of the credit.")] = "",
    data: Data = None,
) -> None:
    """Put money into the account, or say how.

    Example: farthing wallet topup 5eur
    """
    with unlocked(data, passphrase) as wallet:
        done = wallet.topup(amount, reference=reference, admin_token=admin_token)
    output.say(
        f"the account has {show_micro(done.balance.payer_micro, done.balance.currency)}"
        if done.done
        else done.instructions
    )


@app.command()
def load(
    amount: Annotated[str, typer.Argument(help="As in 5c: at most 5 units of currency.")],
    passphrase: Passphrase,
    data: Data = None,
) -> None:
    """Buy the broker's scrip, and buy vendors' scrip with that from now on, not by the account.

    Example: farthing wallet load 5c
    """
    with unlocked(data, passphrase) as wallet:
        done = wallet.load(amount)
    output.say(f"{done.broker_id}: loaded {show_micro(done.loaded_micro, done.currency)}")


@app.command()
def balance(passphrase: Passphrase, data: Data = None, as_json: AsJson = False) -> None:
    """Show what the account has and owes, and what the wallet holds.

    What is billed later is credit of an account: it is paid for once it is spent.

    Example: farthing wallet balance --json
    """
    with unlocked(data, passphrase) as wallet:
        accounts = [
            (broker, wallet.balance(broker.id)) for broker in wallet.brokers() if broker.account
        ]
        holdings = wallet.holdings()
        own = {broker.id for broker, _ in accounts}  # not what others handed over
        asked = () if as_json else holdings
        billed = {held for held in asked if held.broker_id in own and _is_billed(wallet, held)}
    if as_json:
        output.print_json(
            {
                "accounts": [msgspec.structs.asdict(found) for _, found in accounts],
                "holdings": list(holdings),
            }
        )
        return
    for broker, found in accounts:
        output.say(f"{broker.id}: {_standing(found)}")
    output.table(
        "in the wallet",
        ("vendor", "scheme", "state", "pieces", "worth"),
        [
            (
                held.vendor_id or "any",
                held.scheme,
                held.state,
                str(held.count),
                show_micro(held.worth_micro, held.currency)
                + (", billed later" if held in billed else ""),
            )
            for held in holdings
        ],
    )


def _standing(found: account.Balance) -> str:
    has = show_micro(found.payer_micro, found.currency)
    if not found.owed_micro and not found.credit_limit_micro:
        return has
    owed = show_micro(found.owed_micro, found.currency)
    return f"{has}; {owed} owed, at most {show_micro(found.credit_limit_micro, found.currency)}"


def _is_billed(wallet: wallets.Wallet, held: Holding) -> bool:
    """Whether some of it is credit; what a payment has for the moment goes by its scheme."""
    if not held.worth_micro or not registry.by_name(held.scheme).traits.credit:
        return False
    driver = wallet.driver(wallet.limits())
    purse = driver.guide.purse(held.scheme, held.broker_id)
    pieces = [
        one.instrument
        for one in Book(driver.store.file).held(held.scheme, held.vendor_id)
        if (one.broker_id, one.instrument.vendor_id) == (held.broker_id, held.vendor_id)
    ]
    return not pieces or any(purse.is_billed(piece) for piece in pieces)


def approve(question: Question) -> bool:
    """The payer's word, on a terminal; without one: no."""
    if not sys.stdin.isatty():
        return False
    price = show_micro(question.price_micro, question.currency)
    reason = question.reason.replace("_", " ")
    return typer.confirm(f"{question.site} asks {price} ({reason}). Pay?", err=True)


@app.command()
def get(
    url: Annotated[str, typer.Argument(help="What to fetch.")],
    passphrase: Passphrase,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write to.")] = None,
    method: Annotated[str, typer.Option(help="The request's method.")] = "GET",
    private: Annotated[
        bool,
        typer.Option("--private", help="Sealed whole, so that nobody sees what is bought."),
    ] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="What is paid while it runs; Ctrl-C ends it.")
    ] = False,
    most: Annotated[
        str, typer.Option(help="What a stream may cost in all, as in 2c; a site's day else.")
    ] = "",
    data: Data = None,
) -> None:
    """Fetch a page or a stream, paying for it within the budgets.

    Example: farthing wallet get http://127.0.0.1:8402/articles/change.html -o page.html

    Example: farthing wallet get http://127.0.0.1:8402/articles/change.html --private

    Example: farthing wallet get http://127.0.0.1:8402/radio --stream --most 2c > radio.ogg
    """
    if stream or most:
        if private or method != "GET" or not stream:
            raise typer.BadParameter("a stream is a GET in the open; --most goes with --stream")
        _listen(url, out, most, data, passphrase)
        return
    with stopping.told(lambda: [MAY_BE_PAID]), unlocked(data, passphrase) as wallet:
        if out is None:
            with SpooledTemporaryFile(max_size=SPOOLED_BYTES) as spool:  # whole before any is shown
                file = cast(IO[bytes], spool)
                page = wallet.get(url, file, method=method, ask=approve, private=private)
                file.seek(0)
                refused = _refused(page, file)
                if not refused:
                    shutil.copyfileobj(file, sys.stdout.buffer)
                    with contextlib.suppress(OSError):  # said at the end: what it cost comes first
                        sys.stdout.buffer.flush()
        else:
            with output.opened(out) as file:
                page = wallet.get(url, file, method=method, ask=approve, private=private)
                file.seek(0)
                refused = _refused(page, file)
    paid = f"paid {show_micro(page.paid_micro, page.currency)}" if page.paid_micro else "free"
    if page.status >= HTTPStatus.BAD_REQUEST and not page.paid_micro:
        paid = f"nothing paid{refused}"
    by = f" by {page.scheme}" if page.scheme else ""
    if page.scheme and not page.paid_micro:
        by = " by subscription"
    how = " in private" if private else ""
    if isinstance(page.released, dict) and "authorization" in page.released:
        how += f", authorization {page.released['authorization']}"
    output.errors.print(f"{page.status}, {paid}{by}{how}", markup=False)
    if page.status >= HTTPStatus.BAD_REQUEST:
        raise typer.Exit(1)


def _listen(url: str, out: Path | None, most: str, data: Path | None, passphrase: str) -> None:
    """A stream into the file or stdout as it comes; exit 1 where it did not come whole."""
    heard = Heard()
    with contextlib.ExitStack() as opened:
        wallet = opened.enter_context(unlocked(data, passphrase))
        file = sys.stdout.buffer if out is None else opened.enter_context(output.opened(out))
        shown = opened.enter_context(output.watching("stream"))

        def look(now: Heard) -> None:
            nonlocal heard
            heard = now
            file.flush()
            paid = show_micro(now.paid_micro, now.currency)
            shown(f"{now.received_bytes} bytes, paid {paid}")

        with contextlib.suppress(KeyboardInterrupt):  # the way to end a stream that has no end
            heard = wallet.listen(url, file, most=most, ask=approve, progress=look)
        file.flush()
    paid = f"paid {show_micro(heard.paid_micro, heard.currency)}" if heard.paid_micro else "free"
    by = f" by {heard.scheme}, {heard.ticks} ticks in {heard.vouchers} vouchers"
    why = f": {heard.refused}: {heard.why}" if heard.refused else ""
    ended = "" if heard.ended == "whole" else f"; {heard.ended}{why}"
    output.errors.print(
        f"{heard.status}, {paid}{by if heard.scheme else ''}{ended}", markup=False, soft_wrap=True
    )
    if heard.status >= HTTPStatus.BAD_REQUEST or heard.ended == "broken" or heard.refused:
        raise typer.Exit(1)


def _refused(page: Page, file: IO[bytes]) -> str:
    """What the gate says where it refuses: `: code: detail`; empty for a page of the site's own."""
    kinds = [value for name, value in page.headers if name.lower() == "content-type"]
    if kinds != ["application/problem+json"]:
        return ""
    try:
        problem = codec.read_open(file.read(JSON_BYTES_MAX), Problem)
    except Malformed:
        return ""
    finally:
        file.seek(0)
    told = by_name("", problem.code, problem.detail)  # fit to be shown
    return f": {told.code}: {told.detail}"


@app.command()
def recover(
    passphrase: Passphrase,
    days: Annotated[
        int, typer.Option(help="Ask for refunds of what was bought in so many days.")
    ] = REFUND_DAYS,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Finish what was left undone, and fetch what vendors gave back. Pays nothing.

    Example: farthing wallet recover --days 7
    """
    with unlocked(data, passphrase) as wallet:
        found = wallet.recover(days=days)
    if as_json:
        output.print_json(found)
        return
    finished = found.done + found.released + found.asks_finished + found.releases_sent
    left = found.undecided + found.asks_open + found.releases_open
    output.say(f"finished {finished}, still open {left}, refunded {found.refunded}")


@app.command()
def history(
    passphrase: Passphrase,
    count: Annotated[int, typer.Option(min=0, help="How many of the latest.")] = 20,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show what was bought, the latest first.

    Example: farthing wallet history --count 5
    """
    with unlocked(data, passphrase) as wallet:
        lines = wallet.history(count)
    if as_json:
        output.print_json(list(lines))
        return
    output.table(
        "purchases",
        ("when", "page", "scheme", "state", "price"),
        [
            (
                output.clock(line.created_at_s),
                line.url,
                line.scheme,
                "refunded" if line.refunded else line.state,
                show_micro(line.price_micro, line.currency),
            )
            for line in lines
        ],
    )
