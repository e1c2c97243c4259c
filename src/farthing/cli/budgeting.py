"""`farthing wallet budget`: what the wallet spends without asking."""

from typing import Annotated

import typer

from farthing.cli import key_lists, output
from farthing.cli.naming import ALL, names_of
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.money import show_micro
from farthing.wallet.policy import read_limits

ANY_SITE = "any"
GROUP = key_lists.GROUP  # with the command below


def budget(
    passphrase: Passphrase,
    per_payment: Annotated[str, typer.Option(help="Asked about above this, as in 2c.")] = "",
    per_site_day: Annotated[str, typer.Option(help="The same for one site and day.")] = "",
    per_day: Annotated[str, typer.Option(help="The same for all sites and a day.")] = "",
    site: Annotated[
        list[str] | None,
        typer.Option(help="The only host that may be paid; once for each. any: every host."),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(help="By what it pays, the preferred first, as in ecash,millicent; all."),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show what the wallet spends without asking, or change it. Days are UTC days.

    Example: farthing wallet budget --per-payment 2c --per-day 1eur

    Example: farthing wallet budget --site news.example --site 127.0.0.1

    Example: farthing wallet budget --scheme ecash,millicent
    """
    hosts = None if site is None else () if site == [ANY_SITE] else tuple(site)
    with unlocked(data, passphrase) as wallet:
        currency = next((broker.currency for broker in wallet.brokers()), "")
        before = wallet.limits()
        limits = read_limits(
            before,
            currency=currency,
            max_per_payment=per_payment,
            max_per_site_day=per_site_day,
            max_per_day=per_day,
            sites=hosts,
            schemes=None if scheme is None else names_of(scheme),
        )
        if limits != before:
            wallet.set_limits(limits)
    if as_json:
        output.print_json(limits)
        return
    for what, micro in (
        ("a payment", limits.per_payment_micro),
        ("a site and day", limits.per_site_day_micro),
        ("a day", limits.per_day_micro),
    ):
        output.say(f"{what}: {show_micro(micro, currency)}")
    output.say(f"sites: {', '.join(limits.sites) or ANY_SITE}")
    output.say(f"schemes: {', '.join(limits.schemes) or ALL}")


GROUP.command()(budget)
