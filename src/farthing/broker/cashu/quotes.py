"""Loads and quotes of payouts that are paid, and payout codes, as records, and their names.

A quote says itself what it is for (`terms.py`), so that only a paid one has a record; a load's is
under the hash that is also in the address at which an account pays it. Its unit is part of its
name, since an amount is worth something in its own unit only.

    cashu/load/<unit>/<id>    cashu/melt/<unit>/<quote's hash>    cashu/payout/<unit>/<hash>
"""

import hashlib
from typing import Literal, TypeVar

import apsw
import msgspec

from farthing import codec
from farthing.broker import facts
from farthing.errors import Unknown
from farthing.marks import Keys, Put

LOAD_S = 86_400  # how long a quote can be paid
CODE_S = 30 * 86_400  # how long a payout code is taken

_MELT_TAG = "farthing/cashu/melt/1"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A load that is paid."""

    amount: int
    payer: str
    """The account that paid."""
    state: Literal["PAID", "ISSUED"] = "PAID"


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A payout code: coins melted for it go to an account. Its repr shows no preimage."""

    amount: int
    party: str
    role: Literal["payer", "vendor"]
    preimage: bytes
    """Of the payment hash; shown to whoever has paid."""
    request: str
    expires_at_s: int
    is_paid: bool = False

    def __repr__(self) -> str:
        """Account and amount only."""
        return f"Code({self.party}, {self.amount})"


class Melt(msgspec.Struct, frozen=True, kw_only=True):
    """Coins that are to be paid out, or were."""

    payment_hash: bytes
    expires_at_s: int
    state: Literal["UNPAID", "PAID"] = "UNPAID"


Kept = Load | Code | Melt
T = TypeVar("T", Load, Code, Melt)


def load_key(unit: str, load_id: bytes) -> bytes:
    """The record of a load."""
    return f"cashu/load/{unit}/".encode() + load_id


def melt_key(unit: str, quote: str) -> bytes:
    """The record of a payout's quote."""
    return f"cashu/melt/{unit}/".encode() + hashlib.sha256(codec.enc(_MELT_TAG, quote)).digest()


def code_key(unit: str, payment_hash: bytes) -> bytes:
    """The record of a payout code."""
    return f"cashu/payout/{unit}/".encode() + payment_hash


def put(key: bytes, kept: Kept, until_s: int) -> Put:
    """The record with this in it."""
    return Put(key=key, value=msgspec.msgpack.encode(kept), until_s=until_s)


def find_load(connection: apsw.Connection, unit: str, load_id: bytes) -> Load | None:
    """A load; None for one that nobody has paid."""
    return _find(connection, load_key(unit, load_id), Load)


def find_melt(connection: apsw.Connection, unit: str, quote: str) -> Melt | None:
    """A payout's quote; None for one that nobody has paid."""
    return _find(connection, melt_key(unit, quote), Melt)


def find_code(connection: apsw.Connection, unit: str, payment_hash: bytes) -> Code:
    """A payout code; `Unknown`."""
    found = _find(connection, code_key(unit, payment_hash), Code)
    if found is None:
        raise Unknown("payout_unknown", "this mint has no such payout code")
    return found


def _find(connection: apsw.Connection, key: bytes, kind: type[T]) -> T | None:
    value = facts.read(connection, Keys(records=(key,))).records.get(key)
    return None if value is None else msgspec.msgpack.decode(value, type=kind)
