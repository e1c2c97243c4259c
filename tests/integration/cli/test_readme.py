"""Console blocks of README and how-tos, run as they stand; `…` is what differs from run to run."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PORT = re.compile(r"(?<![.\d])(8000|8400|8402)\b")
PORTS = {
    "serve --data broker": 8400,
    "serve --data north": 8400,
    "--port 8500": 8500,
    "http.server": 8000,
    "vendor serve": 8402,
}
START_S = 20.0
COMMAND_S = 60.0


def blocks() -> dict[str, str]:
    """Every console block, by page and number."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md"))]
    return {
        f"{page.stem}-{number}": block
        for page in pages
        for number, block in enumerate(
            re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL)
        )
    }


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
        parts.append(r"\s+".join(words) + r"[ \t]*\n" if words else r"[ \t]*\n")
    return re.compile("".join(parts))


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"nothing came up on port {port}")


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
                wait_for(next(port for part, port in PORTS.items() if part in command))
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


@pytest.mark.serial
@pytest.mark.parametrize("name", blocks())
def test_the_docs_show_what_happens(name: str, tmp_path: Path) -> None:
    for port in PORTS.values():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.fail(f"port {port} is taken: end its program to test the README")
    environment = {
        **os.environ,
        "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "COLUMNS": "120",
    }
    block = blocks()[name].replace("script/demo", str(ROOT / "script/demo"))
    run_block(block, tmp_path, environment)
