"""`farthing broker account change`, `account revoke`, `vendor change`: what was granted, moved.

The API sets all of an account at once: what is not given here stays as the books have it.
"""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from farthing.broker import app as brokers
from farthing.broker import journal, store
from farthing.broker.people import OpenAccount
from farthing.cli import output
from farthing.cli.bookkeeping import AsJson, Data
from farthing.cli.calling import call
from farthing.errors import Misconfigured
from farthing.ledger import accounts
from farthing.money import parse_micro, show_micro

PayoutTo = Annotated[
    str | None, typer.Option("--payout-to", help="Bank account that its money goes to.")
]


def change_account(
    name: Annotated[str, typer.Argument(help="Whose account, as in alice.")],
    credit: Annotated[str | None, typer.Option(help="How much it may owe, as in 1eur.")] = None,
    props: Annotated[str | None, typer.Option(help="What you vouch for: student=true.")] = None,
    payout_to: PayoutTo = None,
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Change a payer's credit, properties or bank account; what is not given stays.

    Example: farthing broker account change alice --credit 5eur
    """
    before, currency = _standing(data, name)
    if before.role == "vendor":
        raise Misconfigured("account_of_a_vendor", "run: farthing broker vendor change")
    given: dict[str, Any] = {"props": props, "payout_to": payout_to}
    if credit is not None:
        given["credit_limit_micro"] = parse_micro(credit, currency)
    after = _change(data, before, given)
    if as_json:
        output.print_json(after)
        return
    limit = show_micro(after.credit_limit_micro, currency)
    output.say(f"{name}: may owe {limit}, properties {after.props or 'none'}{_payout(after)}")


def revoke_account(
    name: Annotated[str, typer.Argument(help="Whose account, as in alice.")],
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """End what a payer has out, its wallet being stolen: certificates and tokens go on the lists.

    The account stays, and its token with it: have another one made, for whoever has the old one
    buys anew (farthing broker token).

    Example: farthing broker account revoke alice
    """
    done = call(data, "POST", f"/accounts/{name}/revoke", {})
    if as_json:
        output.print_json(done)
        return
    for scheme, serials in done["revoked"].items():
        output.say(f"{scheme}: {' '.join(serials)}")
    if not done["revoked"]:
        output.say(f"{name} has nothing out that a list could name")
        return
    output.say(
        "all of it is on the lists, which gates fetch each minute; now its token, in case that is"
        f" stolen too: farthing broker token {name} --only --token-file {name}-new.token"
    )


def change_vendor(
    name: Annotated[str, typer.Argument(help="Whose account, as in gazette.")],
    commission: Annotated[int | None, typer.Option(help="Your share, parts per 10,000.")] = None,
    payout_to: PayoutTo = None,
    data: Data = Path("broker"),
    as_json: AsJson = False,
) -> None:
    """Change a vendor's commission or bank account; what is not given stays.

    Example: farthing broker vendor change gazette --commission 300
    """
    before, _ = _standing(data, name)
    if before.role == "payer":
        raise Misconfigured("account_of_a_payer", "run: farthing broker account change")
    after = _change(data, before, {"commission_e4": commission, "payout_to": payout_to})
    if as_json:
        output.print_json(after)
        return
    output.say(f"{name}: commission {after.commission_e4} of 10,000{_payout(after)}")


def _standing(data: Path, name: str) -> tuple[OpenAccount, str]:
    """The account as it is, and the broker's currency; `Unknown`, `Misconfigured`."""
    broker = brokers.Broker.open(data)
    try:
        books = broker.engine.books
        party = books.committer.read(lambda db: store.find_party(db, name))
        limit_micro = books.committer.read(
            lambda db: journal.credit_limit(db, accounts.credit(name))
        )
    finally:
        broker.close()
    standing = OpenAccount(
        id=party.id,
        role=party.role,
        commission_e4=party.commission_e4,
        payout_to=party.payout_to,
        credit_limit_micro=limit_micro,
        props=party.props,
    )
    return standing, books.identity.currency


def _change(data: Path, before: OpenAccount, given: dict[str, Any]) -> OpenAccount:
    """What the running broker made of it; any refusal of its."""
    wanted = {key: value for key, value in given.items() if value is not None}
    if not wanted:
        raise Misconfigured("nothing_to_change", "say what is to change: --help lists it")
    after = msgspec.structs.replace(before, **wanted)
    call(data, "POST", f"/accounts/{before.id}", after)
    return after


def _payout(account: OpenAccount) -> str:
    return f", paid out to {account.payout_to}" if account.payout_to else ""
