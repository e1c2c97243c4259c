"""What every command promises: help with an example, exit codes, no secret on the screen."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from farthing import __version__
from farthing.cli import build


def commands() -> list[tuple[str, Any]]:
    """Every leaf command with its full name."""
    found: list[tuple[str, Any]] = []

    def walk(name: str, command: Any) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found.append((name, command))
            return
        for child_name, child in children.items():
            walk(f"{name} {child_name}", child)

    walk("farthing", typer.main.get_command(build()))
    return found


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: str(value))
def test_every_command_has_an_example_and_describes_its_options(name: str, command: Any) -> None:
    assert f"Example: {name}" in (command.help or "")
    for parameter in command.params:
        if parameter.name not in {"help", "install_completion", "show_completion"}:
            assert getattr(parameter, "help", ""), f"{name}: {parameter.name} has no help"


def test_examples_write_no_file_that_is_there_after_the_readmes_set_up() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    reading = {"vendor init", "wallet init", "vendor payout", "broker peer add"}
    there = re.findall(r"--token-file (\S+)", readme)
    for name, command in commands():
        for example in re.findall(r"Example: (.*)", command.help or ""):
            written = re.findall(r"(?:--token-file|-o|>) (\S+)", example)
            if name.removeprefix("farthing ") not in reading:
                assert not set(written) & set(there), example
                there += written
        assert "/articles/tally-sticks" not in (command.help or ""), "not among the README's pages"


@pytest.mark.parametrize("command", [("--version",), ("demo", "--help"), ("lab", "--help")])
def test_a_full_disk_is_said_in_a_line(command: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "farthing.cli", *command],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip  # - one call
    assert done.returncode == 1
    assert done.stderr.startswith("farthing: output_not_written: No space left on device: ")
    assert done.stderr.count("\n") == 1


def test_who_has_read_enough_ends_a_command_quietly() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-m", "farthing.cli", "--version"],
        stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60,
    )  # fmt: skip  # - one call
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, b"")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "farthing.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_refusal_ends_with_1_and_its_code_on_stderr() -> None:
    done = run("broker", "publish", "--data", "/nonexistent/farthing")
    assert done.returncode == 1
    assert "broker_missing" in done.stderr
    assert "farthing broker init" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("broker", "init", "--id", "demo-broker"),
        ("broker", "restore", str(Path(__file__))),
        ("wallet", "init"),
        ("vendor", "init", "gazette", "--broker", "http://127.0.0.1:9"),
    ],
)
def test_a_folder_that_cannot_be_is_said_in_a_line(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARTHING_TOKEN", "ft_any")
    monkeypatch.setenv("FARTHING_WALLET_PASSPHRASE", "any")
    done = run(*command, "--data", f"{__file__}/folder")
    assert done.returncode == 1
    said = f"farthing: path_unusable: {__file__}/folder: Not a directory: name another (--data is"
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == 1


def test_the_version_is_said() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"farthing {__version__}\n")


def test_bad_usage_ends_with_2() -> None:
    assert run("broker", "nonsense").returncode == 2
