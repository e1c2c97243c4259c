"""Long commands that are stopped say how far they came, and leave nobody behind."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest
import typer

from farthing.cli import stopping

HEARING = ("env", "--default-signal=INT")  # a shell's background jobs ignore it
COMMAND = (*HEARING, sys.executable, "-m", "farthing.cli", "lab")
WORKERS = ("--workers", "2")
ENDLESS = {
    "simulate": (*COMMAND, "simulate", "--runs", "5000", "--payments", "2", *WORKERS),
    "conformance": (*COMMAND, "conformance", *WORKERS),
}
WAIT_S = 60.0


def begun(command: tuple[str, ...]) -> tuple[subprocess.Popen[bytes], int]:
    """A command on a terminal of its own, which gets its stderr."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 120, 0, 0))
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm"},
        start_new_session=True,
    )
    os.close(theirs)
    return process, ours


def read_until(terminal: int, shown: str) -> str:
    """What a terminal has got, up to what matches; all of it where nothing does."""
    got, until_s = b"", time.monotonic() + WAIT_S
    while time.monotonic() < until_s and not re.search(shown, got.decode(errors="replace")):
        try:
            got += os.read(terminal, 4096)
        except OSError:  # as Linux says that nobody has the other end open any more
            break
    return got.decode(errors="replace")


@pytest.mark.parametrize(
    ("name", "number", "code"),
    [
        pytest.param("simulate", signal.SIGINT, 130, marks=pytest.mark.full),
        ("conformance", signal.SIGINT, 130),
        ("simulate", signal.SIGTERM, 143),
    ],
)
def test_a_bar_moves_until_a_signal_and_then_it_is_said_how_far_it_came(
    name: str, number: signal.Signals, code: int
) -> None:
    process, terminal = begun(ENDLESS[name])
    try:
        bar = read_until(terminal, r"[1-9]\d*%|0%.*0:\d\d:\d\d")
        assert "%" in bar
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does, workers among them
        else:
            process.send_signal(number)
        rest = read_until(terminal, "a line that never comes")
        assert process.wait(WAIT_S) == code
    finally:
        os.close(terminal)
        process.kill()
        process.wait()
    assert re.search(r"interrupted after \d+ of \d+(, (all passed|none failed))?\r\n", rest), rest
    assert "Traceback" not in rest
    assert "semaphore" not in rest


def test_what_failed_until_then_is_told() -> None:
    assert stopping.so_far(0, 9, [], "all passed") == ["interrupted after 0 of 9"]
    assert stopping.so_far(3, 9, [], "all passed") == ["interrupted after 3 of 9, all passed"]
    told = stopping.so_far(3, 9, ["  this"], "all passed")
    assert told == ["interrupted after 3 of 9, 1 failed:", "  this"]


def test_a_signal_within_becomes_an_exit_code_and_its_handler_goes_afterwards(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = signal.getsignal(signal.SIGTERM)
    with pytest.raises(typer.Exit) as left, stopping.told(lambda: ["this far"]):
        signal.raise_signal(signal.SIGTERM)
    assert left.value.exit_code == 143
    assert capsys.readouterr().err == "this far\n"
    assert signal.getsignal(signal.SIGTERM) is kept
