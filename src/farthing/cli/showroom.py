"""The demo's parties on free ports: a stock web server, a broker, a gate and a wallet."""

import contextlib
import io
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec
from rich.progress import Progress

from farthing import codec, gazette
from farthing.auditing import audit
from farthing.broker import app as brokers
from farthing.cli import bookkeeping, output, servers, streamed
from farthing.cli.attempts import Attempts
from farthing.cli.calling import call
from farthing.cli.streamed import Streamed
from farthing.schemes import registry
from farthing.vendor.founding import SAMPLE_ROUTES
from farthing.wallet import app as wallets
from farthing.wallet.vault import Cost

VENDOR = "gazette"
READER = "reader"
TOPUP_MICRO = 1_000_000  # one unit of currency: some five thousand pages
CREDIT_MICRO = 10_000_000  # certificates of all schemes on credit share it
PAGES_MAX = 12  # bought of a site that is not ours
EVERYTHING = """[[route]]
path = "/**"
price = "0.02c"
"""
CHEAP_KIB = 8192  # of Argon2: the demo's passphrase is random, and lives for seconds


class _Links(HTMLParser):
    """Paths that a page links to on its own site, in order, each once."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.paths: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the target of a link."""
        target = dict(attrs).get("href") if tag == "a" else None
        found = urlsplit(urljoin(self._url, target or "#"))
        path = found.path or "/"
        if target and found.netloc == urlsplit(self._url).netloc and path not in self.paths:
            self.paths.append(path)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What one scheme did."""

    pages: int
    spent_micro: int
    earned_micro: int = 0
    """What the vendor was paid for them, once it has cleared."""
    payment_bytes: int
    """Of the scheme's payload, median."""
    p50_ms: float


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo found."""

    currency: str
    schemes: dict[str, Line]
    refusals: dict[str, str]
    """Answer by attempt."""
    balances: dict[str, int]
    ledger_sum_micro: int
    outstanding_micro: int
    stream: Streamed | None = None
    """None where no scheme pays for one."""

    def as_json(self) -> dict[str, Any]:
        """The documented members."""
        return {
            "schemes": self.schemes,
            "refusals": self.refusals,
            "ledger_sum_micro": self.ledger_sum_micro,
            "outstanding_micro": self.outstanding_micro,
            "stream": self.stream,
        }


class Showroom:
    """Everything that the demo runs; closed as a context manager."""

    def __init__(self, folder: Path, schemes: list[str], upstream: str, *, quiet: bool) -> None:
        """`folder` holds all data; `upstream` replaces the gazette."""
        self._folder = folder
        self._schemes = schemes
        self._upstream = upstream
        self._quiet = quiet
        self._running = contextlib.ExitStack()
        self.gate_url = ""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        """Those that run, by what they are."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as starting:
            starting.callback(self._running.close)
            self._start()
            starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def _run(self, name: str, command: list[str], url: str, env: dict[str, str]) -> None:
        log = self._folder / f"{name}.log"
        child = servers.running(command, url=url, log=log, env=env)
        self.processes[name] = self._running.enter_context(child)

    def _start(self) -> None:
        origin_url = self._upstream or self._start_origin()
        broker_port, gate_port = servers.free_port(), servers.free_port()
        broker_url = f"http://127.0.0.1:{broker_port}"
        self.gate_url = f"http://127.0.0.1:{gate_port}"
        self._broker = self._folder / "broker"
        token = brokers.Broker.init(
            self._broker, broker_id="demo-broker", currency="eur", url=broker_url
        )
        (self._broker / bookkeeping.ADMIN_TOKEN).write_text(token)
        self._farthing("broker", ["broker", "serve", "--port", str(broker_port)], broker_url)
        opened = self._call("/accounts", {"id": READER, "creditLimitMicro": CREDIT_MICRO})
        added = self._call("/accounts", {"id": VENDOR, "role": "vendor", "commissionE4": 500})
        topup = {"payer": READER, "amountMicro": TOPUP_MICRO, "reference": "RF-demo-1"}
        self._call("/topup", topup)
        self._init_vendor(broker_url, added["tokens"]["redeem"])
        self._origin_url = origin_url
        self.start_gate()
        with self._init_wallet() as wallet:
            wallet.add_broker(broker_url, "", opened["tokens"]["pay"])

    def start_gate(self) -> None:
        """The gate, also once more where the one before is gone."""
        port = str(urlsplit(self.gate_url).port)
        arguments = ["vendor", "serve", "--upstream", self._origin_url, "--port", port]
        self._farthing("vendor", arguments, self.gate_url)

    def _init_wallet(self) -> wallets.Wallet:
        self.passphrase = secrets.token_hex(16)
        return wallets.init(
            self._folder / "wallet.db", self.passphrase, cost=Cost(memory_kib=CHEAP_KIB)
        )

    def open_wallet(self, path: Path, scheme: str) -> wallets.Wallet:
        """A wallet that pays with one scheme only."""
        chosen = {scheme: registry.by_name(scheme)}
        return wallets.open_wallet(path, self.passphrase, schemes=chosen)

    def _start_origin(self) -> str:
        port = servers.free_port()
        site = str(gazette.site_path())
        command = ["-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", site]
        url = f"http://127.0.0.1:{port}"
        self._run("origin", servers.python(*command), url, {})
        return url

    def _farthing(self, role: str, arguments: list[str], url: str) -> None:
        command = servers.python("-m", "farthing.cli", *arguments)
        self._run(role, command, url + "/health", {"FARTHING_DATA": str(self._folder / role)})

    def _call(self, path: str, body: dict[str, Any]) -> Any:
        return call(self._broker, "POST", path, body)

    def _init_vendor(self, broker_url: str, token: str) -> None:
        (self._folder / "vendor").mkdir()
        routes = EVERYTHING if self._upstream else SAMPLE_ROUTES
        accept = codec.canonical(self._schemes).decode()
        if self._streaming:
            names = codec.canonical(self._streaming).decode()
            routes += streamed.ROUTE.format(accept=names)
        (self._folder / "vendor" / "prices.toml").write_text(f"accept = {accept}\n{routes}")
        servers.run_once(
            servers.python("-m", "farthing.cli", "vendor", "init", VENDOR, "--broker", broker_url),
            env={"FARTHING_DATA": str(self._folder / "vendor"), "FARTHING_TOKEN": token},
        )

    @property
    def _streaming(self) -> list[str]:
        """The schemes that pay for streams; none at a site that is not ours."""
        paying = [name for name in self._schemes if registry.by_name(name).till.streams]
        return [] if self._upstream else paying

    def _pages(self) -> list[str]:
        """What is bought: the gazette's articles, or what the other site's front page links to."""
        if not self._upstream:
            return list(gazette.ARTICLES)
        front = httpx.get(self._upstream, follow_redirects=True, trust_env=False)
        links = _Links(str(front.url))
        links.feed(front.text)
        return ["/", *links.paths][:PAGES_MAX]

    def show(self) -> Shown:
        """Buy every page with every scheme, try what must fail, clear, read the books."""
        lines: dict[str, Line] = {}
        with Progress(disable=self._quiet or not sys.stderr.isatty(), console=output.errors) as bar:
            for name in self._schemes:
                task = bar.add_task(name, total=len(self._pages()))
                lines[name] = self._buy_all(name, partial(bar.advance, task))
        self._vendor("clear")
        for sold in self._vendor("report"):
            earned_micro = sold["earned_micro"] - sold["pending_micro"]
            line = lines[sold["scheme"]]
            lines[sold["scheme"]] = msgspec.structs.replace(line, earned_micro=earned_micro)
        refusals: dict[str, str] = {}
        if not self._upstream:
            path = self._folder / "wallet.db"
            first = self._schemes[0]
            attempts = Attempts(
                self.gate_url, path, lambda one: self.open_wallet(one, first), self._pages()
            )
            refusals = attempts.all()
        stream = None
        for name in self._streaming:
            with self.open_wallet(self._folder / "wallet.db", name) as wallet:
                stream = streamed.show_stream(wallet, self.gate_url + streamed.PATH)
        self._vendor("clear")
        return msgspec.structs.replace(self._read_books(lines, refusals), stream=stream)

    def _buy_all(self, name: str, advance: Callable[[], None]) -> Line:
        took_ms: list[float] = []
        sizes: list[int] = []
        spent_micro = 0
        with self.open_wallet(self._folder / "wallet.db", name) as wallet:
            for path in self._pages():
                began = time.perf_counter()
                page = wallet.get(self.gate_url + path, io.BytesIO())
                took_ms.append((time.perf_counter() - began) * 1000)
                spent_micro += page.paid_micro
                sizes.append(page.payment_bytes)
                advance()
        return Line(
            pages=len(took_ms),
            spent_micro=spent_micro,
            payment_bytes=int(statistics.median(sizes)),
            p50_ms=round(statistics.median(took_ms), 2),
        )

    def _vendor(self, command: str) -> Any:
        """One vendor command, as its JSON."""
        raw = servers.run_once(
            servers.python("-m", "farthing.cli", "vendor", command, "--json"),
            env={"FARTHING_DATA": str(self._folder / "vendor")},
        )
        return msgspec.json.decode(raw)

    def _read_books(self, lines: dict[str, Line], refusals: dict[str, str]) -> Shown:
        broker = brokers.Broker.open(self._broker)
        try:
            report = broker.engine.books.committer.read(audit)
        finally:
            broker.close()
        return Shown(
            currency="eur",
            schemes=lines,
            refusals=refusals,
            balances=report.balances,
            ledger_sum_micro=report.ledger_sum_micro,
            outstanding_micro=sum(one.outstanding_micro for one in report.schemes.values()),
        )

    def keep_wallet(self) -> str:
        """Write down what opens the wallet, whose folder is the user's; how a shell reads it."""
        passphrase = self._folder / "passphrase"
        output.write_private(passphrase, self.passphrase)
        return f"FARTHING_WALLET_PASSPHRASE=$(cat {passphrase})"

    def keep_open(self, opened_by: str = "") -> None:
        """Until somebody ends it. `opened_by`: what opens the wallet, where the user has it."""
        output.say(f"\nthe paid site is at {self.gate_url}; Ctrl-C ends it")
        if opened_by:
            page = self.gate_url + self._pages()[0]
            output.say(
                f"pay there from another terminal: {opened_by}"
                f" farthing wallet get {page} --data {self._folder}"
            )
        while True:
            time.sleep(1)
