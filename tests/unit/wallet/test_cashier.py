import io
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from farthing.errors import Denied, Expired, Mismatch, Unfunded, Unsupported
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Setting
from farthing.schemes.mac.millicent.till import MillicentTill
from farthing.schemes.streams import Meter, terms_of
from farthing.wallet.app import open_wallet
from farthing.wallet.cashier import Cashier, request_of
from farthing.wallet.commands import Purchase
from farthing.wallet.policy import Limits
from farthing.wallet.settling import ABSENT_FINAL_S
from farthing.wire import mpp, x402
from farthing.wire.offers import Received
from tests.unit.wallet.farside import BROKER, CURRENCY, RING, VENDOR
from tests.unit.wallet.servers import PEER
from tests.unit.wallet.town import Town, town_in
from tests.unit.wallet.world import PASSPHRASE


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with town_in(tmp_path) as made:
        yield made


@pytest.fixture
def cashier(town: Town) -> Cashier:
    return town.wallet.cashier()


def offered(town: Town, path: str = "/a") -> Received:
    [received] = mpp.read_challenges([town.unpaid(path).headers["www-authenticate"]])
    return received


def offered_in_x402(town: Town, path: str = "/a") -> Received:
    value = town.unpaid(path).headers["payment-required"]
    [received] = x402.read_required(value, now_s=town.clock())
    return x402.read_entry(received.echo["accepted"], now_s=town.clock())


def send(town: Town, made: Purchase) -> int:
    return town.pay("/" + made.url.split("/", 3)[3], *made.credential)


@pytest.mark.parametrize("read", [offered, offered_in_x402])
def test_purchase_is_durable_ready_to_send_and_for_the_very_request(
    town: Town, cashier: Cashier, read: object
) -> None:
    assert callable(read)
    made = cashier.pay(read(town))
    assert (made.method, made.url) == ("GET", town.site.origin + "/a")
    with open_wallet(town.wallet.path, PASSPHRASE) as again:
        assert [(entry.id, entry.state) for entry in again.history()] == [(made.id, "sent")]
    assert send(town, made) == 200
    assert cashier.settle() == 0
    assert town.site.charges == [("/a", 200)]


def test_offer_of_a_broker_that_ours_knows_is_paid_through_ours(
    town: Town, cashier: Cashier
) -> None:
    town.site.till = MillicentTill(
        Setting(broker_id=PEER, currency=CURRENCY, ring=RING, vendor_id=VENDOR)
    )
    assert send(town, cashier.pay(offered(town, "/a"))) == 200
    assert send(town, cashier.pay(offered(town, "/b"))) == 200
    assert cashier.settle() == 0
    (holding,) = town.wallet.holdings()
    assert (holding.broker_id, holding.worth_micro, holding.state) == (PEER, 1_600, "ready")
    assert [each.id for each in town.wallet.brokers()] == [BROKER]


def test_earlier_payment_is_settled_before_the_next(town: Town, cashier: Cashier) -> None:
    send(town, cashier.pay(offered(town, "/a")))
    send(town, cashier.pay(offered(town, "/b")))
    assert town.states() == ["done", "sent"]
    assert town.bank.sold_micro == 2_000


def test_same_request_after_a_confirmed_one_is_another_purchase(
    town: Town, cashier: Cashier
) -> None:
    first = cashier.pay(offered(town))
    send(town, first)
    assert cashier.settle() == 0
    second = cashier.pay(offered(town))
    assert second.id != first.id
    assert send(town, second) == 200
    assert len(town.site.charges) == 2


def test_page_that_the_wallet_lost_is_fetched_with_its_own_payment_once(
    town: Town, cashier: Cashier
) -> None:
    town.site.faults = ["reply_lost"] * 3
    page = town.site.origin + "/a"
    client = httpx.Client(auth=town.wallet.auth(), trust_env=False)
    with client, pytest.raises(httpx.HTTPError):
        client.get(page)
    town.site.faults = []
    town.wallet.recover()
    made = cashier.pay(offered(town))
    assert send(town, made) == 200
    assert town.site.charges == [("/a", 200)]
    assert cashier.pay(offered(town)).id != made.id


def test_wallet_sends_again_what_its_cashier_left_undecided(town: Town, cashier: Cashier) -> None:
    made = cashier.pay(offered_in_x402(town))
    page = town.wallet.get(made.url, io.BytesIO())
    assert (page.status, page.purchase_id) == (200, made.id)
    assert town.site.charges == [("/a", 200)]


def test_undecided_payment_of_one_dialect_does_not_answer_the_other(
    town: Town, cashier: Cashier
) -> None:
    first = cashier.pay(offered(town))
    second = cashier.pay(offered_in_x402(town))
    assert second.id != first.id
    assert second.paid.spent.id != first.paid.spent.id


@pytest.mark.parametrize("read", [offered, offered_in_x402])
def test_undecided_payment_for_one_body_does_not_answer_for_another(
    town: Town, cashier: Cashier, read: object
) -> None:
    """The request is seen without its body: the digest in the offer tells them apart."""
    assert callable(read)
    first = cashier.pay(msgspec.structs.replace(read(town), body_digest=b"1" * 32))
    other = cashier.pay(msgspec.structs.replace(read(town), body_digest=b"2" * 32))
    assert other.id != first.id


def test_payment_that_never_arrived_is_given_up_after_a_minute(
    town: Town, cashier: Cashier
) -> None:
    cashier.pay(offered(town))
    assert cashier.settle() == 1
    town.later_s = ABSENT_FINAL_S
    assert cashier.settle() == 0
    assert town.states() == ["released"]
    [holding] = town.wallet.holdings()
    assert (holding.state, holding.worth_micro) == ("ready", 2_000)


def test_payment_taken_after_it_was_given_up_brings_its_change_back(
    town: Town, cashier: Cashier
) -> None:
    late = cashier.pay(offered(town, "/late"))
    town.later_s = ABSENT_FINAL_S
    assert cashier.settle() == 0
    assert send(town, late) == 200
    refused = cashier.pay(offered(town, "/b"))
    assert send(town, refused) == 403
    town.later_s += ABSENT_FINAL_S
    assert cashier.settle() == 0
    assert town.states() == ["done", "released"]
    [holding] = town.wallet.holdings()
    assert (holding.state, holding.worth_micro) == ("ready", 1_800)


def test_instrument_of_which_two_payments_came_to_nothing_is_set_aside(
    town: Town, cashier: Cashier
) -> None:
    spent = set()
    for path in ("/a", "/b"):
        spent.add(cashier.pay(offered(town, path)).paid.spent.id)
        town.later_s += ABSENT_FINAL_S
        assert cashier.settle() == 0
    assert len(spent) == 1
    [holding] = town.wallet.holdings()
    assert (holding.state, holding.worth_micro) == ("aside", 2_000)
    assert cashier.pay(offered(town, "/c")).paid.spent.id not in spent


def test_eight_payments_at_once_each_have_their_own_instrument(
    town: Town, cashier: Cashier
) -> None:
    offers = [offered(town, f"/image-{number}") for number in range(8)]
    made: list[Purchase] = []
    threads = [
        threading.Thread(target=lambda each=each: made.append(cashier.pay(each))) for each in offers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.paid.spent.id for each in made}) == 8
    assert [send(town, each) for each in made] == [200] * 8
    assert cashier.settle() == 0
    assert sum(each.worth_micro for each in town.wallet.holdings()) == (
        town.bank.sold_micro - 8 * 200
    )


def test_purchase_of_a_scheme_that_is_not_open_waits(town: Town, cashier: Cashier) -> None:
    send(town, cashier.pay(offered(town)))
    with open_wallet(town.wallet.path, PASSPHRASE, schemes={"payword": PAYWORD}) as other:
        assert other.cashier().settle() == 1
        with pytest.raises(Unsupported, match="scheme_not_spent_here"):
            other.cashier().pay(offered(town, "/b"))
    assert cashier.settle() == 0


def test_offer_that_cannot_be_paid_is_refused_and_nothing_is_written(
    town: Town, cashier: Cashier
) -> None:
    good = offered(town)
    other_broker = msgspec.structs.replace(good.offer, broker_id="other")
    town.wallet.set_limits(Limits(sites=("news.example",)))
    for received, kind, payer in (
        (msgspec.structs.replace(good, expires_at_s=town.clock()), Expired, cashier),
        (msgspec.structs.replace(good, offer=other_broker), Unfunded, cashier),
        (msgspec.structs.replace(good, target=""), Mismatch, cashier),
        (good, Denied, town.wallet.cashier()),
    ):
        with pytest.raises(kind):
            payer.pay(received)
    assert town.wallet.history() == ()


@pytest.mark.parametrize(
    ("realm", "site", "url"),
    [
        ("news.example", "", "https://news.example/a?b=c"),
        ("127.0.0.1:8402", "", "http://127.0.0.1:8402/a?b=c"),
        ("localhost:8402", "https://localhost:8402", "https://localhost:8402/a?b=c"),
        ("news.example", "http://news.example", "https://news.example/a?b=c"),
    ],
)
def test_site_is_asked_over_https_except_on_this_machine(
    town: Town, realm: str, site: str, url: str
) -> None:
    received = msgspec.structs.replace(offered(town), realm=realm, site=site, target="GET /a?b=c")
    assert request_of(received).url == url


def test_long_target_is_paid_under_its_hash(town: Town, cashier: Cashier) -> None:
    path = "/a?q=" + "x" * 300
    received = offered(town, path)
    assert received.target.startswith("GET sha256:")
    made = cashier.pay(received)
    assert town.pay(path, *made.credential) == 200
    assert cashier.settle() == 0
    assert town.states() == ["done"]


def test_what_one_payment_buys_of_a_stream_is_paid_and_what_goes_on_is_not(
    town: Town, cashier: Cashier
) -> None:
    received = offered(town)
    terms = received.offer.terms | terms_of(Meter(unit="bytes", count=1000, grace=3))
    opening = msgspec.structs.replace(received.offer, terms=terms)
    session = msgspec.structs.replace(opening, intent="session")
    with pytest.raises(Unsupported, match="page_is_a_stream"):
        cashier.pay(msgspec.structs.replace(received, offer=session))
    made = cashier.pay(msgspec.structs.replace(received, offer=opening))
    assert made.price_micro == received.offer.price_micro
