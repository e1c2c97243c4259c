"""`farthing wallet disclose`: a payer's part in a dispute about what it bought."""

from pathlib import Path
from typing import Annotated

import typer

from farthing import codec
from farthing.cli import output, reissuing
from farthing.cli.wallet import Data, Passphrase, unlocked
from farthing.schemes.disclosures import Disclosure
from farthing.wallet.book import Book

GROUP = reissuing.GROUP  # with the command below


def disclose(
    purchase: Annotated[str, typer.Argument(help="Its id or reference: wallet history --json.")],
    passphrase: Passphrase,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for who shall decide.")],
    data: Data = None,
) -> None:
    """Write what shows that a purchase was of what you say (ikp), for farthing broker judge.

    Example: farthing wallet disclose ikp:0f4dJq2mSgC3vYbXw1TzAA:2 -o order.json
    """
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        made = Book(driver.store.file).purchase(purchase)
        shown = driver.guide.purse(made.scheme, made.broker_id).disclose(made.paid)
    output.write_private(out, codec.canonical(Disclosure(scheme=made.scheme, shown=shown)))
    output.say(f"{out} shows what was ordered")


GROUP.command()(disclose)
