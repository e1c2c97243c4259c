"""Pages that are fetched, and paid for where that is what it takes."""

from pathlib import Path

import msgspec
import pytest

from farthing.errors import Denied, Unfunded
from farthing.lab.conformance.stage import Play
from farthing.wallet.commands import Request, Response
from farthing.wallet.fetching import fetch
from farthing.wallet.policy import Limits
from farthing.wallet.rows import LEASE_S
from farthing.wallet.settling import Verdict
from tests.unit.wallet.farside import SITE, Bank, Site
from tests.unit.wallet.world import World, get


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_first_page_loads_an_instrument_and_pays_once(world: World) -> None:
    fetched = world.fetch("/a")
    assert isinstance(fetched.answer, Response)
    assert fetched.answer.status == 200
    assert world.said == [
        "Recall",
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
        "Remember",
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
    flow.send(world.answer(next(flow)))
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
    flow.send(world.answer(next(flow)))
    command = flow.send(plain)
    with pytest.raises(Denied, match="site_not_secure"):
        flow.send(world.answer(command))


def test_the_next_page_of_a_kind_is_paid_in_its_first_request(world: World) -> None:
    world.fetch("/a")
    world.said.clear()
    fetched = world.fetch("/b")
    assert (fetched.verdict, world.site.charges[-1]) == (Verdict.DONE, ("/b", 200))
    assert [said for said in world.said if said.startswith("Send")] == ["SendRequest:paid"]
    assert fetched.purchase is not None
    assert fetched.purchase.received.dialect == "x402"
    world.require_conserved()


def test_another_price_is_asked_for_and_paid_at_once(world: World) -> None:
    world.fetch("/a")
    world.said.clear()
    world.site.price_micro = 300
    assert world.fetch("/b").verdict is Verdict.DONE
    assert world.site.charges[-1] == ("/b", 300)
    assert [said for said in world.said if said.startswith("Send")] == ["SendRequest:paid"] * 2
    world.said.clear()
    world.fetch("/c")  # a kind that was taken for another is asked about for a while
    assert [said for said in world.said if said.startswith("Send")] == [
        "SendRequest:first",
        "SendRequest:paid",
    ]
    world.require_conserved()


def test_a_free_page_of_a_kind_that_is_sold_costs_nothing_and_is_not_paid_for_again(
    world: World,
) -> None:
    world.fetch("/a")
    world.site.free = {"/free", "/gratis"}
    fetched = world.fetch("/free")
    assert isinstance(fetched.answer, Response)
    assert (fetched.answer.status, fetched.verdict) == (200, Verdict.RELEASED)
    assert world.held_micro("ready") == 1_800
    world.said.clear()
    assert world.fetch("/gratis").purchase is None
    assert "SendRequest:paid" not in world.said
    world.require_conserved()


def test_the_payer_is_not_asked_about_what_may_be_sold_otherwise(world: World) -> None:
    world.fetch("/a")
    world.said.clear()
    world.site.price_micro = 100
    world.limits = Limits(per_payment_micro=100)
    assert world.fetch("/b").verdict is Verdict.DONE
    assert "AskPayer" not in world.said
    assert world.site.charges[-1] == ("/b", 100)


def test_where_nothing_is_left_to_pay_with_the_site_is_asked_first(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.bank = Bank(world.now_s, balance_micro=200)
    world.fetch("/a")
    world.said.clear()
    with pytest.raises(Unfunded, match="balance_too_low"):
        world.fetch("/b")
    assert "SendRequest:first" in world.said
    assert "SendRequest:paid" not in world.said


def test_what_is_known_is_another_posts_body_too(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.site = Site(world.now_s, binds=True)
    assert world.fetch("/a", method="POST", body=b"one").verdict is Verdict.DONE
    world.said.clear()
    assert world.fetch("/a", method="POST", body=b"two").verdict is Verdict.DONE
    assert "SendRequest:first" not in world.said
    world.require_conserved()


def test_after_a_failure_this_page_is_asked_for_and_others_are_still_tried(world: World) -> None:
    world.fetch("/a")
    world.site.faults = ["origin_fails"]
    assert world.fetch("/b").verdict is Verdict.RELEASED
    for path, is_asked in (("/c", False), ("/b", True), ("/b", False)):
        world.said.clear()
        assert world.fetch(path).verdict is Verdict.DONE
        assert ("SendRequest:first" in world.said) is is_asked
    world.require_conserved()


@pytest.mark.parametrize(("scheme", "is_tried"), [("millicent", True), ("ecash", False)])
def test_what_clears_before_the_page_comes_is_not_tried_on_others(
    scheme: str, *, is_tried: bool
) -> None:
    with Play(scheme, "buying").stage(dialect="x402") as stage:
        stage.buy("a")
        assert ("Remember" in stage.payer.said) is is_tried
