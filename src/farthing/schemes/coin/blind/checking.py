"""What a mint of blind coins has checked, and the records in which it remembers coins.

::

    <scheme>/spent/<mark>     that a coin came back; said once, kept while it could come again
    <scheme>/signed/<mark>    the signature that an output got, for who has to make its coins again
    <scheme>/revoked/<mark>   a coin that nobody shall spend: a list that the operator keeps
"""

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from farthing import codec
from farthing.errors import Replayed, Revoked
from farthing.marks import Memory, Put
from farthing.schemes.coin.blind import boxes
from farthing.schemes.coin.blind.messages import Payment
from farthing.schemes.contract import Json


class Shown(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A coin that is right."""

    pool: str
    """The account of what is out that it is part of."""
    micro: int
    mark: bytes
    period: int
    until_s: int
    """How long is remembered that it is spent."""


class Signed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An output with its blind signature."""

    pool: str
    micro: int
    mark: bytes
    signature: bytes
    """As an answer has it."""
    value: bytes
    """As its record has it."""
    until_s: int

    def __repr__(self) -> str:
        """Its worth only."""
        return f"Signed({self.micro})"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What was in one box."""

    header: bytes
    answer_key: bytes
    coins: tuple[Shown, ...]
    outputs: tuple[Signed, ...]

    def __repr__(self) -> str:
        """How many of each only."""
        return f"Opened({len(self.coins)} coins, {len(self.outputs)} outputs)"

    @property
    def over_micro(self) -> int:
        """What the coins are worth above the outputs; below zero the other way."""
        return worth_micro(self.coins) - worth_micro(self.outputs)

    @property
    def answer(self) -> list[str] | None:
        """The signatures, boxed for who made this; None where nothing was to be signed."""
        if not self.outputs:
            return None
        signatures = (output.signature for output in self.outputs)
        return boxes.seal_answer(self.answer_key, self.header, signatures)


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """Outputs that an account pays for."""

    outputs: tuple[Signed, ...]
    list: str
    """Digest of the list that signed them, base64url."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A list of keys."""

    answer: Json


class Swapped(msgspec.Struct, frozen=True, kw_only=True):
    """Coins for outputs."""

    box: Opened


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """Coins for an account."""

    box: Opened


class Deposited(msgspec.Struct, frozen=True, kw_only=True):
    """Coins for a vendor and, in outputs, for who paid."""

    box: Opened
    payment: Payment


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What stands under some marks: signatures or spent coins; or what is paid under a code."""

    kind: str
    names: tuple[bytes, ...]


def worth_micro(found: Iterable[Shown | Signed]) -> int:
    """What coins or outputs are worth together."""
    return sum(one.micro for one in found)


def key_of(scheme: str, kind: str, name: bytes) -> bytes:
    """Of a record."""
    return _prefix(scheme, kind) + name


@lru_cache
def _prefix(scheme: str, kind: str) -> bytes:
    """Asked for three times a coin."""
    return f"{scheme}/{kind}/".encode()


def keys_of(scheme: str, coins: Iterable[Shown], outputs: Iterable[Signed]) -> tuple[bytes, ...]:
    """What `records_of` reads."""
    marks = [coin.mark for coin in coins]
    return (
        *(key_of(scheme, "spent", mark) for mark in marks),
        *(_revoked_key(scheme, mark) for mark in marks),
        *(key_of(scheme, "signed", output.mark) for output in outputs),
    )


def gone_keys(scheme: str, mark: bytes) -> tuple[bytes, bytes]:
    """What `is_gone` reads."""
    return key_of(scheme, "spent", mark), _revoked_key(scheme, mark)


def is_gone(scheme: str, memory: Memory, mark: bytes) -> bool:
    """Whether a coin is spent or blocked: nobody can spend it any more."""
    return any(key in memory.records for key in gone_keys(scheme, mark))


def unspent(scheme: str, memory: Memory, coins: Iterable[Shown]) -> tuple[Shown, ...]:
    """Those of the coins that are neither spent nor blocked."""
    return tuple(coin for coin in coins if not is_gone(scheme, memory, coin.mark))


def records_of(
    scheme: str, memory: Memory, coins: Iterable[Shown], outputs: Iterable[Signed]
) -> list[Put]:
    """That coins are spent and outputs signed.

    `Replayed`, `Revoked` for a coin that is not to be had any more; `Replayed` for an output that
    has a signature: it would be no new coin.
    """
    found: list[Put] = []
    for coin in coins:
        key = key_of(scheme, "spent", coin.mark)
        if key in memory.records:
            raise Replayed("coin_spent", "a coin of these was spent before")
        if _revoked_key(scheme, coin.mark) in memory.records:
            raise Revoked("coin_revoked", "a coin of these was blocked")
        found.append(Put(key=key, value=b"", until_s=coin.until_s, once=True))
    for output in outputs:
        key = key_of(scheme, "signed", output.mark)
        if key in memory.records:
            raise Replayed("output_signed", "this output was signed before: restore its coin")
        found.append(Put(key=key, value=output.value, until_s=output.until_s))
    return found


def _revoked_key(scheme: str, mark: bytes) -> bytes:
    return key_of(scheme, "revoked", codec.b64u(mark).encode())
