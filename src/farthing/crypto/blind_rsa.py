"""Blind RSA signatures (RFC 9474): the signer signs without seeing what, or what becomes of it.

    prepared = prefix(32 random bytes) ‖ message, or the message alone; m = EMSA-PSS(prepared)
    blind:     z = m·r^e mod n            blind_sign: s = z^d mod n, released if s^e = z
    finalize:  s·r^-1 mod n               verify:     RSASSA-PSS with SHA-384, as of any RSA key

- All four variants: PSS or PSSZERO (a salt of 48 bytes or none), Randomized or Deterministic. A key
  serves one variant only.
- The text encodes with `bit_len(n)` bits where the vectors and RFC 8017 need one less; so do we.
- Powers under the secret key are gmpy2's `powmod_sec`, whose time does not depend on base or
  exponent, one a prime (CRT). What they are taken of is blinded first, by a factor that follows
  from the secret key and z, so that the divisions around them tell nothing either.
- `derive_key` makes the same key of the same seed in every process; that is ours, as is FIPS
  186-5's rule that both primes begin with two one bits and lie apart.

Salt, prefix and r are the caller's: random, or derived from a secret that can make them again.
"""

import hashlib
from functools import lru_cache

import gmpy2
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384

from farthing.codec import enc
from farthing.errors import Broken, Forged, Malformed, OutOfRange

E = 65_537
HASH_BYTES = 48  # SHA-384
PREFIX_BYTES = 32  # RFC 9474, section 4.1
BITS_MIN = 1024  # below it OpenSSL verifies nothing; what is worth money has 2048
BITS_MAX = 8192  # a larger key is a mistake, and slow to verify with
WIDER_BYTES = 16  # drawn more than n has, so that a number below n is uniform to 2^-128
KEYS_CACHED = 256  # public keys kept parsed: some epochs of some issuers
_PRIME_TAG = "farthing/blind-rsa/prime/1"
_FACTOR_TAG = "farthing/blind-rsa/factor/1"


class Variant(msgspec.Struct, frozen=True):
    """How a message is encoded before it is blinded."""

    name: str
    salt_bytes: int
    prefix_bytes: int


PSS_RANDOMIZED = Variant("RSABSSA-SHA384-PSS-Randomized", HASH_BYTES, PREFIX_BYTES)
PSSZERO_RANDOMIZED = Variant("RSABSSA-SHA384-PSSZERO-Randomized", 0, PREFIX_BYTES)
PSS_DETERMINISTIC = Variant("RSABSSA-SHA384-PSS-Deterministic", HASH_BYTES, 0)
PSSZERO_DETERMINISTIC = Variant("RSABSSA-SHA384-PSSZERO-Deterministic", 0, 0)
VARIANTS = (PSS_RANDOMIZED, PSSZERO_RANDOMIZED, PSS_DETERMINISTIC, PSSZERO_DETERMINISTIC)


class PublicKey(msgspec.Struct, frozen=True):
    """A modulus, with 65537 as exponent. `OutOfRange` for a size nobody should use."""

    n: int

    def __post_init__(self) -> None:
        """An odd modulus of whole bytes."""
        bits = self.n.bit_length()
        if not BITS_MIN <= bits <= BITS_MAX or bits % 8 or not self.n & 1:
            raise OutOfRange("modulus_out_of_range", "a modulus has 1,024 to 8,192 bits")

    @property
    def size_bytes(self) -> int:
        """Of n, and of all that is taken modulo n."""
        return self.n.bit_length() // 8

    @property
    def raw(self) -> bytes:
        """The modulus, big-endian."""
        return self.n.to_bytes(self.size_bytes)


class SecretKey:
    """Two primes. Its repr shows nothing of them."""

    def __init__(self, p: int, q: int) -> None:
        """For e = 65537."""
        self.public = PublicKey(p * q)
        self._n, self._p, self._q = gmpy2.mpz(p * q), gmpy2.mpz(p), gmpy2.mpz(q)
        self._dp, self._dq = gmpy2.invert(E, self._p - 1), gmpy2.invert(E, self._q - 1)
        self._q_inverse = gmpy2.invert(self._q, self._p)
        primes = [prime.to_bytes(self.public.size_bytes) for prime in (p, q)]
        self._factor_key = hashlib.sha256(enc(_FACTOR_TAG, *primes)).digest()

    def power(self, z: int) -> int:
        """z^d mod n, checked; `Broken` for what a fault in the computer has made."""
        factor = below(self.public, enc(_FACTOR_TAG, self._factor_key, z.to_bytes(self._size)))
        hidden = z * gmpy2.powmod(factor, E, self._n) % self._n
        at_p = gmpy2.powmod_sec(hidden % self._p, self._dp, self._p)
        at_q = gmpy2.powmod_sec(hidden % self._q, self._dq, self._q)
        root = at_q + self._q * ((at_p - at_q) * self._q_inverse % self._p)
        signed = root * gmpy2.invert(factor, self._n) % self._n
        if gmpy2.powmod(signed, E, self._n) != z:
            raise Broken("signature_fault", "the computer made a mistake; nothing was signed")
        return int(signed)

    @property
    def _size(self) -> int:
        return self.public.size_bytes


def derive_key(seed: bytes, bits: int) -> SecretKey:
    """The key of `bits` that follows from a secret seed; some tenths of a second at 2048."""
    p, q = (_prime(enc(_PRIME_TAG, seed, bits, name), bits // 2) for name in ("p", "q"))
    assert abs(p - q) >> (bits // 2 - 100), "two primes drawn of a hash lie apart"
    return SecretKey(p, q)


def _prime(seed: bytes, bits: int) -> int:
    """The first fitting prime behind a number of `bits` that begins with two one bits."""
    drawn = int.from_bytes(hashlib.shake_256(seed).digest(bits // 8))
    prime = gmpy2.mpz(drawn | 3 << (bits - 2))
    while True:
        prime = gmpy2.next_prime(prime)
        if (prime - 1) % E:
            return int(prime)


def below(key: PublicKey, seed: bytes) -> int:
    """A number in 1 … n - 1 that follows from `seed`, uniform as far as SHAKE-256 is."""
    wide = hashlib.shake_256(seed).digest(key.size_bytes + WIDER_BYTES)
    return int.from_bytes(wide) % (key.n - 1) + 1


def blind(key: PublicKey, prepared: bytes, salt: bytes, r: int) -> bytes:
    """The blinded message; `OutOfRange` for an r or a message that no secret key fits.

    `salt` has the variant's size; `r` is in 1 … n - 1 and used for this message only.
    """
    m = int.from_bytes(encode(prepared, salt, key.n.bit_length() - 1))
    blinded = m * gmpy2.powmod(r, E, key.n) % key.n
    if not 0 < r < key.n or gmpy2.gcd(blinded, key.n) != 1:  # a prime of n that m or r has
        raise OutOfRange("blinding_unusable", "draw another one")
    return int(blinded).to_bytes(key.size_bytes)


def blind_sign(secret: SecretKey, blinded: bytes) -> bytes:
    """The blind signature; `Malformed`, `OutOfRange` for what is not below n, `Broken`."""
    key = secret.public
    if len(blinded) != key.size_bytes:
        raise Malformed("blinded_malformed", f"a blinded message has {key.size_bytes} bytes")
    z = int.from_bytes(blinded)
    if not 0 < z < key.n:
        raise OutOfRange("blinded_out_of_range", "a blinded message is below the modulus")
    return secret.power(z).to_bytes(key.size_bytes)


def finalize(
    key: PublicKey, variant: Variant, prepared: bytes, blind_signature: bytes, r: int
) -> bytes:
    """The signature of `prepared`; `Forged` unless it is one."""
    if len(blind_signature) != key.size_bytes:
        raise Forged("signature_wrong", "the signature does not fit the message")
    signed = int.from_bytes(blind_signature) * gmpy2.invert(r, key.n) % key.n
    signature = int(signed).to_bytes(key.size_bytes)
    verify(key, variant, prepared, signature)
    return signature


def verify(key: PublicKey, variant: Variant, prepared: bytes, signature: bytes) -> None:
    """`Forged` unless `signature` is that of `key` over `prepared`."""
    if len(signature) != key.size_bytes:
        raise Forged("signature_wrong", "the signature does not fit the message")
    try:
        _parsed(key.n).verify(signature, prepared, _PADDINGS[variant.salt_bytes], _HASH)
    except InvalidSignature:
        raise Forged("signature_wrong", "the signature does not fit the message") from None


def encode(prepared: bytes, salt: bytes, bits: int) -> bytes:
    """EMSA-PSS-ENCODE (RFC 8017, section 9.1.1) with SHA-384 and MGF1 of it."""
    size_bytes = -(-bits // 8)
    hashed = hashlib.sha384(bytes(8) + hashlib.sha384(prepared).digest() + salt).digest()
    plain = (b"\1" + salt).rjust(size_bytes - HASH_BYTES - 1, b"\0")
    mask = b"".join(
        hashlib.sha384(hashed + number.to_bytes(4)).digest()
        for number in range(-(-len(plain) // HASH_BYTES))
    )[: len(plain)]
    masked = int.from_bytes(plain) ^ int.from_bytes(mask)
    kept = masked & (1 << (8 * len(plain) - (8 * size_bytes - bits))) - 1
    return kept.to_bytes(len(plain)) + hashed + b"\xbc"


@lru_cache(maxsize=KEYS_CACHED)
def _parsed(n: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(E, n).public_key()


_HASH = SHA384()
_PADDINGS = {
    size_bytes: padding.PSS(mgf=padding.MGF1(_HASH), salt_length=size_bytes)
    for size_bytes in (0, HASH_BYTES)
}
