"""A wallet, the real gate and the real mints in one process, without a socket."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import OriginFailed, Refusal, row_of
from farthing.schemes import registry
from farthing.schemes.chain import tick
from farthing.schemes.chain.payword import FAMILY
from farthing.schemes.contract import Account, At, Key, Mint, Setting
from farthing.schemes.mac.millicent import own_scrip
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    LICENSED_SERIES,
    OWN_SERIES,
    PAYER_RANGE,
)
from farthing.stores.memory import MemoryMarks
from farthing.vendor.commands import (
    Answer,
    AskOrigin,
    Look,
    OriginAnswered,
    SpareSerial,
    TakeSerial,
    Walk,
    refuse,
)
from farthing.vendor.commands import Request as GateRequest
from farthing.vendor.endpoints import Doors
from farthing.vendor.gate import CHALLENGE_KEY, RECEIPT_KEY, Gate
from farthing.vendor.prices import Options, Verify
from farthing.vendor.prices import read as read_prices
from farthing.vendor.private import Private
from farthing.wallet.book import Book
from farthing.wallet.commands import Answered, Ask, Failed, Refused, Request, Response, Sent
from farthing.wallet.private import fetch_private
from farthing.wire.published import (
    KEYS_PATH,
    OUTCOME_PATH,
    PRICES_PATH,
    PRIVATE_PATH,
    STREAMS_PATH,
)
from tests.unit.wallet.farside import BROKER, CURRENCY, SITE, VENDOR, KeysOf
from tests.unit.wallet.world import World

PRICE_MICRO = 200
STEPS_MAX = 80  # no conversation here is longer
WAYS = {
    "millicent": "signed",
    "payword": "",
    "clear": "clear",
    "private": "private",
}
"""What is bought with: schemes, and for MilliCent the protocol that the vendor has chosen."""
CREDIT = frozenset({"payword", "tick"})
LICENCE = {
    "kBurn": codec.b64u(b"b" * 32),
    "kPayer": codec.b64u(b"p" * 32),
    "kScrip": codec.b64u(b"l" * 32),
    "notAfterS": 1_900_000_000,
    "payerRange": "0001",
    "quotaMicro": 10**9,
    "series": "0000000001",
}


def signer(purpose: str, key_id: str, secret: bytes) -> Key:
    return Key(id=key_id, purpose=purpose, secret=secret, public=signing.public_of(secret))


CERTIFIER = signer(FAMILY.certificate_key, "c1", b"C" * 32)
TICK_CERTIFIER = signer(tick.FAMILY.certificate_key, "c1", b"T" * 32)


class GateSite:
    """A site behind the real gate."""

    def __init__(self, clock: Callable[[], int], *, accept: str, broker_id: str = BROKER) -> None:
        self._clock, self._broker_id = clock, broker_id
        self._serials = 0
        self._looks = 0
        self.marks = MemoryMarks()
        self.faults: list[str] = []
        self._fault = ""
        ring = KeysOf(
            signer(RECEIPT_KEY, "1", b"R" * 32),
            Key(id="1", purpose=CHALLENGE_KEY, secret=b"c" * 32),
            Key(id="0000000001", purpose=LICENSED_SERIES, secret=b"l" * 32),
            Key(id="0000000002", purpose=OWN_SERIES, secret=b"o" * 32),
            Key(id="0001", purpose=PAYER_RANGE, secret=b"p" * 32),
            Key(id=VENDOR, purpose=BURN_KEY, secret=b"b" * 32),
            msgspec.structs.replace(CERTIFIER, secret=b""),
            msgspec.structs.replace(TICK_CERTIFIER, secret=b""),
        )
        self._ring = ring
        self.open(accept)

    def open(
        self, way: str, *, price_micro: int = PRICE_MICRO, more: str = "", last: str = ""
    ) -> None:
        """The vendor's choices, which may change; `more` and `last` for its price file's ends."""
        names = [scheme.traits.name for scheme in registry.all_schemes()]
        text = f'accept = ["{scheme_of(way)}"]\n{more}'
        if WAYS.get(way):
            text += f'[millicent]\nprotocol = "{WAYS[way]}"\n'
        for path, bound in (("/bound", "true"), ("/**", "false")):
            text += f'[[route]]\npath = "{path}"\nprice = "{price_micro}u"\nbind_body = {bound}\n'
        text += last

        def fit(options: Options) -> Verify:
            setting = Setting(
                broker_id=self._broker_id,
                currency=CURRENCY,
                ring=self._ring,
                vendor_id=VENDOR,
                options=dict(options),
            )
            self.gate = Gate(setting, schemes=names)
            self.doors = Doors(self.gate)
            self.private = Private(self.gate, self.doors)
            return self.gate.verify_route

        self.prices = read_prices(text, currency=CURRENCY, known=names, fit=fit)

    def earned_micro(self) -> int:
        """What the claims in the outbox are worth."""
        rows = [
            row
            for name in self.gate.tills
            for row in self.marks.do_now(marks.Pending(scheme=name, count=1_000))
        ]
        return sum(claim.value_micro for _, claim in rows)

    def handle(self, request: Request) -> Sent:
        path = request.url.removeprefix(SITE)
        if path == KEYS_PATH:
            return self._answer(request, self.doors.keys())
        if path == PRICES_PATH:
            return self._answer(request, self.doors.price_list(self.prices))
        if path == OUTCOME_PATH:
            return self._answer(request, self._walk(self.doors.outcome(request.body)))
        if path == PRIVATE_PATH:
            return self._handle_sealed(request)
        is_paid = any(name.lower() == "authorization" for name, _ in request.headers)
        self._fault = self.faults.pop(0) if is_paid and self.faults else ""
        if self._fault == "lost":
            return Failed(reason="ConnectError")
        plain = path.partition("?")[0]
        priced = self.prices.find(request.method, plain)
        assert priced is not None
        asked = GateRequest(
            method=request.method,
            scheme="https",
            host="news.example",
            path=plain,
            path_query=path,
            headers=tuple((n.lower().encode(), v.encode()) for n, v in request.headers),
            body_digest=request.body_digest if priced.route.bind_body else b"",
        )
        walk = self.gate.serve(asked, priced)
        if plain.startswith(STREAMS_PATH):
            walk = self.gate.topping.serve(asked)
        answer = self._answer(request, self._walk(walk))
        return Failed(reason="ReadError") if self._fault == "reply_lost" else answer

    def _handle_sealed(self, request: Request) -> Sent:
        try:
            opened = self.private.open(request.body)
        except Refusal as refused:
            return self._answer(request, refuse(refused))
        is_paid = opened.asked is not None and bool(opened.asked.payload)
        self._fault = self.faults.pop(0) if is_paid and self.faults else ""
        if self._fault == "lost":
            return Failed(reason="ConnectError")
        outer = GateRequest(
            method="POST",
            scheme="https",
            host="news.example",
            path=PRIVATE_PATH,
            path_query=PRIVATE_PATH,
            headers=(),
        )
        walk = self.private.serve(opened, outer, self.prices)
        answer = self._answer(request, self._walk(walk))
        return Failed(reason="ReadError") if self._fault == "reply_lost" else answer

    def mint(self, ask: Ask) -> Answered | Refused | Failed:
        """The vendor's own mint: burns scrip."""
        body = codec.canonical(ask.asked.message)
        answer = self._walk(self.doors.mint(ask.scheme, "take-back", body))
        value = msgspec.json.decode(answer.body or b"{}")
        if answer.status != 200:
            return Refused(refusal=OriginFailed(str(value["code"])), retry="never")
        return Answered(value=value["answer"])

    def _walk(self, walk: Walk) -> Answer:
        step: Callable[[], Any] = lambda: next(walk)  # noqa: E731 - replaced in the loop
        try:
            while True:
                command = step()
                try:
                    found = self._carry_out(command)
                except (Refusal, marks.Stale) as wrong:
                    step = _thrower(walk, wrong)
                else:
                    step = _sender(walk, found)
        except StopIteration as end:
            answer: Answer = end.value
            return answer

    def _carry_out(self, command: Any) -> Any:
        match command:
            case Look():
                self._looks += 1
                return At(now_s=self._clock(), entropy=self._looks.to_bytes(8, "big") * 8)
            case TakeSerial():
                self._serials += 1
                return self._serials
            case SpareSerial():
                return None
            case AskOrigin():
                if self._fault == "origin_fails":
                    raise OriginFailed("origin_failed")
                return OriginAnswered(status=200, headers=(), body=b"a page")
            case _:
                return self.marks.do_now(command)

    def _answer(self, request: Request, answer: Answer) -> Response:
        headers = tuple((n.decode(), v.decode()) for n, v in answer.headers)
        body = answer.body or b""
        return Response(status=answer.status, url=request.url, headers=headers, body=body)


def _thrower(walk: Walk, wrong: BaseException) -> Callable[[], Any]:
    return lambda: walk.throw(wrong)


def _sender(walk: Walk, found: Any) -> Callable[[], Any]:
    return lambda: walk.send(found)


class Mints:
    """The broker's real mints over a dictionary; the same key gets the same answer."""

    def __init__(self, clock: Callable[[], int], site: GateSite) -> None:
        self._clock = clock
        self._site = site
        self._keys: list[Key] = [CERTIFIER, TICK_CERTIFIER]
        self._records: dict[bytes, bytes] = {}
        self._answers: dict[str, Answered] = {}
        self.faults: list[str] = []
        self.props = ""
        """What the broker vouches for."""
        self.sold_micro = 0
        self.credited_micro = 0
        self.asked: list[Ask] = []
        """What came here, each time it came."""
        vendor = Account(id=VENDOR, role="vendor")
        self._run("millicent", "grant", LICENCE, vendor)
        own = Key(id="1", purpose=own_scrip.OWN_KEY, secret=b"O" * 32)
        grant = msgspec.to_builtins(own_scrip.licence_of(KeysOf(own), bytes(5)))
        self._run("millicent", "grant", grant, Account(id=BROKER, role="vendor"))

    def handle(self, ask: Ask) -> Answered | Refused | Failed:
        fault = self.faults.pop(0) if self.faults else ""
        if ask.asked.to == "vendor":
            return self._site.mint(ask)
        self.asked.append(ask)
        if ask.id not in self._answers:
            name = "" if ask.asked.bearer else "alice"
            account = Account(id=name, role="payer", credit_limit_micro=10**6, props=self.props)
            try:
                answer = self._run(ask.scheme, ask.asked.operation, ask.asked.message, account)
            except Refusal as refusal:
                return Refused(refusal=refusal, retry=row_of(refusal).retry)
            self._answers[ask.id] = Answered(value=answer)
        return Failed(reason="ReadError") if fault == "reply_lost" else self._answers[ask.id]

    def _run(self, scheme: str, operation: Any, message: Any, account: Account) -> Any:
        setting = Setting(broker_id=BROKER, currency=CURRENCY, ring=KeysOf(*self._keys))
        mint: Mint = registry.by_name(scheme).mint(setting)
        at = At(now_s=self._clock(), entropy=len(self._answers).to_bytes(64, "little"))
        checked = mint.check(operation, message, account, at)
        keys = mint.recall(checked)
        records = {
            key: value
            for key, value in self._records.items()
            if key in keys.records or any(key.startswith(prefix) for prefix in keys.prefixes)
        }
        applied = mint.apply(checked, marks.Memory(records=records), at)
        self._keys.extend(applied.keys)
        for each in applied.records:
            if isinstance(each, marks.Put):
                self._records[each.key] = each.value
        for flow in applied.flows:
            if flow.source.kind == "payer":
                self.sold_micro += flow.amount_micro
            if flow.target.kind == "payer":
                self.credited_micro += flow.amount_micro
        return applied.answer


def scheme_of(way: str) -> str:
    return way if way in CREDIT else "millicent"


def town(folder: Path, way: str, *, loaded: bool = False) -> World:
    folder.mkdir(exist_ok=True)
    world = World(folder)
    world.site = GateSite(world.now_s, accept=way)
    world.bank = Mints(world.now_s, world.site)
    world.schemes = {scheme_of(way): registry.by_name(scheme_of(way))}
    if way == "private":
        world.flow = fetch_private
    if loaded:
        world.fetch("/before")
    return world


def require_conserved(world: World, scheme: str) -> None:
    """Prepaid: sold is held, earned or given back. Credit: chains stand where the vendor is."""
    earned_micro = world.site.earned_micro()
    if scheme not in CREDIT:
        back_micro = world.bank.credited_micro
        assert world.bank.sold_micro == world.held_micro() + earned_micro + back_micro
        return
    bodies = [msgspec.json.decode(each.instrument.body) for each in held_in(world)]
    spent_micro = sum(
        value * index
        for body in bodies
        if "index" in body
        for (value, _, _), index in zip(
            body["commitment"]["chains"], (body["index"], *body["above"]), strict=True
        )
    )
    assert spent_micro == earned_micro


def held_in(world: World) -> Any:
    return Book(world.store.file).held()
