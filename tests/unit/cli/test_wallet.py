"""The wallet's commands on files."""

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from farthing.cli import build, wallet
from farthing.errors import Denied, Misconfigured, Unavailable, Unfunded
from farthing.schemes.chain.words.purse import WordPurse
from farthing.schemes.contract import Instrument
from farthing.wallet import app as wallets
from farthing.wallet.account import Balance
from farthing.wallet.book import Book, Entry, Holding
from farthing.wallet.commands import Broker
from farthing.wallet.grants import Grants
from farthing.wallet.policy import Limits
from tests.unit.wallet.world import PASSPHRASE

RUNNER = CliRunner()


@pytest.fixture
def folder(wallet_folder: Path) -> Path:
    return wallet_folder


def run(folder: Path, *arguments: str, phrase: str = PASSPHRASE) -> BaseException | None:
    environment = {wallets.PASSPHRASE_VARIABLE: phrase}
    command = ["wallet", *arguments, "--data", str(folder)]
    return RUNNER.invoke(build(["wallet"]), command, env=environment).exception


def test_a_wrong_passphrase_is_refused_by_every_command(folder: Path) -> None:
    for command in (
        ["balance"],
        ["history"],
        ["recover"],
        ["get", "http://127.0.0.1:9/"],
    ):
        wrong = run(folder, *command, phrase="not it")
        assert isinstance(wrong, Denied), command
        assert wrong.code == "passphrase_wrong"


def test_a_missing_wallet_is_said(tmp_path: Path) -> None:
    wrong = run(tmp_path, "balance")
    assert isinstance(wrong, Misconfigured)


def test_an_empty_wallet_has_an_empty_history(folder: Path) -> None:
    assert run(folder, "history", "--json") is None


def test_a_wallet_with_nothing_undone_says_so(folder: Path) -> None:
    for command in (["recover"], ["recover", "--days", "0", "--json"]):
        assert run(folder, *command) is None


def test_a_broker_that_is_away_leaves_no_wallet(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("made up")
    command = ["init", "--broker", "http://127.0.0.1:9", "--token-file", str(token)]
    for _ in range(2):
        assert isinstance(run(tmp_path, *command), Unavailable)
    assert not (tmp_path / "wallet.db").exists()


class Purse:
    """A wallet of two accounts, and what it holds of them and of another's."""

    def __enter__(self) -> "Purse":
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def limits(self) -> Limits:
        return Limits()

    def brokers(self) -> tuple[Broker, ...]:
        return tuple(
            Broker(id=name, url="https://b.example", account="ann", token="t", currency="eur")
            for name in ("cash", "bank")
        )

    def balance(self, name: str) -> Balance:
        if name == "cash":
            return Balance(id="ann", currency="eur", payer_micro=10**6)
        owed = {"owed_micro": 2_000_000, "credit_limit_micro": 5_000_000}
        return Balance(id="ann", currency="eur", payer_micro=0, **owed)

    def holdings(self) -> tuple[Holding, ...]:
        kinds = (("bank", "payword"), ("bank", "millicent"), ("other", "ecoupon"))
        return tuple(
            Holding(
                broker_id=name,
                scheme=scheme,
                vendor_id="news",
                currency="eur",
                state="ready",
                count=1,
                worth_micro=10**6,
            )
            for name, scheme in kinds
        )


def test_what_is_owed_is_shown_and_what_is_credit_is_told_from_money(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet, "unlocked", lambda *_: Purse())
    monkeypatch.setattr(wallet, "_is_billed", lambda _, held: held.scheme != "millicent")
    done = RUNNER.invoke(wallet.app, ["balance", "--passphrase", PASSPHRASE])
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[:2] == ["cash: 1.00 EUR", "bank: 0.00 EUR; 2.00 EUR owed, at most 5.00 EUR"]
    assert lines[-3:] == [
        "news payword ready 1 1.00 EUR, billed later",
        "news millicent ready 1 1.00 EUR",
        "news ecoupon ready 1 1.00 EUR",
    ]


@pytest.mark.parametrize(
    ("scheme", "billed", "worth_micro", "told"),
    [
        ("tick", True, 10**4, "0.01 EUR (1 cent), billed later"),
        ("tick", False, 10**4, "0.01 EUR (1 cent)"),
        ("agent", True, 10**4, "0.01 EUR (1 cent)"),
    ],
)
def test_what_lies_ready_at_the_broker_is_not_billed_later(
    folder: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, *, billed: bool, worth_micro: int,
    told: str,
) -> None:  # fmt: skip  # - one line a parameter would say no more
    broker = Broker(id="b", url="https://b.example", account="ann", token="t", currency="eur")
    held = Instrument(
        id="i", scheme=scheme, vendor_id="news", currency="eur",
        worth_micro=worth_micro, expires_at_s=2**40, body=b"{}",
    )  # fmt: skip  # - likewise
    with wallets.open_wallet(folder / "wallet.db", PASSPHRASE) as opened:
        file = opened.driver(opened.limits()).store.file
        Book(file).put_broker(broker)
        Grants(file).keep(broker.id, "https://news.example", held)
    mine = Balance(id="ann", currency="eur", payer_micro=0)
    monkeypatch.setattr(wallets.Wallet, "balance", lambda *_: mine)
    monkeypatch.setattr(WordPurse, "is_billed", lambda *_: billed)
    command = ["balance", "--data", str(folder), "--passphrase", PASSPHRASE]
    line = RUNNER.invoke(wallet.app, command).stdout.splitlines()[-1]
    assert " ".join(line.split()) == f"news {scheme} ready 1 {told}"


def test_who_has_too_little_is_told_what_there_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(Purse):
        def get(self, *_: object, **__: object) -> None:
            raise Unfunded("balance_too_low", "it costs 0.0002 EUR")

        def load(self, *_: object) -> None:
            raise Unfunded("broker_without_account", "there is none")

    monkeypatch.setattr(wallets, "open_wallet", lambda *_, **__: Short())
    wrong = run(folder, "get", "http://127.0.0.1:9/")
    assert isinstance(wrong, Unfunded)
    assert wrong.detail == (
        "it costs 0.0002 EUR; the account at cash has 1.00 EUR; the account at bank has 0.00 EUR"
    )
    assert str(run(folder, "load", "5c")).endswith(": there is none")


def test_what_is_in_the_wallet_is_shown_though_a_broker_is_away(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(Purse):
        def balance(self, name: str) -> Balance:
            if name == "cash":
                raise Unavailable("broker_unreachable", "it is away")
            return super().balance(name)

    monkeypatch.setattr(wallet, "unlocked", lambda *_: Away())
    monkeypatch.setattr(wallet, "_is_billed", lambda *_: False)
    done = RUNNER.invoke(wallet.app, ["balance", "--passphrase", PASSPHRASE])
    assert isinstance(done.exception, Unavailable), "it is no balance of all accounts"
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0] == "bank: 0.00 EUR; 2.00 EUR owed, at most 5.00 EUR"
    assert lines[-1] == "news ecoupon ready 1 1.00 EUR"
    done = RUNNER.invoke(wallet.app, ["balance", "--json", "--passphrase", PASSPHRASE])
    assert isinstance(done.exception, Unavailable)
    shown = msgspec.json.decode(done.stdout)
    assert (len(shown["accounts"]), len(shown["holdings"])) == (1, 3)


def test_a_balance_is_spelt_one_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wallet, "unlocked", lambda *_: Purse())
    done = RUNNER.invoke(wallet.app, ["balance", "--json", "--passphrase", PASSPHRASE])
    shown = msgspec.json.decode(done.stdout)
    assert shown["accounts"][1]["owed_micro"] == 2_000_000
    names = {name for part in ("accounts", "holdings") for one in shown[part] for name in one}
    assert {name for name in names if name != name.lower()} == set()


def test_a_purchase_that_is_no_get_says_so_in_the_history(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Entry(
        id="w_1", created_at_s=0, state="done", method="POST", url="http://a/x", scheme="payword",
        broker_id="b", vendor_id="v", price_micro=200, currency="eur", reference="", refunded=False,
    )  # fmt: skip  # - one purchase

    class Bought(Purse):
        def history(self, _: int) -> tuple[Entry, ...]:
            return (line,)

    monkeypatch.setattr(wallet, "unlocked", lambda *_: Bought())
    done = RUNNER.invoke(wallet.app, ["history", "--passphrase", PASSPHRASE])
    assert "POST http://a/x" in done.stdout
