"""Bytes of a payment: the scheme's payload, and the whole header line in both dialects."""

from collections.abc import Callable, Iterator

from bench.figures import Figure
from bench.offers import HEADERS, Dialect, binding, header_value, receive
from bench.payments import (
    CURRENCY,
    ChainPayer,
    RingInMemory,
    ScripPayer,
    at_now,
    certificate_key,
    setting,
    vendor_keys,
)
from farthing import codec
from farthing.schemes.contract import Json
from farthing.vendor.gate import Gate
from farthing.vendor.prices import read
from farthing.wire.offers import Received

REALM, PATH = "news.example", "/articles/on-small-coins.html"
PRICES = '[[route]]\npath = "/**"\nprice = "200u"\naccept = ["{scheme}"]\n'
SCRIP_BYTES_MAX, WORD_BYTES_MAX = 300, 150
CHAIN_LENGTH = 400  # payments at two words each: indices of three digits, as most have

Named = Iterator[tuple[str, Json, int | None]]
"""(what it is, the payload, the most bytes it may have)"""


def measure() -> list[Figure]:
    """Each kind of payment, by payload and by header."""
    certifying = certificate_key()
    keys = vendor_keys(at_now().now_s)
    gate = Gate(
        setting(RingInMemory(*keys, certifying)), schemes=["millicent", "payword"], realm=REALM
    )

    def scrip(received: Received, dialect: Dialect) -> Named:
        payload = ScripPayer(keys).pay(received.offer, binding(REALM, PATH, dialect))
        yield "MilliCent signed", payload, SCRIP_BYTES_MAX

    def words(received: Received, dialect: Dialect) -> Named:
        bound = binding(REALM, PATH, dialect)
        chain = ChainPayer(certifying).chain(received.offer, bound, CHAIN_LENGTH)
        yield "PayWord, the first", next(chain), None
        yield "PayWord after the first", [*chain][-1], WORD_BYTES_MAX

    kinds: dict[str, Callable[[Received, Dialect], Named]] = {"millicent": scrip, "payword": words}
    figures: dict[str, Figure] = {}
    for dialect, header in HEADERS.items():
        for scheme, pay in kinds.items():
            prices = read(
                PRICES.format(scheme=scheme), currency=CURRENCY, known=["millicent", "payword"]
            )
            received = receive(gate, prices.routes[0], PATH, dialect)
            for name, payload, most in pay(received, dialect):
                figures[name] = _bytes(name, len(codec.canonical(payload)), most)
                line = len(header) + len(": ") + len(header_value(received, payload))
                what = f"{name}: {header}"
                figures[what] = _bytes(what, line, None)
    return sorted(figures.values(), key=lambda figure: figure.name)


def _bytes(name: str, size_bytes: int, most: int | None) -> Figure:
    return Figure(
        part="bytes", name=name, value=size_bytes, unit="bytes", target=most, at_most=True
    )
