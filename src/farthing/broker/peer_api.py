"""The operator's routes about other brokers: who they are, what is owed, what was paid."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from farthing.broker.engine import Engine
from farthing.broker.peers import AddPeer, PeerPayment
from farthing.broker.web import authorize, bearer, key_of

OperatorsRequest = Request[Any, Any, State]


def engine_of(request: OperatorsRequest) -> Engine:
    """The engine, for the operator alone."""
    engine: Engine = request.app.state.engine
    authorize(engine, bearer(request.headers.get("authorization", "")), "admin")
    return engine


def key_in(request: OperatorsRequest) -> str:
    """The request's idempotency key; `BadRequest`."""
    return key_of(request.headers.get("idempotency-key", ""))


def answered(body: bytes) -> Response[bytes]:
    """An answer that no cache keeps."""
    headers = {"cache-control": "no-store"}
    return Response(body, media_type="application/json", status_code=200, headers=headers)


@post("/peers", status_code=200)
async def add_peer(request: OperatorsRequest, data: JSONBody[AddPeer]) -> Response[bytes]:
    """Buy of another broker, with the token of our account there (scope admin)."""
    return answered(await engine_of(request).peers.add(data, key_in(request)))


@get("/peers")
async def list_peers(request: OperatorsRequest) -> Response[bytes]:
    """What we owe each peer by our books, and what we have there as it says (scope admin)."""
    return answered(await engine_of(request).peers.listed())


@post("/peers/{peer_id:str}/payments", status_code=200)
async def pay_peer(
    request: OperatorsRequest, peer_id: FromPath[str], data: JSONBody[PeerPayment]
) -> Response[bytes]:
    """Book what went to a peer at the bank, or came from it (scope admin)."""
    return answered(await engine_of(request).peers.pay(peer_id, data, key_in(request)))


ROUTES: list[HTTPRouteHandler] = [add_peer, list_peers, pay_peer]
