"""A broker's life, command by command, as an operator types them in an empty folder."""

import contextlib
import os
import stat
import subprocess
from pathlib import Path

import httpx
import msgspec
import pytest

from farthing.cli import servers
from tests.integration.crash.fleet import environment


class Shell:
    """Runs `farthing` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, **environment()}

    def say(self, *arguments: str) -> str:
        """What a command prints; it succeeds."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """The code with which a command is refused."""
        done = self._run(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), done.stdout
        return done.stderr.split()[1].rstrip(":")

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            servers.python("-m", "farthing.cli", *arguments),
            cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip  # - one call


@pytest.mark.timeout(120)
def test_money_comes_in_is_listed_and_goes_out(tmp_path: Path) -> None:
    shell, port = Shell(tmp_path), servers.free_port()
    url = f"http://127.0.0.1:{port}"
    assert shell.refused("broker", "account", "list") == "operator_token_missing"
    shell.say("broker", "init", "--id", "b", "--url", url)
    assert shell.refused("broker", "account", "list") == "broker_unreachable"
    with contextlib.ExitStack() as running:
        command = servers.python("-m", "farthing.cli", "broker", "serve", "--port", str(port))
        env = environment(FARTHING_DATA=str(tmp_path / "broker"))
        log = tmp_path / "broker.log"
        running.enter_context(servers.running(command, url=url + "/health", log=log, env=env))
        assert shell.refused("broker", "serve", "--port", str(port)) == "port_in_use"

        shell.say("broker", "account", "open", "alice", "--token-file", "alice.token")
        for wrong in ("5usd", "5u-usd"):
            arguments = ("broker", "account", "topup", "alice", wrong, "--reference", "RF-0")
            assert shell.refused(*arguments) == "amount_in_another_currency"
        top_up = ("broker", "account", "topup", "alice", "5eur", "--reference", "RF-1")
        assert shell.say(*top_up) == "alice: 5.00 EUR booked\n"
        assert shell.say(*top_up) == (
            "RF-1 was booked already, with 5.00 EUR for alice; nothing has changed\n"
        )
        assert shell.refused(*top_up[:4], "6eur", *top_up[5:]) == "topup_differs"
        assert "5.00 EUR" in shell.say("broker", "account", "list")

        shell.say(
            *("broker", "vendor", "add", "shop", "--payout-to", "DE00 1234"),
            *("--token-file", "shop.token", "--pay-token-file", "shop-pay.token"),
        )
        for name in ("shop.token", "shop-pay.token"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        assert "shop" in shell.say("broker", "vendor", "list")
        shell.say("vendor", "init", "shop", "--broker", url, "--token-file", "shop.token")
        assert shell.say("broker", "clear") == "nothing is to be paid out\n"
        _earn(tmp_path, url)
        paying_out = ("--token-file", "shop-pay.token")
        assert shell.refused("vendor", "payout", "2usd", *paying_out) == (
            "amount_in_another_currency"
        )
        planned = shell.say("vendor", "payout", "2eur", *paying_out)
        assert planned.endswith(": 2.00 EUR planned\n")
        payout = planned.partition(":")[0]
        assert payout in shell.say("broker", "clear")
        assert shell.refused("broker", "payout", payout, "confirmed") == ("payout_step_impossible")
        shell.say("broker", "payout", payout, "exported")
        assert "exported" in shell.say("broker", "clear")
        for state in ("confirmed", "confirmed"):
            shell.say("broker", "payout", payout, state)
        assert shell.say("broker", "clear") == "nothing is to be paid out\n"
        assert shell.refused("vendor", "payout", "2eur", *paying_out) == "balance_too_low"
        _come_back(shell, shell.say("vendor", "payout", "1eur", *paying_out).partition(":")[0])

        # A file that is there already costs nobody a token, nor opens an account without one.
        again = ("broker", "token", "alice", "--token-file", "alice.token", "--only")
        assert shell.refused(*again) == "file_exists"
        assert _status(url, tmp_path / "alice.token") == 200
        opening = ("broker", "account", "open", "bob", "--token-file")
        assert shell.refused(*opening, "alice.token") == "file_exists"
        shell.say(*opening, "bob.token")
        assert shell.refused(*opening, "other.token") == "account_exists"
        assert not (tmp_path / "other.token").exists()
        shell.say("broker", "token", "alice", "--token-file", "new.token", "--only")
        assert _status(url, tmp_path / "alice.token") == 403
        assert _status(url, tmp_path / "new.token") == 200
        audit = shell.say("broker", "audit")
        assert "sum of all accounts: 0" in audit
        assert "FINDING" not in audit


@pytest.mark.timeout(120)
def test_the_secret_of_a_card_is_the_token_of_its_account(tmp_path: Path) -> None:
    shell, port = Shell(tmp_path), servers.free_port()
    url = f"http://127.0.0.1:{port}"
    shell.say("broker", "init", "--id", "b", "--url", url)
    command = servers.python("-m", "farthing.cli", "broker", "serve", "--port", str(port))
    env = environment(FARTHING_DATA=str(tmp_path / "broker"))
    log = tmp_path / "broker.log"
    with servers.running(command, url=url + "/health", log=log, env=env):
        made = msgspec.json.decode(shell.say("broker", "cards", "5eur", "--count", "2", "--json"))
        assert len({card["secret"] for card in made}) == 2
        for card in made:
            headers = {"authorization": f"Bearer {card['secret']}"}
            balance = httpx.get(url + "/balance", headers=headers).json()
            assert balance["payerMicro"] == card["valueMicro"] == 5_000_000


def _come_back(shell: Shell, payout: str) -> None:
    """The bank sends a payout back, after which nothing more becomes of it."""
    for state in ("exported", "returned"):
        shell.say("broker", "payout", payout, state)
    for state in ("exported", "confirmed"):
        assert shell.refused("broker", "payout", payout, state) == "payout_step_impossible"


def _earn(folder: Path, url: str) -> None:
    """A transfer from alice, in the place of pages that are sold."""
    body = {"id": "0" * 32, "to": "vendor/shop", "amountMicro": 3_000_000}
    headers = {"authorization": f"Bearer {(folder / 'alice.token').read_text()}"}
    assert httpx.post(url + "/transfer", json=body, headers=headers).is_success


def _status(url: str, token_file: Path) -> int:
    headers = {"authorization": f"Bearer {token_file.read_text()}"}
    return httpx.get(url + "/balance", headers=headers).status_code
