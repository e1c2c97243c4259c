"""`farthing demo`: a broker, a paid site and a wallet in one go, and what happens between them."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import httpx
import typer

from farthing.cli import output, stopping
from farthing.cli.showroom import Shown, Showroom
from farthing.errors import Misconfigured
from farthing.money import show_micro
from farthing.schemes import registry
from farthing.vendor.proxy import origin_of


def show_demo(
    scheme: Annotated[
        str, typer.Option(help="Only these schemes, as in millicent,payword; all else.")
    ] = "",
    upstream: Annotated[str, typer.Option(help="Sell this site instead of the gazette.")] = "",
    serve: Annotated[bool, typer.Option("--serve", help="Keep it running until Ctrl-C.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="New folder that keeps it all: broker, vendor and wallet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Start a broker, a paid site and a wallet; buy real pages; show what is refused.

    Example: farthing demo --scheme millicent

    Example: farthing demo --data demo && farthing broker audit --data demo/broker
    """
    if upstream:
        _require_up(upstream)
    names = [one.traits.name for one in registry.all_schemes()]
    if scheme:
        names = [registry.by_name(name.strip()).traits.name for name in scheme.split(",")]
    with (
        stopping.told(tuple),
        _folder(data) as folder,
        Showroom(folder, names, upstream, quiet=as_json) as room,
    ):
        shown = room.show()
        opened_by = room.keep_wallet() if data is not None else ""
        if as_json:
            output.print_json(shown.as_json())
        else:
            _print(shown)
            if data is not None:
                output.say(f"\nits books: farthing broker audit --data {data / 'broker'}")
                output.say(f"its wallet: {opened_by} farthing wallet history --data {data}")
        if serve:
            room.keep_open(opened_by)


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    """Where everything is: `data`, which stays, or one that goes; `Misconfigured` if it is used."""
    if data is None:
        with tempfile.TemporaryDirectory(prefix="farthing-demo-") as folder:
            yield Path(folder)
        return
    try:
        data.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise Misconfigured("folder_exists", f"{data} exists; name a new folder") from None
    except OSError as wrong:
        raise output.not_writable(data, wrong) from None
    yield data


def _require_up(upstream: str) -> None:
    """`Misconfigured` for what is no site, or does not answer."""
    try:
        httpx.get(origin_of(upstream), trust_env=False)
    except httpx.HTTPError as wrong:
        raise Misconfigured(
            "upstream_unreachable", f"{upstream} does not answer ({wrong}): start it first"
        ) from None


def _print(shown: Shown) -> None:
    currency = shown.currency
    output.table(
        "pages bought",
        ("scheme", "pages", "spent", "earned", "payment", "median"),
        [
            (
                name,
                str(line.pages),
                show_micro(line.spent_micro, currency),
                show_micro(line.earned_micro, currency),
                f"{line.payment_bytes} bytes",
                f"{line.p50_ms:.1f} ms",
            )
            for name, line in shown.schemes.items()
        ],
    )
    drawn = [name for name in shown.schemes if registry.by_name(name).traits.drawn]
    if drawn:
        output.say(f"{' '.join(drawn)}: what is earned is drawn, as in a lottery")
    output.say("")
    if shown.stream is not None:
        found = shown.stream
        output.say(
            f"a stream by {found.scheme}: paused after {found.paused_after_bytes} bytes, went on to"
            f" {found.resumed_to_bytes} with one more, to {found.received_bytes} with the rest;"
            f" paid {show_micro(found.paid_micro, currency)} in {found.ticks} ticks"
        )
        output.say("")
    if shown.refusals:  # else the site is not ours, and nothing was tried there
        output.table("what was tried", ("attempt", "answer"), list(shown.refusals.items()))
        output.say("")
    output.table(
        "the broker's books",
        ("account", "balance"),
        [(name, show_micro(micro, currency)) for name, micro in shown.balances.items()],
    )
    output.say(f"all accounts sum to {shown.ledger_sum_micro}")
