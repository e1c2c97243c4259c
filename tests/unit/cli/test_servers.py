"""Child processes: they come up, they go, and their failure says why."""

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from farthing.cli import servers
from farthing.errors import Misconfigured
from farthing.wallet import courier


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Misconfigured, match="port_in_use") as caught:
            servers.require_free("127.0.0.1", taken.getsockname()[1])
    assert "--port" in caught.value.detail


@pytest.mark.parametrize("host", ["300.1.1.1", "192.0.2.1", "2001:db8::1"])
def test_a_host_that_is_not_this_machines_is_not_said_to_be_a_taken_port(host: str) -> None:
    with pytest.raises(Misconfigured, match="host_not_here") as caught:
        servers.require_free(host, servers.free_port())
    assert f"{host} is no address of this machine" in caught.value.detail


def test_a_port_of_the_systems_own_is_said() -> None:
    told = servers._not_free("127.0.0.1", 80, PermissionError(errno.EACCES, "denied"))
    assert (told.code, "port 80" in told.detail) == ("port_not_allowed", True)


def test_a_running_child_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    port = servers.free_port()
    command = servers.python("-m", "http.server", str(port), "--bind", "127.0.0.1")
    with servers.running(command, url=f"http://127.0.0.1:{port}", log=tmp_path / "log") as child:
        assert child.poll() is None
    assert child.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)


def test_a_child_that_dies_says_its_last_lines(tmp_path: Path) -> None:
    command = servers.python("-c", "raise SystemExit('no such luck')")
    with (
        pytest.raises(Misconfigured, match="no such luck"),
        servers.running(command, url="http://127.0.0.1:9", log=tmp_path / "log"),
    ):
        pytest.fail("it never ran")


def test_run_once_gives_what_was_printed() -> None:
    assert servers.run_once(servers.python("-c", "print('here')"), env={}) == b"here\n"


def test_run_once_raises_the_last_line_of_a_failure() -> None:
    with pytest.raises(Misconfigured, match="broke"):
        servers.run_once(servers.python("-c", "raise SystemExit('broke')"), env={})


SITE = """
async def site(scope, receive, send):
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

def make():
    return site
"""
WAIT_S = 10.0


@contextlib.contextmanager
def serving(folder: Path, port: int, first: str = "pass") -> Iterator[subprocess.Popen[bytes]]:
    """`serve` with one worker, in a process of its own, after what is to be done `first`."""
    (folder / "small_site.py").write_text(SITE)
    call = f"servers.serve('small_site:make', host='127.0.0.1', port={port}, workers=1)"
    command = servers.python("-c", f"from farthing.cli import servers; {first}; {call}")
    env = {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    url = f"http://127.0.0.1:{port}"
    with servers.running(command, url=url, log=folder / "log", env=env) as child:
        yield child


def worker_of(child: subprocess.Popen[bytes]) -> int:
    found = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    return int(found[0]) if found else 0


def test_a_worker_collects_seldom_and_never_what_it_has_loaded() -> None:
    """Full collections were what the slowest of a hundred answers waited for."""
    code = (
        "import gc; from farthing.cli.servers import load_in_worker;"
        "load_in_worker('builtins:list'); print(*gc.get_threshold(), gc.get_freeze_count() > 1000)"
    )
    printed = servers.run_once(servers.python("-c", code), env={})
    assert printed.decode().split() == [*map(str, servers.COLLECT_AT), "True"]


HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n"
SLOW_BODY = b"x" * 16  # byte by byte it takes longer than a head may


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", b""),
        (b"PRI * HTTP/2.0\r\n\r\n", b""),
        (HEAD, b""),
        (HEAD, b"X-A: b\r\n"),
        (WHOLE % 0, b""),
        (WHOLE % 0 + HEAD, b""),
    ],
    ids=["silent", "other version", "half a head", "line by line", "idle", "half of the second"],
)
def test_a_connection_without_a_whole_head_is_closed(
    tmp_path: Path, first: bytes, then: bytes
) -> None:
    port = servers.free_port()
    with (
        serving(tmp_path, port, "servers.HEAD_TIMEOUT_S = 1"),
        socket.create_connection(("127.0.0.1", port)) as line,
    ):
        line.sendall(first)
        line.settimeout(0.2)
        ends_s, heard = time.monotonic() + WAIT_S, b"open"
        while heard and time.monotonic() < ends_s:
            try:
                heard = line.recv(1024)
            except TimeoutError:
                with contextlib.suppress(OSError):
                    line.sendall(then)
            except ConnectionError:
                heard = b""
    assert heard == b"", "the server has closed it"


def test_a_body_that_comes_slowly_is_waited_for(tmp_path: Path) -> None:
    port = servers.free_port()
    with (
        serving(tmp_path, port, "servers.HEAD_TIMEOUT_S = 1"),
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as line,
    ):
        line.sendall(WHOLE % len(SLOW_BODY))
        for at in range(len(SLOW_BODY)):
            line.sendall(SLOW_BODY[at : at + 1])
            time.sleep(0.1)
        assert line.recv(1024).startswith(b"HTTP/1.1 204")


def test_a_silent_connection_outlives_those_of_clients_that_pay() -> None:
    """What is sent just as a server closes it is lost."""
    assert courier.IDLE_S < servers.HEAD_TIMEOUT_S
    assert (httpx.Limits().keepalive_expiry or 0) < servers.HEAD_TIMEOUT_S


@pytest.mark.serial
def test_a_server_that_is_killed_leaves_no_worker_on_its_port(tmp_path: Path) -> None:
    port = servers.free_port()
    for _ in range(2):
        with serving(tmp_path, port) as child:
            assert worker_of(child)
            child.kill()
            child.wait()


@pytest.mark.serial
def test_a_worker_that_is_killed_is_started_again(tmp_path: Path) -> None:
    port = servers.free_port()
    with serving(tmp_path, port) as child:
        worker = worker_of(child)
        os.kill(worker, signal.SIGKILL)
        ends_s = time.monotonic() + WAIT_S
        while worker_of(child) in {0, worker} and time.monotonic() < ends_s:
            time.sleep(0.01)
        transport = httpx.HTTPTransport(retries=5)
        with httpx.Client(transport=transport, timeout=WAIT_S) as client:
            assert client.get(f"http://127.0.0.1:{port}").status_code == 204


@pytest.mark.serial
def test_a_server_whose_worker_keeps_dying_ends_and_says_so(tmp_path: Path) -> None:
    """Whoever started it starts it again, as the guide's units do."""
    with serving(tmp_path, servers.free_port()) as child:
        last = 0
        ends_s = time.monotonic() + WAIT_S
        while child.poll() is None and time.monotonic() < ends_s:
            worker = worker_of(child)
            if worker not in {0, last}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                last = worker
            time.sleep(0.01)
        assert child.poll() == 1
