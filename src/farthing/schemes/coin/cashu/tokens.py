"""Coins as one string, to be sent from person to person or paid at a gate.

    cashuB ‖ base64url(CBOR {t: [{i: keyset id, p: [{a, s, c, d?: {e, s, r}, w?}]}], m, u, d?})
    cashuA ‖ base64url(JSON {token: [{mint, proofs}], unit?, memo?})          deprecated: read only

The short form of a keyset id may stand in `i`: whoever knows the mint's keysets finds the whole
one. Source: NUT-00, NUT-12.
"""

import base64
import binascii
import hashlib
from itertools import groupby

import msgspec

from farthing import cbor, codec
from farthing.errors import Malformed, TooLarge
from farthing.schemes.coin.cashu.messages import INPUTS_MAX, Dleq, Proof

TOKEN_CHARS_MAX = 1024 * 1024  # of one in a body; a header's own limit is lower
V4_PREFIX = "cashuB"
V3_PREFIX = "cashuA"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """Coins of one mint and unit. Its repr shows none of them."""

    mint: str
    unit: str
    proofs: tuple[Proof, ...]
    memo: str = ""

    @property
    def amount(self) -> int:
        """What the coins are worth together, by their own word."""
        return sum(proof.amount for proof in self.proofs)

    def __repr__(self) -> str:
        """Mint and amount only."""
        return f"Token({self.mint}, {self.amount} {self.unit})"


class _V3Entry(msgspec.Struct, frozen=True, kw_only=True):
    mint: str
    proofs: tuple[Proof, ...]


class _V3(msgspec.Struct, frozen=True, kw_only=True):
    token: tuple[_V3Entry, ...]
    unit: str = "sat"
    memo: str = ""


class _V4Dleq(msgspec.Struct, frozen=True, kw_only=True):
    e: bytes
    s: bytes
    r: bytes


class _V4Proof(msgspec.Struct, frozen=True, kw_only=True):
    a: int
    s: str
    c: bytes
    d: _V4Dleq | None = None
    w: str | None = None


class _V4Entry(msgspec.Struct, frozen=True, kw_only=True):
    i: bytes
    p: tuple[_V4Proof, ...]


class _V4(msgspec.Struct, frozen=True, kw_only=True):
    t: tuple[_V4Entry, ...]
    m: str
    u: str
    d: str = ""


def write(token: Token) -> str:
    """The string of a token, in today's form."""
    value: cbor.Cbor = {
        "t": [
            {"i": bytes.fromhex(keyset_id), "p": [_packed(proof) for proof in proofs]}
            for keyset_id, proofs in groupby(token.proofs, lambda proof: proof.id)
        ]
    }
    if token.memo:
        value["d"] = token.memo
    value |= {"m": token.mint, "u": token.unit}
    return V4_PREFIX + base64.urlsafe_b64encode(cbor.write(value)).decode()


def _packed(proof: Proof) -> cbor.Cbor:
    packed: cbor.Cbor = {"a": proof.amount, "s": proof.secret, "c": bytes.fromhex(proof.C)}
    if proof.dleq is not None and proof.dleq.r is not None:
        packed["d"] = {
            "e": bytes.fromhex(proof.dleq.e),
            "s": bytes.fromhex(proof.dleq.s),
            "r": bytes.fromhex(proof.dleq.r),
        }
    if proof.witness is not None:
        written = proof.witness
        packed["w"] = written if isinstance(written, str) else msgspec.json.encode(written).decode()
    return packed


def read(text: str) -> Token:
    """The token in a string; `Malformed`, `OutOfRange`, `TooLarge`."""
    if len(text) > TOKEN_CHARS_MAX:
        raise TooLarge("token_too_large", f"at most {TOKEN_CHARS_MAX} characters")
    if not text.startswith((V4_PREFIX, V3_PREFIX)):
        raise Malformed("token_malformed", "a token begins with cashuB or cashuA")
    raw = unbase64(text[len(V4_PREFIX) :])
    try:
        if text.startswith(V4_PREFIX):
            token = _of_v4(msgspec.convert(cbor.read(raw), _V4))
        else:
            codec.require_shallow(raw)
            token = _of_v3(msgspec.json.decode(raw, type=_V3))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Malformed("token_malformed", "this is no token") from None
    return _require_sane(token)


def read_raw(raw: bytes) -> Token:
    """The token in its binary form; refusals of `read`."""
    if not raw.startswith(b"crawB"):
        raise Malformed("token_malformed", "a raw token begins with crawB")
    try:
        return _require_sane(_of_v4(msgspec.convert(cbor.read(raw[5:]), _V4)))
    except msgspec.ValidationError:
        raise Malformed("token_malformed", "this is no token") from None


def digest(text: str) -> bytes:
    """SHA-256 of a token's characters: what makes two arrivals the same payment."""
    return hashlib.sha256(text.encode()).digest()


def _require_sane(token: Token) -> Token:
    if not 0 < len(token.proofs) <= INPUTS_MAX:
        raise TooLarge("inputs_too_many", f"a token has 1 to {INPUTS_MAX} coins")
    return token


def unbase64(text: str) -> bytes:
    """Both alphabets, with padding or without: wallets differ."""
    bare = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("token_malformed", "a token is base64url") from None


def _of_v3(found: _V3) -> Token:
    mints = {entry.mint for entry in found.token}
    if len(mints) != 1:
        raise Malformed("token_of_several_mints", "a token has the coins of one mint")
    return Token(
        mint=mints.pop(),
        unit=found.unit,
        proofs=tuple(proof for entry in found.token for proof in entry.proofs),
        memo=found.memo,
    )


def _of_v4(found: _V4) -> Token:
    proofs = [
        msgspec.convert(_unpacked(entry.i.hex(), proof), Proof)
        for entry in found.t
        for proof in entry.p
    ]
    return Token(mint=found.m, unit=found.u, proofs=tuple(proofs), memo=found.d)


def _unpacked(keyset_id: str, packed: _V4Proof) -> dict[str, object]:
    proof: dict[str, object] = {
        "amount": packed.a,
        "id": keyset_id,
        "secret": packed.s,
        "C": packed.c.hex(),
    }
    if packed.d is not None:
        proof["dleq"] = Dleq(e=packed.d.e.hex(), s=packed.d.s.hex(), r=packed.d.r.hex())
    if packed.w is not None:
        proof["witness"] = packed.w
    return proof
