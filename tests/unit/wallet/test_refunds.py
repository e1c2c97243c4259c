"""What a vendor gave back comes into the wallet once, and into its history."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from farthing import marks
from farthing.schemes.contract import At
from farthing.vendor import refunding
from farthing.wallet import refunds
from farthing.wallet.book import Book
from farthing.wallet.commands import Failed, Purchase, Request, Response, Sent
from farthing.wallet.flow import Recovered, recover
from tests.unit.wallet.gate_town import PRICE_MICRO, town
from tests.unit.wallet.world import World

DAY_MS = 86_400_000
COMMANDS_MAX = 40  # more than any recovery here has


@pytest.fixture(params=["millicent", "private"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    made = town(tmp_path, request.param)
    made.site.marks.do_now(marks.LeaseSerials(series="millicent/0000000002", count=1000))
    return made


def refund(world: World, purchase: Purchase | None, *, backed: bool = True) -> None:
    """The vendor gives it back; the broker takes the claim."""
    assert purchase is not None
    at = At(now_s=world.now_s(), entropy=bytes(64))
    asyncio.run(refunding.refund(purchase.k, world.site.gate.tills, world.site.marks, at))
    if backed:
        back(world)


def back(world: World) -> None:
    rows = world.site.marks.do_now(marks.Pending(scheme="millicent", count=99))
    done = tuple((claim.key, claim.order) for _, claim in rows)
    world.site.marks.do_now(marks.Acknowledge(scheme="millicent", done=done))


def recovered(world: World, days: int = 30) -> Recovered:
    return world.run(recover(world.guide(), days=days))


def test_a_refund_comes_in_once_and_is_spent(world: World) -> None:
    bought = world.fetch("/a")
    held_micro = world.held_micro("ready")
    assert recovered(world).refunded == 0
    refund(world, bought.purchase)
    assert recovered(world).refunded == 1
    assert world.held_micro("ready") == held_micro + PRICE_MICRO
    assert recovered(world).refunded == 0
    assert world.held_micro("ready") == held_micro + PRICE_MICRO
    (entry,) = Book(world.store.file).history()
    assert (entry.state, entry.refunded) == ("done", True)
    asked_before = len(world.bank.asked)
    for number in range(held_micro // PRICE_MICRO + 1):
        assert world.fetch(f"/b{number}").purchase is not None
    assert len(world.bank.asked) == asked_before, "bought without a new piece"
    assert world.held_micro("ready") == 0


def test_however_much_was_bought_all_of_it_is_asked_about(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where what was bought last was given back before, a whole page of it."""
    monkeypatch.setattr(refunds, "PAGE_ROWS", 2)
    bought = [world.fetch(f"/{number}").purchase for number in range(6)]
    for purchase in bought[2:]:
        refund(world, purchase)
    assert recovered(world).refunded == 4
    refund(world, bought[0])
    assert recovered(world).refunded == 1


def test_one_that_the_broker_has_not_taken_is_not_seen_yet(world: World) -> None:
    bought = world.fetch("/a")
    refund(world, bought.purchase, backed=False)
    assert recovered(world).refunded == 0
    back(world)
    assert recovered(world).refunded == 1


def test_only_the_days_that_are_asked_for_are_asked_about(world: World) -> None:
    old = world.fetch("/a").purchase
    world.now_ms += 8 * DAY_MS
    young = world.fetch("/b").purchase
    refund(world, old)
    refund(world, young)
    assert recovered(world, days=0).refunded == 0
    assert recovered(world, days=7).refunded == 1
    assert recovered(world, days=9).refunded == 1


def test_a_vendor_that_is_away_is_asked_once_and_another_time(world: World) -> None:
    bought = [world.fetch(path).purchase for path in ("/a", "/b", "/c")]
    for each in bought:
        refund(world, each)
    handle, asked = world.site.handle, 0

    def away(request: Request) -> Sent:
        nonlocal asked
        asked += 1
        return Failed(reason="ConnectError")

    world.site.handle = away
    assert recovered(world).refunded == 0
    assert asked == 1
    world.site.handle = handle
    assert recovered(world).refunded == 3


def test_what_is_altered_on_its_way_is_not_kept(tmp_path: Path) -> None:
    world = town(tmp_path, "millicent")
    world.site.marks.do_now(marks.LeaseSerials(series="millicent/0000000002", count=1000))
    refund(world, world.fetch("/a").purchase)
    handle, before = world.site.handle, world.held_micro()

    def spoiled(request: Request) -> Sent:
        answer = handle(request)
        assert isinstance(answer, Response)
        body = answer.body.replace(b'"valueMicro":200', b'"valueMicro":900')
        assert body != answer.body
        return msgspec.structs.replace(answer, body=body)

    world.site.handle = spoiled
    assert recovered(world).refunded == 0
    assert world.held_micro() == before
    world.site.handle = handle
    assert recovered(world).refunded == 1


def test_a_wallet_killed_while_it_recovers_gets_it_once(world: World) -> None:
    for count in range(1, COMMANDS_MAX):
        bought = world.fetch(f"/{count}")
        refund(world, bought.purchase)
        held_micro = world.held_micro("ready")
        went_on = world.run_until(recover(world.guide(), days=30), count)
        world.crash()
        recovered(world)
        assert world.held_micro("ready") == held_micro + PRICE_MICRO
        history = Book(world.store.file).history()
        assert all(entry.refunded for entry in history)
        if not went_on:
            return
    raise AssertionError("the recovery never ended")


def test_a_refund_that_is_in_use_stays_so_when_it_is_fetched_again(world: World) -> None:
    """Two processes fetched it, and one has begun to pay with it."""
    bought = world.fetch("/a")
    refund(world, bought.purchase)
    assert recovered(world).refunded == 1
    with world.store.file.write() as db:  # the note is lost, as by a delivery written late
        made = bought.purchase
        assert made is not None
        sealed = world.store._rows.seal(made, "purchases", made.id)
        db.execute("UPDATE purchases SET sealed=? WHERE id=?", (sealed, made.id))
        db.execute("UPDATE instruments SET state='offered', holder='x' WHERE worth_micro=200")
    assert recovered(world).refunded == 0
    assert world.held_micro("offered") == PRICE_MICRO
    (entry,) = Book(world.store.file).history()
    assert entry.refunded
