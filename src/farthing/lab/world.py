"""A world: one broker, some vendors and payers, every registered scheme, and what they do.

One seed decides everything. `World.open` founds the parties; `run` has them act, in steps that a
script draws; `finish` calms the weather, has everybody finish, and counts again.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from farthing import codec
from farthing.errors import Refusal
from farthing.lab.acts import ACTS, Act
from farthing.lab.faults import DOWN_S, JUMP_S, NIGHT_S, NIGHTS_S, PARTED_S, ROUGH, Chances
from farthing.lab.goods import options_of, prices_of, sellable
from farthing.lab.ground import Ground
from farthing.lab.loop import Process
from farthing.lab.network import Message, NoAnswer, NotReached
from farthing.lab.parties import BrokerParty, Party, VendorParty
from farthing.lab.payer import PayerParty
from farthing.schemes import registry
from farthing.stores.keys import KeyRing
from farthing.vendor.founding import Wanted, found
from farthing.wallet.commands import Broker as Account

T = TypeVar("T")
Acts = Mapping[Act, int]
"""What is drawn from, with how often."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - simulated disks, in a folder of a random name
BROKER = "broker"
CURRENCY = "eur"
VENDORS = 3
PAYERS = 8
TOPUP_MICRO = 50_000_000  # more than a payer spends in any run
CREDIT_MICRO = 10_000_000  # likewise, where a scheme bills afterwards
STEP_S = 0.02  # between two steps, on average: a payment takes about as long
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
        self._by_name = {party.name: party for party in self.parties}
        self._under_way: set[asyncio.Task[None]] = set()
        self._people = Process("people")
        self._keys = 0
        self._is_over = False
        self.payments = 0
        """Purchases that were begun."""
        self.topped_up: dict[str, int] = {payer.name: 0 for payer in self.payers}
        """What came in for each payer, in micro-units."""
        self.ground.died = self._died

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
    def parties(self) -> list[Party]:
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
            await self.top_up(payer, TOPUP_MICRO)
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

    async def top_up(self, payer: PayerParty, amount_micro: int) -> str:
        """Book money for a payer."""
        reference = f"RF{self._keys}"
        topup = {"payer": payer.name, "amountMicro": amount_micro, "reference": reference}
        booked = await self.order("/topup", topup)
        self.topped_up[payer.name] += booked["amountMicro"]
        return reference

    # --- what happens ---------------------------------------------------------------------------

    def begin(self, party: Party | None, what: str, work: Coroutine[Any, Any, object]) -> None:
        """Have a party do something, beside whatever else goes on; None: people, who never die."""
        name = "people" if party is None else party.name
        process = self._people if party is None else party.life
        task = self.ground.loop.spawn(process, self._noted(name, what, work))
        self._under_way.add(task)

    async def _noted(self, name: str, what: str, work: Coroutine[Any, Any, object]) -> None:
        trace = self.ground.trace
        trace.note("begins", name, what)
        try:
            done = await work
        except Refusal as refusal:
            trace.note("refused", name, what, refusal.code)
        else:
            trace.note("done", name, what, str(done))

    async def act(self, steps: int, chances: Chances = ROUGH, acts: Acts = ACTS) -> None:
        """Take so many steps, in this weather."""
        faults, luck = self.ground.faults, self.ground.luck
        faults.chances = chances
        choices, weights = list(acts), list(acts.values())
        for _ in range(steps):
            self._disturb(chances)
            (act,) = luck.choices(choices, weights)
            act(self, luck)
            await asyncio.sleep(luck.expovariate(1 / STEP_S))

    def _disturb(self, chances: Chances) -> None:
        """Draw the faults of one step."""
        luck, loop, trace = self.ground.luck, self.ground.loop, self.ground.trace
        if luck.random() < chances.killed:
            luck.choice(self.parties).kill("by chance")
        if luck.random() < chances.parted:
            one, other = luck.sample(self.parties, 2)
            until_s = loop.time() + luck.random() * PARTED_S
            trace.note("parted", one.name, other.name)
            self.ground.faults.part(one.name, other.name, until_s)
        if luck.random() < chances.jumped:
            party = luck.choice(self.parties)
            party.ahead_s = luck.randrange(-JUMP_S, JUMP_S)
            trace.note("jumped", party.name, str(party.ahead_s))
            loop.outside(luck.random() * PARTED_S, self._set_right, party)
        if luck.random() < chances.night:
            night_s = luck.randrange(NIGHT_S)
            if self.ground.leap_s + night_s <= NIGHTS_S:
                self.leap(night_s)

    def leap(self, by_s: int) -> None:
        """Let everybody's clock go ahead at once: a time in which nobody did anything."""
        self.ground.leap_s += by_s
        self.ground.trace.note("night", "everybody", str(by_s))

    def _set_right(self, party: Party) -> None:
        party.ahead_s = 0
        self.ground.trace.note("righted", party.name)

    def _died(self, name: str) -> None:
        if not self._is_over:
            self.ground.loop.outside(self.ground.luck.random() * DOWN_S, self._revive, name)

    def _revive(self, name: str) -> None:
        party = self._by_name[name]
        if not party.is_up and not self._is_over:
            party.start()  # where it refuses, it has died once more

    async def settle(self) -> None:
        """Wait until everything that was begun has come to an end, or died."""
        while True:
            self._under_way = {
                task for task in self._under_way if not task.done() and self._is_alive(task)
            }
            if not self._under_way:
                return
            await asyncio.sleep(1.0)

    def _is_alive(self, task: asyncio.Task[None]) -> bool:
        processes = [self._people, *(party.process for party in self.parties)]
        return any(process is not None and task in process.tasks for process in processes)

    async def _end(self) -> None:
        self._is_over = True
        for party in self.parties:
            party.kill("the end")
        self._people.kill()
        await asyncio.sleep(0.001)
        self._people.bury()
