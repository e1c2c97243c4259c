"""The stock Nutshell wallet against our mint, whole: it knows nothing of us."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from farthing.cli import servers
from farthing.schemes.coin.cashu import payment_request, payout_code
from tests.integration.cashu.stall import CENTS, Stall
from tests.integration.cashu.teller import UNIT, Teller, audited
from tests.integration.crash.fleet import environment
from tests.kit.cashu import scalar

ROOT = Path(__file__).parents[3]
PASS_S = 60.0  # one command takes about three
# What another broker made: well formed, and not ours.
STRANGER = payout_code.write(
    scalar("stranger"), payment_hash=scalar("hash"), amount=8, at_s=2**31, expires_s=2**31 + 3_600
)


@pytest.fixture(scope="module")
def nutshell() -> str:
    """The command; it is installed in a folder of its own on first use."""
    subprocess.run([ROOT / "script" / "nutshell"], check=True)
    return str(ROOT / ".nutshell" / "bin" / "cashu")


class Wallet:
    """One Nutshell wallet, in an empty home of its own."""

    def __init__(self, nutshell: str, teller: Teller, name: str) -> None:
        self._command = [nutshell, "-y", "-h", teller.mint_url, "-u", UNIT]
        self._teller = teller
        self._home = teller.folder / name
        self._home.mkdir()

    def try_(self, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self._home), "TOR": "FALSE"}
        environment |= {"CASHU_DIR": str(self._home / "cashu"), "DEBUG": "FALSE"}
        environment |= {"MINT_URL": self._teller.mint_url}
        return subprocess.run(
            [*self._command, *arguments],
            cwd=self._home,
            env=environment,
            input=said,
            capture_output=True,
            text=True,
            timeout=PASS_S,
        )

    def do(self, *arguments: str, said: str = "") -> str:
        done = self.try_(*arguments, said=said)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, *arguments: str) -> str:
        """The last words of a command that the mint refused."""
        done = self.try_(*arguments)
        assert done.returncode == 1, done.stdout
        return done.stderr.strip().splitlines()[-1]

    def has(self, amount: str) -> None:
        assert f"Balance: {amount} EUR" in self.do("balance")

    def load(self, amount: str) -> None:
        said = self.do("invoice", amount, "--no-check")
        (address,) = re.findall(r"http\S+/loads/\S+", said)
        (quote,) = re.findall(r"--id (\S+)", said)
        self._teller.pay(address)
        assert "Invoice paid" in self.do("invoice", amount, "--id", quote)

    def send(self, *arguments: str) -> str:
        (token,) = re.findall(r"^cashuB\S+", self.do("send", *arguments), re.MULTILINE)
        return str(token)

    def lock(self) -> str:
        (lock,) = re.findall(r"P2PK:\w+", self.do("locks"))
        return str(lock)

    def words(self) -> str:
        (words,) = re.findall(r"(?:[a-z]+ ){11}[a-z]+", self.do("info", "--mnemonic"))
        return str(words)


@pytest.mark.full
@pytest.mark.serial
@pytest.mark.timeout(600)  # thirty commands, and an installation before them
def test_a_stock_wallet_loads_sends_locks_pays_out_and_restores(
    tmp_path: Path, nutshell: str
) -> None:
    with Teller(tmp_path) as teller:
        ann, bob, eve = (Wallet(nutshell, teller, name) for name in ("ann", "bob", "eve"))
        ann.load("5.29")
        ann.load("0.29")  # which this wallet makes 28 cents of, and pays no more
        ann.has("5.57")

        token = ann.send("0.64")
        ann.has("4.93")
        teller.broker.kill()
        teller.broker.revive()
        bob.do("receive", token)
        assert "(Code: 11001)" in eve.refused("receive", token)
        bob.has("0.64")

        bob.do("receive", ann.send("0.37"))  # with change
        bob.has("1.01")

        locked = ann.send("0.08", "--lock", bob.lock())
        eve.do("balance")
        assert "0.08" not in eve.try_("receive", locked).stdout
        bob.do("receive", locked)
        bob.has("1.09")

        token = ann.send("0.16")
        teller.rotate()
        bob.do("receive", token)
        bob.has("1.25")

        code = teller.code(29)
        assert "Invoice paid" in bob.do("pay", code)
        bob.has("0.96")
        assert "(Code: 20006)" in ann.refused("pay", code)
        assert "(Code: 20004)" in ann.refused("pay", STRANGER)
        ann.do("burn", "--all")
        ann.has("4.32")

        again = Wallet(nutshell, teller, "again")
        again.do("restore", said=ann.words())
        again.has("4.32")
        assert "Invoice paid" in again.do("pay", teller.code(432))
        again.has("0.00")
        assert "(Code: 11001)" in ann.try_("pay", teller.code(432)).stdout
    audited(tmp_path)


@pytest.mark.full
@pytest.mark.serial
@pytest.mark.timeout(600)
def test_a_token_of_a_stock_wallet_pays_a_page_and_its_change_is_received(
    tmp_path: Path, nutshell: str
) -> None:
    with Teller(tmp_path) as teller, Stall(tmp_path, teller) as stall:
        ann, bob = (Wallet(nutshell, teller, name) for name in ("ann", "bob"))
        ann.load("1.00")

        asked = payment_request.read(stall.http.get("/cents/page").headers["x-cashu"])
        assert (asked.a, asked.u) == (CENTS, UNIT)
        exact = stall.pay(ann.send("0.03"), "/cents/page")
        assert (exact.status_code, exact.text) == (200, "the page")
        assert "farthing-change" not in exact.headers
        ann.has("0.97")

        token = ann.send("0.10")
        paid = stall.pay(token)
        assert paid.status_code == 200
        whole, rest = paid.headers["farthing-change"].split(", ")
        bob.do("receive", whole)
        bob.has("0.09")
        assert stall.pay(rest).status_code == 200
        assert stall.pay(token).headers["farthing-change"] == paid.headers["farthing-change"]

        failed = stall.pay(token := ann.send("0.16"), "/micro/failing")
        assert failed.headers["payment-outcome"] == "released"
        ann.do("receive", token)
        ann.has("0.87")
        assert stall.pay(token, "/micro/failing").status_code == 403

        assert "received 0.07 EUR" in received_by_ours(teller, ann.send("0.07"))
        ann.has("0.80")
    audited(tmp_path)


def received_by_ours(teller: Teller, token: str) -> str:
    """What our own wallet says to a token."""
    folder = teller.folder
    account = teller.call("/accounts", {"id": "carol"}, teller.admin_token)
    (folder / "carol.token").write_text(account["tokens"]["pay"])
    (folder / "coins.token").write_text(token)
    env = environment(FARTHING_DATA=str(folder / "carol"), FARTHING_WALLET_PASSPHRASE="TEST words")
    wallet = servers.python("-m", "farthing.cli", "wallet")
    known = ["--broker", teller.url, "--token-file", str(folder / "carol.token")]
    servers.run_once([*wallet, "init", *known], env=env)
    return servers.run_once([*wallet, "receive", str(folder / "coins.token")], env=env).decode()
