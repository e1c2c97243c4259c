"""Toy blind signatures for the thin eCash: textbook RSA over two well-known primes.

One exponent a denomination on one modulus, which is what the real scheme must never do.
"""

import hashlib

from farthing import codec
from farthing.errors import Forged, OutOfRange

P, Q = 2**61 - 1, 2**89 - 1
N = P * Q
EXPONENTS = {400: 257, 200: 641, 100: 65_537}  # denomination in micro-units -> public exponent

Point = tuple[int, str]
"""(denomination in micro-units, a number modulo N in hex)."""
Coin = tuple[int, str, str]
"""(denomination in micro-units, serial, signature in hex)."""


def _hashed(*fields: bytes | str | int) -> int:
    return int.from_bytes(hashlib.sha256(codec.enc(*fields)).digest()) % N


def _serial(seed: bytes, number: int) -> str:
    return f"{_hashed(seed, 'serial', number):x}"


def split(amount_micro: int) -> list[int]:
    found = []
    for micro in EXPONENTS:
        found += [micro] * (amount_micro // micro)
        amount_micro %= micro
    if amount_micro:
        raise OutOfRange("price_not_in_units", "coins start at 100 micro-units")
    return found


def blind(seed: bytes, amount_micro: int) -> list[Point]:
    """One blinded message a coin, each for the key of its denomination."""
    points = []
    for number, micro in enumerate(split(amount_micro)):
        r = _hashed(seed, "r", number)
        point = _hashed(_serial(seed, number)) * pow(r, EXPONENTS[micro], N) % N
        points.append((micro, f"{point:x}"))
    return points


def sign(points: tuple[Point, ...]) -> list[str]:
    phi = (P - 1) * (Q - 1)
    return [f"{pow(int(at, 16), pow(EXPONENTS[micro], -1, phi), N):x}" for micro, at in points]


def unblind(seed: bytes, amount_micro: int, signatures: list[str]) -> tuple[Coin, ...]:
    """The coins; `Forged` if a signature is not right."""
    coins = []
    for number, (micro, sig) in enumerate(zip(split(amount_micro), signatures, strict=True)):
        plain = int(sig, 16) * pow(_hashed(seed, "r", number), -1, N) % N
        coins.append((micro, _serial(seed, number), f"{plain:x}"))
        verify(coins[-1])
    return tuple(coins)


def verify(coin: Coin) -> None:
    micro, serial, sig = coin
    if micro not in EXPONENTS or pow(int(sig, 16), EXPONENTS[micro], N) != _hashed(serial):
        raise Forged("coin_forged", "this coin was not signed by the broker")
