"""Child processes: they come up, they go, and their failure says why."""

import os
import socket
from pathlib import Path

import pytest

from farthing.cli import servers
from farthing.errors import Misconfigured


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Misconfigured, match="port_in_use") as caught:
            servers.require_free("127.0.0.1", taken.getsockname()[1])
    assert "--port" in caught.value.detail


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
