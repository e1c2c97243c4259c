"""Buying under a seal: prices from the list, and what happens when they change."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from farthing.errors import (
    BadRequest,
    Denied,
    Forged,
    Mismatch,
    Overlimit,
    Refusal,
    Unavailable,
    Unfunded,
    Unsupported,
)
from farthing.wallet.commands import Failed, Request, Response, Sent
from farthing.wallet.fetching import fetch
from farthing.wallet.flow import recover
from farthing.wallet.policy import Limits
from farthing.wallet.private import fetch_private
from farthing.wallet.settling import ABSENT_FINAL_S, Verdict
from farthing.wire import published
from farthing.wire.published import OUTCOME_PATH, PRICES_PATH, PRIVATE_PATH
from tests.unit.wallet.farside import SITE
from tests.unit.wallet.gate_town import PRICE_MICRO, GateSite, Mints, town
from tests.unit.wallet.world import World, get, never

OPEN = "millicent"


class Wire(GateSite):
    """Everything that goes to the site, as an observer sees it; some of it is spoiled."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__(clock, accept="private")
        self.paths: list[str] = []
        self.sizes: list[tuple[int, int]] = []
        self.spoil: dict[str, Sent] = {}

    def handle(self, request: Request) -> Sent:
        path = request.url.removeprefix(SITE)
        self.paths.append(path)
        answer = self.spoil.get(path) or super().handle(request)
        if isinstance(answer, Response):
            self.sizes.append((len(request.body), len(answer.body)))
        return answer


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = town(tmp_path, "private")
    world.site = Wire(world.now_s)
    world.bank = Mints(world.now_s, world.site)
    return world


def test_a_page_is_bought_with_nothing_but_the_list_and_one_exchange(world: World) -> None:
    fetched = world.fetch("/articles/1?page=2")
    assert fetched.verdict is Verdict.DONE
    assert isinstance(fetched.answer, Response)
    assert (fetched.answer.status, fetched.answer.body) == (200, b"a page")
    assert world.site.paths == [published.KEYS_PATH, PRICES_PATH, PRIVATE_PATH]
    assert world.site.earned_micro() == PRICE_MICRO
    assert world.held_micro("ready") == 2_000 - PRICE_MICRO


def test_the_observer_sees_the_same_whatever_is_bought(world: World) -> None:
    seen = []
    for path in ("/a", "/b/" + "c" * 300, "/d?e=f"):
        world.site.sizes.clear()
        assert world.fetch(path).verdict is Verdict.DONE
        seen.append(world.site.sizes[-1])
    world.site.faults = ["origin_fails"]
    assert world.fetch("/g").verdict is Verdict.RELEASED
    seen.append(world.site.sizes[-1])
    assert len(set(seen)) == 1


def test_a_body_and_headers_go_under_the_seal(world: World) -> None:
    request = Request(
        method="POST", url=SITE + "/a", headers=(("Content-Type", "text/plain"),), body=b"hello"
    )
    fetched = world.run(fetch_private(world.guide(), request))
    assert fetched.verdict is Verdict.DONE
    bad = msgspec.structs.replace(request, headers=(("X-Trace", "1"),))
    with pytest.raises(BadRequest, match="private_header_unsupported"):
        world.run(fetch_private(world.guide(), bad))


# --- the list -----------------------------------------------------------------------------------


def stale_at_first(site: Wire) -> Callable[[Request], Sent]:
    """The site, behind somebody who keeps its price list."""
    old, handle = site.handle(get(PRICES_PATH)), site.handle

    def stale(request: Request) -> Sent:
        is_kept = request.url.endswith(PRICES_PATH) and not request.headers
        return old if is_kept else handle(request)

    return stale


def test_a_price_that_changed_is_not_charged_and_the_list_is_read_again(world: World) -> None:
    world.fetch("/a")
    world.site.handle = stale_at_first(world.site)
    world.site.open("private", price_micro=3 * PRICE_MICRO)
    world.site.paths.clear()
    fetched = world.fetch("/b")
    assert fetched.verdict is Verdict.DONE
    assert fetched.purchase is not None
    assert fetched.purchase.price_micro == 3 * PRICE_MICRO
    assert world.site.paths.count(PRIVATE_PATH) == 2
    assert world.site.earned_micro() == 4 * PRICE_MICRO
    assert world.held_micro("ready") == 2_000 - 4 * PRICE_MICRO


def test_who_pays_less_does_so_in_private_too(world: World) -> None:
    reduced = '[[route.reduced]]\nprice = "{}u"\nprops.student = true\n'
    world.bank.props = "student=true"
    world.site.open("private", last=reduced.format(50))
    assert world.fetch("/a").verdict is Verdict.DONE
    assert world.site.earned_micro() == 50
    world.site.handle = stale_at_first(world.site)
    world.site.open("private", last=reduced.format(60))
    world.site.paths.clear()
    assert world.fetch("/b").verdict is Verdict.DONE
    assert world.site.paths.count(PRIVATE_PATH) == 2
    assert world.site.earned_micro() == 110
    assert world.held_micro("offered") == 0


def test_a_new_price_needs_the_payers_word_above_the_budget(world: World) -> None:
    world.limits = Limits(per_payment_micro=PRICE_MICRO)
    world.site.open("private", price_micro=2 * PRICE_MICRO)
    with pytest.raises(Overlimit):
        world.fetch("/a")
    assert world.site.earned_micro() == 0
    world.approves = True
    assert world.fetch("/a").verdict is Verdict.DONE


def test_a_vendor_that_never_keeps_to_its_list_ends_it(world: World) -> None:
    old = world.site.handle(get(PRICES_PATH))
    world.site.open("private", price_micro=PRICE_MICRO + 1)
    world.site.spoil[PRICES_PATH] = old
    fetched = world.fetch("/a")
    assert isinstance(fetched.answer, Response)
    assert (fetched.verdict, fetched.answer.status) == (Verdict.ANEW, 402)
    assert world.site.earned_micro() == 0
    assert world.held_micro("ready") == 2_000


@pytest.mark.parametrize(
    ("way", "more", "kind", "code"),
    [
        ("private", 'free = ["/a"]\n', Unsupported, "page_is_free"),
        (OPEN, "", Unsupported, "private_unsupported"),
        ("payword", "", Unsupported, "private_unsupported"),
    ],
)
def test_what_is_not_sold_so_is_refused_and_not_fetched_in_the_open(
    world: World, way: str, more: str, kind: type[Refusal], code: str
) -> None:
    world.site.open(way, more=more)
    with pytest.raises(kind, match=code):
        world.fetch("/a")
    assert "/a" not in world.site.paths
    assert PRIVATE_PATH not in world.site.paths


def test_a_stream_is_not_bought_under_a_seal(world: World) -> None:
    stream = f'[[route]]\npath = "/radio"\nprice = "{PRICE_MICRO}u"\nper = "1s"\n'
    world.site.open("private", more=stream)
    with pytest.raises(Unsupported, match="private_unsupported"):
        world.fetch("/radio")
    assert PRIVATE_PATH not in world.site.paths


def test_a_list_that_is_not_the_vendors_is_refused(world: World) -> None:
    answer = world.site.handle(get(PRICES_PATH))
    forged = answer.body.replace(b'"amount":"200"', b'"amount":"100"')
    world.site.spoil[PRICES_PATH] = msgspec.structs.replace(answer, body=forged)
    with pytest.raises(Forged, match="price_list_forged"):
        world.fetch("/a")
    keys = world.site.handle(get(published.KEYS_PATH))
    del world.site.spoil[PRICES_PATH]
    renamed = keys.body.replace(b'"vendor":"vendor-7"', b'"vendor":"vendor-8"')
    world.site.spoil[published.KEYS_PATH] = msgspec.structs.replace(keys, body=renamed)
    with pytest.raises(Mismatch, match="price_list_of_another"):
        world.fetch("/a")
    assert world.bank.sold_micro == 0


@pytest.mark.parametrize("answer", [Failed(reason="ConnectError"), Response(status=404, url=SITE)])
@pytest.mark.parametrize("path", [published.KEYS_PATH, PRICES_PATH])
def test_without_a_list_nothing_is_bought(world: World, path: str, answer: Sent) -> None:
    world.site.spoil[path] = answer
    with pytest.raises(Unavailable, match="prices_unreachable"):
        world.fetch("/a")


def test_the_usual_checks_hold(world: World) -> None:
    world.limits = Limits(sites=("other.example",))
    with pytest.raises(Denied, match="site_not_allowed"):
        world.fetch("/a")
    world.limits = Limits()
    guide = msgspec.structs.replace(world.guide(), brokers={})
    with pytest.raises(Unfunded, match="broker_without_account"):
        world.run(fetch_private(guide, get("/a")))
    with pytest.raises(Denied, match="site_not_secure"):
        world.run(fetch_private(world.guide(), Request(method="GET", url="http://a.example/")))


# --- doubts -------------------------------------------------------------------------------------


def test_a_doubt_is_ended_with_the_same_bytes_and_not_in_the_open(world: World) -> None:
    world.site.faults = ["reply_lost"] * 2
    assert world.fetch("/a").verdict is Verdict.DONE
    assert world.site.paths == [published.KEYS_PATH, PRICES_PATH, *[PRIVATE_PATH] * 3]
    assert world.site.earned_micro() == PRICE_MICRO


def test_what_became_of_a_purchase_is_asked_under_a_seal(world: World) -> None:
    world.site.faults = ["reply_lost"] * 3
    assert world.fetch("/a").verdict is Verdict.DONE
    world.site.faults = ["lost"] * 3
    assert world.fetch("/b").verdict is Verdict.UNDECIDED
    world.now_ms += ABSENT_FINAL_S * 1000
    world.crash()
    assert world.run(recover(world.guide())).released == 1
    assert OUTCOME_PATH not in world.site.paths
    assert world.site.earned_micro() == PRICE_MICRO
    assert world.held_micro("ready") == 2_000 - PRICE_MICRO


def test_a_vendor_that_has_shut_its_door_leaves_nothing_frozen(world: World) -> None:
    world.site.faults = ["reply_lost"] * 3
    spoiled = Response(status=503, url=SITE)
    world.site.spoil[PRIVATE_PATH] = spoiled
    assert world.fetch("/a").verdict is Verdict.UNDECIDED
    del world.site.spoil[PRIVATE_PATH]
    world.site.open(OPEN)
    world.now_ms += ABSENT_FINAL_S * 1000
    world.crash()
    assert world.run(recover(world.guide())).released == 1
    assert world.site.paths[-1] == OUTCOME_PATH
    assert world.held_micro("offered") == 0


def test_a_purchase_in_doubt_is_not_repeated_in_the_other_way(world: World) -> None:
    world.site.faults = ["reply_lost"] * 3
    world.site.spoil[OUTCOME_PATH] = Failed(reason="nobody asks there")
    made = world.run(fetch_private(world.guide(), get("/a"))).purchase
    assert made is not None
    world.crash()
    world.flow = fetch
    world.site.paths.clear()
    other = world.fetch("/a").purchase
    assert other is not None
    assert (other.envelope, other.id != made.id) == (b"", True)
    assert world.site.paths == ["/a", PRIVATE_PATH, "/a"]
    assert world.site.earned_micro() == 2 * PRICE_MICRO


def test_an_envelope_is_forgotten_once_the_page_is_there(world: World) -> None:
    world.soon = never
    world.reopen()
    world.fetch("/a")
    sealed = "SELECT length(sealed) FROM purchases"
    assert world.store.file.rows(sealed)[0][0] > 5_000
    world.store.flush()
    assert world.store.file.rows(sealed)[0][0] < 2_000
