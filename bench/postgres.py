"""PostgreSQL with its default durability, for one comparison: a private cluster in a folder."""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.programs import Missing, find
from farthing.cli import servers

CLIENTS = 64
SCALE = 64  # branches: TPC-B wants at least as many as clients
PEOPLE = ("postgres", "nobody")  # who may run the server where we are root: it refuses to be root
START_TIMEOUT_S = 60
FILL_TIMEOUT_S = 600
_RATE = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


class Cluster:
    """A running cluster with pgbench's tables."""

    def __init__(self, folder: Path, *, scale: int) -> None:
        """Make and fill it; nothing runs yet."""
        self._folder = folder
        self._scale = scale
        self._port = servers.free_port()

    @contextlib.contextmanager
    def running(self) -> Iterator["Cluster"]:
        """The cluster, started, filled, and stopped at the end."""
        data, sockets = str(self._folder / "data"), str(self._folder)
        self._folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self._folder, user=_unprivileged())
        self._run("initdb", "-D", data, "--username=bench", "--auth=trust")
        options = f"-c listen_addresses= -c port={self._port} -c unix_socket_directories={sockets}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
        try:
            self._bench("-i", "-q", "-s", str(self._scale), timeout_s=FILL_TIMEOUT_S)
            yield self
        finally:
            self._run("pg_ctl", "-D", data, "-m", "fast", "-w", "stop")

    def rate(self, seconds: float) -> float:
        """TPC-B transactions a second over 64 connections."""
        whole_s = max(1, round(seconds))
        shown = self._bench("-c", str(CLIENTS), "-j", "1", "-n", "-T", str(whole_s))
        found = _RATE.search(shown)
        if found is None:
            raise Missing(f"pgbench said: {shown[-300:]}")
        return float(found[1])

    def _bench(self, *arguments: str, timeout_s: float = START_TIMEOUT_S) -> str:
        where = ["-h", str(self._folder), "-p", str(self._port), "-U", "bench", "postgres"]
        return self._run("pgbench", *arguments, *where, timeout_s=timeout_s)

    def _run(self, program: str, *arguments: str, timeout_s: float = START_TIMEOUT_S) -> str:
        command = [find(program), *arguments]
        # The server inherits our pipes, so its start must not be waited for through them.
        log = self._folder / f"{program}.out"
        with log.open("wb") as output:
            done = subprocess.run(  # noqa: S603 - our own command, no shell
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._folder,
                check=False,
                timeout=timeout_s,
                user=_unprivileged() if os.geteuid() == 0 else None,
            )
        shown = log.read_text(errors="replace")
        if done.returncode:
            raise Missing(f"{program} failed: {shown.strip()[-300:]}")
        return shown


def _unprivileged() -> str:
    names = {person.pw_name for person in pwd.getpwall()}
    for name in PEOPLE:
        if name in names:
            return name
    raise Missing(f"PostgreSQL does not run as root, and nobody is called {' or '.join(PEOPLE)}")
