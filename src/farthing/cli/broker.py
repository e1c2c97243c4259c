"""`farthing broker`: hold the money, keep the accounts, clear the claims."""

import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from farthing import codec
from farthing.broker import app as brokers
from farthing.broker import store
from farthing.broker.front import Terms
from farthing.broker.people import TOKEN_BYTES, hash_of, new_token
from farthing.broker.purposes import COINS, ROTATING
from farthing.broker.tokens import renew_token
from farthing.cli import (
    bookkeeping,
    broker_cards,
    broker_changes,
    broker_disputes,
    broker_payouts,
    broker_peer,
    output,
    servers,
)
from farthing.cli.bookkeeping import ADMIN_TOKEN, AsJson, Data
from farthing.cli.calling import call, local_port
from farthing.errors import Malformed, Misconfigured, Replayed
from farthing.money import parse_micro, show_micro
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY

KEYSET_DAYS_MIN = 90  # wallets that are looked at each season have the time to swap

app = typer.Typer(help="A broker: accounts, instruments, clearing.", no_args_is_help=True)
account_app = typer.Typer(help="Payers' accounts.", no_args_is_help=True)
vendor_app = typer.Typer(help="Vendors' accounts.", no_args_is_help=True)
account_app.command("change")(broker_changes.change_account)
account_app.command("revoke")(broker_changes.revoke_account)
vendor_app.command("change")(broker_changes.change_vendor)
app.add_typer(account_app, name="account")
app.add_typer(vendor_app, name="vendor")
app.add_typer(broker_peer.app, name="peer")
app.add_typer(broker_cards.app)
app.add_typer(broker_disputes.app)
app.add_typer(broker_payouts.app)
app.add_typer(bookkeeping.app)  # its commands are the broker's own

TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="Write the token there instead of showing it.")
]
PayoutTo = Annotated[str, typer.Option("--payout-to", help="Bank account that its money goes to.")]
BROKER_PORT = 8400
ELSEWHERE = (
    "this broker's public URL is {url}, and it listens on port {port}: vendors, wallets and your"
    " own commands (`farthing broker ...`) look for it at the URL. Serve it with --port {known}, or"
    " see that the URL leads to port {port}; `broker init --url` has set it, for good."
)


@app.command()
def init(
    broker_id: Annotated[str, typer.Option("--id", help="Its public name, 1-32 characters.")],
    currency: Annotated[str, typer.Option(help="Three letters, fixed for good.")] = "eur",
    url: Annotated[str, typer.Option(help="Where everybody reaches it, fixed for good.")] = (
        f"http://127.0.0.1:{BROKER_PORT}"
    ),
    data: Data = Path("broker"),
) -> None:
    """Make a broker's folder: books, keys and the operator's token.

    Example: farthing broker init --id demo-broker --currency eur
    """
    path = data / ADMIN_TOKEN

    def keep(token: str) -> None:
        path.unlink(missing_ok=True)  # of an attempt that was cut short
        output.write_private(path, token)

    brokers.Broker.init(data, broker_id=broker_id, currency=currency, url=url, keep=keep)
    output.say(f"{data} is ready; the operator's token is in {path}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: servers.Port = BROKER_PORT,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(help="Whose X-Forwarded-* headers are believed: 10.0.0.7 or 10.0.0.0/24."),
    ] = None,
    attempts_per_s: Annotated[
        int, typer.Option(help="Refusals of one address in a second; more hear 429. 0: any.")
    ] = Terms().attempts_per_s,
    data: Data = Path("broker"),
) -> None:
    """Serve the broker's API; its description is at /schema.

    Example: farthing broker serve --data broker

    Example: farthing broker serve --trusted-proxy 127.0.0.1
    """
    terms = Terms(trusted_proxies=tuple(trusted_proxy or ()), attempts_per_s=attempts_per_s)
    url = bookkeeping.identity_in(data).url  # a wrong folder is said here, not by a worker
    servers.require_free(host, port)
    known = local_port(url)
    if known not in {None, port}:
        output.errors.print(ELSEWHERE.format(url=url, port=port, known=known), soft_wrap=True)
    os.environ[brokers.DATA_VARIABLE] = str(data)
    os.environ.update(terms.to_variables())
    output.say(f"broker at http://{host}:{port}")
    servers.serve("farthing.broker.app:served_app", host=host, port=port, workers=1)


@account_app.command("open")
def open_account(
    name: Annotated[str, typer.Argument(help="As in alice.")],
    credit: Annotated[str, typer.Option(help="How much it may owe, as in 1eur.")] = "0u",
    props: Annotated[str, typer.Option(help="What you vouch for: student=true.")] = "",
    payout_to: PayoutTo = "",
    token_file: TokenFile = None,
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Open a payer's account; its token is shown this once.

    Example: farthing broker account open bob --credit 1eur --token-file bob.token
    """
    micro = _micro(data, credit)
    body = {"id": name, "creditLimitMicro": micro, "props": props, "payoutTo": payout_to}
    _open(data, body, {"pay": token_file}, as_json=as_json)


@vendor_app.command("add")
def add_vendor(
    name: Annotated[str, typer.Argument(help="As in gazette.")],
    commission: Annotated[int, typer.Option(help="Your share, parts per 10,000.")] = 0,
    payout_to: PayoutTo = "",
    token_file: TokenFile = None,
    pay_token_file: Annotated[
        Path | None,
        typer.Option("--pay-token-file", help="File for its other token, which pays out."),
    ] = None,
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Open a vendor's account; its tokens, one for its gates and one to be paid out, once.

    Example: farthing broker vendor add radio --commission 500 --token-file radio.token
    """
    body = {
        "id": name,
        "role": "vendor",
        "commissionE4": commission,
        "payoutTo": payout_to,
    }
    _open(data, body, {"redeem": token_file, "pay": pay_token_file}, as_json=as_json)


@vendor_app.command("buy")
def buy(
    name: Annotated[str, typer.Argument(help="Whose scrip.")],
    batch: Annotated[Path, typer.Argument(help="The file that the vendor made.")],
    data: Data = Path("broker"),
) -> None:
    """Buy a batch of scrip that a vendor minted ahead, at the discount in it.

    Example: farthing broker vendor buy gazette batch.json
    """
    try:
        message = codec.read_json(batch.read_bytes())
    except (OSError, Malformed) as wrong:
        raise Misconfigured("batch_unreadable", f"{batch}: {wrong}") from None
    digest = codec.b64u(codec.digest(message))
    bought = call(data, "POST", f"/vendors/{name}/grants/millicent", message, key=f"b{digest}")
    answer = bought["answer"]
    face = bookkeeping.shown_in(data, answer["faceMicro"])
    output.say(f"{name}: bought {answer['pieces']} pieces worth {face}")


def _micro(data: Path, text: str) -> int:
    """An amount in the broker's currency; `OutOfRange` for one in another."""
    return parse_micro(text, bookkeeping.identity_in(data).currency)


def _open(
    data: Path, body: dict[str, Any], files: dict[str, Path | None], *, as_json: bool
) -> None:
    """Open an account, its tokens into the files of their scopes; without any file, show them."""
    named = {scope: path for scope, path in files.items() if path is not None}
    with output.private_files(*named.values()):
        opened = call(data, "POST", "/accounts", body)
        for scope, path in named.items():
            path.write_text(opened["tokens"][scope])
            output.say(f"{opened['id']} is open; its token is in {path}")
    if named:
        return
    if as_json:
        output.print_json(opened)
        return
    for name, token in opened["tokens"].items():
        output.say(f"{opened['id']} ({name}): {token}")


@account_app.command("list")
def list_accounts(data: Data = Path("broker"), as_json: AsJson = False) -> None:
    """Show every payer with what it has and owes.

    Example: farthing broker account list
    """
    _list(data, "payer", as_json=as_json)


@vendor_app.command("list")
def list_vendors(data: Data = Path("broker"), as_json: AsJson = False) -> None:
    """Show every vendor with what it has earned and not been paid out.

    Example: farthing broker vendor list
    """
    _list(data, "vendor", as_json=as_json)


def _list(data: Path, role: str, *, as_json: bool) -> None:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = call(data, "GET", f"/accounts?role={role}&after={after}")
        found += page["accounts"]
        after = page["next"]
        if not after:
            break
    if as_json:
        output.print_json(found)
        return
    currency = bookkeeping.identity_in(data).currency
    rows = [
        (one["id"], show_micro(one["hasMicro"], currency), show_micro(one["owesMicro"], currency))
        for one in found
    ]
    output.table(f"{len(found)} {role}s", ("account", "has", "owes"), rows)


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Whose account.")],
    token_file: Annotated[Path, typer.Option("--token-file", help="File for the new token.")],
    scope: Annotated[str, typer.Option(help="pay, or for a vendor's gates redeem.")] = "pay",
    only: Annotated[
        bool, typer.Option("--only", help="The older ones of this scope end: they were stolen.")
    ] = False,
    data: Data = Path("broker"),
) -> None:
    """Make a token in the place of one that was lost.

    Example: farthing broker token alice --token-file alice-new.token
    """
    made = new_token(secrets.token_bytes(TOKEN_BYTES))
    broker = brokers.Broker.open(data)
    with output.private_files(token_file), contextlib.closing(broker):
        broker.engine.books.committer.do_now(
            lambda db: renew_token(db, name, scope, hash_of(made), only=only), atomic=True
        )
        token_file.write_text(made)
    output.say(f"{name}: a new token is in {token_file}")


@account_app.command("topup")
def top_up(
    name: Annotated[str, typer.Argument(help="Whose account.")],
    amount: Annotated[str, typer.Argument(help="As in 5eur.")],
    reference: Annotated[str, typer.Option(help="The bank's own name of the credit.")],
    data: Data = Path("broker"),
) -> None:
    """Book money that came in at the bank; the same reference books once, and one amount.

    Example: farthing broker account topup alice 5eur --reference RF18-1
    """
    micro = _micro(data, amount)
    body = {"payer": name, "amountMicro": micro, "reference": reference}
    try:
        call(data, "POST", "/topup", body)
    except Replayed as booked:
        output.say(booked.detail)
        return
    output.say(f"{name}: {bookkeeping.shown_in(data, micro)} booked")


@account_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Whose account.")],
    data: Data = Path("broker"),
) -> None:
    """Show an account's balance.

    Example: farthing broker account show alice
    """
    output.print_json(call(data, "GET", f"/balance?account={name}"))


@app.command()
def keys(data: Data = Path("broker")) -> None:
    """Print the signed key document.

    Example: farthing broker keys
    """
    broker = brokers.Broker.open(data)
    try:
        output.print_json(msgspec.json.decode(broker.key_document()))
    finally:
        broker.close()


@app.command()
def rotate(
    name: Annotated[
        str,
        typer.Argument(help=f"A key's purpose, as `keys` prints it, or {' or '.join(COINS)}."),
    ],
    days: Annotated[
        int, typer.Option(min=0, help="Of a Cashu keyset: how long its coins are good; 0: always.")
    ] = 0,
    data: Data = Path("broker"),
) -> None:
    """Make a new signing key; what the old one signed stays good.

    Example: farthing broker rotate farthing/payword/certificate/1
    """
    broker = brokers.Broker.open(data)
    try:
        if name not in ROTATING:
            raise Misconfigured("key_unknown", f"keys are {', '.join(ROTATING)}")
        if days and (name != KEYSET_KEY or days < KEYSET_DAYS_MIN):
            raise Misconfigured(
                "days_unsupported", f"only coins end, {KEYSET_DAYS_MIN} days from now or later"
            )
        not_after_s = int(time.time()) + days * 86_400 if days else 0
        key = broker.ring.rotate(name, secrets.token_bytes(32), not_after_s=not_after_s)
    finally:
        broker.close()
    output.say(f"{name}: the key is now {key.id}; a running broker signs with it within a second")


@app.command()
def revoke(
    scheme: Annotated[str, typer.Argument(help="As in payword.")],
    name: Annotated[str, typer.Argument(help="What to bar: a certificate's serial.")],
    data: Data = Path("broker"),
) -> None:
    """Put a name on a scheme's list; gates fetch it each minute.

    All that a payer has out, its wallet being stolen: farthing broker account revoke NAME.

    Example: farthing broker revoke payword p_0123456789ab
    """
    done = call(data, "POST", f"/revoke/{scheme}", {"name": name})
    output.say(f"{scheme}: {name} is on the list")
    if not done["known"]:
        output.say(
            "but these books have given no such certificate: is it spelled right? All that an"
            " account has out ends with: farthing broker account revoke NAME"
        )


@app.command()
def metrics(
    token_file: Annotated[
        Path, typer.Option("--token-file", help="File for the token that /metrics asks for.")
    ],
    data: Data = Path("broker"),
) -> None:
    """Make a token that reads /metrics and nothing else.

    Example: farthing broker metrics --token-file prometheus.token
    """
    token = new_token(secrets.token_bytes(TOKEN_BYTES))
    output.write_private(token_file, token)
    broker = brokers.Broker.open(data)
    try:
        broker.engine.books.committer.do_now(
            lambda db: store.add_token(db, hash_of(token), store.OPERATOR, ("metrics",))
        )
    finally:
        broker.close()
    output.say(f"{token_file} holds a token for /metrics")
