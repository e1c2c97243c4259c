import msgspec
import pytest

from farthing import codec, props
from farthing.errors import Malformed, OutOfRange, Overlimit, Unfit, WrongVendor
from farthing.marks import Memory, Put
from farthing.money import ACCOUNT_MICRO_MAX
from farthing.schemes.contract import Json
from farthing.schemes.mac.millicent.orders import (
    LICENCES,
    CashOut,
    Licence,
    Order,
    Pool,
    Quota,
    kept_until_s,
    licence_prefix,
    open_licence,
    pool_key,
    read_pool,
    register,
    used_key,
    used_up,
)
from farthing.schemes.mac.millicent.scrip import (
    SCRIP_MICRO_MAX,
    SERIES_SIZE,
    Burn,
    fresh_expiry_s,
)
from tests.kit.millicent import licence, vendor_ring
from tests.kit.parties import NOW_S

QUOTA = Quota(
    next_index=0, not_after_s=NOW_S + 10, payer_range="0001", quota_micro=1000, sold_micro=0
)


def memory_of(*quotas: Quota) -> Memory:
    records = {
        licence_prefix("news") + f"{number:010x}".encode(): codec.canonical(quota)
        for number, quota in enumerate(quotas)
    }
    return Memory(records=records)


@pytest.mark.parametrize("value_micro", [1, SCRIP_MICRO_MAX])
def test_an_order_is_for_one_piece(value_micro: int) -> None:
    assert Order(value_micro=value_micro, vendor="news").value_micro == value_micro


@pytest.mark.parametrize("value_micro", [-1, 0, SCRIP_MICRO_MAX + 1])
def test_an_order_for_less_or_more_is_unfit(value_micro: int) -> None:
    with pytest.raises(Unfit):
        Order(value_micro=value_micro, vendor="news")


def test_an_order_reveals_no_more_names_than_properties_may_fill() -> None:
    Order(value_micro=1, vendor="news", reveal="a" * props.BYTES_MAX)
    with pytest.raises(Unfit, match="reveal_too_long"):
        Order(value_micro=1, vendor="news", reveal="a" * (props.BYTES_MAX + 1))


def test_an_order_at_another_broker_is_for_a_vendor_of_it() -> None:
    Order(value_micro=1, vendor="news", broker="peer")
    with pytest.raises(Unfit, match="vendor_is_a_broker"):
        Order(value_micro=1, vendor="peer", broker="peer")
    with pytest.raises(OutOfRange, match="broker_id_malformed"):
        Order(value_micro=1, vendor="news", broker="?")


@pytest.mark.parametrize("vendor", ["", "a/b", "../x", "A", "x" * 65])
def test_an_order_names_a_vendor_that_can_be_one(vendor: str) -> None:
    with pytest.raises(OutOfRange):
        Order(value_micro=1, vendor=vendor)


@pytest.mark.parametrize(
    "changed",
    [
        {"series": "000000000g"}, {"series": "00000000001"}, {"series": "../../../x"},
        {"series": "0x00000001"}, {"series": "+000000001"}, {"series": "00000_0001"},
        {"payerRange": "000"}, {"payerRange": "zzzz"}, {"payerRange": "00A1"},
        {"quotaMicro": 0}, {"quotaMicro": -1}, {"quotaMicro": ACCOUNT_MICRO_MAX + 1},
        {"notAfterS": 0}, {"notAfterS": -1}, {"notAfterS": 2**53},
    ],
)  # fmt: skip  # - one field each
def test_a_licence_cannot_exist_with_a_field_out_of_range(changed: dict[str, Json]) -> None:
    reader = codec.Reader(Licence)
    assert reader.convert(licence(vendor_ring())).quota_micro == 20_000_000
    with pytest.raises(Unfit, match="licence_malformed"):
        reader.convert(licence(vendor_ring(), **changed))


def test_a_licence_lacks_nothing() -> None:
    for name in licence(vendor_ring()):
        grant = licence(vendor_ring())
        del grant[name]
        with pytest.raises(Malformed):
            codec.Reader(Licence).convert(grant)


def test_an_order_is_minted_under_the_first_licence_with_room() -> None:
    full = msgspec.structs.replace(QUOTA, sold_micro=901)
    over = msgspec.structs.replace(QUOTA, not_after_s=NOW_S)
    empty = msgspec.structs.replace(QUOTA, next_index=SERIES_SIZE)
    order = Order(value_micro=100, vendor="news")
    key, found = open_licence(order, memory_of(full, over, empty, QUOTA, QUOTA), NOW_S)
    assert (key, found) == (b"millicent/licence/news/0000000003", QUOTA)


def test_an_order_that_just_fits_the_quota_is_taken_and_one_micro_more_is_not() -> None:
    nearly = msgspec.structs.replace(QUOTA, sold_micro=900)
    open_licence(Order(value_micro=100, vendor="news"), memory_of(nearly), NOW_S)
    with pytest.raises(Overlimit, match="licence_used_up"):
        open_licence(Order(value_micro=101, vendor="news"), memory_of(nearly), NOW_S)


def test_a_vendor_without_a_licence_has_no_scrip() -> None:
    with pytest.raises(WrongVendor, match="vendor_unknown"):
        open_licence(Order(value_micro=1, vendor="new"), memory_of(QUOTA), NOW_S)


def test_an_empty_pool_has_nothing_left() -> None:
    assert read_pool(Memory(), b"key") == Pool()
    stored = Pool(sold_micro=10, redeemed_micro=3, returned_micro=2)
    assert read_pool(Memory(records={b"key": codec.canonical(stored)}), b"key") == stored
    assert stored.rest_micro == 5


def test_records_of_two_vendors_never_share_a_key() -> None:
    assert not licence_prefix("news2").startswith(licence_prefix("news"))
    assert pool_key("a", 1) != pool_key("b", 1)
    assert used_key("a", "1" * 16) != used_key("b", "1" * 16)


def test_records_outlive_grace_and_submit_window() -> None:
    assert kept_until_s(0) == (30 + 1 + 30) * 86_400


def test_a_licence_shows_no_secret() -> None:
    shown = repr(codec.Reader(Licence).convert(licence(vendor_ring())))
    assert shown == "Licence(0000000001, 20000000)"


def test_a_licence_that_is_used_up_mints_nothing_more() -> None:
    key = licence_prefix("news") + b"0000000001"
    quota = Quota(next_index=7, not_after_s=100, payer_range="0001", quota_micro=9, sold_micro=1)
    put = used_up(key, codec.canonical(quota))
    order = Order(value_micro=1, vendor="news")
    open_licence(order, Memory(records={key: codec.canonical(quota)}), 1)
    with pytest.raises(Overlimit, match="licence_used_up"):
        open_licence(order, Memory(records={key: put.value}), 1)


def test_a_licence_that_replaces_the_others_ends_them_and_nobody_elses() -> None:
    ring = vendor_ring()
    mine, other = licence_prefix("news") + b"0000000009", licence_prefix("shop") + b"0000000009"
    memory = Memory(records={mine: codec.canonical(QUOTA), other: codec.canonical(QUOTA)})
    for replaces, count in ((False, 1), (True, 2)):
        granted = LICENCES.convert(licence(ring, replaces=replaces))
        keys = [record.key for record in register(granted, "news", memory).records]
        assert len(keys) == count
        assert other not in keys
        assert (mine in keys) == replaces


def test_a_licence_may_be_as_small_and_as_long_as_can_be() -> None:
    grant = licence(vendor_ring())
    for edge in ({"quotaMicro": 1}, {"notAfterS": 1}, {"notAfterS": codec.JSON_INT_MAX}):
        assert LICENCES.convert(grant | edge).series == "0000000001"


def test_a_licence_is_remembered_as_long_as_scrip_of_its_last_day() -> None:
    taken = register(LICENCES.convert(licence(vendor_ring())), "news", Memory())
    (put,) = taken.records
    assert isinstance(put, Put)
    quota = codec.Reader(Quota).read(put.value)
    last_s = kept_until_s(fresh_expiry_s(quota.not_after_s))
    assert put.until_s >= last_s
    assert used_up(put.key, put.value).until_s >= last_s


def test_a_cash_out_names_a_broker_as_brokers_are_named() -> None:
    burn = Burn(expires_at_s=1, mac="", payer="0" * 16, serial="0" * 16, value_micro=1, vendor="v")
    assert CashOut(burn=burn, broker="south").broker == "south"
    with pytest.raises(OutOfRange):
        CashOut(burn=burn, broker="South Bank!")
