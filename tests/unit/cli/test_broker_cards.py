"""Prepaid cards without a server; an operator's life makes some with one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.cli import broker, broker_cards
from farthing.cli.broker_cards import CARDS_MAX
from farthing.errors import Misconfigured, OutOfRange, Unavailable

RUNNER = CliRunner()


@pytest.fixture
def folder(broker_folder: Path) -> Path:
    return broker_folder


def run(folder: Path, *arguments: str) -> BaseException | None:
    return RUNNER.invoke(broker.app, ["cards", *arguments, "--data", str(folder)]).exception


def test_a_broker_that_is_not_running_makes_none(folder: Path) -> None:
    assert isinstance(run(folder, "5eur"), Unavailable)


def test_a_value_in_another_currency_is_refused(folder: Path, tmp_path: Path) -> None:
    assert isinstance(run(folder, "5usd"), OutOfRange)
    assert isinstance(run(tmp_path / "none", "5eur"), Misconfigured)


def test_so_many_at_once_are_a_mistake(folder: Path) -> None:
    for count in (0, CARDS_MAX + 1):
        done = RUNNER.invoke(broker.app, ["cards", "5eur", "--count", str(count)])
        assert done.exit_code == 2
    assert isinstance(run(folder, "5eur", "--count", str(CARDS_MAX)), Unavailable)


def test_cards_that_were_made_are_shown_though_the_next_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have money on them, and nobody else knows their secrets."""
    calls: list[str] = []

    def call(data: Path, method: str, path: str, body: object) -> object:
        calls.append(path)
        if len(calls) == 6:
            raise Unavailable("broker_unreachable", "gone")
        return {"tokens": {"pay": f"secret {len(calls)}"}}

    monkeypatch.setattr(broker_cards, "call", call)
    for options in ((), ("--json",)):
        calls.clear()
        command = ["cards", "5eur", "--count", "4", "--data", str(folder), *options]
        done = RUNNER.invoke(broker.app, command)
        assert isinstance(done.exception, Unavailable)
        assert [name for name in ("secret 1", "secret 3", "secret 5") if name in done.output] == [
            "secret 1", "secret 3", "secret 5"
        ]  # fmt: skip  # - one list
