"""Loads that are paid, quotes of payouts and payout codes as records, and their names.

A load's quote says itself what it is for (`terms.py`), so that only a paid one has a record, under
the hash that is also in the address at which an account pays it. Its unit is part of its name,
since an amount is worth something in its own unit only.

    cashu/load/<unit>/<id>    cashu/melt/<unit>/<quote's hash>    cashu/payout/<unit>/<hash>
"""

import hashlib
from typing import Literal, TypeVar

import apsw
import msgspec

from farthing import codec
from farthing.broker import facts
from farthing.broker.cashu.terms import unknown
from farthing.errors import Unknown
from farthing.marks import Keys, Put

LOAD_S = 86_400  # how long a quote can be paid
CODE_S = 30 * 86_400  # how long a payout code is taken
QUOTE_BYTES = 10  # of randomness beside the time, as UUIDs of version 7 have it

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
    """A wish to pay coins out."""

    payment_hash: bytes
    expires_at_s: int
    state: Literal["UNPAID", "PAID"] = "UNPAID"


Kept = Load | Code | Melt
T = TypeVar("T", Load, Code, Melt)


def new_quote(now_s: int, entropy: bytes) -> str:
    """A UUID of version 7 whose other bits are all random."""
    raw = bytearray((now_s * 1000).to_bytes(6, "big") + entropy[:QUOTE_BYTES])
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    text = raw.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


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


def find_melt(connection: apsw.Connection, unit: str, quote: str) -> Melt:
    """A payout's quote; `Unknown`."""
    found = _find(connection, melt_key(unit, quote), Melt)
    if found is None:
        raise unknown()
    return found


def find_code(connection: apsw.Connection, unit: str, payment_hash: bytes) -> Code:
    """A payout code; `Unknown`."""
    found = _find(connection, code_key(unit, payment_hash), Code)
    if found is None:
        raise Unknown("payout_unknown", "this mint has no such payout code")
    return found


def _find(connection: apsw.Connection, key: bytes, kind: type[T]) -> T | None:
    value = facts.read(connection, Keys(records=(key,))).records.get(key)
    return None if value is None else msgspec.msgpack.decode(value, type=kind)
