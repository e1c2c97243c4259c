"""`farthing vendor waive` and `disclose`; docs/how-to/settle-a-dispute.md shows an order."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from farthing import codec, marks
from farthing.cli import vendor
from farthing.errors import Misconfigured, Unknown
from farthing.schemes.contract import Json
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor import disputing
from tests.kit.folder import PRICES, Folder

RUNNER = CliRunner()
COMMANDS = (["waive", "fc:a:1"], ["disclose", "ikp:a:1", "-o", "order.json"])


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_no_vendors_is_said(tmp_path: Path, command: list[str]) -> None:
    done = RUNNER.invoke(vendor.app, [*command, "--data", str(tmp_path)])
    assert isinstance(done.exception, Misconfigured)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_payment_that_is_not_there_is_unknown(tmp_path: Path, command: list[str]) -> None:
    Folder(tmp_path)
    done = RUNNER.invoke(vendor.app, [*command, "--data", str(tmp_path)])
    assert isinstance(done.exception, Unknown)


def test_a_waiver_is_told_by_the_payments_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waive(name: str, *_: object) -> disputing.Waived:
        return disputing.Waived(reference=name, scheme="fairchain")

    Folder(tmp_path)
    monkeypatch.setattr(disputing, "waive", waive)
    done = RUNNER.invoke(vendor.app, ["waive", "fc:a:1", "--data", str(tmp_path)])
    assert done.stdout == "fc:a:1: left to its payer\n"


def test_a_gate_shows_whose_payments_contradict_each_other(tmp_path: Path) -> None:
    shown: Json = {"first": {}, "second": {"certificate": {"payer": "p_0123"}}}
    Folder(tmp_path, prices=PRICES)
    keep(tmp_path, b"netcard/conflict/p_0123/gazette/20000", codec.canonical(shown))
    done = RUNNER.invoke(vendor.app, ["conflicts", "--data", str(tmp_path)])
    assert done.exception is None
    assert "netcard" in done.stdout
    assert "p_0123" in done.stdout
    done = RUNNER.invoke(vendor.app, ["conflicts", "--json", "--data", str(tmp_path)])
    assert msgspec.json.decode(done.stdout) == [{"scheme": "netcard", "shown": shown}]


def keep(folder: Path, key: bytes, value: bytes) -> None:
    """As a gate writes it."""
    store = SqliteMarks(folder / "marks.db")
    hold = marks.Hold(
        k="k", digest=b"", marks=(), kept=b"", now_s=0, lease_until_s=0, until_s=10**10
    )
    put = marks.Put(key=key, value=value, until_s=10**10)
    store.do_now(marks.Take(hold=hold, outcome=b"", records=(put,)))
    store.close()
