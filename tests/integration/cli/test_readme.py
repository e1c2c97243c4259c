"""Console blocks of the docs, run as they stand; `…` is what differs from run to run."""

import fcntl
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.programs import needed
from tests.kit.turns import marks_of

ROOT = Path(__file__).parents[3]
PORTS = {
    "serve --data broker": 8400,
    "serve --data north": 8400,
    "--port 8500": 8500,
    "http.server": 8000,
    "api.py &": 8000,
    "vendor serve": 8402,
}
START_S = 20.0
COMMAND_S = 60.0
HOW_TO_ROTATION = 4


def blocks() -> dict[str, str]:
    """Every console block, by page and number; those of a tutorial are one, as they are read."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
    found = {
        f"{page.stem}-{number}": block
        for page in pages
        for number, block in enumerate(blocks_of(page))
    }
    tutorials = sorted((ROOT / "docs" / "tutorial").glob("*.md"))
    return found | {page.stem: "".join(blocks_of(page)) for page in tutorials}


def blocks_of(page: Path) -> list[str]:
    return re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)


def steps(block: str) -> list[tuple[str, list[str]]]:
    """Commands with the lines they print."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif line.startswith(">"):  # the shell asks for the rest of the command
            command, printed = found.pop()
            found.append((f"{command}\n{line[2:]}", printed))
        else:
            found[-1][1].append(line)
    return found


def pattern(expected: list[str]) -> re.Pattern[str]:
    """Lines as a pattern: runs of blanks are one, `…` is anything, alone on a line many lines."""
    parts = []
    for line in expected:
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
            continue
        words = [re.escape(word).replace("…", ".*?") for word in line.split()]
        parts.append(r"[ \t]*" if line.startswith(" ") else "")
        parts.append(r"\s+".join(words) + r"[ \t\r]*\n" if words else r"[ \t\r]*\n")
    return re.compile("".join(parts))


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(port: int, *, taken: bool, else_say: str) -> None:
    deadline = time.monotonic() + START_S
    while is_taken(port) is not taken:
        if time.monotonic() > deadline:
            pytest.fail(f"port {port}: {else_say}")
        time.sleep(0.05)


def run_block(block: str, folder: Path, environment: dict[str, str]) -> None:
    """Run one block in one folder; servers end with it."""
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for command, expected in steps(block):
            if command.startswith("export "):
                name, _, value = command.removeprefix("export ").partition("=")
                environment[name] = value.strip("'")
            elif command.endswith("&"):
                servers.append(
                    subprocess.Popen(
                        ["bash", "-c", "exec " + command.rstrip(" &")],
                        cwd=folder,
                        env=environment,
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.DEVNULL,
                        start_new_session=True,
                    )
                )
                port = next(port for part, port in PORTS.items() if part in command)
                wait_for(port, taken=True, else_say="nothing came up there")
            else:
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=folder,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=COMMAND_S,
                    check=False,
                )
                printed = done.stdout.decode()
                assert pattern(expected).fullmatch(printed), f"$ {command}\n{printed}"
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGTERM)
        for server in servers:
            server.wait(timeout=START_S)


@pytest.fixture
def ports() -> Iterator[None]:
    """The docs' ports, for one test at a time on this machine."""
    with Path(f"/tmp/farthing-docs-ports-{os.getuid()}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def blocks_in_turn() -> Iterator[Any]:
    """The README's blocks each time, one in so many of the others in turn."""
    for number, name in enumerate(blocks()):
        marks = [] if name.startswith("README") else marks_of(number, of=HOW_TO_ROTATION)
        yield pytest.param(name, marks=marks)


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize("name", list(blocks_in_turn()))
def test_the_docs_show_what_happens(name: str, tmp_path: Path) -> None:
    for port in PORTS.values():  # a server's own workers may end a moment after it
        wait_for(port, taken=False, else_say="it is taken; end its program to test the README")
    environment = {
        **os.environ,
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "COLUMNS": "120",
    }
    if "$ curl " in blocks()[name]:
        needed("curl")
    block = blocks()[name].replace("script/demo", str(ROOT / "script/demo"))
    run_block(block, tmp_path, environment)
