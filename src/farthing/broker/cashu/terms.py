"""What a quote says of itself, so that an unpaid one is kept by nobody but its wallet.

Of a load::

    quote = 01 ‖ nonce(11) ‖ amount(8) ‖ end(4) [‖ public key(33)] ‖ mac(15)
    name  = SHA-256(enc(tag, all of that but the mac))[:16] ‖ amount(8) ‖ end(4) ‖ mac(15)
    mac   = MAC(a keyset's secret, enc(tag, unit, SHA-256(…)[:16], amount, end))

both in base64url. The quote is a bearer secret; its name stands in the address at which an account
pays, and tells whoever pays, or reads the database, nothing that gets the coins signed. Anybody may
ask for quotes, so asking for one writes nothing. A quote's 39 or 72 bytes are spelled alike with
padding and without, and it begins with a letter. Source: ours; NUT-04 wants it to be unguessable.

Of a payout, which names its code::

    quote = 02 ‖ nonce(11) ‖ payment hash(32) ‖ end(4) ‖ mac(15)
    mac   = MAC(a keyset's secret, enc(tag, unit, nonce, payment hash, end))

Whoever has paid a quote is shown by it what proves that, so each wallet has one of its own.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable

import msgspec

from farthing import codec
from farthing.crypto.mac import mac
from farthing.crypto.schnorr import KEY_BYTES
from farthing.errors import Malformed, Unknown

NONCE_BYTES = 11
MAC_BYTES = 15
ID_BYTES = 16
HASH_BYTES = 32

_ID_TAG = "farthing/cashu/load/2"
_MAC_TAG = "farthing/cashu/quote/2"
_PAYOUT_TAG = "farthing/cashu/payout-quote/1"
_VERSION, _PAYOUT_VERSION = b"\x01", b"\x02"
_TERMS = struct.Struct(">QI")
_SAID_BYTES = len(_VERSION) + NONCE_BYTES + _TERMS.size
_PAYOUT = struct.Struct(f">c{NONCE_BYTES}s{HASH_BYTES}sI{MAC_BYTES}s")


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A quote as whoever pays it knows it."""

    id: bytes
    amount: int
    expires_at_s: int
    mac: bytes

    @property
    def text(self) -> str:
        """As it stands in an address."""
        return codec.b64u(self.id + _TERMS.pack(self.amount, self.expires_at_s) + self.mac)

    def require(self, secrets: Iterable[bytes], unit: str) -> None:
        """`Unknown` unless one of these secrets has made it for this unit."""
        for secret in secrets:
            if hmac.compare_digest(self.mac, _mac(secret, unit, self)):
                return
        raise unknown()


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A quote as its wallet knows it. Its repr shows the amount only."""

    said: bytes
    mac: bytes

    def __repr__(self) -> str:
        """The amount only."""
        return f"Quote({self.named.amount})"

    @property
    def text(self) -> str:
        """As its wallet has it."""
        return codec.b64u(self.said + self.mac)

    @property
    def named(self) -> Named:
        """As whoever pays knows it."""
        amount, expires_at_s = _TERMS.unpack_from(self.said, _SAID_BYTES - _TERMS.size)
        return Named(
            id=hashlib.sha256(codec.enc(_ID_TAG, self.said)).digest()[:ID_BYTES],
            amount=amount,
            expires_at_s=expires_at_s,
            mac=self.mac,
        )

    @property
    def pubkey(self) -> bytes:
        """Who must sign for the coins, where the wallet has named a key (NUT-20); else empty."""
        return self.said[_SAID_BYTES:]


class PayoutQuote(msgspec.Struct, frozen=True, kw_only=True):
    """A quote of a payout, as its wallet knows it. Its repr shows when it ends only."""

    nonce: bytes
    payment_hash: bytes
    """Of the code that it pays."""
    expires_at_s: int
    mac: bytes = b""

    def __repr__(self) -> str:
        """When it ends only."""
        return f"PayoutQuote({self.expires_at_s})"

    @property
    def text(self) -> str:
        """As its wallet has it."""
        said = (self.nonce, self.payment_hash, self.expires_at_s, self.mac)
        return codec.b64u(_PAYOUT.pack(_PAYOUT_VERSION, *said))

    def made(self, secret: bytes, unit: str) -> "PayoutQuote":
        """The same with the MAC that makes it this mint's."""
        return msgspec.structs.replace(self, mac=_payout_mac(secret, unit, self))

    def require(self, secrets: Iterable[bytes], unit: str) -> None:
        """`Unknown` unless one of these secrets has made it for this unit."""
        for secret in secrets:
            if hmac.compare_digest(self.mac, _payout_mac(secret, unit, self)):
                return
        raise unknown()


def make(
    secret: bytes, unit: str, *, nonce: bytes, amount: int, expires_at_s: int, pubkey: bytes
) -> Quote:
    """A new quote; `nonce` has `NONCE_BYTES`, `pubkey` 33 bytes or none."""
    said = _VERSION + nonce + _TERMS.pack(amount, expires_at_s) + pubkey
    bare = Quote(said=said, mac=b"")
    return Quote(said=said, mac=_mac(secret, unit, bare.named))


def read_quote(text: str) -> Quote:
    """The quote that a wallet shows, whoever made it; `Unknown` for what is none."""
    raw = _raw(text)
    said = raw[:-MAC_BYTES]
    if len(said) not in {_SAID_BYTES, _SAID_BYTES + KEY_BYTES} or said[:1] != _VERSION:
        raise unknown()
    return Quote(said=said, mac=raw[-MAC_BYTES:])


def read_name(text: str) -> Named:
    """What an address names, whoever made it; `Unknown` for what is none."""
    raw = _raw(text)
    if len(raw) != ID_BYTES + _TERMS.size + MAC_BYTES:
        raise unknown()
    amount, expires_at_s = _TERMS.unpack_from(raw, ID_BYTES)
    return Named(id=raw[:ID_BYTES], amount=amount, expires_at_s=expires_at_s, mac=raw[-MAC_BYTES:])


def read_payout_quote(text: str) -> PayoutQuote:
    """A payout's quote that a wallet shows, whoever made it; `Unknown` for what is none."""
    raw = _raw(text)
    if len(raw) != _PAYOUT.size or raw[:1] != _PAYOUT_VERSION:
        raise unknown()
    _, nonce, payment_hash, expires_at_s, said_mac = _PAYOUT.unpack(raw)
    return PayoutQuote(
        nonce=nonce, payment_hash=payment_hash, expires_at_s=expires_at_s, mac=said_mac
    )


def unknown() -> Unknown:
    """What is said of a quote that this mint has not made."""
    return Unknown("quote_unknown", "this mint has no such quote or payout code")


def _raw(text: str) -> bytes:
    try:
        return codec.unb64u(text)
    except (Malformed, UnicodeEncodeError):
        raise unknown() from None


def _mac(secret: bytes, unit: str, named: Named) -> bytes:
    said = codec.enc(named.id, named.amount, named.expires_at_s)
    return mac(ID_BYTES, secret, _MAC_TAG, unit, said)[:MAC_BYTES]


def _payout_mac(secret: bytes, unit: str, quote: PayoutQuote) -> bytes:
    said = codec.enc(quote.nonce, quote.payment_hash, quote.expires_at_s)
    return mac(ID_BYTES, secret, _PAYOUT_TAG, unit, said)[:MAC_BYTES]
