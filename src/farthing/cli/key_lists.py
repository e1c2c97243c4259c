"""`farthing wallet keys`: whether the broker gives two people the same list of keys."""

from farthing.cli import coins, output
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.wallet.book import Book
from farthing.wallet.driver import drive
from farthing.wallet.key_lists import Shown, look_up

GROUP = coins.GROUP  # with the command below


def keys(passphrase: Passphrase, data: Data = None, as_json: AsJson = False) -> None:
    """Show what names the list of keys that signs coins: it must be the same for everybody.

    Have somebody else say it elsewhere, and compare. Another one than this wallet was given before
    is refused.

    Example: farthing wallet keys
    """
    found: list[Shown] = []
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        book = Book(driver.store.file)
        for broker in wallet.brokers():
            for name in driver.guide.schemes:
                if driver.guide.purse(name, broker.id).blind:
                    with driver.session() as session:
                        flow = look_up(driver.guide, book, name, broker.id)
                        found.append(drive(flow, session.answer))
    if as_json:
        output.print_json(found)
        return
    for one in found:  # no table, which would cut what has to be compared
        output.say(f"{one.scheme} at {one.broker}: {one.digest}")


GROUP.command()(keys)
