"""A vendor from its folder: keys, marks, prices, gate and outbox, shared by all its processes.

The folder (0700)::

    vendor.json     who we are and where the broker is
    token           the bearer token for the broker (0600)
    ring, ring.secret   sealed keys
    marks.db        every payment, mark and claim
    prices.toml     what costs how much
"""

import asyncio
import contextlib
import logging
from pathlib import Path

import msgspec

from farthing import faults, marks
from farthing.errors import Misconfigured, Refusal
from farthing.schemes import registry
from farthing.schemes.contract import Setting
from farthing.stores.keys import KeyRing
from farthing.vendor import (
    bodies,
    clearing,
    endpoints,
    founding,
    free,
    lists,
    metrics,
    minting,
    refunding,
)
from farthing.vendor.asgi import (
    App,
    Receive,
    Scope,
    Send,
    Serving,
    origin_scope,
    request_of,
    send_answer,
)
from farthing.vendor.authorizations import FILE, Authorizing
from farthing.vendor.commands import Answer, Walk, refuse
from farthing.vendor.driver import Exchange, Serials
from farthing.vendor.edge import REAL, Edge
from farthing.vendor.endpoints import Doors
from farthing.vendor.founding import LOOK_EVERY_S, read_config
from farthing.vendor.gate import Gate, require_readable
from farthing.vendor.prices import METHODS, Options, PriceFile
from farthing.vendor.private import Opened, Private
from farthing.vendor.private_asgi import inner_body, inner_scope
from farthing.vendor.refunding import Refunded
from farthing.vendor.streaming import Bells
from farthing.wire import heads, published, sealed
from farthing.wire.attempts import Attempts
from farthing.wire.peers import Peers

CLEAR_EVERY_S = 60  # before its first sweep, and at most between two while the broker is away
LISTS_EVERY_S = 60  # how often it asks for keys and revocations
BROKER_KEYS = frozenset(key for one in registry.all_schemes() for key in one.mint.signing)
LISTS_PAUSE_S = 2  # and at most this often, whatever payers send
FORGET_EVERY_S = 60  # how often it forgets
FORGET_COUNT = 1_000  # of each kind in one transaction: some milliseconds of the writer
FORGET_ROUNDS_MAX = 20  # in one go: 20,000 payments a minute are more than a gate takes
FAILURES_COUNTED = 8  # 2^8 seconds is past the longest pause

_log = logging.getLogger("farthing.vendor")


class Vendor:
    """One vendor, opened from its folder by one process."""

    def __init__(self, data: Path, edge: Edge = REAL, *, sells: bool = True) -> None:
        """`Misconfigured` for a folder that is not one, and for wrong prices.

        `sells`: False for what needs no prices, and so may not serve: wrong ones do not stop it.
        """
        self._edge = edge
        try:
            raw = (data / "vendor.json").read_bytes()
            token = (data / "token").read_text()
        except OSError as wrong:
            raise Misconfigured(
                "vendor_not_initialised", f"{wrong.filename}: run `farthing vendor init` first"
            ) from None
        config = self.config = read_config(raw)
        self._peers = Peers(config.trusted_proxies)
        self._answers: dict[int, int] = {}
        self._attempts = Attempts(config.attempts_per_s, self._peers, edge.ticks, self._answers)
        self.data = data
        self.ring = KeyRing.open(data / "ring")
        founding.complete(self.ring, edge.entropy)
        self.store = edge.open_store(data / "marks.db")
        self.setting = Setting(
            broker_id=config.broker_id,
            broker_url=config.broker_url,
            currency=config.currency,
            ring=self.ring,
            vendor_id=config.vendor_id,
        )
        self._schemes = [scheme.traits.name for scheme in registry.all_schemes()]
        self.price_file = PriceFile(
            data / "prices.toml",
            currency=self.config.currency,
            known=self._schemes,
            fit=lambda options: self._opened(options)[0].verify_route,
            needed=sells,
        )
        self._authorizing: Authorizing | None = None
        self._adopt(self.price_file.prices.options)
        self.broker = edge.connect(self.config.broker_url, token.strip())
        self.serials = Serials(self.store)
        self._looked_at = 0.0
        self._bells = Bells()
        self._due = asyncio.Event()
        self._outdated = asyncio.Event()

    def _opened(self, options: Options) -> tuple[Gate, Doors, Private]:
        """A gate and its doors under these options; `Misconfigured`. What is under way goes on."""
        setting = msgspec.structs.replace(self.setting, options=dict(options))
        gate = Gate(setting, schemes=self._schemes, realm=self.config.realm)
        doors = Doors(gate)
        return gate, doors, Private(gate, doors)

    def _adopt(self, options: Options) -> None:
        """Serve under these options, with the table of numbers where a scheme gives such."""
        self._generation = self.ring.generation
        self.gate, self.doors, self.private = self._opened(options)
        prefix = next((till.tabled for till in self.gate.tills.values() if till.authorizes), b"")
        if prefix and self._authorizing is None:
            self._authorizing = Authorizing(self.store, self.data / FILE, prefix)

    async def close(self) -> None:
        """Close stores and connections."""
        if self._authorizing is not None:
            self._authorizing.close()
        await self.broker.close()
        self.store.close()

    def look(self) -> None:
        """Notice new prices and keys, at most once a second."""
        at = self._edge.ticks()
        if at - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = at
        try:
            self.ring.refresh()
        except Refusal as wrong:  # the old keys go on until the file is in order
            _log.error("keys left as they were: %s", wrong)
        found = self.price_file.refresh()
        if found == "refused" and self.price_file.trouble is not None:
            _log.error("prices left as they were: %s", self.price_file.trouble.detail)
        elif found == "new":
            self._outdated.set()  # lists of what is taken now, and was not before
        options = self.price_file.prices.options
        # Tills keep what they derive from keys: with other keys they begin anew.
        has_new_keys = self.ring.generation != self._generation
        if has_new_keys or (found == "new" and options != self.gate.setting.options):
            self._adopt(options)

    async def clear(self, *, again: bool = False) -> list[clearing.Cleared]:
        """Sweep the outbox of every scheme to the broker; the first refusal, after all had a go.

        `again`: what the broker has acknowledged too, since it may have lost it.
        """
        done: list[clearing.Cleared] = []
        trouble: Refusal | None = None
        for name, till in self.gate.tills.items():
            try:
                cleared = await clearing.sweep(
                    name, till, self.store, self.broker, self._edge.look(), again=again
                )
            except Refusal as wrong:
                trouble = trouble or wrong
                continue
            done.append(cleared)
            for code, count in cleared.refused.items():
                _log.error("the broker refused %d %s claims for good: %s", count, name, code)
        if trouble is not None:
            raise trouble
        return done

    async def refund(self, name: str) -> Refunded:
        """Give back a payment, by its K, receipt id or reference, and tell the broker at once.

        Refusals as of `refunding.refund`. A broker that does not answer, or at which the vendor has
        too little, is asked again by every later sweep: `waits` says so.
        """
        done = await refunding.refund(name, self.gate.tills, self.store, self._edge.look())
        till = self.gate.tills[done.scheme]
        with contextlib.suppress(Refusal):
            await clearing.sweep(done.scheme, till, self.store, self.broker, self._edge.look())
        waits = await refunding.is_waiting(done.k, self.store)
        return msgspec.structs.replace(done, waits=waits)

    async def keep_house(self) -> None:
        """Clear, forget and fetch the broker's lists now and then, until cancelled."""
        works = (self._keep_clearing, self._keep_forgetting, self._keep_fetching)
        await asyncio.gather(*map(faults.keep_on, works))

    async def fetch_lists(self) -> int:
        """The broker's new keys, and every revocation of what is taken here; how many names."""
        taken = {name for route in self.price_file.prices.routes for name in route.accept}
        published = ((name, registry.by_name(name).mint.published) for name in self._schemes)
        prefixes = {name: prefix for name, prefix in published if prefix and name in taken}
        root_id, now_s = self.config.broker_root, self._edge.look().now_s
        return await lists.refresh_all(self.broker, self.store, self.ring, root_id, prefixes, now_s)

    async def _keep_fetching(self) -> None:
        """The lists at once, then each minute, and when a payment names a key that is not here."""
        while True:
            try:
                await self.fetch_lists()
            except Refusal as wrong:
                _log.warning("the broker's lists wait: %s", wrong)
            await asyncio.sleep(LISTS_PAUSE_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._outdated.wait(), LISTS_EVERY_S - LISTS_PAUSE_S)
            self._outdated.clear()

    async def _keep_clearing(self) -> None:
        """Sweep when a claim is due at once, else as often as is set; slower while refused."""
        failures, pause_s = 0, CLEAR_EVERY_S
        while True:
            if failures:
                await asyncio.sleep(min(2**failures, CLEAR_EVERY_S))
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._due.wait(), pause_s)
            self._due.clear()
            try:
                await self.clear()
                failures, pause_s = 0, self.config.clear_every_s
            except Refusal as wrong:
                failures = min(failures + 1, FAILURES_COUNTED)
                _log.warning("clearing waits: %s", wrong)

    async def _keep_forgetting(self) -> None:
        """Drop what time has made safe to drop, a little at a time; and make series in time."""
        while True:
            await asyncio.sleep(FORGET_EVERY_S)
            try:
                await self.forget(self._edge.look().now_s)
                for key in await minting.renew(self.ring, self.store, self._edge.entropy):
                    _log.info("a series was nearly used up: change is of series %s now", key.id)
            except Refusal as wrong:
                _log.warning("forgetting waits: %s", wrong)

    async def forget(self, now_s: int) -> int:
        """How many rows went; what is over the bound waits for the next round."""
        gone = 0
        for _ in range(FORGET_ROUNDS_MAX):
            gone += (count := await self.store.do(marks.Forget(now_s=now_s, count=FORGET_COUNT)))
            if not count:
                break
        if self._authorizing is not None:
            gone += await self._authorizing.forget(now_s)
        return gone

    def sells(self, path: str) -> bool:
        """Whether this path has a price: what is sold is not given away over a WebSocket."""
        try:
            return self.price_file.prices.sells(path)
        except Refusal:
            return True

    def exchange(self, walk: Walk) -> Exchange:
        """Drive one walk of the gate."""
        return Exchange(
            walk,
            self._authorizing or self.store,
            self.serials,
            self.broker,
            self._due.set,
            self._answers,
            self._edge.look,
        )

    async def serve(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """One HTTP request before `app`: our own doors, a free page, or a paid one."""
        self.look()
        try:
            scope = self._peers.seen(scope)
            prices = self.price_file.prices
            visit = prices.cors.visit(scope, prices) if prices.cors is not None else None
            if visit is not None and visit.preflight is not None:
                await send_answer(send, visit.preflight, method="OPTIONS")
                return
            send = visit.around(send) if visit is not None else send
            priced = prices.find(scope["method"], scope["path"])
            # Some sites send the page whatever the method is.
            if scope["method"] not in METHODS and priced is None and prices.sells(scope["path"]):
                send = bodies.bodiless(send)
            is_ours = scope["path"].startswith(published.WELL_KNOWN)
            if is_ours or priced is not None:
                self._attempts.require(scope)
        except Refusal as wrong:
            await self._say(scope, send, refuse(wrong))
            return
        if is_ours and await self._serve_door(app, scope, receive, send):
            return
        if priced is None:
            send = await free.told(self.gate, self.exchange, scope, send)
            await app(origin_scope(scope), receive, bodies.impatient(send))
            return
        request = request_of(scope)
        if priced.route.bind_body:
            try:
                digest, receive = await bodies.bind(scope, receive)
            except Refusal as wrong:
                refused = self.gate.refuse(request, wrong, self._edge.look(), value_moved=True)
                await self._say(scope, send, refused)
                return
            request = msgspec.structs.replace(request, body_digest=digest)
        await self._sell(self.gate.serve(request, priced), app, scope, receive, send)

    async def _say(self, scope: Scope, send: Send, answer: Answer) -> None:
        """An answer of our own; a refusal is an attempt."""
        await send_answer(self._attempts.counting(scope, send), answer, method=scope["method"])

    async def _sell(self, walk: Walk, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self.exchange(walk)
        await Serving(app, scope, receive, send, bells=self._bells).run(exchange)
        if exchange.refused:
            self._attempts.count(scope)
        if self.ring.missed:
            self._miss_keys()

    def _miss_keys(self) -> None:
        """A payment named a key that is not here: where the broker makes such, ask it for news."""
        if self.ring.missed & BROKER_KEYS:
            self._outdated.set()
        self.ring.missed.clear()

    async def _serve_door(self, app: App, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answer at one of our own doors; False where there is none."""
        if scope["path"].startswith(published.STREAMS_PATH) and scope["method"] == "POST":
            topping = self.gate.topping.serve(request_of(scope))
            await self._sell(topping, app, scope, receive, send)
            return True
        opened: Opened | None = None
        answer: Answer | None = None
        try:
            heads.require_size(len(request_of(scope).path_query), scope["headers"])
            if scope["path"] == published.PRIVATE_PATH and scope["method"] == "POST":
                require_readable(request_of(scope))
                body = await bodies.read(scope, receive, sealed.ENVELOPE_BYTES_MAX)
                opened = self.private.open(body)
            else:
                answer = await self._door(scope, receive)
        except Refusal as wrong:
            answer = refuse(wrong)
        if opened is not None:
            await self._serve_opened(opened, app, scope, receive, send)
        elif answer is not None:
            await self._say(scope, send, answer)
        return opened is not None or answer is not None

    async def _serve_opened(
        self, opened: Opened, app: App, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """One sealed request, answered sealed."""
        walk = self.private.serve(opened, request_of(scope), self.price_file.prices)
        inner, body = inner_scope(scope, opened.asked), inner_body(receive, opened.asked)
        serving = Serving(app, inner, body, send, bells=self._bells, whole=True)
        await serving.run(self.exchange(walk))

    async def _door(self, scope: Scope, receive: Receive) -> Answer | None:
        """The answer of one of our own doors; None where there is none. Any refusal."""
        path, method = scope["path"], scope["method"]
        if method in {"GET", "HEAD"}:
            if path == published.KEYS_PATH:
                return self.doors.keys()
            if path == published.PRICES_PATH:
                return self.doors.price_list(self.price_file.prices)
            if path == metrics.PATH:
                asked = self.data, request_of(scope), self.store, self._answers
                wrong = self.price_file.trouble is not None
                return await metrics.door(*asked, prices_refused=wrong)
        if not path.startswith(endpoints.PREFIX) or method != "POST":
            return None
        require_readable(request_of(scope))
        body = await bodies.read(scope, receive, endpoints.BODY_BYTES_MAX)
        walk = self.doors.outcome(body)
        if path != published.OUTCOME_PATH:
            operation, _, scheme = path.removeprefix(endpoints.PREFIX).partition("/")
            walk = self.doors.mint(scheme, operation, body)
        exchange = self.exchange(walk)
        answer = await exchange.start()
        if exchange.cancelled:
            raise asyncio.CancelledError
        return answer
