"""The same request again gets the same answer: stored under (scope, key), byte for byte.

The scope is who asked and what for. A refusal is stored too, unless it says "send the same bytes
again" (`Busy`, `Unavailable` ...): then nothing was decided yet. Answers hold tokens and coins, so
they are sealed; the digest of the request decides whether it is the same one.
"""

from collections.abc import Callable

import apsw
import msgspec

from farthing import codec
from farthing.broker.vault import Vault
from farthing.errors import Refusal, Reused, by_name, row_of

KEPT_S = 30 * 86_400  # the least that any answer is kept, whatever it was about
_OK = b"+"
_REFUSED = b"-"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as repeats recognise it."""

    scope: str
    """`<party>/<operation>/<what>`."""
    key: str
    """The idempotency key, 1-255 visible characters."""
    digest: bytes
    """SHA-256 over the parameters."""

    @property
    def aad(self) -> bytes:
        """Ties a sealed answer to its place."""
        return codec.enc("farthing/broker/answer/1", self.scope, self.key)


def find(connection: apsw.Connection, vault: Vault, asked: Asked) -> bytes | None:
    """The stored answer, or None; raises the stored refusal; `Reused` for another request."""
    row = connection.execute(
        "SELECT digest, answer FROM answers WHERE scope = ? AND key = ?", (asked.scope, asked.key)
    ).fetchone()
    if row is None:
        return None
    if row[0] != asked.digest:
        raise Reused("idempotency_conflict", "this key was used for a request with other fields")
    plain = vault.open(row[1], asked.aad)
    if plain[:1] == _OK:
        return plain[1:]
    raise unpack(plain[1:])


def keep(
    connection: apsw.Connection, vault: Vault, asked: Asked, answer: bytes, until_s: int
) -> None:
    """Store a success."""
    _keep(connection, vault, asked, _OK + answer, until_s)


def keep_refusal(
    connection: apsw.Connection, vault: Vault, asked: Asked, refusal: Refusal, until_s: int
) -> None:
    """Store a refusal, if it is a decision."""
    if is_final(refusal):
        _keep(connection, vault, asked, _REFUSED + pack(refusal), until_s)


def _keep(
    connection: apsw.Connection, vault: Vault, asked: Asked, plain: bytes, until_s: int
) -> None:
    connection.execute(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (asked.scope, asked.key, asked.digest, vault.seal(plain, asked.aad), until_s),
    )


def drop(connection: apsw.Connection, scope: str, keys: list[str]) -> None:
    """Forget answers that a later one includes."""
    connection.executemany(
        "DELETE FROM answers WHERE scope = ? AND key = ?", ((scope, key) for key in keys)
    )


def is_final(refusal: Refusal) -> bool:
    """Whether the same bytes would be refused for good."""
    return row_of(refusal).retry != "same"


def pack(refusal: Refusal) -> bytes:
    """A refusal as JSON: class, code, detail, facts."""
    return msgspec.json.encode(
        [type(refusal).__name__, refusal.code, refusal.detail, refusal.facts]
    )


def unpack(raw: bytes) -> Refusal:
    """The refusal that `pack` wrote."""
    name, code, detail, facts = msgspec.json.decode(raw)
    return by_name(name, code, detail, **facts)


def once_only(
    connection: apsw.Connection,
    vault: Vault,
    asked: Asked,
    now_s: int,
    work: Callable[[], tuple[bytes, int] | None],
) -> bytes | Refusal | None:
    """The answer of `work`, which runs the first time only, or what it refused, then or now.

    `work` gives (answer, until_s), or None where there is no answer yet: nothing is stored then.
    What a refused `work` had written is undone; the refusal is returned and not raised, because
    storing it must commit.
    """
    try:
        found = find(connection, vault, asked)
        if found is not None:
            return found
        with connection:
            done = work()
    except Reused as refusal:
        return refusal
    except Refusal as refusal:
        keep_refusal(connection, vault, asked, refusal, now_s + KEPT_S)
        return refusal
    if done is None:
        return None
    answer, until_s = done
    keep(connection, vault, asked, answer, max(until_s, now_s + KEPT_S))
    return answer
