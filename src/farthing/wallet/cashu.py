"""What an account does for Cashu wallets: pay their quotes, and be paid by their coins.

A wallet of that network shows the address of its quote, which is a broker's; who has an account
there pays it. A payout code is the way back: whoever pays it with coins pays the account.
"""

import httpx
import msgspec

from farthing import codec
from farthing.errors import OutOfRange, Unknown
from farthing.schemes.coin.cashu.keysets import unit_micro, units_of
from farthing.wallet import account
from farthing.wallet.commands import Broker

PLACE = "/cashu/"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A quote that was paid."""

    amount: int
    """In its unit."""
    unit: str
    state: str
    """`PAID`, or `ISSUED` where the wallet has its coins already."""


class Code(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A payout code."""

    request: str
    """What the paying wallet takes."""
    amount: int
    unit: str
    expires_at_s: int


def broker_of(brokers: tuple[Broker, ...], address: str) -> Broker:
    """The broker whose quote is at an address; `Unknown` where this wallet has no account there."""
    for broker in brokers:
        if broker.account and address.startswith(broker.url + PLACE):
            return broker
    raise Unknown("broker_unknown", "this wallet has no account at the broker of this address")


def pay(client: httpx.Client, broker: Broker, address: str) -> Load:
    """Pay a quote at this broker; again is no change. `Unfunded`, `Expired`, `Replayed`."""
    headers = {"Authorization": f"Bearer {broker.token}"}
    path = address.removeprefix(broker.url)
    return account.read(account.call(client, "POST", broker.url, path, headers=headers), Load)


def code(client: httpx.Client, broker: Broker, amount_micro: int, key: str) -> Code:
    """A code that pays this account once; the same to the same key.

    `OutOfRange` for a part of a cent where stock wallets pay in cents.
    """
    unit = units_of(broker.currency)[0]
    amount, rest_micro = divmod(amount_micro, unit_micro(unit))
    if rest_micro:
        raise OutOfRange("amount_too_fine", f"a wallet of the unit {unit} pays whole cents")
    headers = {
        "Authorization": f"Bearer {broker.token}",
        "Content-Type": "application/json",
        "Idempotency-Key": key,
    }
    path, content = f"{PLACE}{unit}/payouts", codec.canonical({"amount": amount})
    answer = account.call(client, "POST", broker.url, path, headers=headers, content=content)
    return account.read(answer, Code)
