"""`farthing vendor waive` and `disclose`: a vendor's part in a dispute about one payment."""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from farthing import codec
from farthing.cli import output
from farthing.schemes.disclosures import Disclosure
from farthing.vendor import disputing
from farthing.vendor.app import Vendor

app = typer.Typer()

Data = Annotated[Path, typer.Option("--data", envvar="FARTHING_DATA", help="The vendor's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Payment = Annotated[str, typer.Argument(help="Its receipt id, reference or K.")]


@app.command()
def waive(payment: Payment, data: Data = Path("vendor")) -> None:
    """Leave to the payer what was paid by half (fairchain): its page did not go out.

    Example: farthing vendor waive fc:0f4dJq2mSgC3vYbXw1TzAA:1
    """

    async def work() -> disputing.Waived:
        vendor = Vendor(data)
        try:
            return await disputing.waive(payment, vendor.gate.tills, vendor.store, vendor.broker)
        finally:
            await vendor.close()

    done = asyncio.run(work())
    output.say(f"{done.reference}: left to its payer")


@app.command()
def conflicts(data: Data = Path("vendor"), as_json: AsJson = False) -> None:
    """Show whose payments were refused because they contradict what their payer signed before.

    `--json` has each proof: a file with it is what `farthing broker judge` takes.

    Example: farthing vendor conflicts
    """

    async def work() -> list[Disclosure]:
        vendor = Vendor(data, sells=False)
        try:
            return await disputing.conflicts(vendor.gate.tills, vendor.store)
        finally:
            await vendor.close()

    found = asyncio.run(work())
    if as_json:
        output.print_json(msgspec.to_builtins(found))
        return
    rows = [(one.scheme, one.shown["second"]["certificate"]["payer"]) for one in found]
    output.table("signed twice", ("scheme", "payer"), rows)


@app.command()
def disclose(
    payment: Payment,
    out: Annotated[Path, typer.Option("--out", "-o", help="File for who shall decide.")],
    data: Data = Path("vendor"),
) -> None:
    """Write what shows that a payment was for what you say (ikp), for farthing broker judge.

    Example: farthing vendor disclose ikp:0f4dJq2mSgC3vYbXw1TzAA:2 -o order.json
    """

    async def work() -> Disclosure:
        vendor = Vendor(data)
        try:
            return await disputing.disclose(payment, vendor.gate.tills, vendor.store)
        finally:
            await vendor.close()

    output.write_private(out, codec.canonical(asyncio.run(work())))
    output.say(f"{out} shows what was ordered")
