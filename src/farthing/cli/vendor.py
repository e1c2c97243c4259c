"""`farthing vendor`: put a gate before a web site and clear what it earns."""

import asyncio
import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from farthing import codec
from farthing.cli import output, servers, vendor_disputes
from farthing.errors import Misconfigured, Throttled
from farthing.money import parse_micro, show_micro
from farthing.schemes import registry
from farthing.vendor import metrics as gate_metrics
from farthing.vendor import minting
from farthing.vendor.app import Vendor
from farthing.vendor.broker_client import BrokerClient
from farthing.vendor.clearing import Cleared
from farthing.vendor.founding import Wanted, found, grant_anew
from farthing.vendor.prices import Priced
from farthing.vendor.proxy import origin_of
from farthing.vendor.refunding import Refunded
from farthing.vendor.report import report as make_report

app = typer.Typer(help="A vendor: a gate before any web site.", no_args_is_help=True)
app.add_typer(vendor_disputes.app)

Data = Annotated[Path, typer.Option("--data", envvar="FARTHING_DATA", help="The vendor's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
GATE_PORT = 8402
METRICS_TOKEN_BYTES = 24  # 192 bits: a bearer secret nobody guesses
SWEEP_TRIES = 50
SWEEP_PAUSE_S = 0.2  # times the tries: longer than a gate's sweep of 10,000 claims takes


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

    wanted = Wanted(vendor_id=vendor_id, broker_url=broker, realm=realm)
    asyncio.run(found(data, wanted, token, int(time.time())))
    output.say(f"{data} is ready; edit {data / 'prices.toml'}, then run farthing vendor serve")


def _desk(data: Path) -> Vendor:
    """The vendor, for all that needs no prices."""
    return Vendor(data, sells=False)


@app.command()
def serve(
    upstream: Annotated[str, typer.Option(help="The site to sell, as in http://127.0.0.1:8000.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: servers.Port = GATE_PORT,
    workers: Annotated[int, typer.Option(help="Processes; all share one folder.")] = 1,
    data: Data = Path("vendor"),
) -> None:
    """Serve a web site through the gate.

    Example: farthing vendor serve --upstream http://127.0.0.1:8000
    """
    Vendor(data).store.close()  # a wrong folder or price file is said here, not by a worker
    origin_of(upstream, (host, port))
    servers.require_free(host, port)
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
            [
                {"path": r.route.path, "priceMicro": r.price_micro, "accept": r.accept}
                | ({"per": r.route.per, "grace": r.meter.grace} if r.meter else {})
                | ({"reduced": r.reduced} if r.reduced else {})
                | ({"requires": r.requires} if r.requires else {})
                | ({"plans": r.plans} if r.plans else {})
                | ({"subscription": r.sold} if r.sold else {})
                for r in rows
            ]
        )
        return
    currency = vendor.config.currency
    is_plain = not any(row.is_conditional for row in rows)
    columns = ("path", "methods", "price", "accepts", "for payers with")
    lines = [
        (
            row.route.path,
            " ".join(row.route.methods or ["any"]),
            show_micro(price_micro, currency) + _per(row),
            " ".join(name for name in row.accept if not wanted or _shows_props(name)),
            wanted,
        )
        for row in rows
        for wanted, price_micro in ((row.requires, row.price_micro), *row.reduced)
    ]
    shown = len(columns) - is_plain
    output.table(str(data / "prices.toml"), columns[:shown], [line[:shown] for line in lines])
    for row in rows:
        if row.sold is not None and row.route.subscription is not None:
            covered = " ".join(row.route.subscription.paths)
            sold = f"the plan {row.sold.plan}: {row.sold.days} days of {covered}"
            output.say(f"{row.route.path} sells {sold}")
    for scheme, options in vendor.price_file.prices.options.items():
        for name, value in options.items():
            output.say(f"{scheme}: {name} is {value}")


def _per(row: Priced) -> str:
    """What the price of a stream is for."""
    return f" per {row.route.per}, grace {row.meter.grace}" if row.meter is not None else ""


def _shows_props(scheme: str) -> bool:
    return registry.by_name(scheme).traits.props


@app.command()
def stock(
    pieces: Annotated[int, typer.Option(help="How many pieces, at most 50 in a batch.")],
    value: Annotated[str, typer.Option(help="What each is worth, as in 1c.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File for the broker's operator.")],
    discount: Annotated[int, typer.Option(help="For the broker, parts per 10,000.")] = 1000,
    data: Data = Path("vendor"),
) -> None:
    """Mint scrip ahead for a broker that buys it in bulk. The file is as good as money.

    Example: farthing vendor stock --pieces 50 --value 1c -o batch.json
    """
    vendor = _desk(data)
    try:
        wanted = minting.Wanted(
            count=pieces,
            value_micro=parse_micro(value, vendor.config.currency),
            discount_e4=discount,
        )
        first: int = vendor.store.do_now(
            minting.lease_for(vendor.ring, wanted, secrets.token_bytes(32))
        )
        made = minting.batch(
            vendor.ring,
            wanted,
            vendor_id=vendor.config.vendor_id,
            currency=vendor.config.currency,
            first_index=first,
            entropy=secrets.token_bytes(32 + pieces * minting.PAYER_BYTES),
            now_s=int(time.time()),
        )
    finally:
        vendor.store.close()
    output.write_private(out, msgspec.json.encode(made).decode())
    output.say(f"{pieces} pieces are in {out}; the operator runs: farthing broker vendor buy")


@app.command()
def grant(
    only: Annotated[
        bool, typer.Option("--only", help="The broker sells no more under earlier licences.")
    ] = False,
    data: Data = Path("vendor"),
) -> None:
    """License the broker anew: when it says licence_used_up, or before 90 days are over.

    Example: farthing vendor grant
    """

    async def work() -> str:
        vendor = _desk(data)
        try:
            return await grant_anew(
                vendor.ring, vendor.broker, secrets.token_bytes(32), int(time.time()), only=only
            )
        finally:
            await vendor.close()

    output.say(f"the broker may now sell scrip of series {asyncio.run(work())}")


@app.command()
def rotate(
    name: Annotated[str, typer.Argument(help="challenge, receipt, change, payers or stock.")],
    data: Data = Path("vendor"),
) -> None:
    """Make a new key; what was made with the old one stays good.

    Example: farthing vendor rotate change
    """
    vendor = _desk(data)
    vendor.store.close()
    purpose = minting.purpose_of(name)
    if name == "licence":
        raise Misconfigured("licence_is_granted", "the broker must learn it: farthing vendor grant")
    key = minting.rotate(vendor.ring, purpose, secrets.token_bytes(32))
    output.say(f"{name}: the key is now {key.id}; running gates notice within a second")


@app.command()
def revoke(
    name: Annotated[
        str, typer.Argument(help="challenge, receipt, change, licence, payers or stock.")
    ],
    key_id: Annotated[str, typer.Argument(help="The key's id, as in 0000000002.")],
    data: Data = Path("vendor"),
) -> None:
    """Take a key out of use for good: what was made with it is worth nothing any more.

    Example: farthing vendor revoke change 0000000002
    """
    vendor = _desk(data)
    vendor.store.close()
    minting.revoke(vendor.ring, minting.purpose_of(name), key_id)
    output.say(f"{name} {key_id} is revoked; running gates notice within a second")
    if name in {"licence", "payers"}:
        output.say("the broker still sells under it; now run: farthing vendor grant --only")


@app.command()
def clear(
    again: Annotated[
        bool, typer.Option("--again", help="Paid claims too: the broker restored a backup.")
    ] = False,
    data: Data = Path("vendor"),
    as_json: AsJson = False,
) -> None:
    """Show the broker every open claim, and be paid.

    Example: farthing vendor clear
    """

    async def work() -> tuple[list[Cleared], str]:
        vendor = _desk(data)
        try:
            return await _cleared(vendor, again=again), vendor.config.currency
        finally:
            await vendor.close()

    done, currency = asyncio.run(work())
    if as_json:
        output.print_json(done)
        return
    shown = [each for each in done if each.claims or each.paid_micro or each.refused]
    waiting = [each for each in done if each.waiting]
    if not shown and not waiting:
        output.say("nothing to clear")
    for each in shown:
        refused = f", refused {each.refused}" if each.refused else ""
        paid = show_micro(each.paid_micro, currency)
        output.say(f"{each.scheme}: {_claims(each.claims)}, {paid}{refused}")
    for each in waiting:
        until = f" until {output.clock(each.waits_until_s)}" if each.waits_until_s else ""
        count, why = _claims(sum(each.waiting.values())), ", ".join(each.waiting)
        output.say(f"{each.scheme}: {count} open{until} ({why}); shown again by the next clearing")


def _claims(count: int) -> str:
    return "1 claim" if count == 1 else f"{count} claims"


async def _cleared(vendor: Vendor, *, again: bool) -> list[Cleared]:
    """Once the gate has ended the sweep that it may be at: the broker takes one at a time."""
    for _ in range(SWEEP_TRIES - 1):
        with contextlib.suppress(Throttled):
            return await vendor.clear(again=again)
        await asyncio.sleep(SWEEP_PAUSE_S)
    return await vendor.clear(again=again)


@app.command()
def refund(
    payment: Annotated[str, typer.Argument(help="Its receipt id, reference or K.")],
    data: Data = Path("vendor"),
    as_json: AsJson = False,
) -> None:
    """Give back what a payment cost, once; its payer gets it with farthing wallet recover.

    Example: farthing vendor refund mc:0000000001000000
    """

    async def work() -> Refunded:
        vendor = _desk(data)
        try:
            return await vendor.refund(payment)
        finally:
            await vendor.close()

    done = asyncio.run(work())
    if as_json:
        output.print_json(done)
        return
    output.say(f"{done.reference}: {show_micro(done.amount_micro, done.currency)} given back")
    if done.waits:
        output.say("the payer sees it when the broker has taken it: farthing vendor clear")


@app.command()
def report(data: Data = Path("vendor"), as_json: AsJson = False) -> None:
    """What was sold, what is cleared and what is still to clear, by scheme.

    Example: farthing vendor report --json
    """
    vendor = _desk(data)
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


@app.command()
def metrics(
    token_file: Annotated[
        Path, typer.Option("--token-file", help="File for the token that the figures ask for.")
    ],
    data: Data = Path("vendor"),
) -> None:
    """Open the gate's figures at /.well-known/farthing-metrics to whoever has this token.

    Example: farthing vendor metrics --token-file gate-metrics.token
    """
    _desk(data).store.close()  # a wrong folder is said here
    token = "fm_" + codec.b64u(secrets.token_bytes(METRICS_TOKEN_BYTES))
    output.write_private(token_file, token)
    (data / gate_metrics.HASH_FILE).unlink(missing_ok=True)
    output.write_private(data / gate_metrics.HASH_FILE, gate_metrics.hash_of(token))
    output.say(f"{token_file} holds a token for {gate_metrics.PATH}")


@app.command()
def payout(
    amount: Annotated[str, typer.Argument(help="At most this much, as in 5eur: whole cents go.")],
    token_file: Annotated[
        Path, typer.Option("--token-file", help="File with the token that pays out.")
    ],
    data: Data = Path("vendor"),
) -> None:
    """Have the broker send what was earned to your bank account.

    Example: farthing vendor payout 5eur --token-file gazette-pay.token
    """
    vendor = _desk(data)
    vendor.store.close()
    config = vendor.config
    token = output.token_from(token_file, "token that pays out")
    body = {"amountMicro": parse_micro(amount, config.currency)}

    async def work() -> dict[str, Any]:
        client = BrokerClient(config.broker_url, token)
        try:
            done: dict[str, Any] = await client.post("/payout", body, secrets.token_hex(16))
        finally:
            await client.close()
        return done

    done = asyncio.run(work())
    shown = show_micro(done["amountMicro"], config.currency)
    output.say(f"{done['payout']}: {shown} {done['state']}")
