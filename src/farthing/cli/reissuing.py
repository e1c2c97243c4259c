"""`farthing wallet reissue`: what a wallet held that was lost."""

from typing import Annotated

import typer

from farthing.cli import handing, output
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.money import show_micro
from farthing.wallet.book import Book
from farthing.wallet.driver import drive
from farthing.wallet.reissuing import Reissued, reissue

WARNING = (
    "Whatever this account's wallets hold that can be reissued ends, in every copy of them. Go on?"
)

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def reissue_lost(
    passphrase: Passphrase, yes: Yes = False, data: Data = None, as_json: AsJson = False
) -> None:
    """Get back what a lost wallet held, into the account: in a new wallet of it, or an old copy.

    Example: farthing wallet reissue --yes
    """
    with unlocked(data, passphrase) as wallet:
        if not yes:
            typer.confirm(WARNING, abort=True, err=True)
        driver = wallet.driver(wallet.limits())
        book = Book(driver.store.file)
        done: list[Reissued] = []
        for broker in wallet.brokers():
            if not broker.account:
                continue
            with output.progress("reissue") as shown, driver.session() as session:
                flow = reissue(driver.guide, book, broker.id, shown)
                done.extend(drive(flow, session.answer))
    if as_json:
        output.print_json(done)
    elif not done:
        output.say("nothing was lost: all that was sold to the account is spent or given back")
    else:
        for line in done:
            output.say(_told(line))
    if any(line.is_in_use for line in done):
        raise typer.Exit(1)


def _told(line: Reissued) -> str:
    what = f"{line.scheme} {line.instrument_id} at {line.broker_id}"
    if line.is_in_use:
        return f"{what}: a payment of this wallet has it; farthing wallet recover first"
    told = f"{what}: {show_micro(line.returned_micro, line.currency)} came back"
    if not line.rest_micro:
        return told
    when = output.clock(line.rest_at_s)
    return f"{told}, up to {show_micro(line.rest_micro, line.currency)} follows at {when}"


GROUP = handing.GROUP  # with the command below

GROUP.command("reissue")(reissue_lost)
