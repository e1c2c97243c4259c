"""A vendor's folder and everything that is paid at its gate: payments made beforehand, servers."""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.offers import Dialect, binding, header_value, receive
from bench.payments import BROKER, BROKER_URL, CURRENCY, VENDOR, ScripPayer, setting, vendor_keys
from farthing.cli import servers
from farthing.stores.keys import KeyRing, make_signing_key
from farthing.vendor.founding import Config
from farthing.vendor.gate import Gate
from farthing.vendor.lists import BROKER_ROOT_KEY
from farthing.vendor.prices import read

REALM = "bench.example"  # what challenges name, whatever the port
HELD, TAKEN, FREE = "/held", "/taken", "/free"
PRICES = f"""\
accept = ["millicent"]
free = ["{FREE}"]

[[route]]
path = "{HELD}"
price = "200u"

[[route]]
path = "{TAKEN}"
price = "200u"
hold = false
"""
_ROOT = Path(__file__).resolve().parent.parent
PYTHON_PATH = f"{_ROOT / 'src'}{os.pathsep}{_ROOT}"  # of the servers: this very tree


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A running server."""

    url: str
    process: int
    """Its process id; its workers are children."""


class Shop:
    """One vendor, its folder, and a payer who knows where to get its scrip."""

    def __init__(self, folder: Path) -> None:
        """Make the folder as `farthing vendor init` does, without a broker."""
        self.folder = folder
        folder.mkdir(parents=True)
        root = make_signing_key(BROKER_ROOT_KEY, secrets.token_bytes(32))
        keys = [root, *vendor_keys(int(time.time()))]
        ring = KeyRing.create(folder / "ring")
        for key in keys:
            ring.add(key)
        config = Config(
            vendor_id=VENDOR,
            broker_id=BROKER,
            broker_url=BROKER_URL,
            broker_root=root.id,
            currency=CURRENCY,
            realm=REALM,
        )
        (folder / "vendor.json").write_bytes(msgspec.json.encode(config))
        (folder / "token").write_text("none")
        (folder / "prices.toml").write_text(PRICES)
        self._gate = Gate(setting(ring), schemes=["millicent"], realm=REALM)
        self._prices = read(PRICES, currency=CURRENCY, known=["millicent"])
        self._payer = ScripPayer(keys)

    def payments(self, path: str, count: int, dialect: Dialect = "mpp") -> list[str]:
        """`count` header values, each a payment of its own for `GET path`."""
        return [self._payment(path, dialect) for _ in range(count)]

    def _payment(self, path: str, dialect: Dialect) -> str:
        priced = self._prices.find("GET", path)
        assert priced is not None, "a priced path"
        received = receive(self._gate, priced, path, dialect)
        payload = self._payer.pay(received.offer, binding(REALM, path, dialect))
        return header_value(received, payload)

    @contextlib.contextmanager
    def serving(self, name: str) -> Iterator[Server]:
        """A site of `bench.sites` on a free port."""
        port = servers.free_port()
        command = servers.python("-m", "bench.sites", name, str(port))
        with self._running(name, command, port) as server:
            yield server

    @contextlib.contextmanager
    def proxying(self, upstream: str) -> Iterator[Server]:
        """`farthing vendor serve` before `upstream`."""
        port = servers.free_port()
        arguments = ["vendor", "serve", "--upstream", upstream, "--port", str(port)]
        command = servers.python("-m", "farthing.cli", *arguments)
        with self._running("proxy", command, port) as server:
            yield server

    @contextlib.contextmanager
    def _running(self, name: str, command: list[str], port: int) -> Iterator[Server]:
        url = f"http://127.0.0.1:{port}"
        env = {"FARTHING_DATA": str(self.folder), "PYTHONPATH": PYTHON_PATH}
        log = self.folder / f"{name}.log"
        with servers.running(command, url=url + FREE, log=log, env=env) as child:
            yield Server(url=url, process=child.pid)
