"""`farthing wallet disclose` and `prove`: a payer's part in a dispute about what it bought."""

from pathlib import Path
from typing import Annotated

import typer

from farthing import codec
from farthing.cli import output, reissuing
from farthing.cli.proofs import told
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.schemes.disclosures import Disclosure
from farthing.wallet.book import Book
from farthing.wallet.driver import drive
from farthing.wallet.proving import prove

GROUP = reissuing.GROUP  # with the commands below


Bought = Annotated[str, typer.Argument(help="Its id or reference: wallet history --json.")]


def disclose(
    purchase: Bought,
    passphrase: Passphrase,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for who shall decide.")],
    data: Data = None,
) -> None:
    """Write what shows that a purchase was of what you say (ikp), for farthing broker judge.

    Example: farthing wallet disclose ikp:0f4dJq2mSgC3vYbXw1TzAA:2 -o my-order.json
    """
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        made = Book(driver.store.file).purchase(purchase)
        shown = driver.guide.purse(made.scheme, made.broker_id).disclose(made.paid)
    output.write_private(out, codec.canonical(Disclosure(scheme=made.scheme, shown=shown)))
    output.say(f"{out} shows what was ordered")


def prove_paid(
    purchase: Bought,
    passphrase: Passphrase,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the proof.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Have the broker sign that a purchase was paid, or was not; it does not learn who asks.

    Example: farthing wallet prove ec:gBSH9Luuua8_txaydrWYiA -o proof.json
    """
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        made = Book(driver.store.file).purchase(purchase)
        with driver.session() as session:
            proof, attested = drive(prove(driver.guide, made), session.answer)
    if out is not None:
        output.write_private(out, codec.canonical(proof))
    if as_json:
        output.print_json(proof)
        return
    output.say(told(attested, made.currency))


GROUP.command()(disclose)
GROUP.command("prove")(prove_paid)
