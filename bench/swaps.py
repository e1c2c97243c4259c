"""Cashu swaps, one coin for one, at our mint and at Nutshell's where `script/nutshell` has put it.

Coins are loaded and requests made beforehand; `wrk` sends each once, over eight connections. Both
mints are one process over SQLite. Nutshell does not wait for the disk; ours does.
"""

import contextlib
import secrets
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import msgspec

from bench import processes, wrk
from bench.figures import Figure, median_ratio
from bench.programs import ensure
from bench.shop import PYTHON_PATH
from bench.wrk import Load, Run
from farthing.broker.app import Broker
from farthing.cli import servers
from farthing.crypto import bdhke
from farthing.schemes.coin.cashu.messages import INPUTS_MAX, Output, Proof, Signature

ROUNDS = 3
CLIENTS = 8
MINT_TIMEOUT_S = 60.0  # of one request: an old machine signs a batch for some seconds
WARM_SWAPS = 200  # for the run that finds out how many a round will need
MARGIN = 1.5  # swaps made for a round, against what the first run did
FLOAT_MICRO = 10**12
PER_S, P99_MS, RATIO = 1_000, 50, 12
NUTSHELL = Path(__file__).parent.parent / ".nutshell" / "bin" / "mint"
NUTSHELL_SETTINGS = {
    "MINT_BACKEND_BOLT11_SAT": "FakeWallet",
    "MINT_DERIVATION_PATH_LIST": "[\"m/0'/0'/0'\"]",
    "MINT_RATE_LIMIT": "FALSE",
    "MINT_INPUT_FEE_PPK": "0",
    "FAKEWALLET_BRR": "TRUE",
    "FAKEWALLET_DELAY_INCOMING_PAYMENT": "0",
    "TOR": "FALSE",
    "DEBUG": "FALSE",
}


class Blank(msgspec.Struct, frozen=True):
    """An output, and what its payer keeps."""

    output: Output
    secret: str
    r: bytes


class Payer:
    """A wallet that makes swaps in advance at one mint."""

    def __init__(self, http: httpx.Client, unit: str, pay: str = "") -> None:
        """`http` asks the mint; `pay`: the token of the account that pays what is loaded, or ""."""
        self._http = http
        self._unit = unit
        self._pay = pay
        (found,) = self._http.get("keys").json()["keysets"]
        self._keyset, self._key = found["id"], bytes.fromhex(found["keys"]["1"])

    def swaps(self, count: int) -> list[str]:
        """Requests that swap a coin of 1 for another, each once."""
        made: list[str] = []
        while len(made) < count:
            for coin in self._load(min(INPUTS_MAX, count - len(made))):
                body = {"inputs": [coin], "outputs": [self._blank().output]}
                made.append(f"-\t{msgspec.json.encode(body).decode()}")
        return made

    def _load(self, count: int) -> Iterator[Proof]:
        asked = {"amount": count, "unit": self._unit}
        quote = self._http.post("mint/quote/bolt11", json=asked).raise_for_status().json()
        if self._pay:
            headers = {"authorization": f"Bearer {self._pay}"}
            self._http.post(quote["request"], headers=headers).raise_for_status()
        blanks = [self._blank() for _ in range(count)]
        body = {"quote": quote["quote"], "outputs": [blank.output for blank in blanks]}
        answer = self._http.post("mint/bolt11", content=msgspec.json.encode(body))
        signed = msgspec.convert(
            answer.raise_for_status().json()["signatures"], tuple[Signature, ...]
        )
        for blank, signature in zip(blanks, signed, strict=True):
            c = bdhke.unblind(bytes.fromhex(signature.C_), blank.r, self._key)
            yield Proof(amount=1, id=self._keyset, secret=blank.secret, C=c.hex())

    def _blank(self) -> Blank:
        secret, r = secrets.token_hex(32), secrets.token_bytes(32)
        b = bdhke.blind(secret.encode(), r)
        return Blank(Output(amount=1, id=self._keyset, B_=b.hex()), secret, r)


class Mint:
    """A running mint, and what it does in each round."""

    def __init__(self, name: str, process: int, payer: Payer, load: Load) -> None:
        """Runs once, to be warm."""
        self.name = name
        self.runs: list[Run] = []
        self.cpu_ms: list[float] = []
        self._process = process
        self._payer = payer
        self._load = load

    def run(self, seconds: float, folder: Path) -> None:
        """One round."""
        rate = self.runs[-1].rate if self.runs else WARM_SWAPS
        before_s = 0.0

        def make(count: int) -> list[str]:
            nonlocal before_s
            requests = self._payer.swaps(count)
            before_s = processes.cpu_s(self._process)
            return requests

        count = int(rate * seconds * MARGIN) + WARM_SWAPS
        run = wrk.send_fresh(self._load, make, count, seconds, folder)
        self.cpu_ms.append((processes.cpu_s(self._process) - before_s) * 1000 / run.requests)
        self.runs.append(run)


@contextlib.contextmanager
def _ours(folder: Path) -> Iterator[Mint]:
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    data = folder / "broker"
    admin = Broker.init(data, broker_id="bench-broker", currency="eur", url=url)
    command = servers.python("-m", "farthing.cli", "broker", "serve", "--port", str(port))
    env = {"FARTHING_DATA": str(data), "PYTHONPATH": PYTHON_PATH}
    log = folder / "broker.log"
    with (
        servers.running(command, url=url + "/health", log=log, env=env) as server,
        httpx.Client(base_url=f"{url}/cashu/eur/v1/", timeout=MINT_TIMEOUT_S) as http,
    ):
        headers = {"authorization": f"Bearer {admin}", "idempotency-key": "1"}
        opened = httpx.post(f"{url}/accounts", json={"id": "payer"}, headers=headers).json()
        topup = {"payer": "payer", "amountMicro": FLOAT_MICRO, "reference": "RF1"}
        httpx.post(f"{url}/topup", json=topup, headers=headers).raise_for_status()
        payer = Payer(http, "eur", opened["tokens"]["pay"])
        load = Load(url=url, path="/cashu/eur/v1/swap", method="POST", connections=CLIENTS)
        yield Mint("Farthing", server.pid, payer, load)


@contextlib.contextmanager
def _nutshell(folder: Path) -> Iterator[Mint]:
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        **NUTSHELL_SETTINGS,
        "MINT_PRIVATE_KEY": secrets.token_hex(32),
        "MINT_DATABASE": str(folder / "nutshell"),
        "MINT_LISTEN_HOST": "127.0.0.1",
        "MINT_LISTEN_PORT": str(port),
        "HOME": str(folder),
    }
    log = folder / "nutshell.log"
    with (
        servers.running([str(NUTSHELL)], url=f"{url}/v1/info", log=log, env=settings) as server,
        httpx.Client(base_url=f"{url}/v1/", timeout=MINT_TIMEOUT_S) as http,
    ):
        load = Load(url=url, path="/v1/swap", method="POST", connections=CLIENTS)
        yield Mint("Nutshell", server.pid, Payer(http, "sat"), load)


def measure(seconds: float) -> list[Figure]:
    """Swaps a second, how long the slowest take, and what each costs the mint."""
    ensure("wrk")
    per_round_s = max(1.0, seconds / ROUNDS)
    with TemporaryDirectory(prefix="farthing-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        mints = [stack.enter_context(_ours(folder))]
        if NUTSHELL.exists():
            mints.append(stack.enter_context(_nutshell(folder)))
        for _ in range(1 + ROUNDS):  # the first is to warm up
            for mint in mints:
                mint.run(per_round_s, folder)
    figures = [figure for mint in mints for figure in _of(mint)]
    if mints[1:]:
        rates = [[run.rate for run in mint.runs[1:]] for mint in mints]
        figures.append(_figure("Farthing to Nutshell", median_ratio(*rates), RATIO))
        costs = [mint.cpu_ms[1:] for mint in reversed(mints)]
        figures.append(_figure("Farthing to Nutshell, by CPU time", median_ratio(*costs)))
    return figures


def _of(mint: Mint) -> Sequence[Figure]:
    ours, runs = mint.name == "Farthing", mint.runs[1:]
    rate = statistics.median(run.rate for run in runs)
    p99_ms = statistics.median(run.p99_ms for run in runs)
    cpu_ms = statistics.median(mint.cpu_ms[1:])
    return [
        Figure(
            part="swaps",
            name=f"{mint.name}, swaps",
            value=rate,
            unit="/s",
            target=PER_S if ours else None,
        ),
        Figure(
            part="swaps",
            name=f"{mint.name}, 99th percentile",
            value=p99_ms,
            unit="ms",
            target=P99_MS if ours else None,
            at_most=True,
        ),
        Figure(part="swaps", name=f"{mint.name}, CPU for a swap", value=cpu_ms, unit="ms"),
    ]


def _figure(name: str, value: float, target: float | None = None) -> Figure:
    return Figure(part="swaps", name=name, value=value, unit="×", target=target)
