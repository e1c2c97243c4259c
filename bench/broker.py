"""The broker's durable transfers, in process and over HTTP, beside PostgreSQL's TPC-B.

A transfer and a TPC-B transaction are alike: two or three balances change, one row of history is
written, and nobody is answered before it is on the disk. Both take 64 at a time.
"""

import asyncio
import random
import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import uvloop

from bench import wrk
from bench.figures import Figure, median_ratio
from bench.postgres import CLIENTS, SCALE, Cluster
from bench.programs import ensure
from bench.shop import PYTHON_PATH
from bench.wrk import Load
from farthing.broker.app import Broker
from farthing.broker.engine import Transfer
from farthing.broker.people import OpenAccount, TopUp
from farthing.cli import servers

ROUNDS = 3
PAYERS = 10_000
FLOAT_MICRO = 10**9  # of each payer: nobody runs dry
OPENED_AT_ONCE = 256
WARM_TRANSFERS = 5_000  # for the run that finds out how many a round will need
MARGIN = 1.3  # transfers made for a round, against what the first run did
SEED = 1995


class Bank:
    """A broker's folder with payers who have money."""

    def __init__(self, folder: Path, payers: int) -> None:
        """Make the folder; `open_accounts` fills it."""
        self.folder = folder
        self._payers = payers
        self.port = servers.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        Broker.init(folder, broker_id="bench-broker", currency="eur", url=self.url)
        self._draw = random.Random(SEED)
        self._tokens: list[str] = []

    async def open_accounts(self, broker: Broker) -> None:
        """One account a payer, with a token and a float."""
        people = broker.engine.people

        async def open_one(number: int) -> str:
            name = f"p{number}"
            opened = msgspec.json.decode(await people.open(OpenAccount(id=name), f"open-{name}"))
            topup = TopUp(payer=name, amount_micro=FLOAT_MICRO, reference=f"RF-{name}")
            await people.top_up(topup, f"topup-{name}")
            return str(opened["tokens"]["pay"])

        for first in range(0, self._payers, OPENED_AT_ONCE):
            numbers = range(first, min(first + OPENED_AT_ONCE, self._payers))
            self._tokens += await asyncio.gather(*(open_one(number) for number in numbers))

    def transfers(self) -> Iterator[tuple[int, Transfer]]:
        """Fresh transfers between two payers, with the number of the one who pays."""
        while True:
            payer, payee = self._draw.sample(range(self._payers), 2)
            yield (
                payer,
                Transfer(id=self._draw.randbytes(16).hex(), to=f"payer/p{payee}", amount_micro=200),
            )

    def requests(self, count: int) -> list[str]:
        """Transfers as HTTP requests."""
        made = zip(range(count), self.transfers(), strict=False)
        return [
            f"Bearer {self._tokens[payer]}\t{msgspec.json.encode(transfer).decode()}"
            for _, (payer, transfer) in made
        ]


async def _in_process(broker: Broker, bank: Bank, seconds: float) -> float:
    """Transfers a second, 64 at a time."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    until_s = began_s + seconds
    transfers = bank.transfers()

    async def client() -> int:
        count = 0
        while loop.time() < until_s:
            payer, transfer = next(transfers)
            await broker.engine.transfer(f"p{payer}", transfer)
            count += 1
        return count

    counts = await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return sum(counts) / (loop.time() - began_s)


def _open_and_run(bank: Bank, seconds: float) -> float:
    """One round in process: the broker is opened, so that no server shares its file."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        broker = Broker.open(bank.folder)
        try:
            return runner.run(_in_process(broker, bank, seconds))
        finally:
            broker.close()


def _fill(bank: Bank) -> None:
    broker = Broker.open(bank.folder)
    try:
        asyncio.run(bank.open_accounts(broker))
    finally:
        broker.close()


def _over_http(bank: Bank, seconds: float, folder: Path) -> Iterator[float]:
    """Transfers a second over 64 connections, each time it is asked; the first is to warm up."""
    load = Load(url=bank.url, path="/transfer", method="POST")
    warm = wrk.send_fresh(load, bank.requests, WARM_TRANSFERS, 1, folder)
    yield warm.rate
    count = int(warm.rate * seconds * MARGIN) + WARM_TRANSFERS
    while True:
        yield wrk.send_fresh(load, bank.requests, count, seconds, folder).rate


def measure(seconds: float, *, payers: int = PAYERS, scale: int = SCALE) -> list[Figure]:
    """Rates, and their ratios to TPC-B."""
    ensure("wrk", "initdb", "pg_ctl", "pgbench")
    per_round_s = max(1.0, seconds / ROUNDS)
    tpcb: list[float] = []
    engine: list[float] = []
    http: list[float] = []
    with TemporaryDirectory(prefix="farthing-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the cluster's user passes through
        bank, other = Bank(folder / "one", payers), Bank(folder / "two", payers)
        _fill(bank)
        _fill(other)
        command = servers.python("-m", "farthing.cli", "broker", "serve", "--port", str(other.port))
        env = {"FARTHING_DATA": str(other.folder), "PYTHONPATH": PYTHON_PATH}
        log = folder / "broker.log"
        with (
            Cluster(folder / "postgres", scale=scale).running() as cluster,
            servers.running(command, url=other.url + "/health", log=log, env=env),
        ):
            over_http = _over_http(other, per_round_s, folder)
            next(over_http)
            for _ in range(ROUNDS):
                tpcb.append(cluster.rate(per_round_s))
                engine.append(_open_and_run(bank, per_round_s))
                http.append(next(over_http))
    rates = {"TPC-B (pgbench)": tpcb, "transfers in process": engine, "transfers over HTTP": http}
    return [
        *(
            Figure(part="broker", name=what, value=statistics.median(found), unit="/s")
            for what, found in rates.items()
        ),
        _ratio("transfers in process to TPC-B", engine, tpcb, 5),
        _ratio("transfers over HTTP to TPC-B", http, tpcb, 2),
    ]


def _ratio(name: str, of: list[float], to: list[float], target: float) -> Figure:
    ratio = median_ratio(of, to)
    return Figure(part="broker", name=name, value=ratio, unit="×", target=target)
