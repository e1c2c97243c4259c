"""`farthing wallet cashu`: an account pays for a Cashu wallet's coins, and is paid with them."""

import secrets
from typing import Annotated

import httpx
import typer

from farthing.cli import output, wallet_disputes
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.errors import Unknown
from farthing.money import parse_micro, show_micro
from farthing.schemes.coin.cashu.keysets import unit_micro
from farthing.wallet import cashu
from farthing.wallet.account import TIMEOUT_S

app = typer.Typer(help="Load Cashu wallets, and be paid by them.", no_args_is_help=True)

KEY_BYTES = 16


def _client() -> httpx.Client:
    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)


@app.command()
def load(
    address: Annotated[str, typer.Argument(help="What the wallet shows as its invoice.")],
    passphrase: Passphrase,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Pay a Cashu wallet's quote from the account; again is no change.

    The address is what the wallet shows as its invoice.

    Example: farthing wallet cashu load "$ADDRESS"
    """
    with unlocked(data, passphrase) as wallet, _client() as client:
        broker = cashu.broker_of(wallet.brokers(), address)
        paid = cashu.pay(client, broker, address)
    if as_json:
        output.print_json(paid)
    else:
        shown = show_micro(paid.amount * unit_micro(paid.unit), broker.currency)
        output.say(f"paid {shown}; the wallet may have its coins signed")


@app.command()
def code(
    amount: Annotated[str, typer.Argument(help="How much, as in 0.29eur.")],
    passphrase: Passphrase,
    broker: Annotated[str, typer.Option(help="At which of your brokers; the first else.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Make a payout code: a Cashu wallet that pays it pays this account.

    Example: farthing wallet cashu code 0.29eur
    """
    with unlocked(data, passphrase) as wallet, _client() as client:
        held = [one for one in wallet.brokers() if one.account and broker in {"", one.id}]
        if not held:
            raise Unknown("broker_unknown", "this wallet has no account there")
        amount_micro = parse_micro(amount, held[0].currency)
        made = cashu.code(client, held[0], amount_micro, secrets.token_hex(KEY_BYTES))
    if as_json:
        output.print_json(made)
    else:
        output.say(made.request)


GROUP = wallet_disputes.GROUP  # with the commands above
GROUP.add_typer(app, name="cashu")
