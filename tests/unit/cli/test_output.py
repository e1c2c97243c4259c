"""Printing and private files."""

import io
import os
import stat
import sys
from pathlib import Path

import pytest
import typer

from farthing.cli import output
from farthing.errors import Misconfigured


def test_a_private_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "token"
    output.write_private(path, "made up")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "made up"


def test_a_private_file_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("older")
    with pytest.raises(Misconfigured, match="file_exists"):
        output.write_private(path, "newer")
    assert path.read_text() == "older"


def test_private_files_are_there_before_and_gone_after_a_failure(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with output.private_files(first, second):
        first.write_text("made up")
    assert (first.read_text(), second.read_text()) == ("made up", "")
    assert stat.S_IMODE(second.stat().st_mode) == 0o600
    third = tmp_path / "third"
    with pytest.raises(Misconfigured, match="file_exists"), output.private_files(third, first):
        raise AssertionError("one of them exists")
    with pytest.raises(ZeroDivisionError), output.private_files(third):
        raise ZeroDivisionError
    assert not third.exists()
    assert first.read_text() == "made up"


def test_a_file_that_can_have_no_place_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, told in (
        (tmp_path / "none" / "token", "No such file or directory: make its folder first"),
        (tmp_path / "file" / "token", "Not a directory: name another file"),
    ):
        with pytest.raises(Misconfigured, match="file_not_writable") as caught:
            output.write_private(path, "made up")
        assert caught.value.detail.startswith(f"{path}: {told}")
        with pytest.raises(Misconfigured, match="file_not_writable") as caught:
            output.opened(path)
        assert caught.value.detail.startswith(f"{path}: {told}")
    wanted = (tmp_path / "one", tmp_path / "none" / "two")
    with pytest.raises(Misconfigured, match="file_not_writable"), output.private_files(*wanted):
        raise AssertionError("one cannot be")
    assert not (tmp_path / "one").exists()


def test_a_token_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("made up\n")
    assert output.token_from(path, "token") == "made up"


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="token_file_unreadable"):
        output.token_from(tmp_path / "none", "token")


def test_the_environment_gives_a_token_without_a_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(output.TOKEN_VARIABLE, "made up")
    assert output.token_from(None, "token") == "made up"


def test_without_a_terminal_it_is_said_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal(*_: object) -> int:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr(os, "open", no_terminal)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"piped\nand what follows")))
    monkeypatch.delenv(output.TOKEN_VARIABLE, raising=False)
    assert output.hidden("passphrase", "set IT") == "piped"
    assert sys.stdin.buffer.read() == b"and what follows", "whoever else reads loses nothing"
    with pytest.raises(Misconfigured, match=r"passphrase_missing.*set IT"):
        output.hidden("passphrase", "set IT")
    with pytest.raises(Misconfigured, match=r"vendor_token_missing.*--token-file"):
        output.token_from(None, "vendor token")


def test_what_is_asked_on_a_terminal_leaves_stdout_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, bool]] = []

    def prompt(_: str, **how: bool) -> str:
        asked.append(how)
        return "typed"

    monkeypatch.setattr(os, "open", lambda *_: os.dup(0))
    monkeypatch.setattr(typer, "prompt", prompt)
    assert output.hidden("passphrase", "") == "typed"
    assert asked == [{"hide_input": True, "err": True}]


def test_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json({"a": 1})
    assert capsys.readouterr().out == '{\n  "a": 1\n}\n'


def test_a_name_between_colons_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("fc:a:1")
    assert capsys.readouterr().out == "fc:a:1\n"


def test_a_table_without_rows_is_a_line_that_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("in the wallet", ("vendor", "worth"), iter([("gazette", "2c")]))
    assert capsys.readouterr().out.splitlines()[0].strip() == "in the wallet"
    output.table("in the wallet", ("vendor", "worth"), iter([]))
    assert capsys.readouterr().out == "in the wallet: none\n"
