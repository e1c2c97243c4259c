"""How worlds begin: everybody founded once for each set of schemes, and copied for every seed.

The founding is the production one, over the world's network, from a seed of its own: so all worlds
of one set of schemes begin with the same keys and accounts, in whichever process they run.
"""

import asyncio
import atexit
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from farthing import codec
from farthing.lab.goods import VOUCHED, Options, Page, options_of, prices_of, sellable
from farthing.lab.ground import Ground
from farthing.lab.network import Message, NoAnswer, NotReached
from farthing.lab.parties import BrokerParty, VendorParty
from farthing.lab.payer import PayerParty
from farthing.lab.scratch import new_folder
from farthing.lab.shows import Show, shows_of
from farthing.schemes import registry
from farthing.schemes.contract import Json, Scheme
from farthing.stores.keys import KeyRing
from farthing.vendor.founding import Wanted
from farthing.vendor.founding import found as found_vendor
from farthing.wallet.commands import Broker as Account

SEED = 0
BROKER = "broker"
NEIGHBOUR = "neighbour"  # another broker, of which the first buys for its payers
PEERED_EVERY = 4  # worlds of so many have one, and are slower for it
DEPOSIT_MICRO = 50_000_000  # of the first broker there: more than its payers buy
CURRENCY = "eur"
VENDORS = 3
PAYERS = 8
TOPUP_MICRO = 50_000_000  # more than a payer spends in any run
CREDIT_MICRO = 10_000_000  # likewise, where a scheme bills afterwards
COMMISSION_E4 = 500  # 5 %, so that there is something to round
RESALE_E4 = 137  # of what is sold for another broker, likewise
IBAN = "DE89370400440532013000"  # the registry's own example
ORDER_S = 10.0  # until somebody who has no answer asks again
PAUSE_S = 1.0  # before that


class Founded(msgspec.Struct, frozen=True, kw_only=True):
    """What a world begins with."""

    folder: Path
    """Everybody's disks, as they were when everybody was stopped."""
    tokens: dict[str, dict[str, dict[str, str]]]
    """By broker, account and scope; the payers' own broker comes first."""
    homes: dict[str, str]
    """The broker of each vendor."""
    options: dict[str, Options]
    """How each vendor has set its schemes."""
    sold: dict[str, tuple[Page, ...]]
    """What each vendor sells."""
    shows: dict[str, tuple[Show, ...]]
    """What each vendor sells by the tick."""


_founded: dict[tuple[bool, bool, tuple[str, ...]], Founded] = {}


def is_peered(seed: int, names: Sequence[str]) -> bool:
    """Whether a world has another broker too, with a vendor whose scrip the first one sells."""
    sells = any(registry.by_name(name).traits.resold for name in names)
    return sells and seed % PEERED_EVERY == PEERED_EVERY - 1


def founded(names: Sequence[str], *, peered: bool = False, luck: bool = True) -> Founded:
    """The beginning of every world with these schemes; kept while the process lives.

    `luck`: as of `options_of`.
    """
    key = peered, luck, tuple(names)
    known = _founded.get(key)
    if known is None:
        folder = new_folder("world")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        ground = Ground(SEED, folder, lines_max=1)
        schemes = [registry.by_name(name) for name in names]
        founding = _Founding(ground, schemes, peered=peered, luck=luck)
        known = ground.loop.run(ground.loop.create_task(founding.run()))
        _founded[key] = known
    return known


class _Founding:
    """Everybody, for the first time."""

    def __init__(self, ground: Ground, schemes: list[Scheme], *, peered: bool, luck: bool) -> None:
        self._ground = ground
        self._luck = luck
        self._schemes = schemes
        self._broker = BrokerParty(ground, BROKER)
        self._others = [BrokerParty(ground, NEIGHBOUR)] if peered else []
        homes = [*[self._broker] * VENDORS, *self._others]
        self._vendors = [VendorParty(ground, f"vendor{n}", home) for n, home in enumerate(homes)]
        self._payers = [PayerParty(ground, f"payer{n}") for n in range(PAYERS)]

    async def run(self) -> Founded:
        brokers = [self._broker, *self._others]
        for broker in brokers:
            broker.found(CURRENCY)
            broker.start()
        for number, vendor in enumerate(self._vendors):
            await self._vendor(number, vendor)
        for number, payer in enumerate(self._payers):
            await self._payer(number, payer)
        for other in self._others:
            await self._meet(other)
        for party in (*brokers, *self._vendors, *self._payers):
            party.kill("founded")
        await asyncio.sleep(PAUSE_S)
        for broker in brokers:
            broker.part()
        return Founded(
            folder=self._ground.folder,
            tokens={broker.name: broker.tokens for broker in brokers},
            homes={vendor.name: vendor.home.name for vendor in self._vendors},
            options={vendor.name: vendor.options for vendor in self._vendors},
            sold={vendor.name: vendor.sold for vendor in self._vendors},
            shows={vendor.name: vendor.shows for vendor in self._vendors},
        )

    async def _open_account(
        self, broker: BrokerParty, name: str, body: dict[str, Json]
    ) -> dict[str, str]:
        opened = await order(broker, "/accounts", {"id": name} | body, f"open-{name}")
        tokens: dict[str, str] = opened["tokens"]
        broker.tokens[name] = tokens
        return tokens

    async def _top_up(self, broker: BrokerParty, name: str, amount_micro: int) -> None:
        booked = {"payer": name, "amountMicro": amount_micro, "reference": name}
        await order(broker, "/topup", booked, f"topup-{name}")

    async def _meet(self, other: BrokerParty) -> None:
        """The payers' broker gets an account with money at another, and buys there from now on."""
        tokens = await self._open_account(other, BROKER, {})
        await self._top_up(other, BROKER, DEPOSIT_MICRO)
        peer: dict[str, Json] = {
            "id": other.name,
            "url": other.url,
            "token": tokens["pay"],
            "commissionE4": RESALE_E4,
        }
        await order(self._broker, "/peers", peer, f"peer-{other.name}")

    async def _vendor(self, number: int, vendor: VendorParty) -> None:
        contract = {"role": "vendor", "commissionE4": COMMISSION_E4, "payoutTo": IBAN}
        tokens = await self._open_account(vendor.home, vendor.name, contract)
        wanted = Wanted(vendor_id=vendor.name, broker_url=vendor.home.url)
        edge = vendor.edge()
        await found_vendor(vendor.folder, wanted, tokens["redeem"], vendor.now_s(), edge=edge)
        ring = KeyRing.open(vendor.folder / "ring")
        is_ours = vendor.home is self._broker
        schemes = [scheme for scheme in self._schemes if is_ours or scheme.traits.resold]
        vendor.options = options_of(schemes, number, luck=self._luck)
        vendor.sold = tuple(
            page
            for scheme in schemes
            for page in sellable(scheme.traits.name, vendor.options, ring, CURRENCY)
        )
        vendor.shows = shows_of(schemes, number)
        text = prices_of([*vendor.sold, *vendor.shows], vendor.options)
        (vendor.folder / "prices.toml").write_text(text)
        vendor.start()  # so that it has a store, and the broker's keys
        assert vendor.vendor is not None, "it was just founded"
        await vendor.vendor.fetch_lists()

    async def _payer(self, number: int, payer: PayerParty) -> None:
        contract: dict[str, Json] = {
            "creditLimitMicro": CREDIT_MICRO,
            "payoutTo": IBAN,
            "props": VOUCHED[number % len(VOUCHED)],
        }
        tokens = await self._open_account(self._broker, payer.name, contract)
        await self._top_up(self._broker, payer.name, TOPUP_MICRO)
        payer.folder.mkdir()
        payer.found(
            Account(
                id=BROKER,
                url=self._broker.url,
                account=payer.name,
                token=tokens["pay"],
                currency=CURRENCY,
            )
        )


async def order(
    broker: BrokerParty,
    path: str,
    body: Json,
    key: str,
    who: str = "operator",
    scope: str = "admin",
) -> Any:
    """What the broker answers to one POST of its operator's, or of somebody else's.

    The message is sent until it is answered, as people do who have made its key.
    """
    message = Message(
        method="POST",
        url=broker.url + path,
        headers=(
            (b"authorization", f"Bearer {broker.tokens[who][scope]}".encode()),
            (b"content-type", b"application/json"),
            (b"idempotency-key", key.encode()),
        ),
        body=codec.canonical(body),
    )
    while True:
        try:
            reply = await broker.ground.network.ask(who, message, ORDER_S)
        except (NotReached, NoAnswer):
            await asyncio.sleep(PAUSE_S)
        else:
            return msgspec.json.decode(reply.body)
