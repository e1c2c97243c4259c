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


@pytest.mark.parametrize("command", [("send", "1c"), ("delegate", "http://127.0.0.1:9/", "1c")])
def test_a_file_with_money_in_it_is_refused_before_anything_is_made(
    wallet_folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(handing, "drive", lambda *_: pytest.fail("something was made"))
    env = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE}
    for name, code in (("older.token", "file_exists"), ("none/new.token", "file_not_writable")):
        out = wallet_folder / name
        if out.parent.exists():
            out.write_text("worth a cent")
        to = ["--to", "fa1"] if command[0] == "delegate" else []
        arguments = [*command, *to, "-o", str(out), "--data", str(wallet_folder)]
        done = RUN.invoke(build(["wallet"]), ["wallet", *arguments], env=env)
        assert isinstance(done.exception, Misconfigured)
        assert done.exception.code == code
    assert (wallet_folder / "older.token").read_text() == "worth a cent"


def test_a_token_is_written_once_more_into_a_new_file_alone(
    wallet_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = SimpleNamespace(find=lambda _: SimpleNamespace(id="g_1", token="fg1made"))
    monkeypatch.setattr(handing, "Grants", lambda _: kept)
    env, out = {"FARTHING_WALLET_PASSPHRASE": PASSPHRASE}, wallet_folder / "agent.purse"
    wanted = ["grants", "--again", "g_1", "-o", str(out), "--data", str(wallet_folder)]
    assert RUN.invoke(build(["wallet"]), ["wallet", *wanted], env=env).exit_code == 0
    assert (out.read_text(), out.stat().st_mode & 0o777) == ("fg1made\n", 0o600)
    out.write_text("worth a cent")
    done = RUN.invoke(build(["wallet"]), ["wallet", *wanted], env=env)
    assert isinstance(done.exception, Misconfigured)
    assert out.read_text() == "worth a cent"
