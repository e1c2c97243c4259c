"""`farthing wallet return`: what is unspent becomes money of the account again."""

from typing import Annotated

import typer

from farthing.cli import budgeting, output
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.money import show_micro
from farthing.schemes import registry
from farthing.wallet.returning import Returned

BY_ITSELF = frozenset(  # nothing is to be done for it
    {"chain_ends_by_itself", "rest_comes_back", "ticket_not_over"}
)
BEGUN = "; what was begun is finished with: farthing wallet recover"
WAITS = (
    "closed: it comes back once the vendor has cleared, most do within minutes; or else by itself,"
    " a day after its day has ended"
)
GROUP = budgeting.GROUP  # with the command below


def give_back(
    passphrase: Passphrase,
    vendor: Annotated[str, typer.Option(help="Only what this vendor takes.")] = "",
    scheme: Annotated[str, typer.Option(help="Only instruments of this scheme.")] = "",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Return unspent instruments: to the account, or of one vendor to what was loaded.

    Example: farthing wallet return --vendor gazette
    """
    with unlocked(data, passphrase) as wallet:
        done = wallet.give_back(scheme=scheme, vendor_id=vendor)
    if as_json:
        output.print_json(list(done))
    for item in () if as_json else done:
        at = f" at {item.vendor_id}" if item.vendor_id else ""
        worth = show_micro(item.worth_micro, item.currency)
        output.say(f"{item.scheme}{at}: {worth} {_outcome(item)}")
    if not done and not as_json:
        of = "".join((f" of {scheme}" if scheme else "", f" at {vendor}" if vendor else ""))
        output.say(f"nothing{of} is held that could be returned{BEGUN}")
    if any(item.refused and item.refused not in BY_ITSELF for item in done):
        if any(item.refused == "mint_unreachable" for item in done):
            output.errors.print(f"not all of it came back{BEGUN}", soft_wrap=True)
        raise typer.Exit(1)


def _outcome(item: Returned) -> str:
    if item.refused in BY_ITSELF:
        return f"needs no return: {item.why}"
    if item.refused:
        return f"refused: {item.refused}: {item.why}"
    if item.waits:
        return WAITS
    if item.rest_micro:
        more = show_micro(item.rest_micro, item.currency)
        return f"returned, {more} more follows at {output.clock(item.rest_at_s)}"
    is_credit = registry.by_name(item.scheme).traits.credit
    return "of credit given up: nothing more is billed on it" if is_credit else "returned"


GROUP.command(name="return")(give_back)
