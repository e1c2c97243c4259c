"""The hot routes in plain ASGI: transfers and the facilitator. Everything else goes to `api.py`.

A facilitator call that reaches the payment answers HTTP 200, refusals included, because stock
facilitator clients read nothing else. A missing token, a body over its limit or one that is no JSON
never was a payment, and is a problem like everywhere. Source: the wire format, section 5.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import msgspec

from farthing import codec, ids, money
from farthing.broker import metrics
from farthing.broker.cashu.routes import PREFIX, Routes
from farthing.broker.engine import Engine, Transfer
from farthing.broker.openapi import Hot
from farthing.broker.plain import (
    JSON_HEADERS,
    App,
    Receive,
    Scope,
    Send,
    header_of,
    read_body,
    respond,
)
from farthing.broker.purposes import ROOT_KEY
from farthing.broker.reservations import AtEnd
from farthing.broker.settling import (
    AlreadyCaptured,
    Payment,
    ReservationVoid,
    Settled,
    payer_of,
    tx_of,
)
from farthing.broker.web import BODY_BYTES_MAX, authorize, bearer, problem_of
from farthing.errors import (
    OtherNetwork,
    Refusal,
    Underpaid,
    Unsolicited,
    Unsupported,
    WrongVendor,
    row_of,
)
from farthing.schemes.contract import Account, Json, Mint, Ring
from farthing.wire import x402, x402_entry, x402_response

ANSWER_WITHIN_S = 5  # a stock client waits 90 s, a gate's payer does not
DECIMALS = 6
CORE_REASONS = {"invalid_scheme", "invalid_x402_version", "invalid_payload"}


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Stock clients may send members that we do not read."""


class Extra(Message, frozen=True, kw_only=True):
    """What an offer says of its scheme."""

    method: str
    terms: dict[str, Json] = {}


class Requirements(Message, frozen=True, kw_only=True):
    """What a payment must fulfil."""

    scheme: str
    network: str
    asset: str
    amount: str
    pay_to: str
    extra: Extra


class Payload(Message, frozen=True, kw_only=True):
    """A payment, and the requirements that it accepted."""

    accepted: Requirements
    payload: dict[str, Json]


class Reserve(Message, frozen=True, kw_only=True):
    """Hold it, and what shall be at the end."""

    at_end: AtEnd = "void"


class Ask(Message, frozen=True, kw_only=True):
    """`verify` and `settle`."""

    x402_version: int = msgspec.field(name="x402Version")
    payment_payload: Payload
    payment_requirements: Requirements
    reserve: Reserve | None = None


class Step(Message, frozen=True, kw_only=True):
    """`capture` and `void`."""

    transaction: str
    reservation: int
    amount: str | None = None


_TRANSFER = codec.Reader(Transfer)
_ASK, _STEP = codec.Reader(Ask), codec.Reader(Step)


HOT = {
    "/transfer": Hot(body=Transfer, summary="Move money between accounts (scope pay)."),
    "/verify": Hot(body=Ask, summary="Whether a payment would be settled (scope redeem)."),
    "/settle": Hot(body=Ask, summary="Settle a payment, or reserve it (scope redeem)."),
    "/capture": Hot(body=Step, summary="Have a reservation paid (scope redeem)."),
    "/void": Hot(body=Step, summary="Give a reservation up (scope redeem)."),
    "/supported": Hot(method="get", summary="Schemes and keys, as x402 asks for them."),
    "/metrics": Hot(method="get", produces="text/plain", summary="Figures (scope metrics)."),
}


class Fast:
    """The ASGI application of the broker: its hot routes, and the rest behind them."""

    def __init__(self, engine: Engine, rest: App, *, ring: Ring) -> None:
        """`rest` takes every other path; what `ring` signs with is shown in `/supported`."""
        self._engine = engine
        self._ring = ring
        self._rest = rest
        self._counts = metrics.Counts()
        self._cashu = Routes(engine)
        identity = engine.books.identity
        self._network = ids.network(identity.broker_id)
        self._asset = money.asset_label(identity.currency)
        self._schemes = {
            (mint.traits.wire, mint.traits.variant): name
            for name, mint in engine.books.mints.items()
        }
        self._routes: dict[str, Callable[[bytes, str], Awaitable[bytes]]] = {
            "/transfer": self._transfer,
            "/verify": self._verify,
            "/settle": self._settle,
            "/capture": self._capture,
            "/void": self._void,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._rest(scope, receive, send)
            return
        path = scope["path"]
        if path == "/supported" and scope["method"] == "GET":
            await respond(send, 200, codec.canonical(self._supported()))
            return
        is_scrape = path == "/metrics" and scope["method"] == "GET"
        if path.startswith(PREFIX):
            await self._cashu(scope, receive, self._counting(send))
            return
        route = self._routes.get(path)
        if (route is None or scope["method"] != "POST") and not is_scrape:
            await self._rest(scope, receive, self._counting(send))
            return
        status, headers = 200, JSON_HEADERS
        try:
            token = bearer(header_of(scope, b"authorization"))
            if route is None:
                body, headers = await self._metrics(token), metrics.HEADERS
            else:
                body = await route(await read_body(receive, BODY_BYTES_MAX), token)
        except Refusal as refusal:
            status, headers, body = problem_of(refusal)
        self._counts.answers[path, status] += 1
        await respond(send, status, body, headers)

    def count(self, status: int) -> None:
        """One more answer of the other half, or of what stands before both."""
        self._counts.answers["other", status] += 1

    def _counting(self, send: Send) -> Send:
        """Count what the other half answers, under one name."""

        async def counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.count(message["status"])
            await send(message)

        return counted

    async def _metrics(self, token: str) -> bytes:
        authorize(self._engine, token, "metrics")
        return await asyncio.to_thread(metrics.page, self._engine.books, self._counts)

    async def _transfer(self, raw: bytes, token: str) -> bytes:
        caller = authorize(self._engine, token, "pay")
        return await self._engine.transfer(caller.party, _TRANSFER.read(raw))

    async def _verify(self, raw: bytes, token: str) -> bytes:
        account, value = self._vendor(token), codec.read_json(raw)
        try:
            payment = self._payment(value, account)
            decision = await self._engine.settling.verify(payment, account)
        except Refusal as refusal:
            reason, text = _reason(refusal), refusal.detail
            return codec.canonical(
                {
                    "isValid": False,
                    "invalidReason": reason,
                    "invalidMessage": text,
                    "extra": {"code": refusal.code},
                }
            )
        payer = {"payer": payer_of(decision)} if payer_of(decision) else {}
        return codec.canonical({"isValid": True} | payer)

    async def _settle(self, raw: bytes, token: str) -> bytes:
        account, value = self._vendor(token), codec.read_json(raw)
        try:
            payment = self._payment(value, account)
            reserve = _ASK.convert(value).reserve
        except Refusal as refusal:
            return self._failure(refusal)
        at_end = None if reserve is None else reserve.at_end
        settling = self._engine.settling.settle(payment, account, at_end)
        return await self._in_time(settling, tx_of(account.id, payment.scheme, payment.payload))

    async def _capture(self, raw: bytes, token: str) -> bytes:
        account, step = self._vendor(token), _step(raw)
        try:
            amount_micro = None if step.amount is None else money.from_wire(step.amount)
        except Refusal as refusal:
            return self._failure(refusal)
        capturing = self._engine.settling.capture(
            step.transaction, step.reservation, account, amount_micro
        )
        return await self._in_time(capturing, step.transaction)

    async def _void(self, raw: bytes, token: str) -> bytes:
        account, step = self._vendor(token), _step(raw)
        try:
            await self._engine.settling.void(step.transaction, step.reservation, account)
        except AlreadyCaptured:
            return self._said(step.transaction, "already_captured")
        except Refusal as refusal:
            return self._failure(refusal, step.transaction)
        return self._said(step.transaction, "reservation_void")

    async def _in_time(self, asked: Awaitable[Settled], tx: str) -> bytes:
        """The answer, or "pending" if it takes too long; the work itself goes on."""
        task = asyncio.ensure_future(asked)
        await asyncio.wait({task}, timeout=ANSWER_WITHIN_S)
        if not task.done():
            return self._said(tx, "settlement_pending")
        try:
            return self._success(task.result())
        except ReservationVoid:
            return self._said(tx, "reservation_void")
        except Refusal as refusal:
            return self._failure(refusal, tx if row_of(refusal).retry == "same" else "")

    def _vendor(self, token: str) -> Account:
        caller = authorize(self._engine, token, "redeem")
        return self._engine.books.account(caller.party, "vendor")

    def _payment(self, value: Json, account: Account) -> Payment:
        """The payment in a facilitator call, held against this broker; any refusal."""
        ask = _ASK.convert(value)
        wanted, accepted = ask.payment_requirements, ask.payment_payload.accepted
        if ask.x402_version != x402.VERSION:
            raise Unsupported("invalid_x402_version", "this broker speaks version 2")
        for named in (wanted, accepted):
            if named.scheme != x402_entry.SCHEME:
                raise Unsupported("invalid_scheme", f"the scheme is {x402_entry.SCHEME}")
            if named.network != self._network:
                raise OtherNetwork("invalid_network", f"this broker is {self._network}")
            if named.asset.lower() != self._asset:
                raise Unsolicited("asset_unknown", f"the asset is {self._asset}")
            if named.pay_to != account.id:
                raise WrongVendor("payment_to_another_vendor", "settle your own payments only")
        if (wanted.extra.method, wanted.extra.terms) != (
            accepted.extra.method,
            accepted.extra.terms,
        ):
            raise Unsolicited("requirements_differ", "the payment accepted another offer")
        amount_micro = money.from_wire(wanted.amount)
        if amount_micro > money.from_wire(accepted.amount):
            raise Underpaid("amount_above_authorised", "charge at most what was accepted")
        variant = wanted.extra.terms.get("variant", "")
        scheme = self._schemes.get((wanted.extra.method, variant))
        if scheme is None:
            raise Unsupported("method_unsupported", "see /supported")
        return Payment(
            scheme=scheme, payload=ask.payment_payload.payload, amount_micro=amount_micro
        )

    def _success(self, settled: Settled) -> bytes:
        answer: dict[str, Json] = {
            "success": True,
            "transaction": settled.tx,
            "network": self._network,
            "amount": money.to_wire(settled.amount_micro),
        }
        extra: dict[str, Json] = {}
        if settled.reservation:
            extra["reservation"] = settled.reservation
            extra["reservedUntilS"] = settled.reserved_until_s
        if settled.for_payer is not None:
            extra["forPayer"] = settled.for_payer
        if settled.payer:
            answer["payer"] = settled.payer
        if extra:
            answer["extra"] = extra
        return codec.canonical(answer)

    def _failure(self, refusal: Refusal, tx: str = "") -> bytes:
        return codec.canonical(
            {
                "success": False,
                "transaction": tx,
                "network": self._network,
                "errorReason": _reason(refusal),
                "errorMessage": refusal.detail,
                "extra": {"code": refusal.code, "refusal": type(refusal).__name__},
            }
        )

    def _said(self, tx: str, reason: str) -> bytes:
        return codec.canonical(
            {
                "success": False,
                "transaction": tx,
                "network": self._network,
                "errorReason": reason,
            }
        )

    def _supported(self) -> Json:
        """Every scheme with the keys of its own, and all keys that the broker signs with.

        Each that still verifies, newest first, as of now: keys change while the broker runs.
        """
        identity, mints = self._engine.books.identity, self._engine.books.mints.values()

        def kind(mint: Mint) -> Json:
            extra: dict[str, Json] = {
                "method": mint.traits.wire,
                "decimals": DECIMALS,
                "displayCurrency": identity.currency.upper(),
                "broker": identity.url,
            }
            if mint.traits.variant:
                extra["terms"] = {"variant": mint.traits.variant}
            if keys := self._signers(mint.signing):
                extra["keys"] = keys
            return {
                "x402Version": x402.VERSION,
                "scheme": x402_entry.SCHEME,
                "network": self._network,
                "extra": extra,
            }

        purposes = (ROOT_KEY, *(purpose for mint in mints for purpose in mint.signing))
        return {
            "kinds": [kind(mint) for mint in mints],
            "extensions": [x402.IDENTIFIER],
            "signers": {"farthing:*": self._signers(purposes)},
        }

    def _signers(self, purposes: Sequence[str]) -> list[Json]:
        return [
            f"ed25519:{codec.b64u(key.public)}"
            for purpose in purposes
            for key in self._ring.known(purpose)
        ]


def _reason(refusal: Refusal) -> str:
    if refusal.code in CORE_REASONS:
        return refusal.code
    return x402_response.reason_of(refusal, row_of(refusal))


def _step(raw: bytes) -> Step:
    return _STEP.convert(codec.read_json(raw))
