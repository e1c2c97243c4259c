"""Top-ups of a stream: paid by the offer of the one before, and shown at the page's address."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import Closed, Unavailable
from farthing.schemes.streams import Meter
from farthing.vendor import metering
from farthing.wallet.book import Book
from farthing.wallet.commands import RecallDone, Request, Sent
from farthing.wallet.known import Known
from farthing.wallet.policy import DAY_S
from farthing.wire.offers import CHALLENGE_LIFE_S
from tests.unit.wallet.gate_town import PRICE_MICRO, require_conserved
from tests.unit.wallet.test_streams import TOPPED, every_way, opened, other, pay
from tests.unit.wallet.world import World, get


def sends(world: World) -> list[str]:
    """Requests since the last look, but for the vendor's keys, which a wallet keeps."""
    found = [said for said in world.said if said.startswith("SendRequest")]
    found = [said for said in found if not said.endswith(":keys")]
    world.said.clear()
    return found


@every_way
def test_only_the_first_top_up_asks_for_an_offer(tmp_path: Path, way: str) -> None:
    world = other(tmp_path, way)
    stream = opened(world)
    sends(world)
    pay(world, stream, 3)
    assert sends(world) == ["SendRequest:outcome", "SendRequest:paid"]
    for ticks in (2, 1, 1):
        assert pay(world, stream, ticks) == ticks * PRICE_MICRO
        assert sends(world) == ["SendRequest:paid"]
    world.now_ms += (CHALLENGE_LIFE_S + 1) * 1000
    pay(world, stream, 1)
    assert len(sends(world)) == 2, "an offer is taken for the present one for so long"
    assert world.site.earned_micro() == 9 * PRICE_MICRO
    require_conserved(world, way)


def test_a_top_up_that_is_sold_otherwise_by_now_costs_nothing_and_is_asked_for(
    tmp_path: Path,
) -> None:
    world = other(tmp_path, "millicent")
    stream = opened(world)
    pay(world, stream, 3)
    handle: Callable[[Request], Sent] = world.site.handle

    def dearer(request: Request) -> Sent:
        """An offer for which there is none any more."""
        spoilt = tuple(
            (name, value if name != "PAYMENT-SIGNATURE" else _at_another_price(value))
            for name, value in request.headers
        )
        return handle(msgspec.structs.replace(request, headers=spoilt))

    world.site.handle = dearer
    with pytest.raises(Unavailable, match="voucher_not_taken"):
        pay(world, stream, 2)
    assert world.held_micro("aside") == 0, "the scrip is as good as before"
    world.site.handle = handle
    sends(world)
    assert pay(world, stream, 2) == 2 * PRICE_MICRO
    assert sends(world)[0] == "SendRequest:outcome"
    assert world.site.earned_micro() == 6 * PRICE_MICRO
    require_conserved(world, "millicent")


def _at_another_price(header: str) -> str:
    value: Any = codec.read_json(codec.unb64(header))
    value["accepted"]["amount"] += "0"
    return codec.b64(codec.canonical(value))


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("way", [*TOPPED, "tick"])
def test_of_a_stream_that_is_over_nothing_is_paid_and_nothing_is_lost(
    tmp_path: Path, way: str, *, asks: bool
) -> None:
    world = other(tmp_path, way)
    stream = opened(world)
    pay(world, stream, 1)
    now_s = world.now_s()
    over = metering.Stream(
        name=stream.name, meter=Meter(unit="seconds", count=1, grace=1), price_micro=1, pause_s=1
    )
    world.site.marks.do_now(metering.ended(over, 2 * PRICE_MICRO, now_s, now_s + DAY_S))
    if asks:
        world.known = Known()
    with pytest.raises(Closed, match="stream_over"):
        pay(world, stream, 3)
    assert world.site.earned_micro() == 2 * PRICE_MICRO
    assert world.held_micro("aside") == 0
    require_conserved(world, way)


@every_way
def test_the_history_shows_a_top_up_at_the_page_that_it_pays(tmp_path: Path, way: str) -> None:
    world = other(tmp_path, way)
    stream = opened(world)
    pay(world, stream, 3)
    page = get("/radio").url
    assert [entry.url for entry in Book(world.store.file).history()] == [page, page]
    made = world.store.do(RecallDone(schemes=(way,), since_s=0))[0]
    assert sorted(one.page for one in made) == ["", page]
