"""A vendor on a stage: the production gate, command by command, over marks in memory.

`Walking` is one request under way, which a case may stop anywhere; `serve` takes a wallet's request
from the line and gives back what the wallet hears.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from farthing import codec, marks
from farthing.broker.app import LIST_LIFE_S
from farthing.errors import OriginFailed, Refusal, Undecided
from farthing.lab.conformance.bank import Bank
from farthing.lab.conformance.cases import Inapplicable
from farthing.lab.conformance.line import Died, Line
from farthing.lab.conformance.room import Ring, Room
from farthing.marks import Moment
from farthing.schemes import registry
from farthing.schemes.contract import Json, Key, Setting, Till
from farthing.schemes.revocations import ListState, state_key
from farthing.stores.memory import MemoryMarks
from farthing.vendor import clearing, founding, refunding
from farthing.vendor.booking import read_outcome
from farthing.vendor.clearing import Cleared
from farthing.vendor.commands import (
    Answer,
    AskBroker,
    AskOrigin,
    Look,
    OriginAnswered,
    SpareSerial,
    TakeSerial,
    Walk,
    refuse,
)
from farthing.vendor.commands import Request as Asking
from farthing.vendor.driver import ENTROPY_BYTES, Serials
from farthing.vendor.endpoints import PREFIX, Doors
from farthing.vendor.gate import Gate
from farthing.vendor.prices import Options, Verify, read
from farthing.vendor.private import Private
from farthing.wallet.commands import Request, Response
from farthing.wire import published

PAGE = b"the page"
LIST_S = 86_400  # how long the stage remembers a revocation


class Shop:
    """A vendor with a page for each price, under `/<micro-units>/`."""

    def __init__(
        self,
        room: Room,
        bank: Bank,
        line: Line,
        name: str,
        *,
        scheme: str,
        prices_micro: tuple[int, ...],
        options: Mapping[str, Json],
        clearing: Moment | None = None,
        hold: bool = True,
        currency: str = "",
        keys: tuple[Key, ...] = (),
    ) -> None:
        """`keys` are those that founding does not make; `currency` of the bank by default."""
        self.room, self.bank, self.line, self.id = room, bank, line, name
        self.scheme, self.options, self.clearing, self.hold = scheme, options, clearing, hold
        self.currency = currency or bank.currency
        self.host = f"{name}.example"
        self.site = f"https://{self.host}"
        made = founding.new_keys(room.entropy(224), name, room.now_s)
        self.ring = Ring(*made, *bank.publics(), *keys)
        self.store = MemoryMarks()
        self.origin: Callable[[], OriginAnswered] = _page
        self.visits = 0
        """How often the site was asked for a page."""
        self.more_routes = ""
        """What its price file says besides."""
        self.streamed: Answer | None = None
        """The gate's last answer that opened a stream, as whoever passes it on has it."""
        self.is_mirroring = True
        """Whether it has the broker's list, as of now, where its scheme needs one."""
        self._prices_micro = prices_micro
        self.restart()

    @property
    def till(self) -> Till:
        """The scheme's, of this gate."""
        return self.gate.tills[self.scheme]

    def require_proved(self) -> None:
        """`Inapplicable` where payments are proved later, before which they are soon too old."""
        if self.till.unproved_micro:
            raise Inapplicable("with these options a payment is proved after its page is out")

    def grant(self) -> None:
        """Register with the broker as `farthing vendor init` does, for its own scheme."""
        for scheme, message in founding.grants_of(self.ring):
            if scheme == self.scheme:
                raw = self.line.carry("broker grant", codec.canonical(message))
                self.bank.operate(scheme, "grant", codec.read_json(raw), self.id)

    def restart(self) -> None:
        """As another process would: nothing is left but the store and the ring."""

        def fit(options: Options) -> Verify:
            setting = Setting(
                broker_id=self.bank.id,
                broker_url=self.bank.url,
                currency=self.currency,
                ring=self.ring,
                vendor_id=self.id,
                options=dict(options),
            )
            self.gate = Gate(setting, schemes=[self.scheme])
            self.doors = Doors(self.gate)
            self.private = Private(self.gate, self.doors)
            return self.gate.verify_route

        self.book = read(self._price_file(), currency=self.currency, known=[self.scheme], fit=fit)
        self._serials = Serials(self.store)

    def _price_file(self) -> str:
        lines = [f'accept = ["{self.scheme}"]', f"[{self.scheme}]"]
        lines += [
            f"{name} = {codec.canonical(value).decode()}" for name, value in self.options.items()
        ]
        for micro in self._prices_micro:
            lines += ["[[route]]", f'path = "/{micro}/**"', f'price = "{micro}u"']
            lines.append(f"hold = {str(self.hold).lower()}")
            if self.clearing is not None:
                lines.append(f'clearing = "{self.clearing}"')
        return "\n".join(lines) + self.more_routes

    # --- requests ---------------------------------------------------------------------------------

    def walk(self, request: Request) -> Walk | Answer:
        """The gate's walk for a wallet's request, or its answer where that needs none."""
        self.mirror(self.room.now_s)
        path = request.url.removeprefix(self.site).partition("?")[0]
        asking = self._asking(request)
        if path == published.KEYS_PATH:
            return self.doors.keys()
        if path == published.PRICES_PATH:
            return self.doors.price_list(self.book)
        if path == published.OUTCOME_PATH:
            return self.doors.outcome(self.line.carry("question", request.body))
        if path == published.PRIVATE_PATH:
            return self._unsealed(request, asking)
        if path.startswith(published.STREAMS_PATH):
            return self.gate.topping.serve(asking)
        if path.startswith(PREFIX):
            operation, _, scheme = path.removeprefix(PREFIX).partition("/")
            return self.doors.mint(scheme, operation, request.body)
        priced = self.book.find(request.method, path)
        assert priced is not None, "a priced path"
        return self.gate.serve(asking, priced)

    def _unsealed(self, request: Request, asking: Asking) -> Walk | Answer:
        try:
            opened = self.private.open(self.line.carry("envelope", request.body))
        except Refusal as refusal:
            return refuse(refusal)
        return self.private.serve(opened, asking, self.book)

    def _asking(self, request: Request) -> Asking:
        path_query = request.url.removeprefix(self.site)
        headers: list[tuple[bytes, bytes]] = []
        for name, value in request.headers:
            if name.lower() in {"authorization", "payment-signature"}:
                value = self.line.carry("payment", value.encode("latin-1")).decode("latin-1")
            headers.append((name.lower().encode(), value.encode("latin-1")))
        return Asking(
            method=request.method,
            scheme="https",
            host=self.host,
            path=path_query.partition("?")[0],
            path_query=path_query,
            headers=tuple(headers),
        )

    def serve(self, request: Request) -> Response:
        """What a wallet hears; `Died` where the gate ends before it has answered."""
        walk = self.walk(request)
        answer = walk if isinstance(walk, Answer) else Walking(self, walk).run()
        if answer.stream is not None:
            self.streamed = answer
        return self.response(request, answer)

    def mint(self, scheme: str, operation: str, message: Json) -> tuple[int, bytes]:
        """Status and body of one operation of the vendor's own mint."""
        walk = self.doors.mint(scheme, operation, codec.canonical(message))
        answer = Walking(self, walk).run()
        return answer.status, answer.body or b""

    def response(self, request: Request, answer: Answer) -> Response:
        """What the wallet hears of a gate's answer."""
        headers: list[tuple[str, str]] = []
        for raw_name, raw in answer.headers:
            name = raw_name.decode()
            if name in {"payment-receipt", "payment-response"}:
                raw = self.line.carry("receipt", raw)
            elif name in {"www-authenticate", "payment-required"}:
                raw = self.line.carry("offer", raw)
            headers.append((name, raw.decode("latin-1")))
        body = answer.body or b""
        return Response(status=answer.status, url=request.url, headers=tuple(headers), body=body)

    def carry_out(self, command: object) -> object:
        """The answer to one command of a walk; its refusal, `marks.Stale`."""
        match command:
            case Look():
                return self.room.at(ENTROPY_BYTES)
            case TakeSerial(series=series):
                found = self._serials.take_now(series)
                return (
                    found if found is not None else self.room.wait_for(self._serials.take(series))
                )
            case SpareSerial(series=series, index=index):
                self._serials.spare(series, index)
                return None
            case AskOrigin():
                self.visits += 1
                return self.origin()
            case AskBroker(call=call, message=message):
                return self._facilitate(call, message)
            case _:
                return self.store.do_now(command)  # type: ignore[arg-type]  # - the rest are marks

    def _facilitate(self, call: str, message: Json) -> Json:
        raw = self.line.carry(f"broker {call}", codec.canonical(message))
        try:
            self.line.before("broker", call)
            answer = self.bank.facilitate(call, codec.read_json(raw), self.id)
            self.line.after("broker", call)
        except Died as died:
            if died.who != "broker":
                raise
            self.bank.restart()
            raise Undecided("outcome_unknown", "the broker did not answer") from None
        return codec.read_json(self.line.carry(f"broker {call} answer", codec.canonical(answer)))

    # --- afterwards -------------------------------------------------------------------------------

    def claims(self) -> list[Json]:
        """What the next sweep would show the broker."""
        rows = self.store.do_now(marks.Pending(scheme=self.scheme, count=1_000))
        batch = tuple(claim for _, claim in rows)
        keys = self.till.archive(batch)
        memory = self.store.do_now(marks.Read(keys=keys)) if keys else marks.NOTHING
        messages = self.till.sweep(batch, memory, self.room.at(ENTROPY_BYTES))
        return [codec.read_json(codec.canonical(one)) for one in messages if one is not None]

    def clear(self, *, again: bool = False) -> Cleared:
        """Sweep the outbox to the broker, with `again` what it has acknowledged too."""
        at = self.room.at(ENTROPY_BYTES)
        work = clearing.sweep(self.scheme, self.till, self.store, self, at, again=again)
        return self.room.wait_for(work)

    async def redeem(self, scheme: str, batch_id: str, claims: list[Json]) -> Json:
        """One batch on its way to the broker, as `clearing.Redeemer` says."""
        sent = [codec.read_json(self.line.carry("claim", codec.canonical(one))) for one in claims]
        try:
            self.line.before("broker", "redeem")
            results = await self.bank.redeeming(scheme, sent, self.id, batch_id)
            self.line.after("broker", "redeem")
        except Died:
            raise Undecided("outcome_unknown", "the broker did not answer") from None
        return results

    def learn_list(self, prefix: bytes, names: list[str]) -> None:
        """Record the broker's revocations, as the gate does when it has fetched them."""
        until_s = self.room.now_s + LIST_S
        records = tuple(
            marks.Put(key=prefix + name.encode(), value=b"", until_s=until_s) for name in names
        )
        self._record(records, f"list/{','.join(names)}")

    def _record(self, records: tuple[marks.Put, ...], k: str) -> None:
        hold = marks.Hold(
            k=k, digest=b"", marks=(), kept=b"", now_s=self.room.now_s,
            lease_until_s=self.room.now_s, until_s=self.room.now_s + LIST_S,
        )  # fmt: skip  # - one command
        self.store.do_now(marks.Take(hold=hold, outcome=b"", records=records))

    def mirror(self, now_s: int) -> None:
        """Have the list that the broker has signed at `now_s`, where the scheme needs one."""
        scheme = registry.by_name(self.scheme)
        if not (self.is_mirroring and scheme.traits.needs_list):
            return
        names = self.bank.engine.operations.listed(self.scheme)
        state = ListState(number=0, this_update_s=now_s, next_update_s=now_s + LIST_LIFE_S)
        self._record((state.put(self.scheme, now_s + LIST_S),), f"list/{now_s}")
        self.learn_list(scheme.mint.published, names)

    def refund(self, k: str) -> None:
        """Give a payment back and tell the broker; refusals of `refunding.refund`."""
        at = self.room.at(ENTROPY_BYTES)
        self.room.wait_for(refunding.refund(k, self.gate.tills, self.store, at))
        self.clear()

    def charged_micro(self) -> int:
        """The sum of all receipts that it has given."""
        payments: dict[str, marks.Payment] = vars(self.store)["_payments"]
        return sum(
            read_outcome(each.outcome).receipt.amount_micro
            for each in payments.values()
            if each.state == "confirmed" and each.kept and not _is_refund(each.k)
        )

    def snapshot(self) -> dict[str, Any]:
        """All that its store knows, but for what came to nothing: released payments, serials."""
        facts = vars(self.store)
        payments = facts["_payments"].items()
        standing = {
            k: each
            for k, each in payments
            if each.state != "released" and not k.startswith("list/")
        }
        found = {name: _plain(facts[name]) for name in _FACTS}
        found["_records"] = _plain(self._own_records(facts["_records"]))
        return found | {"_payments": _plain(standing)}

    def _own_records(self, records: dict[bytes, Any]) -> dict[bytes, Any]:
        """Without the broker's list, which comes by itself."""
        lists = (state_key(self.scheme), registry.by_name(self.scheme).mint.published or b"-")
        return {key: each for key, each in records.items() if not key.startswith(lists)}


_FACTS = ("_held", "_onces", "_counters", "_outbox")


def _plain(value: dict[Any, Any]) -> list[tuple[str, str]]:
    """A copy that stays as it is, and that says what is in it."""
    return [(repr(key), _said(each)) for key, each in value.items()]


def _said(value: Any) -> str:
    if isinstance(value, msgspec.Struct):  # whose own repr may hide what is secret
        return repr([_said(each) for each in msgspec.structs.astuple(value)])
    return repr([_said(each) for each in value]) if isinstance(value, tuple) else repr(value)


def _is_refund(k: str) -> bool:
    return k.startswith(refunding.PREFIX)


def _page() -> OriginAnswered:
    headers = ((b"content-type", b"text/html"), (b"content-length", b"%d" % len(PAGE)))
    return OriginAnswered(status=200, headers=headers, body=PAGE)


def failing() -> OriginAnswered:
    """A site that does not answer."""
    raise OriginFailed("origin_unreachable", "the site is away")


class Walking:
    """One walk under way. It may be stopped between any two commands."""

    def __init__(self, shop: Shop, walk: Walk) -> None:
        """At its beginning."""
        self._shop, self._walk = shop, walk
        self._step: Callable[[], object] = lambda: next(walk)
        self.answer: Answer | None = None

    def run(self) -> Answer:
        """To the end; `Died` where a case wants it so: the walk is gone then."""
        while self.answer is None:
            self.step()
        return self.answer

    def step(self) -> None:
        """One command, if there is one more."""
        walk, shop = self._walk, self._shop
        try:
            command = self._step()
        except StopIteration as end:
            self.answer = end.value
            return
        try:
            shop.line.before(shop.id, type(command).__name__)
            found = shop.carry_out(command)
            shop.line.after(shop.id, type(command).__name__)
        except (Refusal, marks.Stale) as wrong:
            thrown: BaseException = wrong
            self._step = lambda: walk.throw(thrown)
        except Died:
            walk.close()
            raise
        else:
            self._step = lambda: walk.send(found)
