"""A stock origin, a broker, a gate with two workers and paying wallets: processes to be killed.

Every party keeps its port and its folder over restarts.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec

from farthing.broker import app as brokers
from farthing.cli import servers
from farthing.schemes.contract import Json
from farthing.vendor.app import Vendor
from farthing.wallet import app as wallets
from farthing.wallet.policy import Limits
from farthing.wallet.vault import Cost
from tests.integration.crash.middle import Message, ask
from tests.integration.crash.place import newest_claims
from tests.integration.crash.wares import EVERY_AREA, PAGES, page, prices_of

VENDOR = "shop"
PASSPHRASE = "correct horse"
CHEAP = Cost(memory_kib=64, iterations=1, lanes=1)
WORKERS = 2
COMMISSION_E4 = 500
TOPUP_MICRO = 100_000_000  # an hour's pages of the quickest buyer, several times
CREDIT_MICRO = 100_000_000
UP_S = 20.0  # a party that does not answer by then will not
STOP_S = 15.0  # likewise for one that should end
POLL_S = 0.01
QUIET = "quiet"  # what `gate_server` and `broker_server` look for
HERE = Path(__file__).parent


def environment(**more: str) -> dict[str, str]:
    """Children import what we import."""
    return {"PYTHONPATH": os.pathsep.join(sys.path), **more}


class Party:
    """A server on one port, with all processes of its group."""

    def __init__(
        self, name: str, command: list[str], url: str, folder: Path, *, workers: int = 0
    ) -> None:
        """`workers`: how many processes it starts below itself."""
        self.name = name
        self.workers = workers
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._url = url
        self._folder = folder
        self.first_s = 0.0
        """How long it took to start it the first time."""
        self._starts = 0
        self._killed = 0  # the worker that must have gone before the party is whole
        self._running = contextlib.ExitStack()

    def start(self) -> float:
        """Seconds until it answers."""
        self._starts += 1
        began_s = time.monotonic()
        running = servers.running(
            self._command,
            url=self._url,
            log=self._folder / f"{self.name}-{self._starts}.log",
            env=environment(FARTHING_DATA=str(self._folder / self.name)),
        )
        self.process = self._running.enter_context(running)
        took_s = time.monotonic() - began_s
        self.first_s = self.first_s or took_s
        return took_s

    def stop(self) -> None:
        """End what is left of it."""
        self._running.close()
        self.process = None

    def children(self) -> list[int]:
        """Its workers."""
        assert self.process is not None, "it was started"
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def kill(self) -> None:
        """The whole group at once, as a power cut would."""
        assert self.process is not None, "it was started"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=STOP_S)

    def kill_server(self) -> None:
        """Only the process that was started; its workers must go with it."""
        assert self.process is not None, "it was started"
        self.process.kill()
        self.process.wait(timeout=STOP_S)

    def kill_worker(self, dice: random.Random) -> None:
        """One worker; the server must start another."""
        self._killed = dice.choice(self.children())
        os.kill(self._killed, signal.SIGKILL)

    def revive(self) -> float:
        """Seconds until it is whole again, started anew if need be."""
        began_s = time.monotonic()
        assert self.process is not None, "it was started"
        while time.monotonic() < began_s + UP_S:
            if self.process.poll() is not None:
                self.stop()
                self.start()
            elif self._is_whole():
                return time.monotonic() - began_s
            time.sleep(POLL_S)
        raise AssertionError(f"{self.name} does not come back")

    def _is_whole(self) -> bool:
        children = self.children()
        if self._killed in children or len(children) != self.workers:
            return False
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(self._url, timeout=1.0).status_code < 500
        return False


class Buyer:
    """A paying wallet in a process of its own."""

    def __init__(self, name: str, fleet: "Fleet", *arguments: str) -> None:
        self.name = name
        self.path = fleet.folder / name / "wallet.db"
        self.progress = fleet.folder / name / "progress"
        self.process: subprocess.Popen[bytes] | None = None
        self._stopping = fleet.folder / "stop"
        self._log = fleet.folder / name / "log"
        self._command = servers.python(
            str(HERE / "buyer.py"), str(self.path.parent), fleet.gate_url, str(self._stopping)
        )
        self._command += arguments

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment()},
            )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=STOP_S)

    def require_well(self) -> None:
        """It must not end by itself while it should buy."""
        assert self.process is not None, "it was started"
        if self.process.poll() not in {None, -signal.SIGKILL}:
            raise AssertionError(f"{self.name} failed:\n{self._log.read_text()[-2000:]}")

    def finish(self) -> None:
        """It ends by itself once it is told to."""
        assert self.process is not None, "it was started"
        self._stopping.touch()
        try:
            code = self.process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.name} is stuck:\n{self._log.read_text()[-2000:]}"
            ) from None
        assert code == 0, self._log.read_text()[-2000:]

    def bought(self) -> list[dict[str, Any]]:
        """What it acknowledged, a line per page."""
        if not self.progress.exists():
            return []
        lines = self.progress.read_bytes().split(b"\n")[:-1]  # the last one may be cut
        return [msgspec.json.decode(line) for line in lines]


class Fleet:
    """All parties. `broker_via` and `gate_via` are where others reach them, if not directly."""

    def __init__(self, folder: Path, *, quiet: bool = False, number: int = 0) -> None:
        """`quiet`: the gate clears, forgets and fetches nothing by itself once it has begun.

        `number`: as of `prices_of`.
        """
        self.folder = folder
        self._prices = prices_of(number)
        self._quiet = quiet
        self.buyers: list[Buyer] = []
        self.tokens: dict[str, dict[str, str]] = {}
        origin_port, broker_port, gate_port = (servers.free_port() for _ in range(3))
        self.broker_port, self.gate_port = broker_port, gate_port
        self.broker_url = f"http://127.0.0.1:{broker_port}"
        self.gate_url = f"http://127.0.0.1:{gate_port}"
        site = folder / "site"
        origin_url = f"http://127.0.0.1:{origin_port}"
        self.origin = Party(
            "origin",
            servers.python(
                *("-m", "http.server", str(origin_port), "--bind", "127.0.0.1"),
                *("--directory", str(site)),
            ),
            origin_url,
            folder,
        )
        self.broker = Party(
            "broker",
            servers.python(str(HERE / "broker_server.py"), "--port", str(broker_port)),
            self.broker_url + "/health",
            folder,
            workers=1,
        )
        self.gate = Party(
            "gate",
            servers.python(
                *(str(HERE / "gate_server.py"), "--upstream", origin_url),
                *("--port", str(gate_port), "--workers", str(WORKERS)),
            ),
            self.gate_url + "/.well-known/farthing-keys",
            folder,
            workers=WORKERS,
        )
        for area in EVERY_AREA:
            (site / area).mkdir(parents=True)
            for number in range(PAGES):
                (site / area / f"{number}.html").write_text(page(area, number))

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            starting.callback(self.close)
            self._start()
            starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process that is left."""
        for buyer in self.buyers:
            buyer.kill()
        for party in (self.gate, self.broker, self.origin):
            party.stop()

    def _start(self) -> None:
        self.admin_token = brokers.Broker.init(
            self.folder / "broker", broker_id="crash-broker", currency="eur", url=self.broker_url
        )
        if self._quiet:
            (self.folder / "broker" / QUIET).touch()
        self.origin.start()
        self.broker.start()
        vendor = {"id": VENDOR, "role": "vendor", "commissionE4": COMMISSION_E4}
        self.tokens[VENDOR] = self.call("/accounts", vendor)["tokens"]
        (self.folder / "gate").mkdir()
        (self.folder / "gate" / "prices.toml").write_text(self._prices)
        if self._quiet:
            (self.folder / "gate" / QUIET).touch()
        self.vendor("init", VENDOR, "--broker", self.broker_url)
        self.gate.start()

    def vendor(self, *arguments: str) -> bytes:
        """What one `farthing vendor` command prints."""
        return servers.run_once(self.vendor_command(*arguments), env=self.vendor_environment())

    def vendor_command(self, *arguments: str) -> list[str]:
        return servers.python("-m", "farthing.cli", "vendor", *arguments)

    def vendor_environment(self) -> dict[str, str]:
        return environment(
            FARTHING_DATA=str(self.folder / "gate"), FARTHING_TOKEN=self.tokens[VENDOR]["redeem"]
        )

    def call(self, path: str, body: Any = None, *, key: str = "") -> Any:
        """One call of the broker as its operator; `httpx.HTTPError`."""
        answer = httpx.request(
            "GET" if body is None else "POST",
            self.broker_url + path,
            headers={
                "authorization": f"Bearer {self.admin_token}",
                "idempotency-key": key or os.urandom(16).hex(),
                "content-type": "application/json",
            },
            content=None if body is None else msgspec.json.encode(body),
            timeout=5.0,
        )
        answer.raise_for_status()
        return msgspec.json.decode(answer.content)

    def top_up(self, name: str, amount_micro: int, reference: str) -> None:
        """The same reference is the same request."""
        body = {"payer": name, "amountMicro": amount_micro, "reference": reference}
        self.call("/topup", body, key=f"topup-{reference}")

    def ask(self, to: str, request: bytes, count: int = 1) -> list[Message]:
        """The answers to the same bytes, of broker or gate."""
        return ask({"broker": self.broker_port, "gate": self.gate_port}[to], request, count)

    def now_s(self) -> int:
        return int(time.time())

    def newest_claims(self, scheme: str) -> list[Json]:
        """As a sweep would send the newest claim, which stays pending."""

        async def found() -> list[Json]:
            vendor = Vendor(self.folder / "gate")
            try:
                return await newest_claims(vendor, scheme)
            finally:
                await vendor.close()

        return asyncio.run(found())

    def add_buyer(self, name: str, *arguments: str) -> Buyer:
        """A payer with an account, money and a wallet; its process is not started yet."""
        tokens = self.call("/accounts", {"id": name, "creditLimitMicro": CREDIT_MICRO})["tokens"]
        self.tokens[name] = tokens
        self.top_up(name, TOPUP_MICRO, f"RF-{name}-first")
        buyer = Buyer(name, self, *arguments)
        buyer.path.parent.mkdir()
        with wallets.init(buyer.path, PASSPHRASE, cost=CHEAP) as wallet:
            wallet.add_broker(self.broker_url, name, tokens["pay"])
            wallet.set_limits(Limits(per_site_day_micro=10**9, per_day_micro=10**9))
        self.buyers.append(buyer)
        return buyer
