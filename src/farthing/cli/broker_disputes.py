"""`farthing broker judge`: what was ordered, where payer and vendor do not agree."""

from pathlib import Path
from typing import Annotated

import typer

from farthing.broker import app as brokers
from farthing.cli import output
from farthing.cli.bookkeeping import AsJson, Data
from farthing.errors import Misconfigured
from farthing.schemes import disclosures

app = typer.Typer()

FILE_BYTES_MAX = 64 * 1024  # an order and what opens it are 2 kB


@app.command()
def judge(
    file: Annotated[Path, typer.Argument(help="Of wallet disclose, or of vendor disclose.")],
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Say what a payer has ordered, by what one of the two shows. A forged file is refused.

    Example: farthing broker judge order.json
    """
    try:
        with file.open("rb") as opened:
            found = disclosures.READER.read(opened.read(FILE_BYTES_MAX))
    except OSError as wrong:
        raise Misconfigured("file_unreadable", f"{file}: {wrong.strerror}") from None
    broker = brokers.Broker.open(data)
    try:
        decided = broker.engine.books.mint(found.scheme).judge(found.shown)
    finally:
        broker.close()
    if as_json:
        output.print_json(decided)
        return
    for name, value in decided.items():
        output.say(f"{name}: {value}")
