"""Pages that are fetched, and paid for where that is what it takes."""

from pathlib import Path

import msgspec
import pytest

from farthing.errors import Denied
from farthing.wallet.commands import Request, Response
from farthing.wallet.fetching import fetch
from farthing.wallet.rows import LEASE_S
from farthing.wallet.settling import Verdict
from tests.unit.wallet.farside import SITE, Site
from tests.unit.wallet.world import World, get


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_first_page_loads_an_instrument_and_pays_once(world: World) -> None:
    fetched = world.fetch("/a")
    assert isinstance(fetched.answer, Response)
    assert fetched.answer.status == 200
    assert world.said == [
        "SendRequest:first",
        "Look",
        "Look",
        "Reserve",
        "Look",
        "Look",
        "OpenAsk",
        "AskMint",
        "Look",
        "FinishAsk",
        "Look",
        "Reserve",
        "SendRequest:paid",
        "Look",
        "Settle",
    ]
    assert world.site.charges == [("/a", 200)]
    world.require_conserved()


def test_second_page_is_paid_with_the_change(world: World) -> None:
    world.fetch("/a")
    world.said.clear()
    world.fetch("/b")
    assert "AskMint" not in world.said
    assert world.bank.sold_micro == 2_000
    assert world.held_micro("ready") == 1_600
    world.require_conserved()


def test_the_same_page_later_is_another_purchase(world: World) -> None:
    world.fetch("/a")
    world.now_ms += 2 * LEASE_S * 1000
    world.fetch("/a")
    assert world.site.charges == [("/a", 200), ("/a", 200)]


def test_an_expired_instrument_is_not_offered(world: World) -> None:
    world.fetch("/a")
    world.now_ms += 31 * 86_400_000
    assert world.fetch("/b").verdict is Verdict.DONE
    assert world.bank.sold_micro == 4_000
    assert world.said.count("SendRequest:paid") == 2


def test_a_page_that_costs_nothing_touches_no_store(world: World) -> None:
    free = Response(status=200, url=SITE + "/free")
    flow = fetch(world.guide(), get("/free"))
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(free)
    assert end.value.value.answer == free
    assert end.value.value.purchase is None


def test_a_request_that_carries_a_payment_goes_through_untouched(world: World) -> None:
    request = Request(method="GET", url=SITE + "/a", headers=(("Authorization", "Payment abc"),))
    fetched = world.run(fetch(world.guide(), request))
    assert fetched.purchase is None
    assert world.said == ["SendRequest:first"]


def test_x402_alone_is_paid_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.site = Site(world.now_s, dialects_off="www-authenticate")
    fetched = world.fetch("/a")
    assert fetched.purchase is not None
    assert fetched.purchase.received.dialect == "x402"
    assert fetched.verdict is Verdict.DONE
    world.require_conserved()


def test_an_origin_failure_charges_nothing_and_gives_the_instrument_back(world: World) -> None:
    world.site.faults = ["origin_fails"]
    fetched = world.fetch("/a")
    assert fetched.verdict is Verdict.RELEASED
    assert isinstance(fetched.answer, Response)
    assert fetched.answer.status == 502
    assert world.site.charges == []
    assert world.held_micro("ready") == 2_000


def test_a_refused_instrument_is_set_aside_and_paid_anew_once(world: World) -> None:
    world.site.faults = ["forged"]
    fetched = world.fetch("/a")
    assert fetched.verdict is Verdict.DONE
    assert world.held_micro("aside") == 2_000
    assert world.site.charges == [("/a", 200)]
    world.require_conserved()


def test_a_site_that_always_refuses_is_paid_anew_only_once(world: World) -> None:
    world.site.faults = ["forged"] * 5
    fetched = world.fetch("/a")
    assert fetched.verdict is Verdict.ANEW
    assert world.said.count("SendRequest:paid") == 2
    assert world.site.charges == []
    world.require_conserved()


def test_plain_http_is_not_paid(world: World) -> None:
    answer = world.site.handle(get("/a"))
    assert isinstance(answer, Response)
    plain = msgspec.structs.replace(answer, url="http://news.example/a")
    flow = fetch(world.guide(), Request(method="GET", url="http://news.example/a"))
    next(flow)
    command = flow.send(plain)
    with pytest.raises(Denied, match="site_not_secure"):
        flow.send(world.answer(command))
