"""The mint's routes in plain ASGI: `/cashu/<unit>/v1/…` for wallets, two more for accounts.

    POST /cashu/<unit>/loads/<name>      pay a quote from the caller's account (scope pay)
    POST /cashu/<unit>/payouts           {"amount"}: a payout code for the caller's account

Wallets know of a refusal its number and its text: HTTP 400 `{"detail", "code"}`; what is worth
repeating unchanged is HTTP 503. The two routes for accounts refuse as the rest of the broker does.
"""

from collections.abc import Awaitable, Callable

import msgspec

from farthing import codec
from farthing.broker.cashu.counter import Counter
from farthing.broker.cashu.info import Info
from farthing.broker.cashu.loading import Loading
from farthing.broker.cashu.spending import Spending
from farthing.broker.engine import Engine
from farthing.broker.plain import JSON_HEADERS, Receive, Scope, Send, header_of, read_body, respond
from farthing.broker.web import authorize, bearer, key_of, problem_of
from farthing.errors import Refusal, Unknown, row_of
from farthing.schemes.coin.cashu.keysets import units_of
from farthing.schemes.coin.cashu.messages import Amount
from farthing.schemes.coin.cashu.numbers import number_of
from farthing.wire import problems

PREFIX = "/cashu/"
BODY_BYTES_MAX = 1024 * 1024  # a thousand inputs with their witnesses

# Wallets run in browsers, too.
_HEADERS: problems.Headers = (*JSON_HEADERS, (b"access-control-allow-origin", b"*"))
_PREFLIGHT: problems.Headers = (
    *_HEADERS,
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"content-type"),
)

Get = Callable[[], bytes]
GetOne = Callable[[str], bytes]
Post = Callable[[bytes], Awaitable[bytes]]
OfAccount = Callable[[str, str, Scope, Receive], Awaitable[bytes]]
"""By the caller's party and what stands in the address after the route's name."""


class _Payout(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    amount: Amount


_PAYOUT = codec.Reader(_Payout)


class _Unit:
    """One unit's commands, by route."""

    def __init__(self, engine: Engine, unit: str) -> None:
        counter = Counter(engine.books, unit)
        info, self.loading, self.spending = Info(counter), Loading(counter), Spending(counter)
        self.gets: dict[str, Get] = {
            "v1/info": info.mint,
            "v1/keysets": info.keysets,
            "v1/keys": info.keys,
        }
        self.gets_of: dict[str, GetOne] = {
            "v1/keys": info.keys,
            "v1/mint/quote/bolt11": self.loading.state,
            "v1/melt/quote/bolt11": self.spending.melt_state,
        }
        self.posts: dict[str, Post] = {
            "v1/mint/quote/bolt11": self.loading.quote,
            "v1/mint/bolt11": self.loading.mint,
            "v1/swap": self.spending.swap,
            "v1/melt/quote/bolt11": self.spending.melt_quote,
            "v1/melt/bolt11": self.spending.melt,
            "v1/checkstate": self.spending.states,
            "v1/restore": self.spending.restore,
        }
        self.of_accounts: dict[str, OfAccount] = {
            "loads": self._pay,
            "payouts": self._code,
        }

    async def _pay(self, party_id: str, name: str, scope: Scope, receive: Receive) -> bytes:
        return await self.loading.pay(party_id, name)

    async def _code(self, party_id: str, name: str, scope: Scope, receive: Receive) -> bytes:
        key = key_of(header_of(scope, b"idempotency-key"))
        wanted = _PAYOUT.read(await read_body(receive, BODY_BYTES_MAX))
        return await self.spending.code(party_id, wanted.amount, key)


class Routes:
    """The mints of all units of a broker."""

    def __init__(self, engine: Engine) -> None:
        """Over the broker's books."""
        self._engine = engine
        currency = engine.books.identity.currency
        self._units = {unit: _Unit(engine, unit) for unit in units_of(currency)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["method"] == "OPTIONS":
            await respond(send, 204, b"", _PREFLIGHT)
            return
        unit, _, path = str(scope["path"]).removeprefix(PREFIX).partition("/")
        mint = self._units.get(unit)
        is_ours = not path.startswith("v1/")
        try:
            if mint is None:
                raise Unknown("route_unknown", "no mint of this broker has this unit")
            deed = self._account if is_ours else self._wallet
            answer = await deed(mint, path, scope, receive)
        except Refusal as refusal:
            if is_ours:
                status, headers, body = problem_of(refusal)
                await respond(send, status, body, headers)
                return
            detail = {"detail": refusal.detail, "code": number_of(refusal)}
            await respond(send, _status_of(refusal), msgspec.json.encode(detail), _HEADERS)
            return
        await respond(send, 200, answer, _HEADERS)

    async def _wallet(self, mint: _Unit, path: str, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] == "POST" and path in mint.posts:
            return await mint.posts[path](await read_body(receive, BODY_BYTES_MAX))
        above, _, name = path.rpartition("/")
        if scope["method"] == "GET" and path in mint.gets:
            return mint.gets[path]()
        if scope["method"] == "GET" and above in mint.gets_of:
            return mint.gets_of[above](name)
        raise _no_route()

    async def _account(self, mint: _Unit, path: str, scope: Scope, receive: Receive) -> bytes:
        what, _, name = path.partition("/")
        deed = mint.of_accounts.get(what)
        if scope["method"] != "POST" or deed is None:
            raise _no_route()
        caller = authorize(self._engine, bearer(header_of(scope, b"authorization")), "pay")
        return await deed(caller.party, name, scope, receive)


def _no_route() -> Unknown:
    return Unknown("route_unknown", "this mint has no such route")


def _status_of(refusal: Refusal) -> int:
    if refusal.code == "route_unknown":
        return 404
    return 503 if row_of(refusal).status >= 500 else 400
