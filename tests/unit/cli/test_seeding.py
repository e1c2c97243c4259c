"""`farthing wallet seed` and `restore` without a broker; tests of the wallet have one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from farthing.cli import build
from farthing.wallet import app as wallets
from tests.unit.wallet.world import CHEAP, PASSPHRASE


@pytest.fixture
def folder(wallet_folder: Path) -> Path:
    return wallet_folder


def run(folder: Path, *arguments: str, answer: str = "") -> Result:
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE}
    command = ["wallet", *arguments, "--data", str(folder)]
    return CliRunner().invoke(build(["wallet"]), command, env=env, input=answer)


def test_they_are_commands_of_the_wallets_with_examples() -> None:
    for name in ("seed", "restore"):
        done = CliRunner().invoke(build(["wallet"]), ["wallet", name, "--help"])
        assert f"farthing wallet {name}" in done.stdout


def test_the_seed_is_shown_and_stays(folder: Path) -> None:
    shown = run(folder, "seed").stdout.strip()
    assert len(shown) == 43
    assert run(folder, "seed").stdout.strip() == shown


def test_a_new_wallet_has_the_seed_that_was_written_down(folder: Path, tmp_path: Path) -> None:
    shown = run(folder, "seed").stdout.strip()
    other = tmp_path / "other"
    wallets.init(other / "wallet.db", PASSPHRASE, cost=CHEAP).close()
    paper = tmp_path / "seed.txt"
    paper.write_text(shown + "\n")
    assert run(other, "restore", "--seed-file", str(paper)).exit_code == 0
    assert run(other, "seed").stdout.strip() == shown
    typed = tmp_path / "typed"
    wallets.init(typed / "wallet.db", PASSPHRASE, cost=CHEAP).close()
    assert run(typed, "restore", answer=shown + "\n").exit_code == 0
    assert run(typed, "seed").stdout.strip() == shown


def test_what_is_no_seed_changes_nothing(folder: Path, tmp_path: Path) -> None:
    shown = run(folder, "seed").stdout.strip()
    paper = tmp_path / "seed.txt"
    paper.write_bytes(b"\xff")
    for path in (paper, tmp_path / "missing"):
        assert run(folder, "restore", "--seed-file", str(path)).exit_code != 0
    assert run(folder, "restore", answer="no seed\n").exit_code != 0
    assert run(folder, "seed").stdout.strip() == shown
