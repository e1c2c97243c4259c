"""Processes that commands start: granian servers, and free ports for them."""

import contextlib
import ctypes
import errno
import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from farthing.cli.loading import loading
from farthing.errors import Misconfigured

START_TIMEOUT_S = 20.0  # a server that is not up by then will not be
STOP_TIMEOUT_S = 5.0
HEAD_TIMEOUT_S = 10  # for a request's head: clients leave a silent connection after 5 s themselves
COLLECT_AT = (20_000, 50, 100)  # a full collection stops every request: some 20 ms of the slowest
PR_SET_PDEATHSIG = 1  # prctl(2)

Port = Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")]


def require_free(host: str, port: int) -> None:
    """`Misconfigured` where something listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as wrong:
            raise _not_free(host, port, wrong) from None


def _not_free(host: str, port: int, wrong: OSError) -> Misconfigured:
    if wrong.errno == errno.EADDRINUSE:
        return Misconfigured(
            "port_in_use", f"port {port} is taken: stop its program or give another --port"
        )
    if wrong.errno == errno.EACCES:
        return Misconfigured(
            "port_not_allowed", f"port {port} is the system's own: give another --port, above 1023"
        )
    return Misconfigured(
        "host_not_here",
        f"{host} is no address of this machine ({wrong.strerror}): give another --host,"
        " as in 127.0.0.1, or 0.0.0.0 for all of them",
    )


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def serve(target: str, *, host: str, port: int, workers: int) -> None:
    """Serve an ASGI factory until stopped.

    A worker that is killed is started again; a server that is killed takes its workers along.
    A connection on which no whole head comes for `HEAD_TIMEOUT_S` is closed, before the first
    request and between two. HTTP/1.1 only: while granian waits to be told which version it is to
    speak, no time-out runs, and a worker has room for 1024 connections.
    """
    # Whoever only asks a server needs none.
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.http import HTTP1Settings

    require_free(host, port)
    Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=HEAD_TIMEOUT_S * 1000),
        loop=Loops.uvloop,
        workers=workers,
        log_access=False,
        websockets=True,
        respawn_failed_workers=True,
    ).serve(target_loader=load_in_worker)


def load_in_worker(target: str) -> Any:
    """What `module:factory` makes, in a worker that does not outlive the server above it.

    A worker left behind would keep the port, and the server could not be started again.
    """
    if sys.platform == "linux":  # elsewhere the operator ends what is left behind
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    module, _, factory = target.partition(":")
    with loading():
        loaded = getattr(importlib.import_module(module), factory)()
        gc.collect()
    gc.set_threshold(*COLLECT_AT)
    return loaded


@contextlib.contextmanager
def running(
    command: Sequence[str], *, url: str, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that answers at `url`, stopped at the end; its output goes to `log`.

    `Misconfigured` with the log's last lines where it does not come up.
    """
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        _wait_until_up(child, url, log)
        yield child
    finally:
        stop(child)


def run_once(command: Sequence[str], *, env: Mapping[str, str]) -> bytes:
    """What a command prints on stdout; `Misconfigured` with its last line where it fails."""
    done = subprocess.run(  # noqa: S603 - our own commands, no shell
        command, env={**os.environ, **env}, capture_output=True, check=False, timeout=60
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise Misconfigured("command_failed", lines[-1] if lines else "it printed nothing")
    return done.stdout


def stop(child: subprocess.Popen[bytes]) -> None:
    """End a child and its workers, kindly first."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=STOP_TIMEOUT_S)
            return


def _wait_until_up(child: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(timeout=1.0, trust_env=False) as client:  # one: it takes 20 ms to make
        while time.monotonic() < deadline_s:
            if child.poll() is not None:
                break
            with contextlib.suppress(httpx.HTTPError):
                client.get(url)
                return
            time.sleep(0.03)
    lines = log.read_text(errors="replace").strip().splitlines()[-3:]
    raise Misconfigured("server_did_not_start", " / ".join(lines) or "it printed nothing")


def python(*arguments: str) -> list[str]:
    """A command line of this very Python."""
    return [sys.executable, *arguments]
