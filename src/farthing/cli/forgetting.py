"""`farthing wallet forget`: old purchases leave the wallet's file."""

import time
from typing import Annotated

import typer

from farthing.cli import output, returning
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.wallet import forgetting

YEAR = 365
MIB = 1 << 20
GROUP = returning.GROUP  # with the command below


def forget(
    passphrase: Passphrase,
    days: Annotated[int, typer.Option(min=forgetting.DAYS_MIN, help="So many are kept.")] = YEAR,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Take old purchases out of the wallet, with their receipts: the file gets smaller.

    What is unspent or open stays, and so does what was bought since. A receipt that is gone
    proves nothing any more.

    Example: farthing wallet forget --days 90
    """
    with unlocked(data, passphrase) as wallet, output.progress("rows") as progress:
        file = wallet.driver(wallet.limits()).store.file
        done = forgetting.forget(file, days, int(time.time()), progress)
    if as_json:
        output.print_json(done)
        return
    purchases = "1 purchase" if done.purchases == 1 else f"{done.purchases} purchases"
    sizes = f"{done.before_bytes / MIB:.1f} to {done.after_bytes / MIB:.1f} MiB"
    output.say(f"{purchases} of more than {days} days ago forgotten; the wallet went from {sizes}")


GROUP.command()(forget)
