"""`farthing vendor`: put a gate before a web site and clear what it earns."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import output, servers
from farthing.money import show_micro
from farthing.vendor.app import Config, Vendor, fetch_broker
from farthing.vendor.report import report as make_report

app = typer.Typer(help="A vendor: a gate before any web site.", no_args_is_help=True)

Data = Annotated[Path, typer.Option("--data", envvar="FARTHING_DATA", help="The vendor's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
GATE_PORT = 8402


@app.command()
def init(
    vendor_id: Annotated[str, typer.Argument(help="Your name at the broker, as in gazette.")],
    broker: Annotated[str, typer.Option(help="The broker's address.")],
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the token; FARTHING_TOKEN or a prompt else."),
    ] = None,
    realm: Annotated[str, typer.Option(help="Public host of the site, if it has one.")] = "",
    data: Data = Path("vendor"),
) -> None:
    """Make a vendor's folder and register its keys with the broker.

    Example: farthing vendor init gazette --broker http://127.0.0.1:8400 --token-file gazette.token
    """
    token = output.token_from(token_file, "vendor token")

    async def work() -> None:
        known = await fetch_broker(broker)
        config = Config(
            vendor_id=vendor_id,
            broker_id=known.broker_id,
            broker_url=broker,
            currency=known.currency,
            realm=realm,
        )
        await Vendor.init(data, config, token)

    asyncio.run(work())
    output.say(f"{data} is ready; edit {data / 'prices.toml'}, then run farthing vendor serve")


@app.command()
def serve(
    upstream: Annotated[str, typer.Option(help="The site to sell, as in http://127.0.0.1:8000.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = GATE_PORT,
    workers: Annotated[int, typer.Option(help="Processes; all share one folder.")] = 1,
    data: Data = Path("vendor"),
) -> None:
    """Serve a web site through the gate.

    Example: farthing vendor serve --upstream http://127.0.0.1:8000
    """
    Vendor(data).store.close()  # a wrong folder or price file is said here, not by a worker
    os.environ["FARTHING_DATA"] = str(data)
    os.environ["FARTHING_UPSTREAM"] = upstream
    output.say(f"selling {upstream} at http://{host}:{port}")
    servers.serve("farthing.cli.gate_worker:create", host=host, port=port, workers=workers)


@app.command()
def prices(data: Data = Path("vendor"), as_json: AsJson = False) -> None:
    """Check prices.toml and show what it says.

    Example: farthing vendor prices --data vendor
    """
    vendor = Vendor(data)
    rows = vendor.price_file.prices.routes
    vendor.store.close()
    if as_json:
        output.print_json(
            [{"path": r.route.path, "priceMicro": r.price_micro, "accept": r.accept} for r in rows]
        )
        return
    currency = vendor.config.currency
    output.table(
        str(data / "prices.toml"),
        ("path", "methods", "price", "accepts"),
        [
            (
                row.route.path,
                " ".join(row.route.methods),
                show_micro(row.price_micro, currency),
                " ".join(row.accept),
            )
            for row in rows
        ],
    )


@app.command()
def clear(data: Data = Path("vendor"), as_json: AsJson = False) -> None:
    """Show the broker every open claim, and be paid.

    Example: farthing vendor clear
    """

    async def work() -> list[dict[str, object]]:
        vendor = Vendor(data)
        try:
            done = await vendor.clear()
        finally:
            await vendor.close()
        return [
            {
                "scheme": cleared.scheme,
                "claims": cleared.claims,
                "paid_micro": cleared.paid_micro,
                "refused": cleared.refused,
            }
            for cleared in done
        ]

    rows = asyncio.run(work())
    if as_json:
        output.print_json(rows)
        return
    for row in rows:
        refused = f", refused {row['refused']}" if row["refused"] else ""
        output.say(f"{row['scheme']}: {row['claims']} claims, {row['paid_micro']} micro{refused}")


@app.command()
def report(data: Data = Path("vendor"), as_json: AsJson = False) -> None:
    """What was sold, what is cleared and what is still to clear, by scheme.

    Example: farthing vendor report --json
    """
    vendor = Vendor(data)
    try:
        lines = make_report(vendor.store)
    finally:
        vendor.store.close()
    if as_json:
        output.print_json(lines)
        return
    currency = vendor.config.currency
    output.table(
        f"{vendor.config.vendor_id}: sales",
        ("scheme", "claims", "earned", "to clear"),
        [
            (
                line.scheme,
                str(line.claims),
                show_micro(line.earned_micro, currency),
                show_micro(line.pending_micro, currency),
            )
            for line in lines
        ],
    )
