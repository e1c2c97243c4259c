from pathlib import Path

import apsw
import msgspec
import pytest

from farthing.wallet.commands import Reserve, Settle, Spent, Wish
from farthing.wallet.file import open_file
from farthing.wallet.policy import DAY_S
from farthing.wallet.store import Store
from tests.unit.wallet.farside import BROKER, CURRENCY, SITE, VENDOR
from tests.unit.wallet.world import PASSPHRASE, World, get, purchase_on

PRICE_MICRO = 200


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def spent_micro(world: World, store: Store | None = None) -> int:
    """What a store says was spent today, to a payment that nothing pays."""
    told: list[Spent] = []
    reserve = Reserve(
        request=get("/never"),
        site=SITE,
        wishes=(
            Wish(
                scheme="none",
                broker_id=BROKER,
                vendor_id=VENDOR,
                currency=CURRENCY,
                price_micro=PRICE_MICRO,
            ),
        ),
        now_s=world.now_s(),
        skip=frozenset(),
        allow=lambda wish, spent: told.append(spent),
        patient=True,
        open=lambda number, instrument: None,
        pay=lambda number, instrument, answer: None,
    )
    (store or world.store).do(reserve)
    (spent,) = told
    assert spent.site_micro == spent.total_micro
    return spent.total_micro


def test_every_purchase_adds_to_the_day(world: World) -> None:
    assert spent_micro(world) == 0
    for count in (1, 2, 3):
        world.fetch(f"/{count}")
        assert spent_micro(world) == count * PRICE_MICRO
    world.now_ms += DAY_S * 1000
    assert spent_micro(world) == 0


def test_what_is_released_was_not_spent_unless_it_was_paid_after_all(world: World) -> None:
    assert spent_micro(world) == 0
    made = purchase_on(world)
    settle = Settle(purchase=made, state="undecided", now_s=world.now_s())
    for state, after_micro in (("undecided", PRICE_MICRO), ("released", 0), ("done", PRICE_MICRO)):
        assert world.store.do(msgspec.structs.replace(settle, state=state))
        assert spent_micro(world) == after_micro


def test_what_another_process_bought_counts(world: World) -> None:
    other = Store(open_file(world.path, PASSPHRASE))
    for count in (1, 2, 3):
        assert spent_micro(world, other) == (count - 1) * PRICE_MICRO
        world.fetch(f"/{count}")
        assert spent_micro(world, other) == count * PRICE_MICRO
    other.close()


def test_what_was_undone_does_not_count(world: World) -> None:
    made = purchase_on(world)
    assert spent_micro(world) == PRICE_MICRO
    broken = msgspec.structs.replace(made.paid.spent, id="broken", worth_micro="much")
    release = Settle(purchase=made, state="released", instruments=(broken,), now_s=world.now_s())
    with pytest.raises(apsw.ConstraintError):
        world.store.do(release)
    assert spent_micro(world) == PRICE_MICRO
