"""A world: a broker or two, some vendors and payers, every registered scheme, and what they do.

One seed decides everything. `act` has the parties do what comes to their minds, in whatever
weather; `liveness.finish` calms it, has everybody finish, and counts again.
"""

import asyncio
import random
import shutil
import sys
from collections import defaultdict
from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from farthing import errors
from farthing.errors import Refusal
from farthing.lab.acts import Act, acts_of
from farthing.lab.faults import DOWN_S, JUMP_S, NIGHT_S, NIGHTS_S, PARTED_S, ROUGH, Chances
from farthing.lab.genesis import PAYERS, TOPUP_MICRO, founded, is_peered, order
from farthing.lab.ground import Ground
from farthing.lab.loop import Process
from farthing.lab.losing import lose
from farthing.lab.months import pass_weeks
from farthing.lab.parties import BrokerParty, Party, VendorParty
from farthing.lab.payer import PayerParty
from farthing.lab.recount import comes_back
from farthing.lab.repeats import Repeats
from farthing.lab.scratch import new_folder
from farthing.lab.trace import LINES_KEPT
from farthing.ledger import accounts
from farthing.schemes import registry
from farthing.schemes.contract import Json

T = TypeVar("T")
Acts = Mapping[Act, int]
"""What is drawn from, with how often."""

SETTLE_S = 0.1  # between two looks at what is still under way
STEP_S = 0.02  # between two steps, on average: a payment takes about as long


class World:
    """Everybody, founded and up."""

    def __init__(
        self,
        seed: int,
        schemes: Sequence[str] = (),
        *,
        lines_max: int | None = LINES_KEPT,
        luck: bool = True,
        peered: bool = False,
    ) -> None:
        """`schemes`: registry names, all by default. Use as a context manager.

        `luck`: whether what schemes draw is drawn, or every draw wins. `peered`: there is another
        broker whatever the seed is.
        """
        names = schemes or [scheme.traits.name for scheme in registry.all_schemes()]
        beginning = founded(names, peered=peered or is_peered(seed, names), luck=luck)
        self._folder = new_folder("world")
        shutil.copytree(beginning.folder, self._folder, dirs_exist_ok=True)
        self.seed = seed
        self.schemes = [registry.by_name(name) for name in names]
        self.ground = Ground(seed, self._folder, lines_max=lines_max)
        self.ground.checks.conserved.prepaid &= set(names)
        self.brokers = [BrokerParty(self.ground, name) for name in beginning.tokens]
        for broker in self.brokers:
            broker.tokens = dict(beginning.tokens[broker.name])
        homes = {broker.name: broker for broker in self.brokers}
        repeats = Repeats(self.ground.checks.find, homes, self.ground.wall_s)
        self.ground.network.taps.append(repeats)
        self.vendors = [
            VendorParty(self.ground, name, homes[home]) for name, home in beginning.homes.items()
        ]
        for vendor in self.vendors:
            vendor.options = beginning.options[vendor.name]
            vendor.sold = beginning.sold[vendor.name]
            vendor.shows = beginning.shows[vendor.name]
        self.payers = [PayerParty(self.ground, f"payer{n}") for n in range(PAYERS)]
        self._by_name = {party.name: party for party in self.parties}
        self._under_way: set[asyncio.Task[None]] = set()
        self._people = Process("people")
        self._keys = 0
        self._nights_s = 0
        self._is_over = False
        self.payments = 0
        """Purchases that were begun."""
        self.payments_max = sys.maxsize
        """With how many a run is over."""
        self.topped_up: dict[str, int] = {payer.name: TOPUP_MICRO for payer in self.payers}
        """What came in for each payer, in micro-units."""
        self.came_micro: dict[str, int] = defaultdict(int)
        """What came to each payer from others, less what went to them."""
        self.taken: set[str] = set()
        """Tokens for whoever has them that their takers have."""
        self.lost: set[str] = set()
        """K of what was bought with wallets that were lost."""
        self.owners: dict[tuple[str, str], str] = {}
        """Who is billed for a payer's instrument that was handed over to it."""
        self.paid_out: dict[str, int] = defaultdict(int)
        """What each account was told that went to its bank, less what the bank sent back."""
        self.ground.died = self._died

    def __enter__(self) -> Self:
        self.run(self._start())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        wrong: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.run(self._end())
        for broker in self.brokers:
            broker.part()
        shutil.rmtree(self._folder)

    @property
    def broker(self) -> BrokerParty:
        """The one at which payers have their accounts."""
        return self.brokers[0]

    @property
    def parties(self) -> list[Party]:
        """Everybody."""
        return [*self.brokers, *self.vendors, *self.payers]

    def run(self, work: Awaitable[T]) -> T:
        """Let the world's time pass until `work` is done."""

        async def run() -> T:
            return await work

        return self.ground.loop.run(self.ground.loop.create_task(run()))

    # --- the beginning --------------------------------------------------------------------------

    async def _start(self) -> None:
        for party in self.parties:
            party.start()

    async def order(
        self,
        path: str,
        body: Json,
        who: str = "operator",
        scope: str = "admin",
        at: BrokerParty | None = None,
    ) -> Any:
        """As `genesis.order`, with a key of its own, of the payers' broker or another."""
        self._keys += 1
        return await order(at or self.broker, path, body, f"world-{self._keys}", who, scope)

    async def obeyed(self, path: str, body: Json, **whose: Any) -> Any:
        """As `order`; the refusal with which it is answered."""
        answer = await self.order(path, body, **whose)
        if "refusal" in answer:
            raise errors.by_name(answer["refusal"], answer["code"], answer["detail"])
        return answer

    async def top_up(self, payer: PayerParty, amount_micro: int) -> str:
        """Book money for a payer."""
        reference = f"RF{self._keys}"
        topup = {"payer": payer.name, "amountMicro": amount_micro, "reference": reference}
        booked = await self.order("/topup", topup)
        self.topped_up[payer.name] += booked["amountMicro"]
        return reference

    async def pay_out(self, party: Party, amount_micro: int, states: Sequence[str]) -> str:
        """Have a party's money sent to its bank; its last state. Refusals as of the broker."""
        home, account = self.broker, accounts.payer(party.name)
        if isinstance(party, VendorParty):
            home, account = party.home, accounts.vendor(party.name)
        made = await self.obeyed(
            "/payout", {"amountMicro": amount_micro}, who=party.name, scope="pay", at=home
        )
        self.paid_out[account] += made["amountMicro"]
        state = "planned"
        for step in states:
            moved = await self.order(f"/payouts/{made['payout']}", {"state": step}, at=home)
            state = moved["state"]
            if state == "returned":
                self.paid_out[account] -= made["amountMicro"]
        return state

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

    async def act(
        self, steps: Iterable[int], chances: Chances = ROUGH, acts: Acts | None = None
    ) -> tuple[int, ...]:
        """Take steps, in this weather, until there were `payments_max` payments; those taken.

        `acts`: what comes to anybody's mind; by default all that these schemes are for.

        What a step is follows from the seed and its number: it is the same whichever others there
        are, so that a failing run can be told by a few of its steps.
        """
        self.ground.faults.chances = chances
        acts = acts_of(self.schemes) if acts is None else acts
        can_regain = any(map(comes_back, self.schemes))
        choices, weights = list(acts), list(acts.values())
        taken: list[int] = []
        for number in steps:
            if self.payments >= self.payments_max:
                break
            luck = random.Random(f"step {self.seed} {number}")
            self._disturb(chances, luck)
            if luck.random() < chances.month:
                await pass_weeks(self, luck)
                self.ground.faults.chances = chances
                self._nights_s = 0
            if can_regain and luck.random() < chances.loss:
                await lose(self, luck)
            (act,) = luck.choices(choices, weights)
            act(self, luck)
            taken.append(number)
            await asyncio.sleep(luck.expovariate(1 / STEP_S))
        return tuple(taken)

    def _disturb(self, chances: Chances, luck: random.Random) -> None:
        """Draw the faults of one step."""
        loop, trace = self.ground.loop, self.ground.trace
        if luck.random() < chances.killed:
            luck.choice(self.parties).kill("by chance")
        if luck.random() < chances.parted:
            one, other = luck.sample(self.parties, 2)
            until_s = loop.time() + luck.random() * PARTED_S
            trace.note("parted", one.name, other.name)
            self.ground.faults.part(one.name, other.name, until_s)
        if luck.random() < chances.jumped:
            party = luck.choice(self.parties)
            party.ahead_s, party.was_wrong = luck.randrange(-JUMP_S, JUMP_S), True
            trace.note("jumped", party.name, str(party.ahead_s))
            loop.outside(luck.random() * PARTED_S, self._set_right, party)
        if luck.random() < chances.night:
            night_s = luck.randrange(NIGHT_S)
            if self._nights_s + night_s <= NIGHTS_S:
                self._nights_s += night_s
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
            await asyncio.sleep(SETTLE_S)

    def _is_alive(self, task: asyncio.Task[None]) -> bool:
        processes = [self._people, *(party.process for party in self.parties)]
        return any(process is not None and task in process.tasks for process in processes)

    async def _end(self) -> None:
        self._is_over = True
        for party in self.parties:
            party.kill("the end")
        self._people.kill()
        for file in [file for payer in self.payers for file in payer.lost]:
            file.close()
        await asyncio.sleep(0.001)
        self._people.bury()
