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
from farthing.errors import Refusal
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
    made: list[dict[str, str | int]] = []
    try:
        for _ in range(count):
            _make(data, micro, made)
    finally:  # what was made has money on it, whatever became of the next
        _show(value, made, as_json=as_json)


def _make(data: Path, micro: int, made: list[dict[str, str | int]]) -> None:
    """One more card; it is among those that are made before it has money."""
    name = f"card-{secrets.token_hex(NAME_BYTES)}"
    opened = call(data, "POST", "/accounts", {"id": name})
    made.append({"card": name, "secret": opened["tokens"]["pay"], "valueMicro": micro})
    booked = {"payer": name, "amountMicro": micro, "reference": name}
    try:
        call(data, "POST", "/topup", booked)
    except Refusal:
        output.errors.print(f"{name} may be empty: look at `farthing broker account list`")
        raise


def _show(value: str, made: list[dict[str, str | int]], *, as_json: bool) -> None:
    if made and as_json:
        output.print_json(made)
    elif made:
        rows = [(str(card["card"]), str(card["secret"])) for card in made]
        output.table(f"cards of {value}", ("card", "secret"), rows)
