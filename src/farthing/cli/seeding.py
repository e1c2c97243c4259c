"""The wallet's seed on paper, and a wallet made again of it."""

from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import output, wallet_cashu
from farthing.cli.wallet import Data, Passphrase, unlocked
from farthing.errors import Misconfigured
from farthing.money import show_micro
from farthing.wallet.app import Wallet
from farthing.wallet.driver import drive
from farthing.wallet.restoring import restore as restore_all
from farthing.wallet.seed import put_seed, read_seed, shown

GROUP = wallet_cashu.GROUP  # with the commands below


def seed(passphrase: Passphrase, data: Data = None) -> None:
    """Show the wallet's seed, to be written down: who has it has the wallet's coins.

    Example: farthing wallet seed
    """
    with unlocked(data, passphrase) as wallet:
        output.say(shown(wallet.driver(wallet.limits()).store.file))


def restore(
    passphrase: Passphrase,
    seed_file: Annotated[
        Path | None, typer.Option(help="File with the seed; else it is asked for.")
    ] = None,
    data: Data = None,
) -> None:
    """Make a lost wallet's coins again of its seed, in a new wallet of the same account.

    Example: farthing wallet restore --seed-file seed.txt
    """
    text = (
        _read(seed_file)
        if seed_file is not None
        else output.hidden("seed", "name its file with --seed-file")
    )
    secret = read_seed(text)
    with unlocked(data, passphrase) as wallet:
        put_seed(wallet.driver(wallet.limits()).store.file, secret)
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        for broker in wallet.brokers():
            before_micro = _worth_micro(wallet, broker.id)
            with driver.session() as session:
                drive(restore_all(driver.guide, driver.store.file, broker.id), session.answer)
            came = show_micro(_worth_micro(wallet, broker.id) - before_micro, broker.currency)
            output.say(f"{broker.id}: {came} came back")


def _worth_micro(wallet: Wallet, broker_id: str) -> int:
    return sum(held.worth_micro for held in wallet.holdings() if held.broker_id == broker_id)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise Misconfigured("seed_unreadable", f"{path} is no file with a seed") from None


for _command in (seed, restore):
    GROUP.command()(_command)
