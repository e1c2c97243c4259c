"""A world: one broker, some vendors and payers, every registered scheme, and what they do.

One seed decides everything. `World.open` founds the parties; `run` has them act, in steps that a
script draws; `finish` calms the weather, has everybody finish, and counts again.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from farthing import codec
from farthing.lab.goods import options_of, prices_of, sellable
from farthing.lab.ground import Ground
from farthing.lab.network import Message, NoAnswer, NotReached
from farthing.lab.parties import BrokerParty, VendorParty
from farthing.lab.payer import PayerParty
from farthing.schemes import registry
from farthing.stores.keys import KeyRing
from farthing.vendor.founding import Wanted, found
from farthing.wallet.commands import Broker as Account

T = TypeVar("T")

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - simulated disks, in a folder of a random name
BROKER = "broker"
CURRENCY = "eur"
VENDORS = 3
PAYERS = 8
TOPUP_MICRO = 50_000_000  # more than a payer spends in any run
CREDIT_MICRO = 10_000_000  # likewise, where a scheme bills afterwards
COMMISSION_E4 = 500  # 5 %, so that there is something to round


class World:
    """Everybody, founded and up."""

    def __init__(
        self, seed: int, schemes: Sequence[str] = (), *, lines_max: int | None = 400
    ) -> None:
        """`schemes`: registry names, all by default. Use as a context manager."""
        place = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(prefix="farthing-world-", dir=place))
        self.seed = seed
        self.ground = Ground(seed, self._folder, lines_max=lines_max)
        names = schemes or [scheme.traits.name for scheme in registry.all_schemes()]
        self.schemes = [registry.by_name(name) for name in names]
        self.broker = BrokerParty(self.ground, BROKER)
        self.vendors = [VendorParty(self.ground, f"vendor{n}") for n in range(VENDORS)]
        self.payers = [PayerParty(self.ground, f"payer{n}") for n in range(PAYERS)]
        self._keys = 0

    def __enter__(self) -> Self:
        self.run(self._found())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        wrong: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self._end())
        self.broker.part()
        shutil.rmtree(self._folder)

    @property
    def parties(self) -> list[BrokerParty | VendorParty | PayerParty]:
        """Everybody."""
        return [self.broker, *self.vendors, *self.payers]

    def run(self, work: Awaitable[T]) -> T:
        """Let the world's time pass until `work` is done."""

        async def run() -> T:
            return await work

        return self.ground.loop.run(self.ground.loop.create_task(run()))

    # --- the beginning --------------------------------------------------------------------------

    async def _found(self) -> None:
        self.broker.found(CURRENCY)
        self.broker.start()
        for number, vendor in enumerate(self.vendors):
            body = {"id": vendor.name, "role": "vendor", "commissionE4": COMMISSION_E4}
            opened = await self.order("/accounts", body | {"payoutTo": "DE89370400440532013000"})
            self.broker.tokens[vendor.name] = opened["tokens"]
            wanted = Wanted(vendor_id=vendor.name, broker_url=self.broker.url)
            await found(
                vendor.folder,
                wanted,
                opened["tokens"]["redeem"],
                vendor.now_s(),
                edge=vendor.edge(),
            )
            ring = KeyRing.open(vendor.folder / "ring")
            vendor.options = options_of(self.schemes, number)
            vendor.pages = tuple(
                page
                for scheme in self.schemes
                for page in sellable(scheme.traits.name, vendor.options, ring, CURRENCY)
            )
            text = prices_of(vendor.pages, vendor.options)
            (vendor.folder / "prices.toml").write_text(text)
            vendor.start()
        for payer in self.payers:
            body = {"id": payer.name, "creditLimitMicro": CREDIT_MICRO}
            opened = await self.order("/accounts", body)
            self.broker.tokens[payer.name] = opened["tokens"]
            topup = {"payer": payer.name, "amountMicro": TOPUP_MICRO, "reference": payer.name}
            await self.order("/topup", topup)
            payer.folder.mkdir()
            payer.found(
                Account(
                    id=BROKER,
                    url=self.broker.url,
                    account=payer.name,
                    token=opened["tokens"]["pay"],
                    currency=CURRENCY,
                )
            )
            payer.start()

    async def order(self, path: str, body: Any, who: str = "operator", scope: str = "admin") -> Any:
        """What the broker answers to one POST of its operator's, or of somebody else's.

        The message is sent until it is answered, as an operator does who has made its key.
        """
        self._keys += 1
        message = Message(
            method="POST",
            url=self.broker.url + path,
            headers=(
                (b"authorization", f"Bearer {self.broker.tokens[who][scope]}".encode()),
                (b"content-type", b"application/json"),
                (b"idempotency-key", f"world-{self._keys}".encode()),
            ),
            body=codec.canonical(body),
        )
        while True:
            try:
                reply = await self.ground.network.ask(who, message, 10.0)
            except (NotReached, NoAnswer):
                await asyncio.sleep(1.0)
                continue
            return msgspec.json.decode(reply.body)

    async def _end(self) -> None:
        for party in self.parties:
            party.kill("the end")
        await asyncio.sleep(0.001)


Act = Callable[["World"], Awaitable[object]]
