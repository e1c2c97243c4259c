"""How a vendor begins: once, with keys of one purpose each, and again where it broke off."""

import asyncio
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.broker.app import Broker
from farthing.cli import bookkeeping, output, servers
from farthing.cli.calling import call
from farthing.errors import Misconfigured, OutOfRange, Unavailable
from farthing.schemes.mac.millicent import scrip
from farthing.schemes.mac.millicent.orders import LICENCES
from farthing.stores.keys import KeyRing
from farthing.vendor import minting
from farthing.vendor.app import Vendor
from farthing.vendor.founding import (
    CLEAR_EVERY_S_MAX,
    Wanted,
    found,
    grant_anew,
    licence_of,
    new_keys,
    read_config,
    sealing_purposes,
)
from farthing.wire.attempts import ATTEMPTS_PER_S_MAX

NOW_S = 1_795_176_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A running broker's URL and a vendor's token."""
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    data = tmp_path / "broker"
    token = Broker.init(data, broker_id="b", currency="eur", url=url)
    output.write_private(data / bookkeeping.ADMIN_TOKEN, token)
    command = servers.python("-m", "farthing.cli", "broker", "serve", "--port", str(port))
    env = {"FARTHING_DATA": str(data)}
    with servers.running(command, url=url + "/health", log=tmp_path / "log", env=env):
        opened: Any = call(data, "POST", "/accounts", {"id": "news", "role": "vendor"})
        yield url, opened["tokens"]["redeem"]


def test_a_gate_clears_within_half_a_day_and_each_minute_where_nothing_is_said() -> None:
    told = {"vendor_id": "news", "broker_id": "b", "broker_url": "http://b.example"}
    told |= {"broker_root": "1", "currency": "eur"}
    assert read_config(codec.canonical(told)).clear_every_s == 60
    for every_s in (1, CLEAR_EVERY_S_MAX):
        found = read_config(codec.canonical(told | {"clear_every_s": every_s}))
        assert found.clear_every_s == every_s
    for every_s in (0, CLEAR_EVERY_S_MAX + 1):
        with pytest.raises(Misconfigured, match="clear_every_out_of_range"):
            read_config(codec.canonical(told | {"clear_every_s": every_s}))


def test_how_many_attempts_an_address_has_is_within_reason() -> None:
    told = {"vendor_id": "news", "broker_id": "b", "broker_url": "http://b.example"}
    told |= {"broker_root": "1", "currency": "eur"}
    for per_s in (0, 1, ATTEMPTS_PER_S_MAX):
        assert (
            read_config(codec.canonical(told | {"attempts_per_s": per_s})).attempts_per_s == per_s
        )
    for per_s in (-1, ATTEMPTS_PER_S_MAX + 1):
        with pytest.raises(Misconfigured, match="attempts_out_of_range"):
            read_config(codec.canonical(told | {"attempts_per_s": per_s}))


def test_every_first_key_has_one_purpose_and_a_secret_of_its_own(tmp_path: Path) -> None:
    keys = new_keys(secrets.token_bytes(224), "news", NOW_S)
    assert len({key.secret for key in keys}) == len(keys) == 6 + len(sealing_purposes())
    ring = KeyRing.create(tmp_path / "ring")
    for key in keys:
        ring.add(key)
    licence = LICENCES.convert(licence_of(ring))
    assert licence.series != ring.current(scrip.OWN_SERIES).id
    assert codec.unb64u(licence.k_scrip) == ring.current(scrip.LICENSED_SERIES).secret


def test_a_name_that_is_none_asks_nobody(tmp_path: Path) -> None:
    wanted = Wanted(vendor_id="Not a name", broker_url="http://127.0.0.1:9")
    with pytest.raises(OutOfRange, match="name_malformed"):
        asyncio.run(found(tmp_path / "vendor", wanted, "made up", NOW_S))


def test_without_a_broker_there_is_no_vendor(tmp_path: Path) -> None:
    wanted = Wanted(vendor_id="news", broker_url="http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        asyncio.run(found(tmp_path / "vendor", wanted, "made up", NOW_S))
    assert not (tmp_path / "vendor" / "vendor.json").exists()


def test_a_vendor_is_founded_once_and_taken_up_where_it_broke_off(
    tmp_path: Path, broker: tuple[str, str]
) -> None:
    url, token = broker
    data = tmp_path / "vendor"
    wanted = Wanted(vendor_id="news", broker_url=url)
    now_s = NOW_S + 10**8  # licences end after the broker's own clock

    config = asyncio.run(found(data, wanted, token, now_s))
    assert (config.broker_id, config.currency) == ("b", "eur")
    assert stat.S_IMODE((data / "token").stat().st_mode) == 0o600
    with pytest.raises(Misconfigured, match="vendor_exists"):
        asyncio.run(found(data, wanted, token, now_s))

    for _ in range(2):
        with pytest.raises(Misconfigured, match="keys_of_another_folder"):
            asyncio.run(found(tmp_path / "second", wanted, token, now_s))
        assert list((tmp_path / "second").iterdir()) == []

    (data / "vendor.json").unlink()  # as if the last write had not come
    assert asyncio.run(found(data, wanted, token, now_s)) == config

    vendor = Vendor(data)
    try:
        assert msgspec.json.decode((data / "vendor.json").read_bytes())["vendor_id"] == "news"
        assert vendor.config == config

        async def talk() -> None:
            assert await vendor.fetch_lists() == 0
            for series in ("0000000003", "0000000004"):
                entropy = secrets.token_bytes(32)
                assert await grant_anew(vendor.ring, vendor.broker, entropy, now_s) == series
                assert vendor.ring.current(scrip.LICENSED_SERIES).id == series
            payers = minting.rotate(vendor.ring, scrip.PAYER_RANGE, secrets.token_bytes(32))
            minting.revoke(vendor.ring, scrip.PAYER_RANGE, "0001")
            entropy = secrets.token_bytes(32)
            await grant_anew(vendor.ring, vendor.broker, entropy, now_s, only=True)
            assert licence_of(vendor.ring)["payerRange"] == payers.id == "0003"
            assert vendor.ring.current(scrip.OWN_SERIES).id == "0000000002"
            await vendor.close()

        asyncio.run(talk())
    finally:
        vendor.store.close()
