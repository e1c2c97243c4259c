from pathlib import Path

import msgspec
import pytest

from farthing.schemes.contract import At, Instrument, Need
from farthing.wallet.book import Book
from farthing.wallet.commands import Ask, FindMeans, FinishAsk, Nothing, OpenAsk
from tests.unit.wallet.farside import BROKER, CURRENCY, SITE, VENDOR
from tests.unit.wallet.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def piece(name: str, *, worth_micro: int = 1_000, vendor_id: str = BROKER) -> Instrument:
    return Instrument(
        id=name,
        scheme="millicent",
        vendor_id=vendor_id,
        currency=CURRENCY,
        worth_micro=worth_micro,
        expires_at_s=1_900_000_000,
        body=b"secret",
    )


def held(world: World, *pieces: Instrument) -> None:
    with world.store.file.write():
        for each in pieces:
            world.store._rows.put_instrument(BROKER, "", each)


def ask_of(world: World, name: str, instrument_id: str = "", vendor_id: str = VENDOR) -> Ask:
    need = Need(amount_micro=500, currency=CURRENCY, vendor_id=vendor_id)
    return Ask(
        id=name,
        created_at_s=world.now_s(),
        broker_id=BROKER,
        scheme="millicent",
        vendor_id=vendor_id,
        site=SITE,
        amount_micro=500,
        asked=world.guide().purse("millicent", BROKER).ask(need, At(now_s=world.now_s())),
        instrument_id=instrument_id,
    )


def opened(world: World, ask: Ask, *, patient: bool = False) -> Ask | None:
    found: Ask | None = world.store.do(OpenAsk(ask=ask, patient=patient, now_s=world.now_s()))
    return found


def means(world: World, worth_micro: int = 500) -> Instrument | Ask | Nothing:
    found: Instrument | Ask | Nothing = world.store.do(
        FindMeans(
            broker_id=BROKER,
            scheme="millicent",
            vendor_id=BROKER,
            worth_micro=worth_micro,
            now_s=world.now_s(),
        )
    )
    return found


def state(world: World) -> str:
    (holding,) = Book(world.store.file).holdings()
    return holding.state


def test_the_smallest_piece_that_is_enough_and_ends_first_pays(world: World) -> None:
    late = msgspec.structs.replace(piece("late", worth_micro=500), expires_at_s=1_900_000_001)
    held(world, piece("large", worth_micro=2_000), piece("fit", worth_micro=600), late)
    held(world, piece("small", worth_micro=499), piece("vendor's", vendor_id=VENDOR))
    found = means(world)
    assert isinstance(found, Instrument)
    assert (found.id, found.body) == ("fit", b"secret")


def test_a_piece_that_pays_for_one_order_is_offered_to_no_other(world: World) -> None:
    held(world, piece("p"))
    assert opened(world, ask_of(world, "ask_1", "p")) is not None
    assert means(world) == Nothing(coming=True)
    other = ask_of(world, "ask_2", "p", vendor_id="vendor-8")
    assert opened(world, other) is None


def test_an_order_left_with_a_piece_in_it_is_taken_up_before_more_is_bought(world: World) -> None:
    held(world, piece("p"))
    opened(world, ask_of(world, "ask_1", "p"))
    world.crash()
    found = means(world)
    assert isinstance(found, Ask)
    assert found.id == "ask_1"
    assert means(world) == Nothing(coming=True)


def test_an_order_left_for_the_same_vendor_is_taken_up_whatever_pays_for_the_next(
    world: World,
) -> None:
    held(world, piece("p"), piece("q"))
    opened(world, ask_of(world, "ask_1", "p"))
    world.crash()
    found = opened(world, ask_of(world, "ask_2", "q"))
    assert found is not None
    assert found.id == "ask_1"
    left = means(world)
    assert isinstance(left, Instrument)
    assert left.id == "q"


@pytest.mark.parametrize(
    ("refused", "unused", "expected"),
    [("licence_used_up", True, "ready"), ("serial_already_used", False, "aside")],
)
def test_a_refused_order_frees_its_piece_unless_that_is_at_fault(
    world: World, refused: str, expected: str, *, unused: bool
) -> None:
    held(world, piece("p"))
    ask = ask_of(world, "ask_1", "p")
    opened(world, ask)
    assert state(world) == "offered"
    finish = FinishAsk(ask=ask, refused=refused, unused=unused, now_s=world.now_s())
    assert world.store.do(finish)
    assert state(world) == expected
    assert not world.store.do(finish)


def test_what_is_the_brokers_own_is_kept_without_the_site(world: World) -> None:
    held(world, piece("p"))
    ask = ask_of(world, "ask_1", "p")
    opened(world, ask)
    bought = (piece("change", worth_micro=500), piece("v", vendor_id=VENDOR))
    world.store.do(FinishAsk(ask=ask, instruments=bought, now_s=world.now_s()))
    sites = {each.instrument.id: each.site for each in Book(world.store.file).held()}
    assert sites == {"change": "", "v": SITE}
