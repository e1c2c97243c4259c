import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

import farthing.wallet
from farthing.errors import Denied, Misconfigured, Overlimit, Unavailable, Unknown
from farthing.wallet import returning
from farthing.wallet.app import PASSPHRASE_VARIABLE, PATH_VARIABLE, Wallet, default_path, init
from farthing.wallet.app import open_wallet as reopen
from farthing.wallet.commands import Broker, Question
from farthing.wallet.policy import Limits
from farthing.wallet.stocks import Stock, Stocks
from tests.unit.wallet.farside import BROKER, CURRENCY, PAGE, Bank, Site
from tests.unit.wallet.servers import ADMIN, TOKEN, BankApi, served, site_at
from tests.unit.wallet.world import CHEAP, PASSPHRASE


def now_s() -> int:
    return int(time.time())


class Town:
    """A site, a broker and a wallet."""

    def __init__(self, site: Site, api: BankApi, broker: str, wallet: Wallet) -> None:
        self.site = site
        self.api = api
        self.broker = broker
        self.wallet = wallet


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    sites: list[Site] = []
    api = BankApi(Bank(now_s, balance_micro=0))
    with (
        served(site_at(now_s, sites)),
        served(lambda _: api.handle) as broker,
        init(tmp_path / "wallet.db", PASSPHRASE, cost=CHEAP) as wallet,
    ):
        yield Town(sites[0], api, broker, wallet)


def test_a_wallet_is_made_filled_spent_and_read(town: Town) -> None:
    wallet = town.wallet
    broker = wallet.add_broker(town.broker, "", TOKEN)
    assert (broker.id, broker.account, broker.currency) == (BROKER, "alice", CURRENCY)
    assert wallet.topup("5c", admin_token=ADMIN).done
    assert wallet.balance().payer_micro == 50_000
    out = io.BytesIO()
    page = wallet.get(town.site.origin + "/a", out)
    assert out.getvalue() == PAGE
    assert (page.status, page.paid_micro, page.currency) == (200, 200, CURRENCY)
    assert page.scheme == "millicent"
    assert wallet.balance().payer_micro == 48_000
    (holding,) = wallet.holdings()
    assert (holding.state, holding.worth_micro) == ("ready", 1_800)
    (entry,) = wallet.history()
    assert (entry.id, entry.state) == (page.purchase_id, "done")


def test_a_wallet_has_one_account_at_a_broker_while_it_holds_something_of_it(town: Town) -> None:
    wallet = town.wallet
    bob = ("bob", "tok-bob")
    wallet.add_broker(town.broker, *bob, currency=CURRENCY)
    wallet.add_broker(town.broker, "", TOKEN)
    wallet.topup("5c", admin_token=ADMIN)
    wallet.get(town.site.origin + "/a", io.BytesIO())
    with pytest.raises(Misconfigured, match="account_of_this_wallet_differs") as refused:
        wallet.add_broker(town.broker, *bob, currency=CURRENCY)
    assert "the account alice at" in refused.value.detail
    assert wallet.balance().id == "alice"
    wallet.add_broker(town.broker, "alice", "tok-new", currency=CURRENCY)
    assert [(one.account, one.token) for one in wallet.brokers()] == [("alice", "tok-new")]


def test_an_opened_wallet_goes_on_where_it_was(town: Town) -> None:
    town.wallet.add_broker(town.broker, "", TOKEN)
    town.wallet.topup("5c", admin_token=ADMIN)
    town.wallet.get(town.site.origin + "/a", io.BytesIO())
    path = town.wallet.path
    town.wallet.close()
    with reopen(path, PASSPHRASE) as again:
        again.get(town.site.origin + "/b", io.BytesIO())
        assert [entry.state for entry in again.history()] == ["done", "done"]
    assert town.api.bank.sold_micro == 2_000


def test_a_payment_above_a_budget_is_asked_about_and_made(town: Town) -> None:
    town.wallet.add_broker(town.broker, "", TOKEN)
    town.wallet.topup("5c", admin_token=ADMIN)
    town.wallet.set_limits(Limits(per_payment_micro=100))
    asked: list[Question] = []

    def approve(question: Question) -> bool:
        asked.append(question)
        return True

    with pytest.raises(Overlimit):
        town.wallet.get(town.site.origin + "/a", io.BytesIO())
    assert town.wallet.get(town.site.origin + "/a", io.BytesIO(), ask=approve).paid_micro == 200
    assert [question.reason for question in asked] == ["above_budget_per_payment"]
    assert (asked[0].price_micro, asked[0].site) == (200, town.site.origin)


def test_a_wallet_killed_while_paying_takes_the_page_up_again(town: Town) -> None:
    town.wallet.add_broker(town.broker, "", TOKEN)
    town.wallet.topup("5c", admin_token=ADMIN)
    town.site.faults = ["reply_lost"] * 3
    with pytest.raises(Unavailable):
        town.wallet.get(town.site.origin + "/a", io.BytesIO())
    assert town.wallet.get(town.site.origin + "/a", io.BytesIO()).paid_micro == 200
    assert town.site.charges == [("/a", 200)]


def test_recovery_finds_nothing_to_do_after_a_good_day(town: Town) -> None:
    town.wallet.add_broker(town.broker, "", TOKEN)
    town.wallet.topup("5c", admin_token=ADMIN)
    town.wallet.get(town.site.origin + "/a", io.BytesIO())
    found = town.wallet.recover()
    assert (found.done, found.released, found.undecided, found.asks_open) == (0, 0, 0, 0)


def test_who_returns_everything_holds_nothing_ahead_any_more(town: Town) -> None:
    stock = Stock(broker_id=BROKER, scheme="ecash", level_micro=10_000)
    stocks = Stocks(town.wallet.driver(Limits()).store.file)
    stocks.put(stock)
    town.wallet.give_back(vendor_id="gazette")
    town.wallet.give_back(scheme="payword")
    assert stocks.listed() == (stock,)
    town.wallet.give_back()
    assert stocks.listed() == ()


def test_a_site_without_a_vendors_mint_refuses_and_the_scrip_stays(town: Town) -> None:
    town.wallet.add_broker(town.broker, "", TOKEN)
    town.wallet.topup("5c", admin_token=ADMIN)
    town.wallet.get(town.site.origin + "/a", io.BytesIO())
    (returned,) = town.wallet.give_back()
    assert returned.refused
    assert returned.why
    assert returned.worth_micro == 1_800
    assert sum(each.worth_micro for each in town.wallet.holdings()) == 1_800


def test_what_is_renewed_by_its_return_is_returned(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.wallet.add_broker(town.broker, "", TOKEN)
    town.wallet.topup("5c", admin_token=ADMIN)
    town.wallet.get(town.site.origin + "/a", io.BytesIO())
    (expired,) = town.wallet._book.held()
    fresh = replace(expired.instrument, id="fresh", worth_micro=1_700)
    shown = [expired]
    given: list[str] = []

    def renew_then_take(*_: object) -> bool:
        given.append(shown.pop().instrument.id)
        if given == [expired.instrument.id]:
            shown.append(replace(expired, instrument=fresh))
        return True

    monkeypatch.setattr(town.wallet._book, "held", lambda *_: tuple(shown))
    monkeypatch.setattr(returning, "drive", renew_then_take)
    (returned,) = town.wallet.give_back()
    assert given == [expired.instrument.id, "fresh"]
    assert (returned.instrument_id, returned.worth_micro, returned.refused) == ("fresh", 1_700, "")


def test_a_free_page_costs_nothing_and_needs_no_broker(town: Town) -> None:
    out = io.BytesIO()
    page = town.wallet.get(town.broker + "/health", out)
    assert (page.status, page.paid_micro, page.scheme) == (200, 0, "")
    assert b"up" in out.getvalue()


def test_a_broker_over_plain_http_elsewhere_is_refused(town: Town) -> None:
    with pytest.raises(Denied, match="site_not_secure"):
        town.wallet.add_broker("http://broker.example", "alice", TOKEN)


def test_who_has_no_account_is_told_so_before_a_broker_is_asked(town: Town) -> None:
    town.wallet._book.put_broker(
        Broker(id=BROKER, url=town.broker, account="", token="", currency=CURRENCY)
    )
    for act in (town.wallet.topup, town.wallet.load):
        with pytest.raises(
            Unknown, match=r"broker_without_account.*farthing wallet init --data NEW --broker URL"
        ):
            act("5c")


def test_a_topup_in_another_currency_is_refused(town: Town) -> None:
    town.wallet.add_broker(town.broker, "", TOKEN)
    with pytest.raises(Misconfigured, match="amount_in_other_currency"):
        town.wallet.topup("5usd")


def test_the_package_opens_a_wallet_by_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PATH_VARIABLE, str(tmp_path / "w.db"))
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    farthing.wallet.init(cost=CHEAP).close()
    with farthing.wallet.open() as wallet:
        assert isinstance(wallet.auth(max_per_day="5c"), httpx.Auth)
    monkeypatch.delenv(PASSPHRASE_VARIABLE)
    with pytest.raises(Denied, match="passphrase_missing"):
        farthing.wallet.open()


PROGRAM = """
import httpx, sys
import farthing.wallet

wallet = farthing.wallet.open(sys.argv[1], sys.argv[2])
client = httpx.Client(auth=wallet.auth(), trust_env=False)
print(client.post(sys.argv[3]).status_code)
"""


def test_a_program_that_just_ends_buys_anew_in_its_next_run(town: Town) -> None:
    town.wallet.add_broker(town.broker, "", TOKEN)
    town.wallet.topup("5c", admin_token=ADMIN)
    path, page = str(town.wallet.path), town.site.origin + "/order"
    town.wallet.close()
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, path, PASSPHRASE, page],
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert done.stdout == b"200\n"
    assert town.site.charges == [("/order", 200)] * 2


def test_the_file_lives_where_the_data_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PATH_VARIABLE, raising=False)
    monkeypatch.setenv("FARTHING_DATA", str(tmp_path))
    assert default_path() == tmp_path / "wallet.db"
    monkeypatch.delenv("FARTHING_DATA")
    assert default_path() == Path.home() / ".farthing" / "wallet.db"
