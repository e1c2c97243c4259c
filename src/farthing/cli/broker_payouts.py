"""`farthing broker clear` and `payout`: what leaves by the bank, and what the bank did with it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from farthing.broker import app as brokers
from farthing.broker import store
from farthing.cli import bookkeeping, output
from farthing.cli.bookkeeping import AsJson, Data
from farthing.cli.calling import call
from farthing.money import MICRO_PER_CENT, show_micro

app = typer.Typer()


@app.command()
def clear(
    open_again: Annotated[
        bool, typer.Option("--open", help="After a restore: the payouts agree with the bank's.")
    ] = False,
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Show the payouts that are to be made at the bank, and those that it has not confirmed yet.

    Example: farthing broker clear --json
    """
    if open_again:
        broker = brokers.Broker.open(data)
        broker.engine.books.committer.do_now(store.open_payouts)
        broker.close()
    payouts = call(data, "GET", "/payouts")
    if as_json:
        output.print_json(payouts)
        return
    if not payouts:
        output.say("nothing is to be paid out")
        return
    currency = bookkeeping.identity_in(data).currency
    for one in payouts:
        amount = show_micro(one["amount_cents"] * MICRO_PER_CENT, currency)
        output.say(f"{one['end_to_end_id']}: {amount} to {one['destination']}, {one['state']}")


@app.command()
def payout(
    payout_id: Annotated[str, typer.Argument(help="As `clear` shows it.")],
    state: Annotated[
        Literal["exported", "confirmed", "returned"], typer.Argument(help="What became of it.")
    ],
    data: Data = Path("broker"),
) -> None:
    """Say what the bank did with a payout: typed in, booked, or sent back.

    Example: farthing broker payout po_0123456789ab confirmed
    """
    done = call(data, "POST", f"/payouts/{payout_id}", {"state": state})
    amount = bookkeeping.shown_in(data, done["amountMicro"])
    output.say(f"{payout_id}: {amount} {done['state']}")
