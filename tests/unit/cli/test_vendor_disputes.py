"""`farthing vendor waive` and `disclose`; docs/how-to/settle-a-dispute.md shows an order."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from farthing.cli import vendor
from farthing.errors import Misconfigured, Unknown
from farthing.vendor import disputing
from tests.kit.folder import Folder

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
