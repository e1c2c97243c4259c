"""A gate before one site, driven command by command over any store, and payers who buy there."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import Refusal
from farthing.schemes.contract import Binding, Dialect, Instrument, Json, Key, Paid
from farthing.stores.memory import MemoryMarks
from farthing.vendor.commands import (
    Answer,
    AskBroker,
    AskOrigin,
    Look,
    OriginAnswered,
    Request,
    SpareSerial,
    TakeSerial,
    Walk,
)
from farthing.vendor.endpoints import Doors
from farthing.vendor.gate import CHALLENGE_KEY, RECEIPT_KEY, Gate
from farthing.vendor.prices import Options, Verify, anything, read
from farthing.vendor.private import Private
from farthing.wire import mpp, published, x402, x402_response
from farthing.wire.offers import Receipt, Received, target_of
from tests.kit import envelope, millicent, payword
from tests.kit.canaries import canary
from tests.kit.parties import VENDOR, Clock, Ring, on_the_wire, setting_of

HOST = "news.example"
PATH = "/articles/1"
PRICE_MICRO = 200
WORTH_MICRO = 1000
RICH_MICRO = 500_000_000  # credit for as many chains as any test opens
SCHEMES = ("millicent", "payword")
KNOWN = (*SCHEMES, "tick")  # the gate has their tills; its route accepts the first two
DIALECTS: tuple[Dialect, ...] = ("mpp", "x402")
WAYS: tuple[tuple[str, Dialect], ...] = (
    *((scheme, dialect) for scheme in SCHEMES for dialect in DIALECTS),
    ("millicent", "private"),
)
"""Every way to pay: scheme and dialect."""
ENVELOPE = "x-test-envelope"  # a header that stands for a body: the request is a sealed one
PAGE = OriginAnswered(
    status=200,
    headers=((b"content-type", b"text/html"), (b"content-length", b"8")),
    body=b"the page",
)
ROUTE = f"""accept = ["millicent", "payword"]
[millicent]
protocol = "private"
[[route]]
path = "/articles/*"
price = "{PRICE_MICRO}u"
"""

Origin = Callable[[AskOrigin], OriginAnswered | BaseException]


def answering(answer: OriginAnswered) -> Origin:
    """An origin that always answers so."""
    return lambda _: answer


def status(code: int) -> Origin:
    """An origin that answers its page with this status."""
    return answering(msgspec.structs.replace(PAGE, status=code))


def gate_ring() -> Ring:
    """Every key that a gate has, all of them canaries."""
    ring = millicent.vendor_ring()
    receipt = canary("receipt")
    for key in (
        Key(id="1", purpose=CHALLENGE_KEY, secret=canary("challenge")),
        Key(id="1", purpose=RECEIPT_KEY, secret=receipt, public=signing.public_of(receipt)),
        *payword.public_keys(),
    ):
        ring.add(key)
    return ring


class Shop:
    """A vendor's gate and its site."""

    def __init__(
        self,
        prices: str = ROUTE,
        *,
        store: marks.Marks | None = None,
        realm: str = "",
        verified: bool = True,
        known: Sequence[str] = KNOWN,
    ) -> None:
        """`verified` false: the prices may ask of the schemes what they do not offer yet."""
        self.clock, self.ring = Clock(), gate_ring()
        self.store: marks.Marks = store or MemoryMarks()
        self.prices, self._verified, self._known = prices, verified, known
        self.origin: Origin = lambda _: PAGE
        self.broker: Callable[[AskBroker], Json] = _no_broker
        self.visits: list[AskOrigin] = []
        self.envelopes: dict[str, envelope.Envelope] = {}  # by value: what payers have sealed
        self.spared: list[SpareSerial] = []
        self.said: list[str] = []  # names of the commands that the walks gave
        self.restart(realm=realm)

    def restart(self, *, prices: str = "", realm: str = "") -> None:
        """As another process would: nothing of the last one is left but its store."""
        self.prices = prices or self.prices

        def fit(options: Options) -> Verify:
            setting = setting_of(self.ring, vendor_id=VENDOR, **options)
            self.gate = Gate(setting, schemes=self._known, realm=realm)
            self.doors = Doors(self.gate)
            self.private = Private(self.gate, self.doors)
            return self.gate.verify_route if self._verified else anything

        self.book = read(self.prices, currency="eur", known=self._known, fit=fit)

    def walk(self, request: Request) -> Walk:
        value = next((value for name, value in request.headers if name == ENVELOPE.encode()), None)
        if value is not None:
            return self._unsealed(value.decode(), request)
        priced = self.book.find(request.method, request.path)
        if request.path.startswith(published.STREAMS_PATH):
            return self.gate.topping.serve(request)
        assert priced is not None, "a priced path"
        return self.gate.serve(request, priced)

    def sealed(self, value: str, outer: Request) -> Walk:
        """The walk of a sealed request, as the private door has it."""
        opened = self.private.open(codec.unb64u(value))
        return self.private.serve(opened, outer, self.book)

    def _unsealed(self, value: str, outer: Request) -> Walk:
        """The same, with the answer as its payer reads it."""
        return self.envelopes[value].opened((yield from self.sealed(value, outer)))

    def run(self, walk: Walk) -> Answer:
        """Drive a walk to its end."""
        answer = Walking(self, walk).go()
        assert answer is not None, "driven to its end"
        return answer

    def carry_out(self, command: Any) -> object:
        """What the driver does about one command."""
        match command:
            case Look():
                return self.clock.at()
            case TakeSerial(series=series):
                return self.store.do_now(marks.LeaseSerials(series=series, count=1))
            case SpareSerial():
                self.spared.append(command)
                return None
            case AskOrigin():
                self.visits.append(command)
                return self.origin(command)
            case AskBroker():
                return on_the_wire(self.broker(command))
            case _:
                return self.store.do_now(command)

    def get(
        self, *headers: tuple[str, str], path: str = PATH, method: str = "GET", body: bytes = b""
    ) -> Answer:
        return self.run(self.walk(asking(*headers, path=path, method=method, body=body)))

    def start(self, *headers: tuple[str, str], path: str = PATH, method: str = "GET") -> "Walking":
        """A request that is served command by command."""
        return Walking(self, self.walk(asking(*headers, path=path, method=method)))

    def outcome(self, question: Json) -> Answer:
        """What the outcome door says."""
        return self.run(self.doors.outcome(codec.canonical(question)))

    def find(self, k: str) -> marks.Payment | None:
        found: marks.Payment | None = self.store.do_now(marks.Find(k=k))
        return found

    def claims(self, scheme: str) -> list[marks.Claim]:
        return [claim for _, claim in self.store.do_now(marks.Pending(scheme=scheme, count=1000))]

    def earned_micro(self) -> int:
        """What the outbox holds, of every scheme."""
        totals: Iterable[marks.Total] = self.store.do_now(marks.Tally())
        return sum(total.earned_micro for total in totals)


class Walking:
    """One walk under way, which may stop anywhere, and end there like in a crash."""

    def __init__(self, shop: Shop, walk: Walk) -> None:
        self._shop, self._walk = shop, walk
        self._step: Callable[[], object] = lambda: next(walk)
        self.command: object = None
        """The one that waits to be carried out; None at the beginning and at the end."""
        self.answer: Answer | None = None

    def go(self, commands: int | None = None) -> Answer | None:
        """Carry out so many commands, or all; the answer if the walk has ended."""
        while self.answer is None and (commands is None or commands > 0):
            if self.command is None and not self._advance():
                break
            self._shop.said.append(type(self.command).__name__)
            self._carry_out()
            self._advance()
            commands = None if commands is None else commands - 1
        return self.answer

    def until(self, kind: type[object]) -> None:
        """Carry out everything before the first command of this kind, which waits."""
        if self.command is None:
            self._advance()
        while not isinstance(self.command, kind):
            assert self.go(1) is None, f"ended without {kind.__name__}"

    def drop(self) -> None:
        """The process dies here."""
        self._walk.close()

    def throw(self, wrong: BaseException) -> Answer | None:
        """What comes instead of the command's answer; then on to the end."""
        self.interrupt(wrong)
        return self.go()

    def interrupt(self, wrong: BaseException) -> None:
        """What comes instead of the command's answer; the next one waits."""
        self._step = lambda: self._walk.throw(wrong)
        self._advance()

    def _advance(self) -> bool:
        try:
            self.command = self._step()
        except StopIteration as end:
            self.command, self.answer = None, end.value
            return False
        return True

    def _carry_out(self) -> None:
        walk = self._walk
        try:
            found = self._shop.carry_out(self.command)
        except (Refusal, marks.Stale) as wrong:
            thrown: BaseException = wrong
            self._step = lambda: walk.throw(thrown)
            return
        if isinstance(found, BaseException):
            self._step = lambda: walk.throw(found)
        else:
            self._step = lambda: walk.send(found)


def in_step(walkings: list[Walking]) -> list[Answer]:
    """All of them at once: one command of each in turn; their answers."""
    while any(walking.answer is None for walking in walkings):
        for walking in walkings:
            walking.go(1)
    return [walking.answer for walking in walkings if walking.answer is not None]


def _no_broker(command: AskBroker) -> Json:
    raise AssertionError(f"nobody should {command.call} here")


def asking(
    *headers: tuple[str, str],
    path: str = PATH,
    method: str = "GET",
    host: str = HOST,
    secure: bool = True,
    body: bytes = b"",
) -> Request:
    """A request with these headers, and this body where the route binds it."""
    return Request(
        method=method,
        scheme="https" if secure else "http",
        host=host,
        path=path.partition("?")[0],
        path_query=path,
        headers=tuple((name.lower().encode(), value.encode("latin-1")) for name, value in headers),
        body_digest=hashlib.sha256(body).digest() if body else b"",
        secure=secure,
    )


class Payment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that is ready to be sent, as often as one likes."""

    header: tuple[str, str]
    k: str
    paid: Paid
    payload: Json


class Buyer:
    """A payer with an account at the broker of one scheme."""

    def __init__(self, shop: Shop, scheme: str) -> None:
        self.shop, self.scheme = shop, scheme
        self.scene: millicent.Scene | payword.Scene = (
            millicent.Scene() if scheme == "millicent" else payword.rich(scheme, RICH_MICRO)
        )
        self.scene.clock = self.scene.payer.clock = self.scene.broker.clock = shop.clock
        self.purse = self.scene.payer.purse
        self._payments = 0
        self.stream = ""  # K of the opening of the one that vouchers are for

    def instrument(self) -> Instrument:
        """A fresh piece of scrip, or a fresh chain."""
        if isinstance(self.scene, millicent.Scene):
            return self.scene.buy(WORTH_MICRO)
        self.scene.certificate = self.scene.certify()
        return self.scene.open()

    def pay(
        self,
        dialect: Dialect = "mpp",
        *,
        instrument: Instrument | None = None,
        path: str = PATH,
        method: str = "GET",
        body: bytes = b"",
    ) -> Payment:
        """Ask, and pay the offer in this scheme; in private nothing is asked."""
        if dialect == "private":
            return self._seal(instrument or self.instrument(), path, method)
        asked = self.shop.get(path=path, method=method, body=body)
        received = next(r for r in received_in(asked, dialect) if r.offer.scheme == self.scheme)
        return self.answer(received, instrument or self.instrument(), path=path, method=method)

    def _seal(self, spent: Instrument, path: str, method: str) -> Payment:
        at, till = self.shop.clock.at(), self.shop.gate.tills[self.scheme]
        offer = till.offer(PRICE_MICRO, at)
        made, paid = envelope.pay(self.purse, spent, offer, at, path=path, method=method)
        self.shop.envelopes[made.value] = made
        return Payment(header=(ENVELOPE, made.value), k=made.k, paid=paid, payload=paid.payload)

    def answer(
        self, received: Received, instrument: Instrument, *, path: str = PATH, method: str = "GET"
    ) -> Payment:
        binding = Binding(
            dialect=received.dialect,
            k="",
            method=method,
            host=HOST,
            path_query=path,
            target=received.target or target_of(method, path),
            body_digest=received.body_digest,
            stream=self.stream,
        )
        paid = self.purse.pay(instrument, received.offer, binding, self.shop.clock.at())
        assert isinstance(paid, Paid)
        self._payments += 1
        if received.dialect == "mpp":
            header = mpp.authorization(received, paid.payload)
            k = paid.k or received.echo["id"]
        else:
            k = f"w_payment_{self.scheme}_{self._payments:06}"
            header = ("PAYMENT-SIGNATURE", x402.payment(received, paid.payload, k))
        return Payment(header=header, k=k, paid=paid, payload=paid.payload)


def value_of(answer: Answer, name: bytes) -> str:
    """The first header of this name; empty without."""
    return next((value.decode() for key, value in answer.headers if key == name), "")


def received_in(answer: Answer, dialect: Dialect) -> tuple[Received, ...]:
    """The offers of a 402."""
    assert answer.status == 402, answer.body
    if dialect == "x402":
        return x402.read_required(value_of(answer, b"payment-required"), now_s=0)
    values = [value.decode() for key, value in answer.headers if key == b"www-authenticate"]
    return mpp.read_challenges(values)


def receipt_in(answer: Answer) -> Receipt | None:
    """The receipt of a paid answer, in whichever dialect."""
    token = value_of(answer, b"payment-receipt")
    if token:
        return mpp.read_receipt(token)
    told = value_of(answer, b"payment-response")
    return x402_response.read_response(told).receipt if told else None


def code_of(answer: Answer) -> str:
    """The broken rule in a problem body; empty for any other answer."""
    if value_of(answer, b"content-type") != "application/problem+json":
        return ""
    return str(msgspec.json.decode(answer.body or b"{}")["code"])


def is_released(answer: Answer) -> bool:
    """Whether the payer is told that nothing was charged."""
    return value_of(answer, b"payment-outcome") == "released"
