"""`wrk`, the load generator: one run over requests made beforehand."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from bench.programs import Missing, find

CONNECTIONS = 64
THREADS = 1  # one core is left for the server
SCRIPT = Path(__file__).with_name("load.lua")
TRIES = 6  # each with twice the requests of the one before
SPARE_S = 30  # wrk's own time to read its file, before and after the load


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run sends what."""

    url: str
    """Scheme, host and port."""
    path: str
    method: str = "GET"
    header: str = "Authorization"
    connections: int = CONNECTIONS


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did."""

    requests: int
    """Answers, refusals among them."""
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    """Answers other than 2xx and 3xx."""
    broken: int
    """Connections that failed, requests that timed out."""

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return (self.requests - self.refused) / self.seconds


def send(
    load: Load, requests: Sequence[str], seconds: float, folder: Path, *, wrap: bool = False
) -> Run:
    """Send each of `requests` at most once, or round and round with `wrap`.

    A request is the header's value, with a tab and the body behind it if there is one.
    """
    file = folder / "requests"
    file.write_text("\n".join(requests) + "\n")
    command = [
        find("wrk"),
        f"-t{THREADS}",
        f"-c{load.connections}",
        f"-d{max(1, round(seconds))}s",
        "--timeout=10s",
        "-s",
        str(SCRIPT),
        load.url,
        "--",
        str(file),
        load.method,
        load.path,
        load.header,
        *(["wrap"] if wrap else []),
    ]
    done = subprocess.run(  # noqa: S603 - our own command, no shell
        command, capture_output=True, text=True, check=False, timeout=seconds + SPARE_S
    )
    for line in done.stdout.splitlines():
        if line.startswith("FIGURES "):
            return msgspec.json.decode(line.removeprefix("FIGURES "), type=Run)
    raise Missing(f"wrk said: {(done.stderr or done.stdout).strip()[-300:]}")


def send_fresh(
    load: Load, make: Callable[[int], Sequence[str]], count: int, seconds: float, folder: Path
) -> Run:
    """Send requests that work once only, some `count` of them; `Missing` where any is refused.

    Where they were used up before the time was, the run is repeated with twice as many.
    """
    for _ in range(TRIES):
        requests = make(count)
        run = send(load, requests, seconds, folder)
        if run.requests < len(requests) - 2 * CONNECTIONS:  # some are in the air at the end
            return require_clean(run)
        count *= 2
    raise Missing(f"{load.path}: requests are used up faster than they are made")


def require_clean(run: Run) -> Run:
    """The run itself; `Missing` where answers were refused or connections broke."""
    if run.refused or run.broken:
        raise Missing(f"{run.refused} refused, {run.broken} broken of {run.requests} requests")
    return run
