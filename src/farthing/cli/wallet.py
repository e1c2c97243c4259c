"""`farthing wallet`: load money, read pages, see what was paid, give back the rest."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer

from farthing.cli import output
from farthing.errors import Refusal, Unfunded
from farthing.money import show_micro
from farthing.schemes import registry
from farthing.wallet import account
from farthing.wallet import app as wallets
from farthing.wallet.book import Book, Holding
from farthing.wallet.commands import Broker

app = typer.Typer(help="A wallet: pay for pages, within budgets.", no_args_is_help=True)

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
    with wallets.open_wallet(_path(data), passphrase, told=_tell) as wallet:
        try:
            yield wallet
        except Unfunded as short:
            if short.code != "balance_too_low":
                raise
            raise Unfunded(short.code, f"{short.detail}{_what_there_is(wallet)}") from None


def _tell(seconds: int) -> None:
    output.errors.print(f"asked too often (429): going on in {seconds} s", markup=False)


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
    missing: list[Refusal] = []
    accounts: list[tuple[Broker, account.Balance]] = []
    with unlocked(data, passphrase) as wallet:
        brokers = [broker for broker in wallet.brokers() if broker.account]
        for broker in brokers:
            try:
                accounts.append((broker, wallet.balance(broker.id)))
            except Refusal as wrong:  # what is in the wallet is known all the same
                missing.append(wrong)
        holdings = wallet.holdings()
        own = {broker.id for broker in brokers}  # not what others handed over
        asked = () if as_json else holdings
        billed = {held for held in asked if held.broker_id in own and _is_billed(wallet, held)}
    if as_json:
        output.print_json(
            {
                "accounts": [msgspec.structs.asdict(found) for _, found in accounts],
                "holdings": list(holdings),
            }
        )
    else:
        _print_balance(accounts, holdings, billed)
    if missing:
        raise missing[0]


def _print_balance(
    accounts: Sequence[tuple[Broker, account.Balance]],
    holdings: Sequence[Holding],
    billed: Collection[Holding],
) -> None:
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
                line.url if line.method == "GET" else f"{line.method} {line.url}",
                line.scheme,
                "refunded" if line.refunded else line.state,
                show_micro(line.price_micro, line.currency),
            )
            for line in lines
        ],
    )
