"""Stock x402 and pympp clients buy from a real gate, before `python -m http.server`."""

import contextlib
import io
import shutil
from collections.abc import Iterator

import pytest

from farthing.wallet import Wallet
from tests.integration.plugins.clients import CLIENTS, Stock
from tests.integration.plugins.conftest import SCHEMES, Market
from tests.integration.plugins.middle import Middle, between
from tests.kit.turns import marks_of

PRICE_MICRO = 200
PAGES = 5
LATER_S = 61  # what no vendor has got by then was lost on the way
EACH = pytest.mark.parametrize("stock", CLIENTS.values(), ids=CLIENTS)
EACH_SCHEME = pytest.mark.parametrize(
    "scheme",
    [pytest.param(name, marks=marks_of(number, of=2)) for number, name in enumerate(SCHEMES)],
)


@pytest.fixture
def middle(market: Market) -> Iterator[Middle]:
    with between(market.gate_url) as man:
        yield man


def states(wallet: Wallet) -> list[str]:
    """Of every purchase, oldest first."""
    return [entry.state for entry in reversed(wallet.history())]


def held_micro(wallet: Wallet, *among: str) -> int:
    return sum(
        holding.worth_micro
        for holding in wallet.holdings()
        if holding.vendor_id and (not among or holding.state in among)
    )


@EACH_SCHEME
@EACH
def test_pages_are_bought_one_after_another_and_every_party_has_what_is_due(
    market: Market, stock: Stock, scheme: str
) -> None:
    paths = market.pages[:PAGES]
    market.clear()  # of what other tests have left
    with market.open(market.copy(), scheme) as wallet:
        before_micro = wallet.balance().payer_micro
        bought = stock.buy(wallet, [market.gate_url + path for path in paths])
        assert bought == [(200, market.original(path)) for path in paths]
        assert states(wallet) == ["done"] * PAGES
        [instrument] = [each for each in wallet.holdings() if each.vendor_id]
        assert (instrument.state, instrument.count) == ("ready", 1)
        market.owed_micro[scheme] += PAGES * PRICE_MICRO
        assert market.clear() == market.owed_micro
        left_micro = wallet.balance().payer_micro
        if scheme == "millicent":  # prepaid: what is not spent is in the wallet
            left_micro += instrument.worth_micro
        assert before_micro - left_micro == PAGES * PRICE_MICRO


@EACH_SCHEME
@EACH
def test_change_is_fetched_before_the_next_payment(
    market: Market, middle: Middle, stock: Stock, scheme: str
) -> None:
    with market.open(market.copy(), scheme) as wallet:
        stock.buy(wallet, [middle.url + path for path in market.pages[:3]])
        market.owed_micro[scheme] += 3 * PRICE_MICRO
        assert len({holding.worth_micro for holding in wallet.holdings() if holding.vendor_id}) == 1
    asked = [kind for kind in middle.seen if kind != "keys"]
    first, later = ["unpaid", "paid"], ["unpaid", "outcome", "paid"]
    assert asked == [*first, *later, *later, "outcome"]


@EACH_SCHEME
@EACH
def test_the_same_page_again_is_another_purchase(market: Market, stock: Stock, scheme: str) -> None:
    with market.open(market.copy(), scheme) as wallet:
        bought = stock.buy(wallet, [market.gate_url + market.pages[0]] * 2)
        assert [status for status, _ in bought] == [200, 200]
        assert states(wallet) == ["done", "done"]
    market.owed_micro[scheme] += 2 * PRICE_MICRO


@EACH_SCHEME
@EACH
@pytest.mark.parametrize("status", ["402", "403", "409", "503"])
def test_a_refused_payment_is_made_once_and_nothing_is_lost(
    market: Market, middle: Middle, stock: Stock, status: str, scheme: str
) -> None:
    path = market.copy()
    with market.open(path, scheme) as wallet:
        middle.faults = [status] * 5
        [(answered, _)] = stock.buy(wallet, [middle.url + market.pages[0]])
        assert answered == int(status)
        sends = stock.sends_on_402 if status == "402" else 1
        assert middle.seen.count("paid") == sends
        assert len(set(middle.credentials)) == 1
        assert states(wallet) == ["undecided"]
        middle.faults = []
        assert stock.buy(wallet, [middle.url + market.pages[1]])[0][0] == 200
        assert states(wallet) == ["undecided", "done"]
    with market.open(path, scheme, later_s=LATER_S) as wallet:
        assert wallet.cashier().settle() == 0
        assert states(wallet) == ["released", "done"]
        assert held_micro(wallet) == held_micro(wallet, "ready")
    market.owed_micro[scheme] += PRICE_MICRO


@EACH_SCHEME
@EACH
def test_a_connection_cut_after_the_commit_costs_one_page_and_no_change(
    market: Market, middle: Middle, stock: Stock, scheme: str
) -> None:
    with market.open(market.copy(), scheme) as wallet:
        middle.faults = ["cut"]
        with contextlib.ExitStack() as failing:
            # Each client has its own word for a broken connection; the plug-in's is none of them.
            failing.enter_context(pytest.raises(Exception, match=r"(?i)payment|reset|outcome"))
            stock.buy(wallet, [middle.url + market.pages[0]])
        assert middle.seen.count("paid") == 1
        middle.seen.clear()
        assert stock.buy(wallet, [middle.url + market.pages[1]])[0][0] == 200
        assert states(wallet) == ["done", "done"]
        [instrument] = [each for each in wallet.holdings() if each.vendor_id]
        assert (instrument.state, instrument.count) == ("ready", 1)
    market.owed_micro[scheme] += 2 * PRICE_MICRO


@EACH_SCHEME
@EACH
def test_a_site_that_fails_is_not_paid(
    market: Market, middle: Middle, stock: Stock, scheme: str
) -> None:
    with market.open(market.copy(), scheme) as wallet:
        broken, missing = "/articles/%00.html", "/articles/no-such.html"
        bought = stock.buy(wallet, [middle.url + broken, middle.url + missing])
        assert [status for status, _ in bought] == [502, 404]
        assert middle.seen.count("paid") == 2
        assert states(wallet) == ["released", "released"]
        assert stock.buy(wallet, [middle.url + market.pages[0]])[0][0] == 200
        [instrument] = [each for each in wallet.holdings() if each.vendor_id]
        assert (instrument.state, instrument.count) == ("ready", 1)
    market.owed_micro[scheme] += PRICE_MICRO


@EACH_SCHEME
@EACH
def test_a_wallet_from_a_backup_is_refused_as_a_replay_and_soon_pays_with_something_else(
    market: Market, middle: Middle, stock: Stock, scheme: str
) -> None:
    path = market.copy()
    with market.open(path, scheme) as wallet:
        stock.buy(wallet, [middle.url + market.pages[0]])
    backup = market.copy(path)
    with market.open(path, scheme) as wallet:
        stock.buy(wallet, [middle.url + market.pages[1]])
    shutil.move(backup, path)
    for turn, later_s in enumerate((-LATER_S, 0)):
        middle.seen.clear()
        with market.open(path, scheme, later_s=later_s) as wallet:
            bought = stock.buy(wallet, [middle.url + market.pages[2 + turn]])
            assert [status for status, _ in bought] == [403]
            assert middle.seen.count("paid") == 1
    with market.open(path, scheme, later_s=LATER_S) as wallet:
        assert stock.buy(wallet, [middle.url + market.pages[4]])[0][0] == 200
        assert "aside" in {holding.state for holding in wallet.holdings()}
    market.owed_micro[scheme] += 3 * PRICE_MICRO


def test_the_vendor_is_paid_for_every_page_that_was_charged_and_no_other(market: Market) -> None:
    with market.open(market.copy(), SCHEMES[0]) as wallet:  # there may have been no other test
        wallet.get(market.gate_url + market.pages[0], io.BytesIO())
    market.owed_micro[SCHEMES[0]] += PRICE_MICRO
    assert market.clear() == market.owed_micro
    assert market.received_micro() == market.owed_micro.total()
