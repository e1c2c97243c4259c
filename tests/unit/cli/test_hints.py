"""Commands in what is said: they exist, and they work as they stand for whoever reads them."""

import ast
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import farthing
from farthing.cli import hints, main, output

SOURCE = Path(farthing.__file__).parent
HINT = re.compile(r"\bfarthing ((?:broker|vendor|wallet)(?: [a-z][a-z-]*)+)")
ROLES = ("broker", "vendor", "wallet")


@pytest.mark.parametrize(
    ("text", "typed", "shown"),
    [
        ("see farthing wallet recover", "wallet get x --data d", "recover --data d"),
        ("see farthing wallet recover", "wallet get x --data=d", "recover --data d"),
        ("see farthing wallet recover", "wallet get x --data d --data e", "recover --data e"),
        ("see farthing wallet recover", "wallet get x --data 'my d'", "recover --data 'my d'"),
        ("see farthing wallet recover", "wallet get x", "recover"),
        ("see farthing wallet recover", "vendor clear --data d", "recover"),
        ("farthing wallet init --data NEW", "wallet seed --data d", "init --data NEW"),
        ("farthing vendor prices-x", "vendor clear --data d", "prices-x"),
        (
            "run `farthing broker vendor change --props a` first",
            "broker account change x --data d",
            "run `farthing broker vendor change --data d --props a` first",
        ),
        (
            "farthing wallet reissue, farthing wallet restore",
            "wallet balance --data d",
            "farthing wallet reissue --data d, farthing wallet restore --data d",
        ),
    ],
)
def test_a_command_goes_on_with_the_folder_that_was_given(
    text: str, typed: str, shown: str
) -> None:
    assert hints.as_typed(text, shlex.split(typed)).endswith(shown)


def _texts() -> Iterator[tuple[str, str]]:
    """Every text in the source, by file."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.name, " ".join(node.value.split())


def test_every_command_that_is_named_exists() -> None:
    known = {command for role in ROLES for command in hints.commands(role)}
    known.add("broker verify-proof")  # it needs no folder
    named = [(name, found[1]) for name, text in _texts() for found in HINT.finditer(text)]
    assert len(named) > 100
    wrong = [
        (name, words)
        for name, words in named
        if not any(f"{words} ".startswith(f"{one} ") for one in known)
        and not any(one.startswith(f"{words} ") for one in known)  # the group's own page
    ]
    assert wrong == []


def test_a_refusal_and_a_line_say_what_can_be_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "my broker"
    init = ["broker", "init", "--id", "b", "--url", "http://127.0.0.1:9", "--data", str(data)]
    for arguments in (init, ["broker", "account", "list", "--data", str(data)]):
        monkeypatch.setattr(sys, "argv", ["farthing", *arguments])
        with pytest.raises(SystemExit):
            main()
    told = capsys.readouterr().err
    typed = re.search(r"run `farthing (.*)`", told)
    assert typed is not None, told
    assert shlex.split(typed[1]) == ["broker", "serve", "--data", str(data), "--port", "9"]
    output.errors.print("again: farthing broker audit", soft_wrap=True)
    assert f"again: farthing broker audit --data '{data}'" in capsys.readouterr().err
