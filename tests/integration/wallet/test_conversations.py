"""A wallet in conversation with the real gate and the real mints, killed at every command.

No sockets: the gate's walks run over marks in memory, the mints over a dictionary of records. Both
schemes, so that an instrument with change (scrip) and one with an index (a chain) are seen.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import OriginFailed, Refusal, row_of
from farthing.schemes import registry
from farthing.schemes.chain.payword.commitment import CERTIFICATE_KEY
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
)
from farthing.vendor.commands import Request as GateRequest
from farthing.vendor.endpoints import Doors
from farthing.vendor.gate import CHALLENGE_KEY, RECEIPT_KEY, Gate
from farthing.vendor.prices import read as read_prices
from farthing.wallet.book import Book
from farthing.wallet.commands import Answered, Ask, Failed, Refused, Request, Response, Sent
from farthing.wallet.errand import give_back
from farthing.wallet.flow import fetch, recover
from farthing.wallet.settling import ABSENT_FINAL_S, Verdict
from farthing.wire.published import KEYS_PATH, OUTCOME_PATH
from tests.unit.wallet.farside import BROKER, CURRENCY, SITE, VENDOR, KeysOf
from tests.unit.wallet.world import PASSPHRASE, World, get

PRICE_MICRO = 200
STEPS_MAX = 80  # no conversation here is longer
LICENCE = {
    "kBurn": codec.b64u(b"b" * 32),
    "kPayer": codec.b64u(b"p" * 32),
    "kScrip": codec.b64u(b"l" * 32),
    "notAfterS": 1_900_000_000,
    "payerRange": "0001",
    "quotaMicro": 10**9,
    "series": "0000000001",
}
FAULTS: list[list[str]] = [[], ["lost"], ["reply_lost"], ["reply_lost"] * 3, ["origin_fails"]]


def signer(purpose: str, key_id: str, secret: bytes) -> Key:
    return Key(id=key_id, purpose=purpose, secret=secret, public=signing.public_of(secret))


CERTIFIER = signer(CERTIFICATE_KEY, "c1", b"C" * 32)


class GateSite:
    """A site behind the real gate."""

    def __init__(self, clock: Callable[[], int], *, accept: str, broker_id: str = BROKER) -> None:
        self._clock = clock
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
        )
        setting = Setting(broker_id=broker_id, currency=CURRENCY, ring=ring, vendor_id=VENDOR)
        names = [scheme.traits.name for scheme in registry.all_schemes()]
        self.gate = Gate(setting, schemes=names)
        self.doors = Doors(self.gate)
        text = f'accept = ["{accept}"]\n'
        for path, bound in (("/bound", "true"), ("/**", "false")):
            text += f'[[route]]\npath = "{path}"\nprice = "{PRICE_MICRO}u"\nbind_body = {bound}\n'
        self.prices = read_prices(text, currency=CURRENCY, known=names)

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
        if path == OUTCOME_PATH:
            return self._answer(request, self._walk(self.doors.outcome(request.body)))
        is_paid = any(name.lower() == "authorization" for name, _ in request.headers)
        self._fault = self.faults.pop(0) if is_paid and self.faults else ""
        if self._fault == "lost":
            return Failed(reason="ConnectError")
        priced = self.prices.find(request.method, path)
        assert priced is not None
        asked = GateRequest(
            method=request.method,
            scheme="https",
            host="news.example",
            path=path,
            path_query=path,
            headers=tuple((n.lower().encode(), v.encode()) for n, v in request.headers),
            body_digest=request.body_digest if priced.route.bind_body else b"",
        )
        answer = self._answer(request, self._walk(self.gate.serve(asked, priced)))
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
        self._keys: list[Key] = [CERTIFIER]
        self._records: dict[bytes, bytes] = {}
        self._answers: dict[str, Answered] = {}
        self.faults: list[str] = []
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
            account = Account(id=name, role="payer", credit_limit_micro=10**6)
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


def town(folder: Path, scheme: str, *, loaded: bool = False) -> World:
    folder.mkdir(exist_ok=True)
    world = World(folder)
    world.site = GateSite(world.now_s, accept=scheme)
    world.bank = Mints(world.now_s, world.site)
    world.schemes = {scheme: registry.by_name(scheme)}
    if loaded:
        world.fetch("/before")
    return world


def require_conserved(world: World, scheme: str) -> None:
    """Prepaid: sold is held, earned or given back. Credit: chains stand where the vendor is."""
    earned_micro = world.site.earned_micro()
    if scheme == "millicent":
        back_micro = world.bank.credited_micro
        assert world.bank.sold_micro == world.held_micro() + earned_micro + back_micro
        return
    bodies = [msgspec.json.decode(each.instrument.body) for each in _held(world)]
    spent_micro = sum(
        body["index"] * body["commitment"]["chains"][0][0] for body in bodies if "index" in body
    )
    assert spent_micro == earned_micro


def _held(world: World) -> Any:
    return Book(world.store.file).held()


@pytest.mark.parametrize("scheme", ["millicent", "payword"])
def test_pages_are_paid_one_after_the_other(tmp_path: Path, scheme: str) -> None:
    world = town(tmp_path, scheme)
    for number in range(25):
        assert world.fetch(f"/{number}").verdict is Verdict.DONE
        assert world.site.earned_micro() == PRICE_MICRO * (number + 1)
    if scheme == "millicent":
        require_conserved(world, scheme)


@pytest.mark.parametrize("scheme", ["millicent", "payword"])
def test_a_payment_for_a_body_is_made_once_for_this_body(tmp_path: Path, scheme: str) -> None:
    world = town(tmp_path, scheme, loaded=True)
    for body in (b"one", b"two"):
        world.site.faults = ["reply_lost"]
        fetched = world.run(fetch(world.guide(), get("/bound", method="POST", body=body)))
        assert fetched.verdict is Verdict.DONE
        assert fetched.purchase is not None
        assert fetched.purchase.received.body_digest == hashlib.sha256(body).digest()
    assert world.site.earned_micro() == 3 * PRICE_MICRO
    require_conserved(world, scheme)


@pytest.mark.parametrize("loaded", [False, True], ids=["empty", "loaded"])
@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(faults) or "none")
@pytest.mark.parametrize("scheme", ["millicent", "payword"])
def test_killed_at_any_command_and_repeated_a_page_is_charged_once(
    tmp_path: Path, scheme: str, faults: list[str], *, loaded: bool
) -> None:
    for count in range(1, STEPS_MAX):
        world = town(tmp_path / str(count), scheme, loaded=loaded)
        before_micro = world.site.earned_micro()
        world.site.faults = list(faults)
        if not world.run_until(fetch(world.guide(), get("/a")), count):
            return
        world.crash()
        world.site.faults = []
        assert world.fetch("/a").verdict is Verdict.DONE, count
        assert world.site.earned_micro() == before_micro + PRICE_MICRO, count
        assert world.held_micro("offered") == 0, count
        world.run(recover(world.guide()))
        require_conserved(world, scheme)
        assert world.fetch("/b").verdict is Verdict.DONE, count
        assert world.site.earned_micro() == before_micro + 2 * PRICE_MICRO, count
    pytest.fail("the flow does not end")


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(faults) or "none")
@pytest.mark.parametrize("scheme", ["millicent", "payword"])
def test_killed_at_any_command_nothing_stays_frozen_or_is_lost(
    tmp_path: Path, scheme: str, faults: list[str]
) -> None:
    for count in range(1, STEPS_MAX):
        world = town(tmp_path / str(count), scheme)
        world.site.faults = list(faults)
        if not world.run_until(fetch(world.guide(), get("/a")), count):
            return
        world.crash()
        world.site.faults = []
        world.run(recover(world.guide()))
        assert world.fetch("/b").verdict is Verdict.DONE, count
        world.now_ms += ABSENT_FINAL_S * 1000
        world.crash()
        world.run(recover(world.guide()))
        assert world.held_micro("offered") == 0, count
        assert world.site.earned_micro() in {PRICE_MICRO, 2 * PRICE_MICRO}, count
        require_conserved(world, scheme)
    pytest.fail("the flow does not end")


@pytest.mark.parametrize("scheme", ["millicent", "payword"])
def test_a_payment_that_arrives_late_is_found_and_adopted(tmp_path: Path, scheme: str) -> None:
    world = town(tmp_path, scheme, loaded=True)
    world.site.faults = ["lost"] * 3
    late = world.fetch("/a").purchase
    assert late is not None
    world.now_ms += ABSENT_FINAL_S * 1000
    assert world.run(recover(world.guide())).released == 1
    world.site.handle(get("/a").with_header(*late.credential))
    assert world.fetch("/b").verdict is Verdict.DONE
    assert world.site.earned_micro() == 3 * PRICE_MICRO
    require_conserved(world, scheme)


def test_scrip_goes_back_through_its_vendor_to_the_broker(tmp_path: Path) -> None:
    world = town(tmp_path, "millicent", loaded=True)
    (held,) = _held(world)
    assert world.run(give_back(world.guide(), held.broker_id, held.site, held.instrument))
    assert world.bank.credited_micro == 1_800
    assert world.held_micro() == 0
    require_conserved(world, "millicent")


def test_a_give_back_killed_at_any_command_credits_once(tmp_path: Path) -> None:
    for count in range(1, STEPS_MAX):
        world = town(tmp_path / str(count), "millicent", loaded=True)
        (held,) = _held(world)
        flow = give_back(world.guide(), held.broker_id, held.site, held.instrument)
        if not world.run_until(flow, count):
            return
        world.crash()
        world.run(recover(world.guide()))
        require_conserved(world, "millicent")
        assert world.held_micro("offered") == 0, count
    pytest.fail("the errand does not end")


@pytest.mark.parametrize("scheme", ["millicent", "payword"])
def test_no_secret_of_either_scheme_stands_in_the_file(tmp_path: Path, scheme: str) -> None:
    world = town(tmp_path, scheme, loaded=True)
    made = world.fetch("/a").purchase
    assert made is not None
    body = msgspec.json.decode(made.paid.spent.body)
    canaries = [PASSPHRASE, body["secret"], body.get("seed", body["secret"]), "tok-alice"]
    for each in tmp_path.iterdir():
        raw = each.read_bytes()
        assert [canary for canary in canaries if canary.encode() in raw] == []
        assert codec.unb64u(body["secret"]) not in raw
