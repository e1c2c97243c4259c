"""`farthing wallet delegate`, `receive` and what belongs to them: purses for phones and agents."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from farthing import money
from farthing.cli import fetching, output
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.errors import Misconfigured, Unknown
from farthing.money import show_micro
from farthing.stores import drafts
from farthing.wallet import bearing, handing
from farthing.wallet.address import NONCE_BYTES, new_address, read_address
from farthing.wallet.driver import drive
from farthing.wallet.grants import Grant, Grants

UNITS_S = {"m": 60, "h": 3600}
LASTS_S_MAX = 86_400  # a day: what is handed over is of one day
TOKEN_BYTES_MAX = 64 * 1024
GROUP = fetching.GROUP  # with the commands below

Out = Annotated[Path, typer.Option("--out", "-o", help="File for the token, as in phone.purse.")]


def seconds_of(text: str) -> int:
    """What `2h` or `30m` says; `Misconfigured`."""
    found = re.fullmatch(r"([1-9][0-9]{0,3})([mh])", text)
    lasts_s = int(found[1]) * UNITS_S[found[2]] if found else 0
    if not 0 < lasts_s <= LASTS_S_MAX:
        raise Misconfigured("duration_malformed", "write it as in 30m or 2h, at most 24h")
    return lasts_s


def address(passphrase: Passphrase, data: Data = None) -> None:
    """Print where this wallet can be handed something; another one each time, all of them good.

    Example: farthing wallet address
    """
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        output.say(str(new_address(driver.store.file.vault, driver.entropy(NONCE_BYTES))))


def delegate(
    url: Annotated[str, typer.Argument(help="A page of the site where it shall be spent.")],
    amount: Annotated[str, typer.Argument(help="How much, as in 1c.")],
    passphrase: Passphrase,
    to: Annotated[str, typer.Option(help="The receiver's: farthing wallet address.")],
    out: Out,
    lasts: Annotated[str, typer.Option("--for", help="How long, as in 30m or 2h.")] = "1h",
    pass_on: Annotated[
        bool, typer.Option("--pass-on", help="The receiver may hand on a part of it.")
    ] = False,
    data: Data = None,
) -> None:
    """Hand a phone or an agent a purse: so much, at that site, until then. It counts as spent.

    Example: farthing wallet delegate http://127.0.0.1:8402/articles/x 1c --to fa1... -o agent.purse
    """
    with unlocked(data, passphrase) as wallet, output.private_files(out):
        driver = wallet.driver(wallet.limits(), fetching.approve)
        file = driver.store.file
        currency = next((broker.currency for broker in wallet.brokers() if broker.account), "")
        typed = money.parse_amount(amount)
        if typed.currency not in {None, currency}:
            raise Misconfigured("amount_in_other_currency", f"this wallet's money is {currency}")
        wanted = handing.Wanted(
            url=url,
            amount_micro=typed.micro,
            to=read_address(to),
            lasts_s=seconds_of(lasts),
            passes_on=pass_on,
        )
        with driver.session() as session:
            grant = drive(handing.hand_over(driver.guide, file, wanted), session.answer)
        _write(out, grant)
    shown = show_micro(grant.amount_micro, grant.currency)
    output.say(f"{out}: {shown} at {grant.vendor_id} until {output.clock(grant.until_s)}")


def send(
    amount: Annotated[str, typer.Argument(help="How much, as in 1c.")],
    passphrase: Passphrase,
    out: Out,
    scheme: Annotated[str, typer.Option(help="Which coins, as in cashu; the first that can.")] = "",
    data: Data = None,
) -> None:
    """Write money into a file, for whoever has it. It counts as spent.

    Example: farthing wallet send 1c -o coins.token

    Example: farthing wallet send 1c --scheme cashu -o cashu.token
    """
    with unlocked(data, passphrase) as wallet, output.private_files(out):
        driver = wallet.driver(wallet.limits(), fetching.approve)
        held = [broker for broker in wallet.brokers() if broker.account]
        if not held:
            raise Misconfigured("broker_missing", "this wallet has no account to send from")
        amount_micro = money.parse_micro(amount, held[0].currency)
        with driver.session() as session:
            flow = bearing.send(driver.guide, driver.store.file, held[0].id, amount_micro, scheme)
            grant = drive(flow, session.answer)
        _write(out, grant)
    output.say(f"{out}: {show_micro(grant.amount_micro, grant.currency)} for whoever has it")


def _write(out: Path, grant: Grant) -> None:
    """The token, whole or not at all, for its owner's eyes; `Misconfigured` with what to do.

    In the place of a file that was made for it before: what others hold has money in it.
    """
    draft = out.with_name(out.name + ".new")
    try:
        drafts.remove(draft)
        draft.touch(mode=0o600)
        draft.write_text(grant.token + "\n")
        draft.replace(out)
    except OSError as wrong:
        told = f"{out}: {wrong.strerror}; farthing wallet grants --again {grant.id} -o FILE"
        raise Misconfigured("token_not_written", told) from None


def _read(token: Path) -> str:
    try:
        if str(token) == "-":
            raw = sys.stdin.buffer.read(TOKEN_BYTES_MAX)
        else:
            with token.open("rb") as file:
                raw = file.read(TOKEN_BYTES_MAX)
    except OSError as wrong:
        raise Misconfigured("token_unreadable", f"{token}: {wrong.strerror}") from None
    return raw.decode("ascii", "replace")


def receive(
    token: Annotated[Path, typer.Argument(help="File with the token; - for standard input.")],
    passphrase: Passphrase,
    data: Data = None,
) -> None:
    """Take what another wallet handed over. A second time there is nothing to take.

    Example: farthing wallet receive agent.purse
    """
    text = _read(token)
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        if bearing.is_token(text):
            currency = bearing.admit(driver.store.file, text).currency
            driver = wallet.driver(wallet.limits())  # which knows the token's broker now
            with driver.session() as session:
                claiming = bearing.claim(driver.guide, driver.store.file, text)
                came_micro = drive(claiming, session.answer)
            output.say(f"received {show_micro(came_micro, currency)}")
            return
        with driver.session() as session:
            flow = handing.receive(driver.guide, driver.store.file, text)
            taken = drive(flow, session.answer)
    got = taken.instrument
    shown = show_micro(got.worth_micro, got.currency)
    told = f"{shown} for {taken.site} until {output.clock(got.expires_at_s)}"
    output.say(f"received {told}" if taken.is_new else "nothing new: it was received before")


def grants(
    passphrase: Passphrase,
    again: Annotated[str, typer.Option(help="Write the token of this one once more.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where, with --again.")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Show what was handed over, the latest first.

    Example: farthing wallet grants

    Example: farthing wallet grants --again g_0123456789abcdef01234567 -o again.purse
    """
    with unlocked(data, passphrase) as wallet:
        kept = Grants(wallet.driver(wallet.limits()).store.file)
        if again:
            grant = kept.find(again)
            if grant is None or out is None:
                raise Unknown("grant_unknown", "name one that is listed, and a file with -o")
            with output.private_files(out):
                _write(out, grant)
            return
        lines = kept.listed()
    if as_json:
        output.print_json(list(lines))
        return
    output.table(
        "handed over",
        ("id", "site", "scheme", "state", "until", "worth"),
        [
            (
                line.id,
                line.site,
                line.scheme,
                line.state,
                output.clock(line.until_s),
                show_micro(line.amount_micro, line.currency),
            )
            for line in lines
        ],
    )


def withdraw(
    grant: Annotated[str, typer.Argument(help="Its id, from farthing wallet grants.")],
    passphrase: Passphrase,
    data: Data = None,
) -> None:
    """End what was handed over before its time; gates know it a few minutes later.

    Example: farthing wallet withdraw g_0123456789abcdef01234567
    """
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        with driver.session() as session:
            flow = handing.withdraw(driver.guide, driver.store.file, grant)
            done = drive(flow, session.answer)
    output.say(
        f"{done.id} is withdrawn: {done.vendor_id} takes no more of it once its gates have fetched"
        " the broker's list, which they do each minute"
    )


for _command in (address, delegate, send, receive, grants, withdraw):
    GROUP.command()(_command)
