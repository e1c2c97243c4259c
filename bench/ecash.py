"""Coins of eCash at the broker, on one core: signed blind, verified, deposited in durable batches.

By the time that the core works, so that what else runs on the machine makes no difference.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.figures import Figure
from bench.payments import BROKER, CURRENCY, VENDOR, RingInMemory, at_now
from bench.till import binding
from farthing import codec
from farthing.broker.app import Broker
from farthing.broker.operations import BEARER
from farthing.broker.people import OpenAccount, TopUp
from farthing.crypto import blind_rsa
from farthing.schemes.coin import values
from farthing.schemes.coin.blind.purse import ROOM
from farthing.schemes.coin.deriving import SEED
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.coin.ecash.keyset import BITS
from farthing.schemes.contract import Account, Asked, Instrument, Key, Need, Offer, Paid, Setting

PAYER = "bench-payer"
IBAN = "DE89370400440532013000"  # the registry's own example
PAYMENTS, BATCHES = 100, 5  # of one batch; one alone takes too short to be measured well
PRICE_MICRO = values.worth_micro(range(ROOM))  # a coin of each of the smallest denominations
FLOAT_MICRO = 10**10
MESSAGE = b"coin"


def _rate(work: Callable[[], object], seconds: float) -> float:
    """How often a second of one core."""
    began_s, count = time.process_time(), 0
    while (took_s := time.process_time() - began_s) < seconds:
        work()
        count += 1
    return count / took_s


def _signatures(seconds: float) -> list[Figure]:
    secret = blind_rsa.derive_key(b"bench", BITS)
    key, variant = secret.public, blind_rsa.PSS_RANDOMIZED
    r, salt = blind_rsa.below(key, b"r"), bytes(variant.salt_bytes)
    blinded = blind_rsa.blind(key, MESSAGE, salt, r)
    signature = blind_rsa.finalize(key, variant, MESSAGE, blind_rsa.blind_sign(secret, blinded), r)
    return [
        Figure(
            part="ecash",
            name=f"RSA-{BITS} blind signatures, a core",
            value=_rate(lambda: blind_rsa.blind_sign(secret, blinded), seconds),
            unit="/s",
            target=800,
        ),
        Figure(
            part="ecash",
            name="coins verified, a core",
            value=_rate(lambda: blind_rsa.verify(key, variant, MESSAGE, signature), seconds),
            unit="/s",
            target=20_000,
        ),
    ]


class _Payer:
    """Withdraws pockets of a broker in process, and pays with all that is in them."""

    def __init__(self, broker: Broker) -> None:
        seed = Key(id="seed", purpose=SEED, secret=secrets.token_bytes(32))
        setting = Setting(broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(seed))
        self._purse = ECASH.purse(setting)
        self._broker, self._number = broker, 0

    async def payment(self, offer: Offer) -> bytes:
        """One payment of the offer, as its claim."""
        need = Need(amount_micro=offer.price_micro, currency=CURRENCY)
        at = msgspec.structs.replace(at_now(secrets.token_bytes(64)), serials=(self._number,))
        self._number += 1
        found: tuple[Instrument, ...] | Asked = self._purse.ask(need, at)
        while isinstance(found, Asked):
            account = BEARER if found.bearer else Account(id=PAYER, role="payer")
            answer = await self._broker.engine.operations.run(
                "ecash", found.operation, found.message, account, secrets.token_hex(8)
            )
            found = self._purse.receive(found, msgspec.json.decode(answer)["answer"], at)
        paid = self._purse.pay(found[0], offer, binding(), at)
        assert isinstance(paid, Paid), "its list is fresh"
        return codec.canonical(paid.payload)


async def _deposits(folder: Path, payments: int, batches: int) -> Figure:
    Broker.init(folder, broker_id=BROKER, currency=CURRENCY, url="http://127.0.0.1")
    broker = Broker.open(folder)
    try:
        people = broker.engine.people
        await people.open(OpenAccount(id=PAYER), "payer")
        vendor = OpenAccount(id=VENDOR, role="vendor", payout_to=IBAN)
        await people.open(vendor, "vendor")
        topup = TopUp(payer=PAYER, amount_micro=FLOAT_MICRO, reference="RF-1")
        await people.top_up(topup, "topup")
        setting = Setting(
            broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(), vendor_id=VENDOR
        )
        offer = ECASH.till(setting).offer(PRICE_MICRO, at_now())
        payer = _Payer(broker)
        redeem, account = broker.engine.redeeming.redeem, Account(id=VENDOR, role="vendor")
        took_s = 0.0
        for number in range(batches):
            claims = [await payer.payment(offer) for _ in range(payments)]
            began_s = time.process_time()
            answer = msgspec.json.decode(await redeem("ecash", claims, account, f"day {number}"))
            took_s += time.process_time() - began_s
            assert answer["paidMicro"] == payments * PRICE_MICRO, "each of them is right"
    finally:
        broker.close()
    return Figure(
        part="ecash",
        name=f"coins deposited, durable, {ROOM} a payment, a core",
        value=batches * payments * ROOM / took_s,
        unit="/s",
        target=10_000,
    )


def measure(seconds: float, *, payments: int = PAYMENTS, batches: int = BATCHES) -> list[Figure]:
    """Rates of one core."""
    with TemporaryDirectory(prefix="farthing-bench-") as name:
        deposited = asyncio.run(_deposits(Path(name) / "broker", payments, batches))
    return [*_signatures(seconds / 3), deposited]
