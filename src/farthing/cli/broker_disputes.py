"""What was ordered, paid or said twice, where people do not agree: for whoever decides."""

from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer

from farthing import codec
from farthing.broker import app as brokers
from farthing.broker import conflicts as contradictions
from farthing.broker import pseudonyms
from farthing.cli import calling, output
from farthing.cli.bookkeeping import AsJson, Data
from farthing.cli.calling import CALL_TIMEOUT_S
from farthing.cli.proofs import told
from farthing.errors import Misconfigured, Unavailable
from farthing.schemes import attestations, disclosures
from farthing.schemes.attestations import KeyDocument
from farthing.wallet.choice import place_of
from farthing.wallet.peering import KEYS_PATH

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
    found = disclosures.READER.read(_read(file))
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


@app.command()
def who(
    name: Annotated[str, typer.Argument(help="As `judge` or a vendor's books name the payer.")],
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Say whose account a payer's name at vendors stands for. The books keep no trace of it.

    Example: farthing broker who p_0123456789abcdef01234567
    """
    broker = brokers.Broker.open(data)
    try:
        opened = pseudonyms.opened(broker.engine.books, name)
    finally:
        broker.close()
    if as_json:
        output.print_json(opened)
        return
    output.say(f"{opened.name}: {opened.account}, by {opened.scheme}")


@app.command()
def conflicts(
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Show which payers have spent or pledged the same twice, with what proves it.

    `--json` has each `proof`: a file with it is what `farthing broker judge` takes.

    Example: farthing broker conflicts
    """
    broker = brokers.Broker.open(data)
    try:
        found = contradictions.found(broker.engine.books)
    finally:
        broker.close()
    if as_json:
        output.print_json(msgspec.to_builtins(found))
        return
    rows = [(one.account, one.scheme, one.payer, ", ".join(one.vendors)) for one in found]
    output.table("spent twice", ("account", "scheme", "payer", "at"), rows)


@app.command("verify-proof")
def verify_proof(
    file: Annotated[Path, typer.Argument(help="Of wallet prove.")],
    broker: Annotated[str, typer.Option(help="The broker's address; its keys are asked for.")],
    as_json: AsJson = False,
) -> None:
    """Say what a payer's proof of payment proves: anybody may ask. A forged file is refused.

    Example: farthing broker verify-proof proof.json --broker http://127.0.0.1:8400
    """
    proof = attestations.READER.read(_read(file))
    keys = _keys_of(broker)
    attested = attestations.verify(proof, keys)
    if as_json:
        output.print_json(attested)
    else:
        output.say(told(attested, keys.currency))


def _keys_of(url: str) -> KeyDocument:
    """What the broker publishes, as its TLS vouches for it; `Denied`, `Unavailable`."""
    address = place_of(url).site + KEYS_PATH
    try:
        answer = httpx.get(address, timeout=CALL_TIMEOUT_S)
    except httpx.HTTPError:
        raise Unavailable("broker_unreachable", f"no broker answers at {url}") from None
    calling.read_answer(answer.status_code, answer.content)
    return codec.read_open(answer.content, KeyDocument)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(FILE_BYTES_MAX)
    except OSError as wrong:
        raise Misconfigured("file_unreadable", f"{file}: {wrong.strerror}") from None
