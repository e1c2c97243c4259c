"""`farthing broker peer`: buy the scrip of other brokers' vendors for your payers."""

from pathlib import Path
from typing import Annotated

import typer

from farthing import codec
from farthing.cli import bookkeeping, output
from farthing.cli.bookkeeping import AsJson, Data
from farthing.cli.calling import call
from farthing.money import parse_micro, show_micro

app = typer.Typer(help="Other brokers that you buy of.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What the other broker calls itself.")],
    url: Annotated[str, typer.Option(help="Where it is reached.")],
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", help="File with the token of your account there, or FARTHING_TOKEN."
        ),
    ] = None,
    commission: Annotated[
        int, typer.Option(help="What it owes you of each sale, parts per 10,000.")
    ] = 0,
    data: Data = Path("broker"),
) -> None:
    """Sell your payers the scrip of another broker's vendors, from your account there.

    Example: farthing broker peer add north --url https://north.example --token-file north.token
    """
    token = output.token_from(token_file, f"token of your account at {name}")
    body = {"id": name, "url": url, "token": token, "commissionE4": commission}
    added = call(data, "POST", "/peers", body)
    there = bookkeeping.shown_in(data, added["thereMicro"])
    output.say(f"{name}: your account there has {there}")


@app.command("list")
def list_peers(data: Data = Path("broker"), as_json: AsJson = False) -> None:
    """Show what you owe by your books, and what each broker says that you have there.

    Example: farthing broker peer list
    """
    found = call(data, "GET", "/peers")
    if as_json:
        output.print_json(found)
        return
    currency = bookkeeping.identity_in(data).currency
    output.table(
        "other brokers",
        ("broker", "owed", "account there"),
        [
            (
                peer["id"],
                show_micro(peer["owedMicro"], currency),
                "no answer"
                if peer["thereMicro"] is None
                else show_micro(peer["thereMicro"], currency),
            )
            for peer in found
        ],
    )


@app.command()
def pay(
    name: Annotated[str, typer.Argument(help="Which broker.")],
    amount: Annotated[str, typer.Argument(help="As in 5eur.")],
    reference: Annotated[str, typer.Option(help="The bank's own name of the transfer.")],
    received: Annotated[
        bool, typer.Option("--received", help="It came from there, and did not go.")
    ] = False,
    data: Data = Path("broker"),
) -> None:
    """Book a transfer that you made at the bank; the same reference books once.

    Example: farthing broker peer pay north 5eur --reference RF18-7
    """
    currency = bookkeeping.identity_in(data).currency
    micro = parse_micro(amount, currency)
    body = {"amountMicro": micro, "reference": reference, "received": received}
    key = f"peer-{codec.b64u(codec.digest([name, reference]))}"  # banks' names have any letters
    paid = call(data, "POST", f"/peers/{name}/payments", body, key=key)
    booked, owed = (show_micro(each, currency) for each in (micro, paid["owedMicro"]))
    output.say(f"{name}: {booked} booked, {owed} owed")
