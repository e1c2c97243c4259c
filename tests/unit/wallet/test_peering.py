from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import Unfunded, Unsupported
from farthing.schemes import registry
from farthing.schemes.contract import At, Setting
from farthing.schemes.mac.millicent.till import MillicentTill
from farthing.wallet.book import Book
from farthing.wallet.choice import require_payable
from farthing.wallet.commands import Ask, Broker, KeepPeer, Request, Response, Sent
from farthing.wallet.driver import with_peer
from farthing.wallet.peering import KEYS_PATH, UNKNOWN_MAX, learn, reachable
from farthing.wallet.settling import Verdict
from farthing.wire.offers import Received
from tests.unit.wallet.farside import BROKER, CURRENCY, RING, VENDOR, Site
from tests.unit.wallet.world import World

SOUTH = "south"


class Signpost:
    """A site of the south, and the key document of alice's broker."""

    def __init__(self, world: World, document: Any) -> None:
        self.site = Site(world.now_s)
        self.site.till = MillicentTill(
            Setting(broker_id=SOUTH, currency=CURRENCY, ring=RING, vendor_id=VENDOR)
        )
        self.document = document
        self.asked = 0

    @property
    def charges(self) -> list[tuple[str, int]]:
        return self.site.charges

    def handle(self, request: Request) -> Sent:
        if not request.url.endswith(KEYS_PATH):
            return self.site.handle(request)
        self.asked += 1
        body = self.document if isinstance(self.document, bytes) else codec.canonical(self.document)
        return Response(status=200, url=request.url, body=body)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path)
    found.site = Signpost(found, {"broker": BROKER, "keys": [], "peers": ["west", SOUTH]})
    return found


def offered(**changes: Any) -> Received:
    till = MillicentTill(Setting(broker_id=SOUTH, currency=CURRENCY, ring=RING, vendor_id=VENDOR))
    offer = till.offer(200, At(now_s=1_800_000_000))
    return Received(
        dialect="mpp",
        offer=msgspec.structs.replace(offer, **changes),
        realm="news.example",
        target="GET /a",
        expires_at_s=1_900_000_000,
        echo={},
    )


def test_a_site_of_a_peer_is_paid_through_the_broker_that_names_it(world: World) -> None:
    asked: list[Ask] = []
    handle = world.bank.handle

    def noting(ask: Ask) -> Any:
        asked.append(ask)
        return handle(ask)

    world.bank.handle = noting
    assert world.fetch("/a").verdict is Verdict.DONE
    assert world.fetch("/b").verdict is Verdict.DONE
    assert world.site.asked == 1  # the second time it is remembered
    assert [ask.asked.message["broker"] for ask in asked] == [SOUTH]
    (holding,) = Book(world.store.file).holdings()
    assert (holding.broker_id, holding.worth_micro) == (SOUTH, 1_600)
    assert Book(world.store.file).peers() == {SOUTH: BROKER}


@pytest.mark.parametrize(
    "document",
    [
        {"broker": BROKER, "keys": [], "peers": []},
        {"broker": BROKER, "keys": []},
        {"broker": "another", "keys": [], "peers": [SOUTH]},
        {"broker": BROKER, "peers": SOUTH},
        b"<html>",
    ],
)
def test_a_broker_that_does_not_name_it_cannot_be_used(world: World, document: Any) -> None:
    world.site.document = document
    with pytest.raises(Unfunded, match="broker_without_account"):
        world.fetch("/a")
    assert Book(world.store.file).peers() == {}


def test_a_broker_in_another_currency_is_not_asked(world: World) -> None:
    world.run(learn(world.guide(), (offered(currency="usd"),)))
    assert world.site.asked == 0


def test_a_scheme_that_this_wallet_does_not_spend_is_no_reason_to_ask(world: World) -> None:
    world.run(learn(world.guide(), (offered(scheme="payword"),)))
    assert world.site.asked == 0


def test_a_scheme_that_is_not_resold_is_refused_with_what_is_wrong(world: World) -> None:
    world.schemes["payword"] = registry.by_name("payword")
    before = world.guide()
    guide = world.run(learn(before, (offered(scheme="payword"),)))
    assert guide == with_peer(before, KeepPeer(broker_id=SOUTH, home_id=BROKER))
    assert require_payable(guide, offered(), world.now_s()).wish.broker_id == SOUTH
    with pytest.raises(Unsupported, match="scheme_not_resold") as caught:
        require_payable(guide, offered(scheme="payword"), world.now_s())
    assert f"payword is paid at {SOUTH} itself" in caught.value.detail


def test_a_402_full_of_unknown_brokers_is_looked_up_in_part(world: World) -> None:
    offers = [offered(broker_id=f"b{number}") for number in range(3 * UNKNOWN_MAX)]
    world.run(learn(world.guide(), offers))
    assert world.site.asked == UNKNOWN_MAX


def test_an_account_of_ones_own_comes_before_a_peer() -> None:
    direct, home = (
        Broker(id=name, url=f"https://{name}", account="a", token="t", currency="eur")
        for name in (SOUTH, BROKER)
    )
    found = reachable({SOUTH: direct, BROKER: home}, {SOUTH: BROKER})
    assert found[SOUTH] is direct
    through = reachable({BROKER: home}, {SOUTH: BROKER, "west": "gone"})
    assert set(through) == {SOUTH, BROKER}
    assert (through[SOUTH].url, through[SOUTH].home) == (home.url, BROKER)
    assert through[BROKER].home == BROKER
