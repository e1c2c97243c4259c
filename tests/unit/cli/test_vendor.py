"""The vendor's commands on folders that are wrong."""

from pathlib import Path

from typer.testing import CliRunner

from farthing.cli import vendor
from farthing.errors import Misconfigured, Unavailable
from tests.kit.folder import PRICES, Folder

RUNNER = CliRunner()


def test_a_folder_that_is_no_vendors_is_said_with_the_command(tmp_path: Path) -> None:
    serve = ["serve", "--upstream", "http://x"]
    changes = (["clear"], ["grant"], ["rotate", "change"], ["refund", "mc:1"])
    for command in (["prices"], ["report"], *changes, serve):
        done = RUNNER.invoke(vendor.app, [*command, "--data", str(tmp_path)])
        assert isinstance(done.exception, Misconfigured), command
        assert done.exception.code == "vendor_not_initialised"
        assert "farthing vendor init" in done.exception.detail


def test_init_without_a_broker_leaves_no_half_made_vendor(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("made up")
    data = tmp_path / "vendor"
    command = ["init", "gazette", "--broker", "http://127.0.0.1:9", "--token-file", str(token)]
    done = RUNNER.invoke(vendor.app, [*command, "--data", str(data)])
    assert isinstance(done.exception, Unavailable)
    assert not (data / "vendor.json").exists()


def test_prices_shows_what_was_set_for_a_scheme(tmp_path: Path) -> None:
    Folder(tmp_path, prices=PRICES + '[millicent]\nprotocol = "private"\nrenew_fee_e4 = 50\n')
    done = RUNNER.invoke(vendor.app, ["prices", "--data", str(tmp_path)])
    assert "/sold/**" in done.stdout
    assert done.stdout.endswith("millicent: protocol is private\nmillicent: renew_fee_e4 is 50\n")
