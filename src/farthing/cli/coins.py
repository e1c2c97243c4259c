"""`farthing wallet coins`: by which names an operator blocks what was stolen."""

import msgspec

from farthing.cli import output, stocking
from farthing.cli.wallet import AsJson, Data, Passphrase, unlocked
from farthing.money import show_micro
from farthing.wallet.book import Book

GROUP = stocking.GROUP  # with the command below


class Coin(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One coin."""

    broker: str
    scheme: str
    name: str
    worth_micro: int


def coins(passphrase: Passphrase, data: Data = None, as_json: AsJson = False) -> None:
    """Name the coins in this wallet: who says the name can have a coin blocked, and not spend it.

    Restored from the seed, a stolen wallet names them too. An operator who is told blocks them by
    `farthing broker revoke ecash NAME`; whoever can should rather spend or return them first.

    Example: farthing wallet coins --json
    """
    found: list[Coin] = []
    with unlocked(data, passphrase) as wallet:
        driver = wallet.driver(wallet.limits())
        for held in Book(driver.store.file).held():
            scheme = held.instrument.scheme
            purse = driver.guide.purse(scheme, held.broker_id)
            found += [
                Coin(broker=held.broker_id, scheme=scheme, name=name, worth_micro=micro)
                for name, micro in purse.names(held.instrument)
            ]
        currencies = {broker.id: broker.currency for broker in wallet.brokers()}
    if as_json:
        output.print_json(found)
        return
    output.table(
        "coins",
        ("broker", "scheme", "name", "worth"),
        [
            (one.broker, one.scheme, one.name, show_micro(one.worth_micro, currencies[one.broker]))
            for one in found
        ],
    )


GROUP.command()(coins)
