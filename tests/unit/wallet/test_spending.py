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


@pytest.mark.parametrize("anew", [False, True])
def test_what_a_vendor_denies_counts_once_it_is_more_than_it_was_paid(
    world: World, *, anew: bool
) -> None:
    """Whether it is added up as it happens or read again."""

    def now_micro() -> int:
        if anew:
            world.store.file.turns.doubts += 1
        return spent_micro(world)

    assert now_micro() == 0
    first, second = purchase_on(world, "/1"), purchase_on(world, "/2")
    settle = Settle(purchase=first, state="undecided", now_s=world.now_s())
    for state, after in (("undecided", 2), ("released", 1), ("done", 2)):
        assert world.store.do(msgspec.structs.replace(settle, state=state))
        assert now_micro() == after * PRICE_MICRO
    settle = Settle(purchase=second, state="released", now_s=world.now_s())
    assert world.store.do(settle)
    assert now_micro() == PRICE_MICRO
    for count in (1, 2, 3):
        made = purchase_on(world, f"/more/{count}")
        assert world.store.do(msgspec.structs.replace(settle, purchase=made))
        assert now_micro() == max(1, 1 + count) * PRICE_MICRO


def test_what_a_vendor_refused_and_lies_aside_counts_whole(world: World) -> None:
    """It may have taken it; and each new load would be lost like this one."""
    made = purchase_on(world)
    worth_micro = made.paid.spent.worth_micro
    assert worth_micro == 10 * PRICE_MICRO
    release = Settle(
        purchase=made,
        state="released",
        instruments=(made.paid.spent,),
        aside=True,
        now_s=world.now_s(),
    )
    world.store.do(release)
    assert spent_micro(world) == worth_micro
    world.now_ms += DAY_S * 1000
    assert spent_micro(world) == 0


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
