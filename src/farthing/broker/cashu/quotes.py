"""Quotes and payout codes as records, and their names.

A load's quote is a bearer secret, so its record stands under the hash that is also in the address
at which an account pays it: whoever pays, or reads the database, cannot have the coins signed.
Its unit is part of its name, since an amount is worth something in its own unit only.

    cashu/load/<unit>/<load id>    cashu/melt/<unit>/<quote's hash>    cashu/payout/<unit>/<hash>
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
QUOTE_BYTES = 10  # of randomness beside the time, as UUIDs of version 7 have it

_LOAD_TAG = "farthing/cashu/load/1"
_MELT_TAG = "farthing/cashu/melt/1"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to load coins."""

    amount: int
    expires_at_s: int
    pubkey: str = ""
    """Who must sign for the coins, where the wallet named a key (NUT-20)."""
    state: Literal["UNPAID", "PAID", "ISSUED"] = "UNPAID"
    payer: str = ""
    """The account that paid."""


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


def load_id(quote: str) -> str:
    """The public name of a load."""
    return codec.b64u(hashlib.sha256(codec.enc(_LOAD_TAG, quote)).digest()[:16])


def load_key(unit: str, name: str) -> bytes:
    """The record of a load, by its public name."""
    return f"cashu/load/{unit}/{name}".encode()


def melt_key(unit: str, quote: str) -> bytes:
    """The record of a payout's quote."""
    return f"cashu/melt/{unit}/".encode() + hashlib.sha256(codec.enc(_MELT_TAG, quote)).digest()


def code_key(unit: str, payment_hash: bytes) -> bytes:
    """The record of a payout code."""
    return f"cashu/payout/{unit}/".encode() + payment_hash


def put(key: bytes, kept: Kept, until_s: int) -> Put:
    """The record with this in it."""
    return Put(key=key, value=msgspec.msgpack.encode(kept), until_s=until_s)


def find_load(connection: apsw.Connection, unit: str, name: str) -> Load:
    """A load by its public name; `Unknown`."""
    return _find(connection, load_key(unit, name), Load)


def find_melt(connection: apsw.Connection, unit: str, quote: str) -> Melt:
    """A payout's quote; `Unknown`."""
    return _find(connection, melt_key(unit, quote), Melt)


def find_code(connection: apsw.Connection, unit: str, payment_hash: bytes) -> Code:
    """A payout code; `Unknown`."""
    return _find(connection, code_key(unit, payment_hash), Code)


def _find(connection: apsw.Connection, key: bytes, kind: type[T]) -> T:
    value = facts.read(connection, Keys(records=(key,))).records.get(key)
    if value is None:
        code = "payout_unknown" if kind is Code else "quote_unknown"
        raise Unknown(code, "this mint has no such quote or payout code")
    return msgspec.msgpack.decode(value, type=kind)
