"""Scrip that the broker bought ahead: paid once up front, resold whole, returned at its cost."""

import msgspec
import pytest

from farthing.errors import (
    Busy,
    Denied,
    Expired,
    Late,
    Malformed,
    Mismatch,
    Revoked,
    Unfit,
    WrongVendor,
)
from farthing.marks import Memory, Put
from farthing.schemes.contract import Account, End, Json
from farthing.schemes.mac.millicent import warehouse
from farthing.schemes.mac.millicent.orders import kept_until_s
from farthing.schemes.mac.millicent.scrip import BURN_KEY, Burn, burn_mac
from farthing.schemes.mac.millicent.warehouse import (
    BATCHES,
    DISCOUNT_E4_MAX,
    PIECES_MAX,
    SHELF_LIFE_S,
    STOCK_KEPT_S,
    cost_micro,
)
from tests.kit.millicent import Scene, batch, held
from tests.kit.parties import DAY_S, NOW_S, VENDOR, vendor_account

OPERATOR = Account(id=VENDOR, role="broker")


def stocked(count: int = 3, value_micro: int = 2_000) -> Scene:
    scene = Scene()
    scene.broker.run("grant", batch(scene.vendor.ring, count, value_micro), OPERATOR)
    return scene


def balance(scene: Scene, name: str) -> int:
    return scene.broker.balances[name]


def test_a_batch_is_paid_at_its_cost_when_it_is_bought() -> None:
    scene = stocked()
    assert balance(scene, f"vendor/{VENDOR}") == 3 * 1_800
    assert balance(scene, f"stock/{VENDOR}") == -3 * 1_800


def test_a_piece_is_sold_whole_and_the_margin_is_the_brokers() -> None:
    scene = stocked()
    piece = scene.buy(1_500)
    assert piece.worth_micro == 2_000
    assert balance(scene, "payer/ann") == -2_000
    assert balance(scene, "commission/") == 200
    assert balance(scene, f"stock/{VENDOR}") == -2 * 1_800
    assert balance(scene, f"outstanding/{VENDOR}") == 0


@pytest.mark.parametrize(("asked_micro", "sold_micro"), [(200, 2_000), (199, 199)])
def test_a_piece_of_more_than_wallets_take_stays_on_the_shelf(
    asked_micro: int, sold_micro: int
) -> None:
    """Else the account pays for one that the wallet throws away."""
    scene = stocked()
    assert scene.buy(asked_micro).worth_micro == sold_micro
    assert balance(scene, "payer/ann") == -sold_micro


def test_warehouse_scrip_pays_gives_change_and_is_never_claimed() -> None:
    scene = stocked()
    left = scene.payer.spend(scene.vendor, scene.buy(2_000), 200)
    assert left is not None
    again = scene.payer.spend(scene.vendor, left, 300)
    assert again is not None
    assert again.worth_micro == 1_500
    assert held(again).scrip.series >> 39 == 1
    assert scene.vendor.claims() == []


def test_the_rest_of_a_piece_returns_the_vendors_cost_and_the_brokers_margin() -> None:
    scene = stocked()
    left = scene.payer.spend(scene.vendor, scene.buy(2_000), 500)
    assert left is not None
    scene.cash_out(left)
    assert balance(scene, "payer/ann") == -500
    assert balance(scene, "commission/") == 200 - 150
    assert balance(scene, f"vendor/{VENDOR}") == 3 * 1_800 - 1_350


def test_more_is_never_returned_than_was_sold() -> None:
    scene = stocked(count=2)
    bought = scene.buy(2_000)
    scene.cash_out(bought)
    before = scene.broker.snapshot()
    made_up = batch(scene.vendor.ring, 1, 2_000, first=1)["pieces"][0]
    with pytest.raises(Busy, match="burn_waits"):
        scene.broker.run("take_back", receipt_for(scene, made_up), scene.payer.account)
    assert scene.broker.snapshot() == before


def test_what_was_sold_of_a_vendor_is_never_forgotten() -> None:
    """Pieces are renewed at the vendor, which tells nobody, and come back years later."""
    scene = Scene()
    bought = BATCHES.convert(batch(scene.vendor.ring, 3, 2_000))
    memory = Memory()

    def keep(records: tuple[Put, ...]) -> None:
        for put in records:
            memory.records[put.key] = put.value
            if put.key == warehouse.stock_key(VENDOR):
                assert put.until_s == STOCK_KEPT_S
        assert any(put.key == warehouse.stock_key(VENDOR) for put in records)

    applied = warehouse.buy(bought, VENDOR, memory, scene.clock.at())
    keep(tuple(record for record in applied.records if isinstance(record, Put)))
    shelf = warehouse.find(VENDOR, 2_000, memory, NOW_S, largest_micro=2_000)
    assert shelf is not None
    _, sold, _ = warehouse.sell(shelf, memory, End(kind="payer", id="ann"))
    keep(sold)
    back, _ = warehouse.take_back(VENDOR, 2_000, memory, End(kind="payer", id="ann"))
    keep((back,))


def test_a_receipt_is_taken_as_long_as_its_serial_is_remembered_and_no_longer() -> None:
    """Else it was credited again once that is forgotten, by what was sold since."""
    scene = stocked()
    bought = scene.buy(2_000)
    receipt = receipt_for(scene, msgspec.to_builtins(held(bought).scrip))
    scene.clock.now_s = kept_until_s(bought.expires_at_s) + 1
    with pytest.raises(Late, match="burn_receipt_too_old"):
        scene.broker.run("take_back", receipt, scene.payer.account)
    scene.clock.now_s -= 1
    scene.broker.run("take_back", receipt, scene.payer.account)
    assert balance(scene, "payer/ann") == 0


def receipt_for(scene: Scene, piece: Json) -> Json:
    """What a vendor that colludes with a payer would make up."""
    burn = Burn(
        expires_at_s=piece["expiresS"],
        mac="",
        payer=piece["payer"],
        serial=piece["serial"],
        value_micro=piece["valueMicro"],
        vendor=VENDOR,
    )
    key = scene.vendor.ring.current(BURN_KEY)
    return {
        "expiresS": burn.expires_at_s,
        "mac": burn_mac(key.secret, burn),
        "payer": burn.payer,
        "serial": burn.serial,
        "valueMicro": burn.value_micro,
        "vendor": VENDOR,
    }


def test_an_empty_shelf_gives_way_to_the_licence() -> None:
    scene = stocked(count=1)
    first, second = scene.buy(1_000), scene.buy(1_000)
    assert (first.worth_micro, second.worth_micro) == (2_000, 1_000)
    assert balance(scene, f"outstanding/{VENDOR}") == 1_000


def test_the_smallest_piece_that_is_enough_is_sold() -> None:
    scene = stocked(value_micro=5_000)
    more = batch(scene.vendor.ring, 1, 1_000, first=100)
    scene.broker.run("grant", more, OPERATOR)
    assert scene.buy(900).worth_micro == 1_000
    assert scene.buy(900).worth_micro == 5_000


def test_pieces_near_their_end_are_not_sold_and_expired_ones_are_written_off() -> None:
    scene = stocked(count=2)
    scene.clock.now_s = NOW_S + 30 * DAY_S - SHELF_LIFE_S
    assert scene.buy(1_000).worth_micro == 1_000
    scene.clock.now_s = NOW_S + 30 * DAY_S
    scene.broker.lapse()
    assert balance(scene, f"stock/{VENDOR}") == 0
    assert balance(scene, "commission/") == -2 * 1_800


def test_a_batch_that_is_sold_out_is_not_bought_again() -> None:
    scene = stocked(count=1)
    scene.buy(2_000)
    with pytest.raises(Mismatch, match="batch_on_the_shelf"):
        scene.broker.run("grant", batch(scene.vendor.ring, 1, 2_000), OPERATOR)


def test_a_batch_that_would_not_be_sold_is_not_bought() -> None:
    scene = Scene()
    old = batch(scene.vendor.ring, 1, 2_000, expires_at_s=NOW_S + SHELF_LIFE_S)
    with pytest.raises(Expired, match="batch_near_its_end"):
        scene.broker.run("grant", old, OPERATOR)


def test_only_the_operator_buys_and_only_of_the_vendor_it_names() -> None:
    scene = Scene()
    message = batch(scene.vendor.ring, 1, 2_000)
    with pytest.raises(Denied):
        scene.broker.run("grant", message, vendor_account())
    with pytest.raises(WrongVendor):
        scene.broker.run("grant", message, Account(id="other", role="broker"))


def test_a_batch_is_bought_once_and_at_one_discount() -> None:
    scene = stocked()
    with pytest.raises(Mismatch, match="batch_on_the_shelf"):
        scene.broker.run("grant", batch(scene.vendor.ring, 3, 2_000), OPERATOR)
    dearer = batch(scene.vendor.ring, 3, 2_000, first=9, discount_e4=500)
    with pytest.raises(Mismatch, match="discount_differs"):
        scene.broker.run("grant", dearer, OPERATOR)


@pytest.mark.parametrize(
    "changed",
    [
        {"discountE4": 5_001},
        {"payerRange": "0003"},
        {"pieces": []},
        {"kPayer": "short"},
    ],
)
def test_a_batch_that_is_not_in_order_is_refused(changed: dict[str, Json]) -> None:
    scene = Scene()
    with pytest.raises(Malformed):
        scene.broker.run("grant", batch(scene.vendor.ring, 1, 2_000) | changed, OPERATOR)


def test_a_batch_of_mixed_pieces_or_of_a_licensed_series_is_refused() -> None:
    scene = Scene()
    message = batch(scene.vendor.ring, 2, 2_000)
    with pytest.raises(Unfit, match="batch_mixed"):
        scene.broker.run("grant", message | {"pieces": [message["pieces"][0]] * 2}, OPERATOR)
    licensed = message["pieces"][0] | {"serial": "0000000001000000"}
    with pytest.raises(Unfit, match="series_not_for_stock"):
        scene.broker.run("grant", message | {"pieces": [licensed]}, OPERATOR)


def test_revoking_the_stock_series_touches_no_licensed_scrip() -> None:
    scene = stocked()
    stock, licensed = scene.buy(2_000), scene.buy(3_000)
    scene.vendor.ring.revoke("farthing/millicent/stock/1", "8000000001")
    with pytest.raises(Revoked):
        scene.payer.spend(scene.vendor, stock, 200)
    assert scene.payer.spend(scene.vendor, licensed, 200) is not None


def test_the_discount_is_rounded_in_the_vendors_favour() -> None:
    assert cost_micro(1, 1_000) == 1
    assert cost_micro(19, 1_000) == 18


def test_a_closed_shelf_sells_nothing_and_is_written_off_in_the_end() -> None:
    scene = stocked(value_micro=1_000)
    (key,) = [key for key in scene.broker.records if key.startswith(warehouse.SHELF_PREFIX)]
    value = scene.broker.records[key]
    put = warehouse.closed(key, value)
    assert (
        warehouse.find(VENDOR, 500, Memory(records={key: value}), NOW_S, largest_micro=2_000) == key
    )
    assert (
        warehouse.find(VENDOR, 500, Memory(records={key: put.value}), NOW_S, largest_micro=2_000)
        is None
    )
    assert warehouse.write_off(VENDOR, put.value) == warehouse.write_off(VENDOR, value) != ()


def test_a_batch_holds_at_its_limits_and_not_beyond() -> None:
    ring = Scene().vendor.ring
    for count, discount_e4 in ((1, 0), (PIECES_MAX, DISCOUNT_E4_MAX)):
        made = warehouse.BATCHES.convert(batch(ring, count, 100, discount_e4=discount_e4))
        assert (len(made.pieces), made.discount_e4) == (count, discount_e4)
    with pytest.raises(Unfit, match="discount_out_of_range"):
        warehouse.BATCHES.convert(batch(ring, 1, 100, discount_e4=DISCOUNT_E4_MAX + 1))
    for count in (0, PIECES_MAX + 1):
        with pytest.raises(Unfit, match="batch_size_out_of_range"):
            warehouse.BATCHES.convert(batch(ring, count, 100))


def test_every_piece_of_a_batch_is_sold_once() -> None:
    scene = stocked(3)
    sold = [held(scene.buy(2_000)).scrip.serial for _ in range(4)]
    assert len(set(sold)) == 4
    assert [serial[0] for serial in sold] == ["8", "8", "8", "0"], "the last is minted"


def test_the_operator_is_told_what_a_batch_says_on_its_face() -> None:
    scene = Scene()
    applied = scene.broker.run("grant", batch(scene.vendor.ring, 3, 2_000), OPERATOR)
    assert applied.answer == {"pieces": 3, "faceMicro": 6_000}


@pytest.mark.parametrize("name", ["kBurn", "kPayer"])
def test_a_batch_hands_over_whole_keys(name: str) -> None:
    scene = Scene()
    with pytest.raises(Malformed):
        scene.broker.run("grant", batch(scene.vendor.ring, 1, 5) | {name: "AAAA"}, OPERATOR)


def test_a_batch_vouches_for_nothing_and_shows_no_secret() -> None:
    scene = Scene()
    message = batch(scene.vendor.ring, 1, 5)
    assert message["kPayer"] not in repr(warehouse.BATCHES.convert(message))
    message["pieces"][0] |= {"props": "student=true"}
    with pytest.raises(Unfit, match="stock_has_props"):
        scene.broker.run("grant", message, OPERATOR)


def test_a_shelf_is_closed_after_a_restore_and_sells_nothing() -> None:
    scene = stocked(3)
    (key,) = (key for key in scene.broker.records if key.startswith(b"millicent/shelf/"))
    closed = scene.broker.mint.rewind(key, scene.broker.records[key], scene.clock.at())
    assert closed is not None
    scene.broker._write(closed)
    assert held(scene.buy(2_000)).scrip.serial[0] == "0", "minted, not from the shelf"


def test_a_piece_of_the_largest_value_that_may_be_sold_is_sold() -> None:
    scene = stocked(1, 2_000)
    assert scene.buy(200).worth_micro == 2_000
