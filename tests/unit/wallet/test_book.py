from pathlib import Path

import msgspec
import pytest

from farthing.errors import Conflict, Unknown
from farthing.wallet.book import Book
from farthing.wallet.commands import Broker
from farthing.wallet.policy import Limits
from tests.unit.wallet.farside import BROKER, SITE, VENDOR
from tests.unit.wallet.world import World, purchase_on

ONE = Broker(id="one", url="https://one", account="alice", token="t-1", currency="eur")
TWO = Broker(id="two", url="https://two", account="alice", token="t-2", currency="usd")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def book(world: World) -> Book:
    return Book(world.store.file)


def test_the_only_broker_need_not_be_named(book: Book) -> None:
    book.put_broker(ONE)
    assert book.broker() == ONE
    book.put_broker(TWO)
    assert book.broker("two") == TWO
    with pytest.raises(Unknown, match="one, two"):
        book.broker()


def test_without_a_broker_the_refusal_says_how_to_add_one(book: Book) -> None:
    with pytest.raises(Unknown, match="farthing wallet init --data NEW --broker URL"):
        book.broker()


def test_a_broker_put_again_is_changed(book: Book) -> None:
    book.put_broker(ONE)
    moved = Broker(id="one", url="https://moved", account="bob", token="t-3", currency="eur")
    book.put_broker(moved)
    assert book.brokers() == {"one": moved}


def test_a_token_does_not_say_where_a_known_broker_is(world: World, book: Book) -> None:
    """Else the first token of a liar steals what comes with every later one."""
    with_account = msgspec.structs.replace(ONE, url="https://elsewhere", account="", token="")
    book.put_broker(ONE)
    assert book.meet_broker(with_account) == ONE
    liar = Broker(id="three", url="https://liar", account="", token="", currency="eur")
    honest = msgspec.structs.replace(liar, url="https://three/")
    for met in (liar, honest, msgspec.structs.replace(honest, url="https://three")):
        book.meet_broker(met)  # nothing is here of it: whatever came last is right for itself
    assert book.brokers()["three"] == honest
    made = purchase_on(world)
    with world.store.file.write() as db:
        db.execute("UPDATE instruments SET broker='three' WHERE broker=?", (made.broker_id,))
    with pytest.raises(Conflict, match="broker_at_another_address"):
        book.meet_broker(liar)
    assert book.meet_broker(honest) == honest


def test_limits_are_the_usual_ones_until_they_are_set(book: Book) -> None:
    assert book.limits() == Limits()
    book.set_limits(Limits(per_day_micro=7, sites=("news.example",)))
    assert book.limits() == Limits(per_day_micro=7, sites=("news.example",))


def test_a_purchase_is_found_by_its_id_and_by_its_reference_however_old(
    world: World, book: Book
) -> None:
    for number in range(3):
        world.fetch(f"/{number}")
    oldest = book.history()[-1]
    for name in (oldest.id, oldest.reference):
        assert book.purchase(name).id == oldest.id
    for name in ("", "w_nobody"):
        with pytest.raises(Unknown, match="purchase_unknown"):
            book.purchase(name)
    assert [each.url[-2:] for each in book.history(2)] == ["/2", "/1"]


def test_holdings_are_summed_by_state(world: World, book: Book) -> None:
    world.fetch("/a")
    purchase_on(world, "/b")
    (offered,) = book.holdings()
    assert (offered.state, offered.count, offered.worth_micro) == ("offered", 1, 1_800)
    assert (offered.broker_id, offered.scheme, offered.vendor_id) == (BROKER, "millicent", VENDOR)
    assert book.held() == ()


def test_what_is_worth_nothing_any_more_is_no_holding(world: World, book: Book) -> None:
    """As a certificate that was prepaid for one chain, once that is opened."""
    purchase_on(world)
    (holding,) = book.holdings()
    assert holding.worth_micro > 0
    with world.store.file.write() as db:
        db.execute("UPDATE instruments SET state='ready', worth_micro=0")
    assert book.holdings() == ()


def test_what_may_be_given_back_is_chosen_by_scheme_and_vendor(world: World, book: Book) -> None:
    world.fetch("/a")
    (held,) = book.held()
    assert (held.site, held.instrument.worth_micro) == (SITE, 1_800)
    assert book.held("millicent", VENDOR) == (held,)
    assert book.held("payword") == ()
    assert book.held("", "vendor-8") == ()


def test_history_is_newest_first_and_names_the_vendors_reference(world: World, book: Book) -> None:
    world.fetch("/a?b=c")
    world.now_ms += 1_000
    purchase_on(world, "/b")
    newest, oldest = book.history()
    assert (newest.url, newest.state, newest.reference) == (SITE + "/b", "sent", "")
    assert (oldest.url, oldest.state, oldest.price_micro) == (SITE + "/a?b=c", "done", 200)
    assert oldest.reference.startswith("mc:")
    assert book.history(1) == (newest,)
