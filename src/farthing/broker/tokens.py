"""A token in the place of one that was lost or stolen."""

import apsw

from farthing.broker import store
from farthing.broker.people import SCOPES
from farthing.errors import OutOfRange


def renew_token(
    connection: apsw.Connection, party_id: str, scope: str, token_hash: bytes, *, only: bool
) -> None:
    """Keep the hash of one more token of a scope; with `only` the older ones end.

    `Unknown` for the account, `OutOfRange` for a scope that its role has not.
    """
    party = store.find_party(connection, party_id)
    scopes = next((held for held in SCOPES[party.role] if scope in held), None)
    if scopes is None:
        known = ", ".join(name for held in SCOPES[party.role] for name in held)
        raise OutOfRange("scope_unknown", f"a {party.role}'s scopes are {known}")
    if only:
        store.drop_tokens(connection, party_id, scopes)
    store.add_token(connection, token_hash, party_id, scopes)
