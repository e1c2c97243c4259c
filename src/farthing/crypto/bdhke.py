"""Blind Diffie-Hellman key exchange on secp256k1: the signatures of Cashu, and their proofs.

    Y  = hash_to_curve(secret)              what is signed; 33 bytes compressed
    B_ = Y + r·G                            the payer blinds it with r
    C_ = k·B_                               the mint signs it blindly with k, whose public key is K
    C  = C_ - r·K = k·Y                     the payer unblinds: the coin is (secret, C)

Whoever has k verifies a coin by computing k·Y. For everybody else the mint proves that the k of C_
is that of K, without showing it (DLEQ)::

    R1 = p·G   R2 = p·B_   e = SHA-256(hex of R1, R2, K, C_, each uncompressed)   s = p + e·k
    right if e is that hash of R1 = s·G - e·K and R2 = s·B_ - e·C_

The nonce p follows from k and what is signed, so the same request gets the same bytes. libsecp256k1
multiplies foreign points in variable time, as every Cashu mint does: keep the mint off machines
that others measure. Source: NUT-00 and NUT-12 of the Cashu specifications.
"""

import hashlib
import hmac

import msgspec
from coincurve import GLOBAL_CONTEXT, PrivateKey, PublicKey
from coincurve._libsecp256k1 import ffi, lib  # type: ignore[import-not-found]  # - it is compiled

from farthing.errors import Forged, Malformed

POINT_BYTES = 33  # compressed: the sign of y, then x
SCALAR_BYTES = 32
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
CURVE_TRIES_MAX = 2**16  # each hits with probability 1/2: the specification's own bound
NONCE_TRIES_MAX = 256  # each misses with probability 2^-128: likewise

_CURVE_TAG = b"Secp256k1_HashToCurve_Cashu_"
_NONCE_TAG = b"Cashu_DLEQ_R_v1"


class Signed(msgspec.Struct, frozen=True, gc=False):
    """A blind signature and its proof; all of it may be public."""

    C_: bytes
    """33 bytes."""
    e: bytes
    """32 bytes."""
    s: bytes
    """32 bytes."""


def point(raw: bytes) -> PublicKey:
    """The point in its one compressed spelling of 33 bytes; `Malformed` for anything else."""
    if len(raw) != POINT_BYTES:
        raise Malformed("point_malformed", "a point is 33 bytes, compressed")
    try:
        return PublicKey(raw)
    except ValueError:
        raise Malformed("point_malformed", "this is no point of secp256k1") from None


def public_of(secret: bytes) -> bytes:
    """The public key, 33 bytes, of a scalar of 32 bytes in 1 … order - 1."""
    return PrivateKey(secret).public_key.format()


def hash_to_curve(message: bytes) -> PublicKey:
    """The point of a message: nobody knows its discrete logarithm."""
    seed = hashlib.sha256(_CURVE_TAG + message).digest()
    for count in range(CURVE_TRIES_MAX):
        x = hashlib.sha256(seed + count.to_bytes(4, "little")).digest()
        try:
            return PublicKey(b"\x02" + x)
        except ValueError:  # no point has this x
            continue
    raise AssertionError("2^16 hashes in a row are on no point")


def blind(secret: bytes, r: bytes) -> bytes:
    """B_ of a coin's secret and a random scalar."""
    return PublicKey.combine_keys([hash_to_curve(secret), PublicKey.from_secret(r)]).format()


def sign(key: PrivateKey, blinded: PublicKey) -> Signed:
    """The blind signature with its proof; the same for the same key and point."""
    signed = blinded.multiply(key.secret)
    nonce = _nonce(key, blinded, signed)
    r1, r2 = PublicKey.from_secret(nonce), blinded.multiply(nonce)
    e = hash_points(r1, r2, key.public_key, signed)
    return Signed(C_=signed.format(), e=e, s=_times_plus(key.secret, e, nonce))


def unblind(signed: bytes, r: bytes, public: bytes) -> bytes:
    """C, 33 bytes; `Malformed` where the mint's answer is no point."""
    minus = point(public).multiply(_minus(r))
    return PublicKey.combine_keys([point(signed), minus]).format()


def verify(key: PrivateKey, y: PublicKey, signature: bytes) -> None:
    """`Forged` unless `signature` is C of the point of this coin's secret."""
    if not hmac.compare_digest(y.multiply(key.secret).format(), signature):
        raise Forged("coin_forged", "the mint did not sign this coin under this key and amount")


def verify_signed(public: bytes, blinded: bytes, signed: Signed) -> None:
    """`Forged` unless the proof says that C_ is B_ signed with the key of `public`."""
    try:
        k, b, c = point(public), point(blinded), point(signed.C_)
        minus = _minus(signed.e)
        r1 = PublicKey.combine_keys([PublicKey.from_secret(signed.s), k.multiply(minus)])
        r2 = PublicKey.combine_keys([b.multiply(signed.s), c.multiply(minus)])
    except ValueError:  # a scalar out of range, or a sum at infinity
        raise _unproved() from None
    if not hmac.compare_digest(hash_points(r1, r2, k, c), signed.e):
        raise _unproved()


def verify_coin(public: bytes, secret: bytes, signature: bytes, r: bytes, proof: Signed) -> None:
    """`Forged` unless `proof` (its e and s) says that the mint signed this coin.

    Whoever gets the coin computes what was signed from the payer's r.
    """
    try:
        signed = PublicKey.combine_keys([point(signature), point(public).multiply(r)]).format()
        blinded = blind(secret, r)
    except ValueError:
        raise _unproved() from None
    verify_signed(public, blinded, Signed(C_=signed, e=proof.e, s=proof.s))


def hash_points(*points: PublicKey) -> bytes:
    """SHA-256 over the uncompressed points in hex."""
    text = "".join(one.format(compressed=False).hex() for one in points)
    return hashlib.sha256(text.encode()).digest()


def _nonce(key: PrivateKey, blinded: PublicKey, signed: PublicKey) -> bytes:
    points = (key.public_key, blinded, signed)
    base = _NONCE_TAG + b"".join(one.format(compressed=False) for one in points)
    for count in range(NONCE_TRIES_MAX):
        nonce = hmac.digest(key.secret, base + bytes([count]), "sha256")
        if 0 < int.from_bytes(nonce, "big") < ORDER:
            return nonce
    raise AssertionError("256 hashes in a row are no scalar")


def _times_plus(secret: bytes, factor: bytes, summand: bytes) -> bytes:
    """secret·factor + summand, in constant time.

    As a `PrivateKey` does it, but without its public half, which costs as much as a signature.
    """
    found = ffi.new("unsigned char [32]", secret)
    done = lib.secp256k1_ec_seckey_tweak_mul(GLOBAL_CONTEXT.ctx, found, factor)
    done &= lib.secp256k1_ec_seckey_tweak_add(GLOBAL_CONTEXT.ctx, found, summand)
    assert done, "a hash is no scalar, or the sum is zero"
    return bytes(ffi.buffer(found, SCALAR_BYTES))


def _minus(scalar: bytes) -> bytes:
    """The scalar's negative; what is out of range stays so."""
    return ((ORDER - int.from_bytes(scalar, "big")) % 2**256).to_bytes(SCALAR_BYTES, "big")


def _unproved() -> Forged:
    return Forged("proof_wrong", "nothing proves that the mint signed this with its public key")
