from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from farthing.cli import build, handing
from farthing.errors import Forged, Malformed, Misconfigured
from tests.unit.wallet.world import PASSPHRASE

RUN = CliRunner()


@pytest.mark.parametrize(("text", "lasts_s"), [("30m", 1_800), ("2h", 7_200), ("24h", 86_400)])
def test_a_duration_is_read(text: str, lasts_s: int) -> None:
    assert handing.seconds_of(text) == lasts_s


@pytest.mark.parametrize("text", ["", "2", "0h", "-1h", "25h", "1d", "1.5h", "99999m", "2h "])
def test_what_is_no_duration_of_a_day_at_most_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="duration_malformed"):
        handing.seconds_of(text)


def test_a_duration_is_a_day_at_most() -> None:
    minutes = handing.LASTS_S_MAX // 60
    assert handing.seconds_of(f"{minutes}m") == handing.LASTS_S_MAX
    with pytest.raises(Misconfigured, match="duration_malformed"):
        handing.seconds_of(f"{minutes + 1}m")


def test_no_more_of_a_file_is_read_than_a_token_may_have(tmp_path: Path) -> None:
    token = tmp_path / "purse"
    for size in (handing.TOKEN_BYTES_MAX, handing.TOKEN_BYTES_MAX + 1):
        token.write_bytes(b"x" * size)
        assert len(handing._read(token)) == handing.TOKEN_BYTES_MAX


@pytest.mark.parametrize("name", ["address", "delegate", "receive", "grants", "withdraw"])
def test_every_command_is_the_wallets_and_has_an_example(name: str) -> None:
    done = RUN.invoke(build(["wallet"]), ["wallet", name, "--help"])
    assert done.exit_code == 0
    assert f"farthing wallet {name}" in done.stdout


def test_a_wallet_without_an_account_has_an_address(
    tmp_path: Path,
) -> None:
    folder = str(tmp_path)
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE, "FARTHING_TOKEN": ""}
    app = build(["wallet"])
    assert RUN.invoke(app, ["wallet", "init", "--data", folder], env=env).exit_code == 0
    done = RUN.invoke(app, ["wallet", "address", "--data", folder], env=env)
    assert done.stdout.startswith("fa1")
    listed = RUN.invoke(app, ["wallet", "grants", "--data", folder, "--json"], env=env)
    assert listed.stdout.strip() == "[]"


def test_who_withdraws_is_told_from_when_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE, "FARTHING_TOKEN": ""}
    app, folder = build(["wallet"]), str(tmp_path)
    assert RUN.invoke(app, ["wallet", "init", "--data", folder], env=env).exit_code == 0
    ended = SimpleNamespace(id="g_1", vendor_id="news")
    monkeypatch.setattr(handing, "drive", lambda *_: ended)
    done = RUN.invoke(app, ["wallet", "withdraw", "g_1", "--data", folder], env=env)
    assert done.stdout == (
        "g_1 is withdrawn: news takes no more of it once its gates have fetched the broker's list,"
        " which they do each minute\n"
    )


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"fg1" + b"A" * 200, b"x" * 100_000])
def test_a_file_that_is_no_token_is_refused(tmp_path: Path, content: bytes | None) -> None:
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE, "FARTHING_TOKEN": ""}
    app, token, where = build(["wallet"]), tmp_path / "purse", ["--data", str(tmp_path)]
    assert RUN.invoke(app, ["wallet", "init", *where], env=env).exit_code == 0
    if content is not None:
        token.write_bytes(content)
    done = RUN.invoke(app, ["wallet", "receive", str(token), *where], env=env)
    assert isinstance(done.exception, Malformed | Misconfigured | Forged)
