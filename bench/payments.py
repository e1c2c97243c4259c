"""Payments made beforehand with the schemes' own purses, and the vendor's ring that takes them."""

import secrets
import time
from collections.abc import Iterator

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.schemes.chain.credit.certificate import Certificate, Family
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.credit.purse import Card
from farthing.schemes.chain.payword import FAMILY, PAYWORD
from farthing.schemes.contract import (
    Asked,
    At,
    Binding,
    Instrument,
    Json,
    Key,
    Offer,
    Paid,
    Ring,
    Scheme,
    Setting,
)
from farthing.schemes.mac.millicent import MILLICENT
from farthing.schemes.mac.millicent.scrip import (
    LICENSED_SERIES,
    PAYER_RANGE,
    mint_scrip,
    payer_secret,
    serial_of,
)
from farthing.schemes.streams import TICKS_MAX
from farthing.vendor.founding import new_keys

BROKER, VENDOR = "bench-broker", "bench"
CURRENCY = "eur"
BROKER_URL = "http://127.0.0.1:9"  # nobody answers there: no broker is asked
WORTH_MICRO = 1_000  # of each piece of scrip: every payment at 200 gives change
PAYERS = 1_000  # a cache of payer secrets must hold them, as a gate's does
DAY_S = 86_400
PRIZES = 32  # that a slot has room for where tickets are drawn
SPARE = 64  # words of credit that a chain need not use


class RingInMemory:
    """Keys in dictionaries, as fast to find as in the gate's own ring, which is a file."""

    def __init__(self, *keys: Key) -> None:
        """The newest last."""
        self._by_id = {(key.purpose, key.id): key for key in keys}
        self._live: dict[str, list[Key]] = {}
        for key in reversed(keys):
            self._live.setdefault(key.purpose, []).append(key)

    def live(self, purpose: str) -> list[Key]:
        """The newest first."""
        return self._live[purpose]

    def known(self, purpose: str) -> list[Key]:
        """The newest first."""
        return self._live.get(purpose, [])

    def current(self, purpose: str) -> Key:
        """The newest."""
        return self._live[purpose][0]

    def find(self, purpose: str, key_id: str) -> Key | None:
        """By name."""
        return self._by_id.get((purpose, key_id))


def certificate_key(family: Family = FAMILY) -> Key:
    """A broker's key for certificates of credit; the vendor uses its public half."""
    secret = secrets.token_bytes(32)
    return Key(
        id="c1", purpose=family.certificate_key, secret=secret, public=signing.public_of(secret)
    )


def vendor_keys(now_s: int) -> list[Key]:
    """The first keys of the vendor."""
    return new_keys(secrets.token_bytes(224), VENDOR, now_s)


def setting(ring: Ring, options: dict[str, Json] | None = None) -> Setting:
    """The vendor's, over `ring`."""
    return Setting(
        broker_id=BROKER,
        broker_url=BROKER_URL,
        currency=CURRENCY,
        ring=ring,
        vendor_id=VENDOR,
        options=options or {},
    )


def at_now(entropy: bytes = b"") -> At:
    """Now."""
    return At(now_s=int(time.time()), entropy=entropy)


class ScripPayer:
    """Pays with a fresh piece of MilliCent scrip each time."""

    def __init__(self, keys: list[Key]) -> None:
        """`keys` are the vendor's, so that nobody need ask a broker for a million pieces."""
        by_purpose = {key.purpose: key for key in keys}
        self._series = by_purpose[LICENSED_SERIES]
        self._range = by_purpose[PAYER_RANGE]
        self._purse = MILLICENT.purse(
            Setting(broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(*keys))
        )
        self._expires_at_s = int(time.time()) // DAY_S * DAY_S + 20 * DAY_S
        self._payers = [self._range.id + secrets.token_hex(6) for _ in range(PAYERS)]
        self._secrets = {
            payer: codec.b64u(payer_secret(self._range.secret, VENDOR, payer))
            for payer in self._payers
        }
        self._made = 0

    def _buy(self, at: At) -> Instrument:
        payer = self._payers[self._made % PAYERS]
        scrip = mint_scrip(
            self._series.secret,
            vendor=VENDOR,
            currency=CURRENCY,
            value_micro=WORTH_MICRO,
            serial=serial_of(int(self._series.id, 16), self._made),
            payer=payer,
            expires_at_s=self._expires_at_s,
        )
        self._made += 1
        asked = Asked(operation="issue", message={"valueMicro": WORTH_MICRO, "vendor": VENDOR})
        answer = {"scrip": msgspec.to_builtins(scrip), "secret": self._secrets[payer]}
        bought = self._purse.receive(asked, answer, at)
        assert isinstance(bought, tuple), "a purchase is one errand"
        return bought[0]

    def pay(self, offer: Offer, binding: Binding) -> Json:
        """The payload of one payment."""
        at = at_now(secrets.token_bytes(8))
        paid = self._purse.pay(self._buy(at), offer, binding, at)
        assert isinstance(paid, Paid), "MilliCent pays without asking first"
        return paid.payload


class ChainPayer:
    """Opens chains on credit and pays one word after the other."""

    def __init__(self, key: Key, scheme: Scheme = PAYWORD, family: Family = FAMILY) -> None:
        """`key` is the broker's for certificates."""
        self._key, self._scheme, self._family = key, scheme.traits.name, family
        self._purse = scheme.purse(
            Setting(broker_id=BROKER, currency=CURRENCY, ring=RingInMemory(key))
        )

    def _certificate(self, limit_micro: int) -> Instrument:
        secret = secrets.token_bytes(32)
        at = at_now()
        unsigned = Certificate(
            broker=BROKER,
            currency=CURRENCY,
            expires_at_s=at.now_s + DAY_S,
            key_id=self._key.id,
            limit_micro=limit_micro,
            payer=codec.b64u(secrets.token_bytes(16)),
            public_key=codec.b64u(signing.public_of(secret)),
            serial=codec.b64u(secrets.token_bytes(16)),
            sig="",
        )
        sig = codec.b64u(signing.sign(self._key.secret, unsigned.signed(self._family)))
        certificate = msgspec.structs.replace(unsigned, sig=sig)
        return Instrument(
            id=f"{self._family.short}c:{certificate.serial}",
            scheme=self._scheme,
            vendor_id="",
            currency=CURRENCY,
            worth_micro=limit_micro,
            expires_at_s=certificate.expires_at_s,
            body=codec.canonical(Card(certificate=certificate, secret=codec.b64u(secret))),
        )

    def chain(self, offer: Offer, binding: Binding, count: int) -> Iterator[Json]:
        """`count` payloads on one chain of that length; the first carries the commitment.

        With credit to spare: what is cut into segments loses what is less than one of each.
        """
        at = at_now(secrets.token_bytes(128))
        prizes_micro = offer.terms.get("faceMicro", 0) * PRIZES
        card = self._certificate((offer.price_micro * (count + SPARE) + prizes_micro) * SLOTS)
        _, opened = self._purse.open(card, offer, at)
        for _ in range(count):
            paid = self._purse.pay(opened, offer, binding, at)
            assert isinstance(paid, Paid), "chains pay without asking first"
            yield paid.payload
            assert paid.after is not None, "a chain goes on"
            opened = paid.after

    def stream(self, offer: Offer, binding: Binding, count: int) -> Iterator[Json]:
        """The opening of a stream of one tick, and `count` vouchers of 64 of the same chain."""
        at = at_now(secrets.token_bytes(128))
        card = self._certificate(offer.price_micro * (count + SPARE) * TICKS_MAX * SLOTS)
        _, opened = self._purse.open(card, offer, at)
        dearer = msgspec.structs.replace(offer, price_micro=offer.price_micro * TICKS_MAX)
        for number in range(count + 1):
            paid = self._purse.pay(opened, dearer if number else offer, binding, at)
            assert isinstance(paid, Paid), "chains pay without asking first"
            yield paid.payload
            if not number:
                binding = msgspec.structs.replace(binding, stream=paid.k)
            assert paid.after is not None, "a chain goes on"
            opened = paid.after
