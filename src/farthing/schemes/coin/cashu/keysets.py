"""Keysets: one key for each power of two, under an id that follows from all that is public.

    id = "01" ‖ hex SHA-256("1:K1,2:K2,…|unit:U[|input_fee_ppk:N][|final_expiry:T]")
    key of an amount = HMAC-SHA-256(the ring's key, enc(tag, unit, amount, tries))

Wallets compute the id themselves: a keyset with another unit or end has another one. Ours take no
fee. The old form of an id, "00" and 14 digits, is known and never made. Source: NUT-02; how the
keys are derived is ours.
"""

import hashlib
import hmac
from collections.abc import Mapping
from functools import cached_property

import msgspec
from coincurve import PrivateKey

from farthing import codec
from farthing.crypto import bdhke
from farthing.errors import Forged
from farthing.money import ACCOUNT_MICRO_MAX, MICRO_PER_CENT, asset_label
from farthing.schemes.coin.cashu.messages import Point
from farthing.schemes.setting import Key

KEYSET_KEY = "farthing/cashu/keyset/1"
CENT_UNITS = frozenset({"eur", "usd"})  # those that stock wallets know, in whole cents

SHORT_ID_CHARS = 16  # of an id, in the tokens of some wallets

_V2_PREFIX = "01"
_V1_PREFIX = "00"
_V1_DIGITS = 14


class Keyset(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody may know of a keyset."""

    unit: str
    keys: dict[int, Point]
    """Public keys by amount, rising, in hex."""
    input_fee_ppk: int = 0
    """Parts per thousand of the unit that each input costs."""
    final_expiry: int | None = None
    """When its coins end, unix seconds."""

    @property
    def id(self) -> str:
        """The id of today's form, 66 characters."""
        text = ",".join(f"{amount}:{key}" for amount, key in sorted(self.keys.items()))
        text += f"|unit:{self.unit.lower()}"
        if self.input_fee_ppk:
            text += f"|input_fee_ppk:{self.input_fee_ppk}"
        if self.final_expiry is not None:
            text += f"|final_expiry:{self.final_expiry}"
        return _V2_PREFIX + hashlib.sha256(text.encode()).hexdigest()

    @property
    def old_id(self) -> str:
        """The id of the deprecated form, 16 characters."""
        raw = b"".join(bytes.fromhex(key) for _, key in sorted(self.keys.items()))
        return _V1_PREFIX + hashlib.sha256(raw).hexdigest()[:_V1_DIGITS]

    def require_id(self, keyset_id: str) -> None:
        """`Forged` unless this keyset has that id, in one of its forms."""
        if keyset_id not in {self.id, self.old_id}:
            raise Forged("keyset_id_wrong", "the mint's keys do not have the id that it names")


class MintKeys:
    """One keyset with its private keys. Its repr shows nothing."""

    def __init__(self, key: Key, unit: str) -> None:
        """What a key of the ring makes for a unit."""
        self._keys = {
            1 << power: _private(key.secret, unit, 1 << power) for power in range(powers_of(unit))
        }
        self.public = Keyset(
            unit=unit,
            keys={amount: one.public_key.format().hex() for amount, one in self._keys.items()},
            final_expiry=key.not_after_s or None,
        )

    @cached_property
    def id(self) -> str:
        """The keyset's id."""
        return self.public.id

    @property
    def unit(self) -> str:
        """What an amount of 1 is."""
        return self.public.unit

    def find(self, amount: int) -> PrivateKey | None:
        """The key of an amount; None for one that is no power of two, or too large."""
        return self._keys.get(amount)

    @property
    def amounts(self) -> Mapping[int, object]:
        """The amounts that have keys, rising."""
        return self._keys


def unit_micro(unit: str) -> int:
    """Micro-units of currency in an amount of 1."""
    return MICRO_PER_CENT if unit in CENT_UNITS else 1


def units_of(currency: str) -> tuple[str, ...]:
    """The units of a broker: micro-units for all, and cents where stock wallets know them.

    Each is a mint of its own, since one unknown unit spoils all others for a stock wallet.
    """
    cents = (currency,) if currency in CENT_UNITS else ()
    return (*cents, asset_label(currency))


def powers_of(unit: str) -> int:
    """How many powers of two have a key: an account holds no coin above them."""
    return (ACCOUNT_MICRO_MAX // unit_micro(unit)).bit_length()


def amounts_of(amount: int) -> list[int]:
    """The powers of two that make an amount, rising."""
    return [1 << power for power in range(amount.bit_length()) if amount >> power & 1]


def _private(secret: bytes, unit: str, amount: int) -> PrivateKey:
    for tries in range(bdhke.NONCE_TRIES_MAX):
        raw = hmac.digest(secret, codec.enc(KEYSET_KEY, unit, amount, tries), "sha256")
        if 0 < int.from_bytes(raw, "big") < bdhke.ORDER:
            return PrivateKey(raw)
    raise AssertionError("256 hashes in a row are no scalar")
