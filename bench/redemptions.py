"""A day's redemptions at the broker: links hashed a second, and whole claims with signatures.

Chains have 100 links on average, in the batches that a worker gets. Each contestant has one core.
"""

import secrets
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from bench.figures import Figure, median_ratio
from bench.payments import (
    BROKER,
    CURRENCY,
    VENDOR,
    ChainPayer,
    RingInMemory,
    at_now,
    certificate_key,
    setting,
)
from bench.rounds import Contestant, Rates, take_turns
from bench.till import UNIT_MICRO, binding
from farthing.broker.checks import TASKS_PER_CALL
from farthing.crypto import chain, lanes, signing
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Account, Json, Mint, Setting

LINKS = range(50, 151)  # of a chain
CHAINS = 4_000  # of a batch of links: long against its packing, short against a round
CLAIMS = TASKS_PER_CALL  # checked in one call, as a worker does

Descend = Callable[[Sequence[chain.Proof]], list[bytes] | None]


def _proofs() -> list[chain.Proof]:
    random = Random(1)
    return [
        chain.Proof(random.randbytes(16), random.randbytes(16), random.choice(LINKS), bytes(16), 0)
        for _ in range(CHAINS)
    ]


def _one_by_one(proofs: Sequence[chain.Proof]) -> list[bytes]:
    return [chain.descend(one.key, one.word, one.at, one.last_index) for one in proofs]


def _links(descend: Descend, proofs: list[chain.Proof]) -> int:
    if descend(proofs) is None:
        raise RuntimeError("install the extra mint: pip install 'farthing[mint]'")
    return sum(one.at for one in proofs)


def _claims() -> tuple[Mint, list[Json]]:
    """Claims of PayWord chains, 100 links each, all of payers that the worker has not seen."""
    key = certificate_key()
    mint = PAYWORD.mint(Setting(broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(key)))
    till = PAYWORD.till(setting(RingInMemory(key), {"unit_micro": UNIT_MICRO}))
    offer = till.offer(UNIT_MICRO, at_now())
    payer = ChainPayer(key)
    claims: list[Json] = []
    for _ in range(CLAIMS):
        first, *_, last = payer.chain(offer, binding(), LINKS.stop // 2 + LINKS.start // 2)
        claims.append({"commitment": first["commitment"], "links": last["links"]})
    return mint, claims


def _check(mint: Mint, claims: list[Json]) -> int:
    at, account = at_now(secrets.token_bytes(32)), Account(id=VENDOR, role="vendor")
    for checked in mint.check_all("redeem", [(claim, account, at) for claim in claims]):
        if isinstance(checked, Exception):
            raise checked
    return len(claims)


def _as_new(mint: Mint, claims: list[Json]) -> Callable[[], int]:
    signing._verified.cache_clear()
    return partial(_check, mint, claims)


def measure(seconds: float) -> list[Figure]:
    """Rates with the standard library and with compiled code, and their ratio."""
    proofs = _proofs()
    mint, claims = _claims()
    _links(lanes.descend_all, proofs)  # compiled before anything is measured
    contestants = [
        Contestant(
            name="links, standard library",
            prepare=lambda: partial(_links, _one_by_one, proofs),
            target=1_800_000,
        ),
        Contestant(
            name="links, compiled",
            prepare=lambda: partial(_links, lanes.descend_all, proofs),
            target=5_000_000,
        ),
        Contestant(
            name="PayWord claims of 100 links, with signatures",
            prepare=lambda: _as_new(mint, claims),
        ),
    ]
    plain, compiled, whole = take_turns(contestants, seconds)
    return [
        *(_figure(rates) for rates in (plain, compiled, whole)),
        Figure(
            part="redemptions",
            name="compiled to standard library",
            value=median_ratio(compiled.by_round, plain.by_round),
            unit="×",
        ),
    ]


def _figure(rates: Rates) -> Figure:
    one = rates.contestant
    return Figure(
        part="redemptions", name=one.name, value=rates.median, unit="/s", target=one.target
    )
