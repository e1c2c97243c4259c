"""Till in process, one core: how many payments a second, beside two kinds of signature check.

One payment is: parse the payload, verify it, mint the change, and hold and confirm its marks in the
store in memory, in one step (`Take`). K and payment digest come with the payment, as a gate has
them from the header. PayWord chains are open already: their two signatures are the rows "Ed25519".
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from bench.coins import CoinPayer, EcashPayer, NetcashPayer
from bench.figures import Figure, median_ratio
from bench.halves import HalfPayer
from bench.payments import (
    CURRENCY,
    VENDOR,
    ChainPayer,
    RingInMemory,
    ScripPayer,
    at_now,
    certificate_key,
    setting,
    vendor_keys,
)
from bench.rounds import Contestant, shown, take_turns
from bench.signatures import ed25519, eip3009, secp256k1
from bench.tokens import TokenPayer, certifying_key, list_of_now
from farthing import codec
from farthing.marks import NO_KEYS, NOTHING, Hold, Memory, Read, Take
from farthing.schemes.chain import ikp, netcard, payword, tick
from farthing.schemes.chain.agent import AGENT
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.ecoupon import ECOUPON
from farthing.schemes.chain.ecoupon.commitment import FAMILY
from farthing.schemes.chain.ecoupon.purse import LENGTH_MIN
from farthing.schemes.chain.fairchain import FAIRCHAIN
from farthing.schemes.chain.fairchain.ticket import UNITS_MAX, VENDOR_KEY
from farthing.schemes.chain.ikp import IKP
from farthing.schemes.chain.netcard import NETCARD
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.chain.tick import TICK
from farthing.schemes.chain.ticket import TICKET
from farthing.schemes.chain.ticket.commitment import FAMILY as TICKET_FAMILY
from farthing.schemes.chain.upayword import UPAYWORD
from farthing.schemes.chain.upayword.commitment import FAMILY as UPAYWORD_FAMILY
from farthing.schemes.contract import At, Binding, Scheme, Till
from farthing.schemes.mac.millicent import MILLICENT
from farthing.schemes.mac.millicent.scrip import OWN_SERIES, mint_scrip, serial_of
from farthing.schemes.streams import TICKS_MAX
from farthing.stores.memory import MemoryMarks
from farthing.vendor import metering

PRICE_MICRO = 200
UNIT_MICRO = 100  # one PayWord word pays one of its pages
CHAIN_LENGTH = 200  # payments on one chain: short, because a purse climbs down it for each
LEASE_S = 60
BASELINE = "Ed25519 verified (cryptography)"

Ready = tuple[bytes, str, bytes]
"""(payload, K, payment digest)"""


def binding() -> Binding:
    """The request that all these payments are for."""
    target = "GET /articles/1"
    return Binding(
        dialect="mpp",
        k="k",
        method="GET",
        host="news.example",
        path_query="/articles/1",
        target=target,
    )


def _ready(payload: object) -> Ready:
    raw = codec.canonical(payload)
    return raw, codec.b64u(secrets.token_bytes(32)), hashlib.sha256(raw).digest()


def _in_turns(chains: Sequence[Sequence[Ready]]) -> list[Ready]:
    """The payments of all chains in turns, each in memory beside the one before it.

    As a server has them: it reads each one as it comes.
    """
    turns = [payment for step in zip(*chains, strict=True) for payment in step]
    return [(bytes(bytearray(raw)), str(k.encode(), "ascii"), digest) for raw, k, digest in turns]


def _take_all(till: Till, store: MemoryMarks, payments: Sequence[Ready], price_micro: int) -> int:
    """What a gate does between header and answer, without header and answer."""
    at = at_now()
    offer = till.offer(price_micro, at)
    request = binding()
    serial = 0
    for raw, k, digest in payments:
        payment = till.read(raw)
        keys = till.recall(payment)
        memory: Memory = store.do_now(Read(keys=keys)) if keys is not NO_KEYS else NOTHING
        taken = till.take(payment, offer, request, memory, at)
        if till.series(taken):
            at = At(now_s=at.now_s, serials=(serial,))
            serial += 1
            till.finish(taken, None, at)
        hold = Hold(
            k=k,
            digest=digest,
            marks=taken.marks,
            kept=taken.kept,
            now_s=at.now_s,
            lease_until_s=at.now_s + LEASE_S,
            until_s=taken.until_s,
        )
        store.do_now(Take(hold=hold, outcome=b"", records=taken.records, claims=taken.claims))
    return len(payments)


def _scrip(count: int, protocol: str) -> Callable[[], Callable[[], int]]:
    keys = vendor_keys(at_now().now_s)
    payer = ScripPayer(keys)
    of = setting(RingInMemory(*keys), {"protocol": protocol})
    offer = MILLICENT.till(of).offer(PRICE_MICRO, at_now())
    payments = [_ready(payer.pay(offer, binding())) for _ in range(count)]
    till = MILLICENT.till(of)
    return lambda: partial(_take_all, till, MemoryMarks(), payments, PRICE_MICRO)


def _words(
    count: int,
    scheme: Scheme = PAYWORD,
    family: Family = payword.FAMILY,
    *,
    length: int = CHAIN_LENGTH,
) -> Callable[[], Callable[[], int]]:
    certifying = certificate_key(family)
    ring = RingInMemory(*vendor_keys(at_now().now_s), certifying)
    till = scheme.till(setting(ring, {"unit_micro": UNIT_MICRO}))
    payer = ChainPayer(certifying, scheme, family)
    length = min(length, count)
    chains = []
    for _ in range(count // length):  # each by an offer of its own: tickets have a root in it
        offer = till.offer(UNIT_MICRO, at_now(secrets.token_bytes(32)))
        chains.append([_ready(payload) for payload in payer.chain(offer, binding(), length)])
    first = [chain[0] for chain in chains]
    later = _in_turns(chains)[len(chains) :]

    def prepare() -> Callable[[], int]:
        store = MemoryMarks()
        _take_all(till, store, first, UNIT_MICRO)
        return partial(_take_all, till, store, later, UNIT_MICRO)

    return prepare


def _tokens(count: int) -> Callable[[], Callable[[], int]]:
    """Generic tokens after the first payment at this vendor: the certificate is checked already."""
    certifying = certifying_key()
    ring = RingInMemory(*vendor_keys(at_now().now_s), certifying)
    till = AGENT.till(setting(ring, {"unit_micro": UNIT_MICRO, "unacknowledged_micro_max": 10**6}))
    payer = TokenPayer(certifying)
    offer = till.offer(UNIT_MICRO, at_now())
    length = min(CHAIN_LENGTH, count)
    chains = [
        [_ready(payload) for payload in payer.chain(offer, binding(), length)]
        for _ in range(count // length)
    ]
    first = [chain[0] for chain in chains]
    later = _in_turns(chains)[len(chains) :]

    def prepare() -> Callable[[], int]:
        store = MemoryMarks()
        store.do_now(list_of_now())
        _take_all(till, store, first, UNIT_MICRO)
        return partial(_take_all, till, store, later, UNIT_MICRO)

    return prepare


def _halves(count: int) -> Callable[[], Callable[[], int]]:
    """Units of the fair chain, two payments each, after the first unit of each ticket."""
    ring = RingInMemory(*vendor_keys(at_now().now_s))
    till = FAIRCHAIN.till(setting(ring))
    payer = HalfPayer(ring.current(VENDOR_KEY))
    offer = till.offer(UNIT_MICRO, at_now())
    tickets = [
        [_ready(payload) for payload in payer.halves(offer, binding())]
        for _ in range(max(1, count // UNITS_MAX))
    ]
    first = [ready for ticket in tickets for ready in ticket[:2]]
    later = _in_turns(tickets)[2 * len(tickets) :]

    def prepare() -> Callable[[], int]:
        store = MemoryMarks()
        _take_all(till, store, first, UNIT_MICRO)
        return lambda: _take_all(till, store, later, UNIT_MICRO) // 2

    return prepare


def _coins(count: int, made: Callable[[], CoinPayer]) -> Callable[[], Callable[[], int]]:
    """Coins of the price: of NetCash two signatures to check, of eCash one and a box as it is."""
    payer = made()
    till = payer.scheme.till(setting(RingInMemory(*vendor_keys(at_now().now_s), *payer.keys)))
    offer = till.offer(PRICE_MICRO, at_now())
    payments = [_ready(payer.pay(offer, binding())) for _ in range(max(1, count))]
    return lambda: partial(_take_all, till, MemoryMarks(), payments, PRICE_MICRO)


def _vouchers(count: int) -> Callable[[], Callable[[], int]]:
    """Ticks of one stream in vouchers of 64, with what the gate adds to what the stream has."""
    certifying = certificate_key(tick.FAMILY)
    ring = RingInMemory(*vendor_keys(at_now().now_s), certifying)
    till = TICK.till(setting(ring, {"unit_micro": 1}))
    offer = msgspec.structs.replace(till.offer(1, at_now()), intent="session")
    length = max(2, min(count // TICKS_MAX, 50))
    payloads = ChainPayer(certifying, TICK, tick.FAMILY).stream(offer, binding(), length)
    first, *later = [_ready(payload) for payload in payloads]

    def take_all(store: MemoryMarks, payments: Sequence[Ready]) -> int:
        at, request = at_now(), binding()
        for raw, _, digest in payments:
            payment = till.read(raw)
            k, name = till.own_k(payment), till.stream_of(payment)
            keys = metering.with_stream(till.recall(payment), name)
            found: Memory = store.do_now(Read(keys=keys))
            memory = metering.without_stream(found, name)
            taken = till.take(payment, offer, request, memory, at)
            taken = metering.counted(taken, name)
            hold = Hold(
                k=k,
                digest=digest,
                marks=taken.marks,
                kept=taken.kept,
                now_s=at.now_s,
                lease_until_s=at.now_s + LEASE_S,
                until_s=taken.until_s,
            )
            store.do_now(Take(hold=hold, outcome=b"", records=taken.records, claims=taken.claims))
        return len(payments) * TICKS_MAX

    def prepare() -> Callable[[], int]:
        store = MemoryMarks()
        take_all(store, [first])
        return partial(take_all, store, later)

    return prepare


def _minting(count: int) -> Callable[[], Callable[[], int]]:
    keys = {key.purpose: key for key in vendor_keys(at_now().now_s)}
    series = keys[OWN_SERIES]
    expires_at_s = at_now().now_s + 86_400

    def mint_all() -> int:
        for index in range(count):
            mint_scrip(
                series.secret,
                vendor=VENDOR,
                currency=CURRENCY,
                value_micro=PRICE_MICRO,
                serial=serial_of(2, index),
                payer="0001a0b1c2d3e4f5",
                expires_at_s=expires_at_s,
            )
        return count

    return lambda: mint_all


Prepare = Callable[[], Callable[[], int]]


def _contestants(batch: int) -> list[tuple[str, Callable[[], Prepare], float | None]]:
    """(name, what makes its payments, target)."""
    some = max(1, batch // 50)
    return [
        ("MilliCent signed", partial(_scrip, batch, "signed"), 80_000),
        ("MilliCent clear", partial(_scrip, batch, "clear"), 120_000),
        ("PayWord", partial(_words, batch), 250_000),
        ("scrip minted", partial(_minting, batch), 400_000),
        (BASELINE, partial(ed25519, some), None),
        ("secp256k1 verified (cryptography)", partial(secp256k1, some), None),
        ("x402 exact EIP-3009 verified (eth-account)", partial(eip3009, 2), None),
        ("NetCard", partial(_words, batch, NETCARD, netcard.FAMILY), None),
        ("micro-iKP", partial(_words, batch, IKP, ikp.FAMILY), None),
        ("e-coupons", partial(_words, batch, ECOUPON, FAMILY, length=LENGTH_MIN), 120_000),
        ("e-coupons, a start in sixteen", partial(_words, batch, ECOUPON, FAMILY), None),
        ("UPayWord", partial(_words, batch, UPAYWORD, UPAYWORD_FAMILY), None),
        ("lottery tickets", partial(_words, batch, TICKET, TICKET_FAMILY), 120_000),
        ("agent generic", partial(_tokens, batch), 150_000),
        ("fair chain, units of two links", partial(_halves, batch), 100_000),
        ("NetCash", partial(_coins, batch // 10, NetcashPayer), None),
        ("eCash", partial(_coins, batch // 10, EcashPayer), None),
        ("ticks, one at a time", partial(_words, batch, TICK, tick.FAMILY), 200_000),
        ("ticks by vouchers", partial(_vouchers, batch), 200_000),
    ]


def measure(seconds: float, *, batch: int = 5_000) -> list[Figure]:
    """Rates of the tills, and how often each is faster than the signature checks."""
    contestants = [
        Contestant(name=name, prepare=make(), target=target)
        for name, make, target in shown(_contestants(batch), "making payments")
    ]
    rates = take_turns(contestants, seconds)
    figures = [
        Figure(
            part="till",
            name=one.contestant.name,
            value=one.median,
            unit="/s",
            target=one.contestant.target,
        )
        for one in rates
    ]
    ours, theirs = rates[:3], (rates[4], rates[6])
    for other in theirs:
        figures += [
            Figure(
                part="till",
                name=f"{one.contestant.name} to {other.contestant.name}",
                value=median_ratio(one.by_round, other.by_round),
                unit="×",
            )
            for one in ours
        ]
    return figures
