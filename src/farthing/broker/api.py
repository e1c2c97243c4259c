"""The broker over HTTP: accounts, money, operations, keys. OpenAPI at `/schema`.

Every POST here changes something and needs an `Idempotency-Key`; the same request again gets the
same bytes. Callers send `Authorization: Bearer <token>`. Refusals are problem bodies with one more
member, `refusal`, which is the class by name. The hot routes are in `fast.py`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from farthing import codec, faults
from farthing.broker import openapi, pseudonyms
from farthing.broker.engine import Engine
from farthing.broker.operations import BEARER
from farthing.broker.people import OpenAccount, PayOut, TopUp
from farthing.broker.store import Caller, Role
from farthing.broker.web import BODY_BYTES_MAX, authorize, bearer, key_of, problem_of
from farthing.errors import BadRequest, Denied, Malformed, Refusal, TooLarge, Unknown
from farthing.rails.manual import PayoutState
from farthing.schemes.contract import Account, Operation

BATCH_BYTES_MAX = 8 * 1024 * 1024  # of claims: the batch limit of the trust programme
STRANGER_BYTES_MAX = 256 * 1024  # of whoever has no account: a box of coins has a tenth of that
JSON_TYPE = "application/json"
NONE: Mapping[str, openapi.Hot] = {}

Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class Batch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Claims to redeem; the idempotency key is the batch's id."""

    claims: list[msgspec.Raw]


class PayoutStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the bank did with a payout."""

    state: PayoutState


class Documents(Protocol):
    """What the broker publishes, as signed JSON."""

    def key_document(self) -> bytes:
        """Its public keys."""

    def list_document(self, scheme: str, since: int = 0) -> bytes:
        """A scheme's revocations; `Unsupported` where it has none."""

    def books_document(self) -> bytes:
        """What was published of the books."""


def read_body(raw: bytes, kind: Any) -> Any:
    """A body as a handler's `data`: a struct, or any JSON; `BadRequest`."""
    try:
        if kind is Batch:
            return codec.read_open(raw, Batch)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return codec.Reader(kind).read(raw)
        return codec.read_json(raw)
    except Malformed as wrong:
        raise BadRequest(wrong.code, wrong.detail) from None


class StrictRequest(Request[Any, Any, State]):
    """Reads bodies with our own strict reader, into the type that the handler names."""

    async def json(self) -> Any:
        """The body as the handler's `data`; `BadRequest`, `TooLarge`."""
        raw = await self.body()
        if len(raw) > STRANGER_BYTES_MAX and not self._is_known():
            raise TooLarge("too_large", f"{STRANGER_BYTES_MAX} bytes at most without a token")
        kind = self.route_handler.parsed_fn_signature.parameters["data"].annotation
        return read_body(raw, kind)

    def _is_known(self) -> bool:
        """Whether it comes with a token of ours, whatever that is for."""
        try:
            token = bearer(self.headers.get("authorization", ""))
            _engine(self).people.caller(token)
        except Refusal:
            return False
        return True


def _engine(request: StrictRequest) -> Engine:
    found: Engine = request.app.state.engine
    return found


def _caller(request: StrictRequest, scope: str) -> Caller:
    token = bearer(request.headers.get("authorization", ""))
    return authorize(_engine(request), token, scope)


def _key(request: StrictRequest) -> str:
    return key_of(request.headers.get("idempotency-key", ""))


def _json(body: bytes, status: int = 200) -> Response[bytes]:
    headers = {"cache-control": "no-store"}
    return Response(body, media_type=JSON_TYPE, status_code=status, headers=headers)


@post("/accounts")
async def open_account(request: StrictRequest, data: JSONBody[OpenAccount]) -> Response[bytes]:
    """Open a payer's, vendor's or peer broker's account (scope admin). Tokens are shown once."""
    _caller(request, "admin")
    return _json(await _engine(request).people.open(data, _key(request)), 201)


@get("/accounts")
async def list_accounts(
    request: StrictRequest, role: FromQuery[Role] = "payer", after: FromQuery[str] = ""
) -> Response[bytes]:
    """Accounts of one role with their balances, a thousand at a time (scope admin)."""
    _caller(request, "admin")
    return _json(_engine(request).people.accounts(role, after))


@post("/accounts/{account_id:str}", status_code=200)
async def change_account(
    request: StrictRequest, account_id: FromPath[str], data: JSONBody[OpenAccount]
) -> Response[bytes]:
    """Set commission, payout destination, credit limit and properties (scope admin)."""
    _caller(request, "admin")
    if data.id != account_id:
        raise BadRequest("account_id_differs", "body and path name two accounts")
    return _json(await _engine(request).people.change(data, _key(request)))


@post("/topup", status_code=200)
async def top_up(request: StrictRequest, data: JSONBody[TopUp]) -> Response[bytes]:
    """Book money that came in at the bank (scope admin)."""
    _caller(request, "admin")
    return _json(await _engine(request).people.top_up(data, _key(request)))


@post("/payout", status_code=200)
async def pay_out(request: StrictRequest, data: JSONBody[PayOut]) -> Response[bytes]:
    """Send the caller's money to its bank, in whole cents (scope pay)."""
    caller = _caller(request, "pay")
    return _json(await _engine(request).people.pay_out(caller.party, data, _key(request)))


@post("/payouts/{payout_id:str}", status_code=200)
async def step_payout(
    request: StrictRequest, payout_id: FromPath[str], data: JSONBody[PayoutStep]
) -> Response[bytes]:
    """Say what became of a payout: exported, confirmed or returned (scope admin)."""
    _caller(request, "admin")
    people = _engine(request).people
    return _json(await people.step_payout(payout_id, data.state, _key(request)))


@get("/payouts")
async def payouts(request: StrictRequest) -> Response[bytes]:
    """Payouts to make at the bank (scope admin)."""
    _caller(request, "admin")
    return _json(codec.canonical(_engine(request).people.export_payouts()))


@get("/balance")
async def balance(request: StrictRequest, account: FromQuery[str] = "") -> Response[bytes]:
    """What an account has and owes: the caller's own, any account's for scope admin."""
    return _json(_engine(request).people.balance(_of(request, account)))


@get("/statement")
async def statement(
    request: StrictRequest, account: FromQuery[str] = "", after: FromQuery[int] = 0
) -> Response[bytes]:
    """Every movement of an account, oldest first, a page at a time."""
    return _json(await _engine(request).people.statement(_of(request, account), after))


def _of(request: StrictRequest, account: str) -> str:
    caller = _caller(request, "")
    if account and account != caller.party and "admin" not in caller.scopes:
        raise Denied("account_of_another", "this token shows its own account")
    return account or caller.party


async def _operate(
    request: StrictRequest,
    scheme: str,
    operation: Operation,
    message: Any,
    scope: Literal["pay", "redeem"],
) -> Response[bytes]:
    engine = _engine(request)
    account = BEARER
    is_named = "authorization" in request.headers
    if is_named or not engine.books.mint(scheme).is_bearer(operation, message):
        acting: Literal["payer", "vendor"] = "payer" if scope == "pay" else "vendor"
        account = engine.books.account(_caller(request, scope).party, acting)
    key = _key(request)
    return _json(await engine.operations.run(scheme, operation, message, account, key))


@post("/issue/{scheme:str}", status_code=200)
async def issue(
    request: StrictRequest, scheme: FromPath[str], data: JSONBody[Any]
) -> Response[bytes]:
    """Buy spending power; the body is the scheme's own message (scope pay).

    A message that pays for itself, as an order with broker scrip in it, needs no token.
    """
    return await _operate(request, scheme, "issue", data, "pay")


@post("/take-back/{scheme:str}", status_code=200)
async def take_back(
    request: StrictRequest, scheme: FromPath[str], data: JSONBody[Any]
) -> Response[bytes]:
    """Return spending power (scope pay); as broker scrip it needs no token."""
    return await _operate(request, scheme, "take_back", data, "pay")


@post("/status/{scheme:str}", status_code=200)
async def status(
    request: StrictRequest, scheme: FromPath[str], data: JSONBody[Any]
) -> Response[bytes]:
    """What the broker has of the account's instruments and payments (scope pay)."""
    return await _operate(request, scheme, "status", data, "pay")


@post("/grant/{scheme:str}", status_code=200)
async def grant(
    request: StrictRequest, scheme: FromPath[str], data: JSONBody[Any]
) -> Response[bytes]:
    """A vendor lets the broker mint for it (scope redeem)."""
    return await _operate(request, scheme, "grant", data, "redeem")


@post("/vendors/{vendor_id:str}/grants/{scheme:str}", status_code=200)
async def buy_ahead(
    request: StrictRequest, vendor_id: FromPath[str], scheme: FromPath[str], data: JSONBody[Any]
) -> Response[bytes]:
    """The operator takes what a vendor offers the broker: a warehouse's batch (scope admin)."""
    _caller(request, "admin")
    engine = _engine(request)
    found = engine.books.account(vendor_id)
    if found.role != "vendor":
        raise Denied("wrong_kind_of_account", "only vendors have something to grant")
    account = Account(id=vendor_id, role="broker")
    return _json(await engine.operations.run(scheme, "grant", data, account, _key(request)))


@post("/redeem/{scheme:str}", request_max_body_size=BATCH_BYTES_MAX, status_code=200)
async def redeem(
    request: StrictRequest, scheme: FromPath[str], data: JSONBody[Batch]
) -> Response[bytes]:
    """Clear a batch of claims, one result each (scope redeem)."""
    engine = _engine(request)
    account = engine.books.account(_caller(request, "redeem").party, "vendor")
    claims = [bytes(claim) for claim in data.claims]
    return _json(await engine.redeeming.redeem(scheme, claims, account, _key(request)))


@get("/.well-known/farthing-keys")
async def keys(request: StrictRequest) -> Response[bytes]:
    """The broker's public keys, signed by its root key."""
    documents: Documents = request.app.state.documents
    return _published(documents.key_document())


@get("/lists/{scheme:str}")
async def revocations(
    request: StrictRequest, scheme: FromPath[str], since: FromQuery[int] = 0
) -> Response[bytes]:
    """A scheme's revocations, signed by the root key; those `since` a number, asked each minute."""
    documents: Documents = request.app.state.documents
    return _published(documents.list_document(scheme, since))


@get("/.well-known/farthing-books")
async def published_books(request: StrictRequest) -> Response[bytes]:
    """The books' heads and sums of the last days, each signed by the root key."""
    documents: Documents = request.app.state.documents
    return _published(documents.books_document())


def _published(body: bytes) -> Response[bytes]:
    headers = {"cache-control": "max-age=60"}
    return Response(body, media_type=JSON_TYPE, headers=headers, status_code=200)


@get("/payers/{name:str}")
async def whose(request: StrictRequest, name: FromPath[str]) -> Response[bytes]:
    """Whose account a payer's name at vendors stands for; nothing is written (scope admin)."""
    _caller(request, "admin")
    return _json(codec.canonical(pseudonyms.opened(_engine(request).books, name)))


@get("/health")
async def health(request: StrictRequest) -> Response[bytes]:
    """Whether the store answers."""
    identity = _engine(request).books.identity
    _engine(request).books.committer.read(lambda db: db.execute("SELECT 1").fetchone())
    return _json(codec.canonical({"broker": identity.broker_id, "state": "up"}))


def _refused(_: Request[Any, Any, State], refusal: Refusal) -> Response[bytes]:
    status, headers, body = problem_of(refusal)
    named = {name.decode(): value.decode() for name, value in headers}
    media_type = named.pop("content-type")
    return Response(body, status_code=status, headers=named, media_type=media_type)


def _unrouted(request: Request[Any, Any, State], wrong: HTTPException) -> Response[bytes]:
    """Litestar's own refusals, as ours."""
    refusal: Refusal
    match wrong.status_code:
        case 404:
            refusal = Unknown("route_unknown", "see /schema")
        case 413:
            refusal = TooLarge("body_too_large", "see the limits in /schema")
        case _:
            refusal = BadRequest("request_malformed", wrong.detail[:200])
    return _refused(request, refusal)


def _fault(request: Request[Any, Any, State], wrong: Exception) -> Response[bytes]:
    """Our own mistake, with its place in the log."""
    faults.tell(wrong, f"{request.method} {request.scope['path_template']}")
    return _refused(request, faults.refusal_of(wrong))


def build(
    engine: Engine,
    documents: Documents,
    lifespan: Lifespan | None = None,
    more: Sequence[HTTPRouteHandler] = (),
    hot: Mapping[str, openapi.Hot] = NONE,
) -> Litestar:
    """The Litestar part of the broker's API, `more` routes with it; `lifespan` runs beside it.

    `hot`: routes before it that its description tells of too.
    """
    return Litestar(
        route_handlers=[
            open_account,
            list_accounts,
            change_account,
            top_up,
            pay_out,
            step_payout,
            payouts,
            balance,
            statement,
            issue,
            take_back,
            status,
            grant,
            buy_ahead,
            redeem,
            keys,
            published_books,
            revocations,
            whose,
            health,
            *more,
        ],
        request_class=StrictRequest,
        request_max_body_size=BODY_BYTES_MAX,
        exception_handlers={Refusal: _refused, HTTPException: _unrouted, 500: _fault},
        lifespan=[lifespan] if lifespan is not None else [],
        state=State({"engine": engine, "documents": documents}),
        logging_config=None,  # else a thread of its own waits for records that nobody writes
        openapi_config=openapi.config(hot),
    )
