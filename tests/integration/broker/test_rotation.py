"""A running broker's certificate key is rotated: nobody starts anything anew."""

import io
import time
from pathlib import Path

import pytest

from farthing.broker.app import RING
from farthing.cli import servers
from farthing.schemes import registry
from farthing.schemes.chain.payword import FAMILY
from farthing.stores.keys import KeyRing
from farthing.wallet.app import open_wallet
from tests.integration.crash.fleet import PASSPHRASE, Fleet, environment

NOTICED_S = 10.0  # a ring is looked at each second; the machine may be busy


def keys_shown(fleet: Fleet) -> list[str]:
    document = fleet.call("/.well-known/farthing-keys")
    return [key["id"] for key in document["keys"] if key["purpose"] == FAMILY.certificate_key]


def buy(fleet: Fleet, name: str, number: int) -> int:
    """A page on a chain; with a certificate of the current key if the wallet has none."""
    path = next(buyer.path for buyer in fleet.buyers if buyer.name == name)
    schemes = {"payword": registry.by_name("payword")}
    with open_wallet(path, PASSPHRASE, schemes=schemes) as wallet:
        return wallet.get(f"{fleet.gate_url}/pages/{number}.html", io.BytesIO()).status


@pytest.mark.timeout(120)
def test_rotation_needs_no_restart_of_broker_or_gate(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        for name in ("early", "late", "later"):
            fleet.add_buyer(name)
        assert buy(fleet, "early", 0) == 200
        for rotations, name in enumerate(("late", "later"), start=1):
            command = servers.python(
                "-m", "farthing.cli", "broker", "rotate", FAMILY.certificate_key
            )
            env = environment(FARTHING_DATA=str(tmp_path / "broker"))
            said = servers.run_once(command, env=env).decode()
            current = KeyRing.open(tmp_path / "broker" / RING).current(FAMILY.certificate_key).id
            assert current in said
            deadline = time.monotonic() + NOTICED_S
            while current not in keys_shown(fleet):
                assert time.monotonic() < deadline, "a running broker does not see its new key"
                time.sleep(0.1)
            assert len(keys_shown(fleet)) == rotations + 1, "what the old ones signed stays good"
            assert buy(fleet, name, rotations) == 200, "the gate asked for the new key at once"
        assert buy(fleet, "early", 3) == 200
        fleet.vendor("clear")
        report = fleet.call("/balance?account=shop")
        assert report["vendorMicro"] == 4 * 200 * 95 // 100
