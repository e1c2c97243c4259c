"""`farthing broker cards`: anonymous prepaid cards, sold over a counter.

A card is an account that nobody's name is on, with money on it; its secret is the account's token,
so whoever has the secret has the account: it buys with every scheme, and what a lost wallet held
comes back to it. The broker sees a card's number and what it buys. Source: the anonymous cards of
"A Micropayment System", 2005.
"""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import bookkeeping, output
from farthing.cli.bookkeeping import AsJson, Data
from farthing.cli.calling import call
from farthing.money import parse_micro

app = typer.Typer()

CARDS_MAX = 1_000  # in one go: each is two calls
NAME_BYTES = 8  # of a card's number: it is no secret


@app.command()
def cards(
    value: Annotated[str, typer.Argument(help="What each is worth, as in 5eur.")],
    count: Annotated[int, typer.Option(min=1, max=CARDS_MAX, help="How many.")] = 1,
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Make prepaid cards; each secret is shown once, and is all that its buyer needs.

    Example: farthing broker cards 5eur --count 10 --json > cards.json
    """
    micro = parse_micro(value, bookkeeping.identity_in(data).currency)
    made = [_make(data, micro) for _ in range(count)]
    if as_json:
        output.print_json(made)
        return
    rows = [(str(card["card"]), str(card["secret"])) for card in made]
    output.table(f"cards of {value}", ("card", "secret"), rows)


def _make(data: Path, micro: int) -> dict[str, str | int]:
    name = f"card-{secrets.token_hex(NAME_BYTES)}"
    opened = call(data, "POST", "/accounts", {"id": name})
    booked = {"payer": name, "amountMicro": micro, "reference": name}
    call(data, "POST", "/topup", booked)
    return {"card": name, "secret": opened["tokens"]["pay"], "valueMicro": micro}
