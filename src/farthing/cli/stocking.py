"""`farthing wallet stock` and `restock`: coins that are there before they are needed."""

from typing import Annotated

import typer

from farthing import money
from farthing.cli import output, seeding
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.errors import Misconfigured, Refusal
from farthing.money import show_micro
from farthing.wallet.app import Wallet
from farthing.wallet.choice import Guide
from farthing.wallet.driver import drive
from farthing.wallet.stocking import Restocked, restock, set_level
from farthing.wallet.stocks import Stock, Stocks

GROUP = seeding.GROUP  # with the commands below


def stock(
    passphrase: Passphrase,
    level: Annotated[
        str, typer.Argument(help="How much, as in 50c; 0c: no more. None: show.")
    ] = "",
    scheme: Annotated[str, typer.Option(help="As in ecash; needed if it could be several.")] = "",
    broker: Annotated[str, typer.Option(help="At which of your brokers; the first else.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Say how much shall be in the wallet ahead, so that nobody sees what is bought for which page.

    It is bought by farthing wallet restock, in round amounts and at times of its own.

    Example: farthing wallet stock 50c --scheme ecash
    """
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        if level:
            wanted = _wanted(wallet, driver.guide, level, scheme, broker)
            with driver.session() as session:
                drive(set_level(driver.guide, driver.store.file, wanted), session.answer)
        stocks = Stocks(driver.store.file)
        shown = [
            (each, stocks.held_micro(each, driver.clock()), _currency(wallet, each))
            for each in stocks.listed()
        ]
    if as_json:
        output.print_json([{"stock": each, "held_micro": held} for each, held, _ in shown])
        return
    output.table(
        "held ahead",
        ("scheme", "broker", "shall be", "is here", "more"),
        [
            (
                each.scheme,
                each.broker_id,
                show_micro(each.level_micro, currency),
                show_micro(held_micro, currency),
                f"after {output.clock(each.due_at_s)}" if each.due_at_s else "not needed",
            )
            for each, held_micro, currency in shown
        ],
    )


def _wanted(wallet: Wallet, guide: Guide, level: str, scheme: str, broker: str) -> Stock:
    """What was typed; `Misconfigured` where that could be several."""
    held = [one for one in wallet.brokers() if one.account and broker in {"", one.id}]
    if not held:
        raise Misconfigured("broker_missing", "this wallet has no account there")
    home = held[0]
    names = [name for name in guide.schemes if guide.purse(name, home.id).blind]
    if not scheme and len(names) != 1:
        raise Misconfigured("scheme_missing", f"name one with --scheme: {', '.join(names)}")
    return Stock(
        broker_id=home.id,
        scheme=scheme or names[0],
        level_micro=money.parse_micro(level, home.currency),
    )


def restock_now(
    passphrase: Passphrase,
    now: Annotated[
        bool, typer.Option("--now", help="At once, whatever the time, and all that is missing.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Buy what is missing of the stocks, if its time has come. Have cron say it every 15 minutes.

    Example: farthing wallet restock
    """
    done: list[Restocked] = []
    refused: list[tuple[Stock, Refusal]] = []
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        for each in Stocks(driver.store.file).listed():
            with driver.session() as session:
                flow = restock(driver.guide, driver.store.file, each, at_once=now)
                try:
                    done.append(drive(flow, session.answer))
                except Refusal as refusal:
                    refused.append((each, refusal))
        lines = [_told(one, _currency(wallet, one.stock)) for one in done]
    if as_json:
        output.print_json(done)
    else:
        for line in lines:
            output.say(line)
    for each, why in refused:
        place = f"{each.scheme} at {each.broker_id}"
        output.errors.print(f"farthing: {why.code}: {place}: {why.detail}", markup=False)
    if refused:
        raise typer.Exit(1)


def _told(done: Restocked, currency: str) -> str:
    place = f"{done.stock.scheme} at {done.stock.broker_id}"
    match done.state:
        case "bought":
            bought = show_micro(done.bought_micro, currency)
            return f"{place}: bought {bought}, {show_micro(done.held_micro, currency)} is here"
        case "waiting":
            return f"{place}: more after {output.clock(done.stock.due_at_s)}"
        case "spent_for_today":
            return f"{place}: the budget of a day is used up; more tomorrow, or raise it"
        case "elsewhere":
            return f"{place}: another process is at it"
        case "full":
            return f"{place}: nothing is missing"


def _currency(wallet: Wallet, stock: Stock) -> str:
    return next((one.currency for one in wallet.brokers() if one.id == stock.broker_id), "")


GROUP.command()(stock)
GROUP.command("restock")(restock_now)
