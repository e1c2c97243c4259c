"""The operator's routes that put names on the lists of what is worth nothing any more."""

import msgspec
from litestar import Response, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from farthing.broker.peer_api import OperatorsRequest, answered, engine_of, key_in


class Revocation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to put on a list: a certificate's serial, a coin's, as the scheme says."""

    name: str


@post("/revoke/{scheme:str}", status_code=200)
async def revoke(
    request: OperatorsRequest, scheme: FromPath[str], data: JSONBody[Revocation]
) -> Response[bytes]:
    """Put a name on a scheme's list; `known` says whether these books know it (scope admin)."""
    operations = engine_of(request).operations
    return answered(await operations.revoke(scheme, data.name, key_in(request)))


@post("/accounts/{account_id:str}/revoke", status_code=200)
async def revoke_all(request: OperatorsRequest, account_id: FromPath[str]) -> Response[bytes]:
    """Put all that a payer has out on the lists: its wallet is in other hands (scope admin)."""
    operations = engine_of(request).operations
    return answered(await operations.revoke_all(account_id, key_in(request)))


ROUTES: list[HTTPRouteHandler] = [revoke, revoke_all]
