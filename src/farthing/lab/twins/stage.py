"""A world of one scheme where somebody cheats: who is honest in it, and what that costs them."""

import asyncio
import contextvars
import random
import shutil
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from farthing.errors import Refusal
from farthing.lab.bounds import Stakes
from farthing.lab.faults import CALM
from farthing.lab.genesis import BROKER, CREDIT_MICRO
from farthing.lab.goods import Page
from farthing.lab.liveness import require_returned
from farthing.lab.network import Message, NoAnswer, NotReached, Reply
from farthing.lab.parties import VendorParty
from farthing.lab.payer import PayerParty
from farthing.lab.twins.clocks import Days, open_matters
from farthing.lab.twins.seen import Seen
from farthing.lab.world import World
from farthing.marks import LEASE_S_MAX
from farthing.wallet.settling import is_delivered

T = TypeVar("T")

TRIES = 6  # of an honest payer, for one page
RETURNS = 2  # rounds of giving back: what has a window comes back only when that is over
LAPSING_S = 6.0  # in which the broker looks at what is due
CLEARING_S = 200.0  # until every claim was shown three times
DAY_S = 86_400
AGENT, THIEF = "agent", "thief"  # what names of those without an account begin with


class Stage:
    """Who is who, and what was seen."""

    def __init__(self, world: World, luck: random.Random) -> None:
        """In a world of one scheme. Payer 0 and 1 and vendor 0 may be dishonest."""
        (self.scheme,) = world.schemes
        self.world = world
        self.luck = luck
        self.crooks: set[str] = set()
        """Names of parties that have cheated."""
        world.ground.checks.conserved.crooks = self.crooks
        self.seen: list[Seen] = []
        self.out: dict[str, dict[str, int]] = defaultdict(dict)
        """Pages that went out: micro-units by vendor and path."""
        self.gone: dict[str, int] = defaultdict(int)
        """Value of the pages that each source of requests was sent by honest vendors."""
        self.withheld: defaultdict[str, set[bytes]] = defaultdict(set)
        """Pages that were paid and did not go out, each with what paid for it: a wallet that hears
        that nothing was taken may pay once more, with something else."""
        self.credit: dict[str, dict[str, int]] = defaultdict(dict)
        """What the broker has certified to each source of requests: limits by signature."""
        self.limits_micro: dict[str, int] = defaultdict(lambda: CREDIT_MICRO)
        """What the operator lets each payer owe."""
        self.days = Days(lambda name: self._by_name[name].now_s())
        """On which each source has paid which vendor."""
        self.got: dict[str, int] = defaultdict(int)
        """Value of the pages that a payer has got."""
        self.stakes: dict[str, Stakes] = defaultdict(Stakes)
        """What an honest payer had at stake with vendors who cheat."""
        self.twins: list[PayerParty] = []
        """Wallets of who cheats, beside those that the world has."""
        self.lent_micro: dict[str, int] = defaultdict(int)
        """What each honest payer lets others spend in its name."""
        self.misled: set[str] = set()
        """Payers who asked once more for a page of a vendor whose clock was wrong."""
        self.robbed: dict[str, PayerParty] = {}
        """Whose wallet each thief has."""
        self.stolen_micro: dict[str, int] = defaultdict(int)
        """What each thief tried to pay before its vendors had a list."""
        self.peer_sells_void = False
        """Whether another broker sells what its vendor may not take."""
        self.missing: list[tuple[PayerParty, str, int]] = []
        """Pages that honest payers have not got, and will ask for again."""
        self.buying: dict[str, int] = defaultdict(int)
        """How many purchases of each honest payer are under way."""
        self.asked: dict[str, int] = defaultdict(int)
        """Prices of the pages that were asked for, by the vendor's address."""
        self.payments = 0
        """Purchases that were begun."""
        self._number = 0
        self._by_name = {party.name: party for party in world.vendors}
        self._prices = {
            (vendor.name, page.path): page.price_micro
            for vendor in world.vendors
            for page in vendor.pages
        }
        world.ground.network.taps.append(self)

    # --- what is read along ---------------------------------------------------------------------

    def sent(self, source: str, target: str, message: Message) -> None:
        """As `network.Tap`."""
        self.seen.append(Seen(source=source, target=target, message=message))
        self._note_day(source, target, message)

    def answered(self, source: str, target: str, message: Message, reply: Reply) -> None:
        """As `network.Tap`."""
        self._note_day(source, target, message)
        if target == BROKER and "/issue/" in message.url and b'"limitMicro"' in reply.body:
            certified = msgspec.json.decode(reply.body)["answer"]["certificate"]
            self.credit[source][certified["sig"]] = certified["limitMicro"]
        path = message.url.partition(".example")[2]
        price_micro = self._prices.get((target, path.rpartition("/")[0]))
        is_page = reply.status == 200 and reply.body == b"page " + path.encode()
        if is_page and price_micro is not None:
            if target not in self.crooks and path not in self.out[target]:
                self.gone[source] += price_micro
            self.out[target][path] = price_micro

    def _note_day(self, source: str, target: str, message: Message) -> None:
        if (
            target in self._by_name
            and Seen(source=source, target=target, message=message).is_payment
        ):
            self.days.note(source, target)

    # --- who does what --------------------------------------------------------------------------

    @property
    def honest(self) -> list[PayerParty]:
        """Payers who never cheat."""
        return self.world.payers[2:]

    def address(self, vendor: VendorParty, page: Page | None = None) -> tuple[str, int]:
        """The address of a page that nobody has bought, and its price."""
        page = page or self.luck.choice(vendor.pages)
        return self.fresh(f"{vendor.url}{page.path}"), page.price_micro

    def fresh(self, route: str) -> str:
        """An address on a route that nobody has asked for."""
        self._number += 1
        return f"{route}/{self._number}"

    async def buy(self, payer: PayerParty, url: str, price_micro: int, tries: int = TRIES) -> bool:
        """Have a payer fetch a page, again where it does not come; whether it came."""
        self.payments += 1
        self.buying[payer.name] += payer in self.honest
        try:
            return await self._bought(payer, url, price_micro, tries)
        finally:
            self.buying[payer.name] -= payer in self.honest

    async def _bought(self, payer: PayerParty, url: str, price_micro: int, tries: int) -> bool:
        self.asked[url.partition(".example")[0] + ".example"] += price_micro
        for _ in range(tries):
            try:
                fetched = await payer.buy(url, scheme=self.scheme.traits.name)
            except Refusal:
                pass
            else:
                status = getattr(fetched.answer, "status", 0)
                is_there = is_delivered(fetched.verdict, status) and status == 200
                if is_there and url not in self.withheld:
                    self.got[payer.name] += price_micro
                    return True
            self._hold(payer)
            await asyncio.sleep(self.luck.random() * 5)
            self._count_repeat(payer, url, price_micro)
        if url in self.withheld:
            self.stakes[payer.name].price_micro += price_micro * len(self.withheld[url])
        elif payer in self.honest:
            self.missing.append((payer, url, price_micro))
        return False

    def _count_repeat(self, payer: PayerParty, url: str, price_micro: int) -> None:
        """Gates repeat a page for an hour: which that is, a wrong clock of theirs mistakes."""
        vendor = next(one for one in self._by_name.values() if url.startswith(one.url))
        if vendor.was_wrong:
            self.stakes[payer.name].price_micro += price_micro
            self.misled.add(payer.name)

    async def shop(self, payer: PayerParty, vendor: VendorParty, count: int) -> None:
        """Have a payer buy some pages."""
        for _ in range(count):
            await self.buy(payer, *self.address(vendor))

    async def send(self, source: str, message: Message, timeout_s: float = 10.0) -> Reply | None:
        """Send any message in anybody's name, once."""
        try:
            return await self.world.ground.network.ask(source, message, timeout_s)
        except (NotReached, NoAnswer):
            return None

    def beside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin something that nobody's death ends, in whosever request it was thought of."""
        return self.world.ground.loop.create_task(work, context=contextvars.Context())

    def twin_of(self, payer: PayerParty) -> PayerParty:
        """A second program over a copy of a payer's wallet."""
        name = f"{payer.name}-{len(self.twins)}"
        twin = PayerParty(self.world.ground, name)
        shutil.copytree(payer.folder, twin.folder)
        twin.start()
        self.twins.append(twin)
        self.crooks |= {payer.name, name}
        return twin

    def agent(self) -> PayerParty:
        """Somebody without an account, who has what others hand over, and cheats."""
        agent = PayerParty(self.world.ground, f"{AGENT}{len(self.twins)}")
        agent.folder.mkdir()
        agent.found()
        agent.start()
        self.twins.append(agent)
        self.crooks.add(agent.name)
        return agent

    def thief_of(self, owner: PayerParty) -> PayerParty:
        """A thief with a copy of an honest payer's wallet."""
        thief = PayerParty(self.world.ground, f"{THIEF}{len(self.twins)}")
        shutil.copytree(owner.folder, thief.folder)
        thief.start()
        self.twins.append(thief)
        self.crooks.add(thief.name)
        self.robbed[thief.name] = owner
        return thief

    # --- the end --------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Fair weather: everybody finishes, honest payers give back what they hold."""
        self.world.ground.faults.calm()
        for party in self.world.parties:
            party.ahead_s = 0
        await asyncio.sleep(CLEARING_S)
        await self.fetch_missing()  # gates repeat a page for an hour
        self.world.leap(LEASE_S_MAX)  # by then every lease is over, or not believed
        await asyncio.sleep(CLEARING_S)
        await self.fetch_missing()
        for _ in range(RETURNS):
            await self.give_back()
            await asyncio.sleep(CLEARING_S)
            self.world.leap(self.scheme.purse.returns_after_s)
            await asyncio.sleep(LAPSING_S)
            if not any(payer.held() for payer in self.honest):
                break
        if open_matters(self):  # what is claimed once its day begins, which a clock was ahead of
            self.world.leap(DAY_S)
            await asyncio.sleep(CLEARING_S)
            await self.give_back()
            await asyncio.sleep(CLEARING_S)

    async def fetch_missing(self) -> None:
        """Honest payers ask again for the pages that did not come, as people do."""
        missing, self.missing = self.missing, []
        for payer, url, price_micro in missing:
            await self.buy(payer, url, price_micro)

    async def give_back(self) -> None:
        """Everybody finishes what was begun; honest payers give back what they hold.

        What cannot be given back in fair weather is a finding.
        """
        for payer in (*self.world.payers, *self.twins):
            if payer.is_up:
                with suppress(Refusal):
                    await payer.recover()
        for payer in self.honest:
            self._hold(payer)
            for held in payer.held():
                try:
                    await payer.give_back(held)
                except Refusal as refusal:  # credit is not given back
                    by_crooks = {held.instrument.vendor_id, held.broker_id} & self.crooks
                    if self.world.ground.faults.chances is CALM and not by_crooks:
                        require_returned(self.world, payer, held, refusal)

    def _hold(self, payer: PayerParty) -> None:
        crooked = sum(
            held.instrument.worth_micro
            for held in payer.held()
            if held.instrument.vendor_id in self.crooks
        )
        stakes = self.stakes[payer.name]
        stakes.held_micro = max(stakes.held_micro, crooked)

    def close(self) -> None:
        """End the programs of twins."""
        self.world.ground.network.taps.remove(self)
        for twin in self.twins:
            twin.kill("the end")
