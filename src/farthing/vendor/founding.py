"""How a vendor begins: its keys, what the broker says of itself, and the licence it grants.

The folder (0700)::

    vendor.json     who we are and where the broker is
    token           the bearer token for the broker (0600)
    ring, ring.secret   sealed keys
    marks.db        every payment, mark and claim
    prices.toml     what costs how much

An attempt that broke off is taken up again: the same keys, the same licence.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.crypto.mac import mac
from farthing.errors import Denied, Misconfigured, Reused
from farthing.ids import require_name
from farthing.schemes import registry
from farthing.schemes.chain.fairchain.ticket import VENDOR_KEY as FAIR_KEY
from farthing.schemes.contract import Key, Ring
from farthing.schemes.mac.millicent import scrip
from farthing.stores.keys import KeyRing, make_secret_key
from farthing.vendor import minting
from farthing.vendor.booking import RECEIPT_KEY
from farthing.vendor.broker_client import BrokerClient
from farthing.vendor.edge import REAL, Edge
from farthing.vendor.lists import BROKER_ROOT_KEY, fetch_keys
from farthing.vendor.offering import CHALLENGE_KEY
from farthing.wire.attempts import require_per_s

LICENCE_QUOTA_MICRO = 1_000 * 10**6  # what the broker may sell of our scrip: 1,000 units
LICENCE_LIFE_S = 90 * 86_400
CLEAR_EVERY_S_MAX = 43_200  # half of the day for which the last claims are still taken
LOOK_EVERY_S = 1.0  # how often a gate looks at its prices and keys
SAMPLE_ROUTES = """\
free = ["/", "/style.css", "/favicon.svg", "/img/**"]

[[route]]
path = "/articles/*"
price = "0.02c"
"""
SAMPLE_PRICES = f"""\
# What costs how much. The first route that matches a request decides; the rest is free.
accept = ["millicent", "payword"]
{SAMPLE_ROUTES}"""


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`vendor.json`."""

    vendor_id: str
    broker_id: str
    broker_url: str
    broker_root: str
    """Id of the broker's root key, pinned in the ring."""
    currency: str
    realm: str = ""
    """Public host of the site; empty: whatever the request says."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks whose `X-Forwarded-*` headers are believed: TLS terminators."""
    clear_every_s: int = 60
    """How often a gate shows the broker, by itself, what is cleared in batches."""
    attempts_per_s: int = 50
    """Requests from one address that the gate refuses in a second, before it says 429; 0: any."""


def read_config(raw: bytes) -> Config:
    """`vendor.json`; `Misconfigured`."""
    try:
        config = msgspec.json.decode(raw, type=Config)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Misconfigured("vendor_malformed", f"vendor.json: {wrong}") from None
    if not 1 <= config.clear_every_s <= CLEAR_EVERY_S_MAX:
        told = f"vendor.json: clear_every_s is 1 to {CLEAR_EVERY_S_MAX} seconds"
        raise Misconfigured("clear_every_out_of_range", told)
    require_per_s(config.attempts_per_s)
    return config


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a new vendor is called, and where its broker is."""

    vendor_id: str
    broker_url: str
    realm: str = ""


def _private(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def sealing_purposes() -> tuple[str, ...]:
    """Purposes of the secret keys that the tills of registered schemes need."""
    return tuple(one for scheme in registry.all_schemes() for one in scheme.till.sealing)


def complete(ring: KeyRing, entropy: Callable[[int], bytes]) -> None:
    """Make the keys that tills need and the ring of an older folder lacks."""
    for purpose in sealing_purposes():
        if not _ids(ring, purpose):
            ring.add(make_secret_key(purpose, entropy(32)))


def new_keys(entropy: bytes, vendor_id: str, now_s: int) -> list[Key]:
    """The first keys of a vendor, from 224 bytes of entropy."""
    parts = [entropy[start : start + 32] for start in range(0, 224, 32)]
    receipt_public = signing.public_of(parts[1])
    return [
        Key(id="1", purpose=CHALLENGE_KEY, secret=parts[0]),
        Key(id="1", purpose=RECEIPT_KEY, secret=parts[1], public=receipt_public),
        Key(
            id="0000000001",
            purpose=scrip.LICENSED_SERIES,
            secret=parts[2],
            not_after_s=now_s + LICENCE_LIFE_S,
        ),
        Key(id="0000000002", purpose=scrip.OWN_SERIES, secret=parts[3]),
        Key(id="0001", purpose=scrip.PAYER_RANGE, secret=parts[4]),
        Key(id=vendor_id, purpose=scrip.BURN_KEY, secret=parts[5]),
        *(make_secret_key(one, mac(32, parts[6], one)) for one in sealing_purposes()),
    ]


def grants_of(ring: Ring) -> tuple[tuple[str, dict[str, str | int | bool]], ...]:
    """What a new vendor registers with its broker: scheme and message of each grant."""
    return (
        ("millicent", licence_of(ring)),
        ("fairchain", {"key": codec.b64u(ring.current(FAIR_KEY).secret)}),
    )


def licence_of(ring: Ring) -> dict[str, str | int | bool]:
    """The licence that lets the broker mint our scrip, as `grant` takes it."""
    series = ring.current(scrip.LICENSED_SERIES)
    payer = ring.current(scrip.PAYER_RANGE)
    return {
        "kBurn": codec.b64u(ring.current(scrip.BURN_KEY).secret),
        "kPayer": codec.b64u(payer.secret),
        "kScrip": codec.b64u(series.secret),
        "notAfterS": series.not_after_s,
        "payerRange": payer.id,
        "quotaMicro": LICENCE_QUOTA_MICRO,
        "series": series.id,
    }


async def found(
    data: Path,
    wanted: Wanted,
    token: str,
    now_s: int,
    prices: str = SAMPLE_PRICES,
    edge: Edge = REAL,
) -> Config:
    """Make a folder and register its keys with the broker.

    `Misconfigured` if it holds a vendor, or another folder has registered keys of this one;
    `Unavailable`, and the broker's refusals.
    """
    require_name(wanted.vendor_id)
    if (data / "vendor.json").exists():
        raise Misconfigured("vendor_exists", f"{data} holds a vendor already")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    broker = edge.connect(wanted.broker_url, token)
    try:
        document, keys = await fetch_keys(broker)
        await _require_own(broker, wanted.vendor_id)
        is_new = not (data / "ring").exists()
        ring = _ring(data, [*keys, *new_keys(edge.entropy(224), wanted.vendor_id, now_s)])
        try:
            await _register(ring, broker)
        except Reused:
            if is_new:  # nothing of it is registered
                for name in ("ring", "ring.secret"):
                    (data / name).unlink()
            raise Misconfigured(
                "keys_of_another_folder",
                f"keys of {wanted.vendor_id} were registered from another folder: use that one, or"
                " a copy of it; if it is lost, ask the operator for a vendor by another name",
            ) from None
    finally:
        await broker.close()
    if not (data / "prices.toml").exists():
        (data / "prices.toml").write_text(prices)
    (data / "token").unlink(missing_ok=True)  # of an attempt that broke off
    _private(data / "token", token.encode())
    config = Config(
        vendor_id=wanted.vendor_id,
        broker_id=document.broker,
        broker_url=wanted.broker_url,
        broker_root=next(key.id for key in keys if key.purpose == BROKER_ROOT_KEY),
        currency=document.currency,
        realm=wanted.realm,
    )
    _private(data / "vendor.json", msgspec.json.format(msgspec.json.encode(config)))
    return config


async def _register(ring: KeyRing, broker: BrokerClient) -> None:
    """The same keys as often as one likes; `Reused` for others of the same vendor."""
    for scheme, licence in grants_of(ring):
        name = licence.get("series", scheme)
        await broker.post(f"/grant/{scheme}", licence, f"licence-{name}")


async def _require_own(broker: BrokerClient, vendor_id: str) -> None:
    """`Denied` for the token of another account; `Unavailable`."""
    found = await broker.get("/balance")
    whose = found.get("id", "") if isinstance(found, dict) else ""
    if whose != vendor_id:
        raise Denied("token_of_another", f"this token is of {whose!r}, not of {vendor_id!r}")


async def grant_anew(
    ring: KeyRing, broker: BrokerClient, entropy: bytes, now_s: int, *, only: bool = False
) -> str:
    """License the broker for a fresh series, from 32 random bytes; the series.

    What it may sell under the old licence it goes on selling until that ends, unless the new one
    is the `only` one: then whatever it had is replaced. If the broker does
    not answer, asking again grants yet another series, and the unused one does no harm. Takes
    as long as running gates take to see its key: what is sold of the series is good at once.
    """
    minting.rotate(ring, scrip.LICENSED_SERIES, entropy, not_after_s=now_s + LICENCE_LIFE_S)
    await asyncio.sleep(LOOK_EVERY_S)
    licence = licence_of(ring)
    if only:
        licence["replaces"] = True
    await broker.post("/grant/millicent", licence, f"licence-{licence['series']}")
    return str(licence["series"])


def _ring(data: Path, keys: list[Key]) -> KeyRing:
    """The ring with these keys; one that an earlier attempt left keeps what it has."""
    path = data / "ring"
    ring = KeyRing.open(path) if path.exists() else KeyRing.create(path)
    for key in keys:
        if not any(ring.find(key.purpose, one) for one in (key.id, *_ids(ring, key.purpose))):
            ring.add(key)
    return ring


def _ids(ring: KeyRing, purpose: str) -> tuple[str, ...]:
    """The id of the current key of a purpose that signs or mints; none for public halves."""
    try:
        return (ring.current(purpose).id,)
    except Misconfigured:
        return ()
