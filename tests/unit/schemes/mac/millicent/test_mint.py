import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec
from farthing.errors import (
    Denied,
    Forged,
    Malformed,
    Overlimit,
    Refusal,
    Replayed,
    Revoked,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.marks import Memory, Put
from farthing.schemes.contract import Json, Operation, Redeemed
from farthing.schemes.mac.millicent.claims import ClaimBody, claim_mac
from farthing.schemes.mac.millicent.orders import Pool, pool_key, used_key
from farthing.schemes.mac.millicent.scrip import LICENSED_SERIES
from tests.kit.millicent import MASTER_SECRETS, Scene, held, licence
from tests.kit.parties import DAY_S, NOW_S, VENDOR, Broker, payer_account, vendor_account

REFUSED = (Malformed, Forged, WrongVendor, Overlimit, Replayed)


def claim_of(serial: str, price_micro: int, expires_at_s: int, vendor: str = VENDOR) -> Json:
    """A claim as a vendor would make it, true or not."""
    body = ClaimBody(
        expires_at_s=expires_at_s, price_micro=price_micro, serial=serial, vendor=vendor
    )
    signed = msgspec.structs.replace(body, mac=claim_mac(MASTER_SECRETS["burn"], body))
    return msgspec.to_builtins(signed)


def refusals_of(broker: Broker, operation: Operation, raw: bytes, account: str) -> Refusal | None:
    """What the broker says to `raw`; None if it takes it."""
    who = vendor_account(account) if operation == "redeem" else payer_account(account)
    try:
        broker.run(operation, codec.read_json(raw), who)
    except Refusal as wrong:
        return wrong
    return None


def test_scrip_is_sold_for_the_payers_money() -> None:
    scene = Scene()
    piece = scene.buy(1000)
    assert scene.broker.balances == {"payer/ann": -1000, "outstanding/news": 1000}
    assert piece.worth_micro == 1000
    assert piece.vendor_id == "news"
    assert piece.expires_at_s % DAY_S == 0
    assert 30 * DAY_S <= piece.expires_at_s - NOW_S <= 31 * DAY_S


def test_every_sale_has_its_own_serial_and_payer() -> None:
    scene = Scene()
    pieces = [held(scene.buy()).scrip for _ in range(5)]
    assert [int(piece.serial, 16) & 0xFFFFFF for piece in pieces] == [0, 1, 2, 3, 4]
    assert {piece.series for piece in pieces} == {1}
    assert len({piece.payer for piece in pieces}) == 5
    assert {piece.payer[:4] for piece in pieces} == {"0001"}


def test_scrip_beyond_the_quota_is_overlimit() -> None:
    scene = Scene(quota_micro=1000)
    scene.buy(999)
    before = scene.broker.snapshot()
    with pytest.raises(Overlimit, match="licence_used_up"):
        scene.buy(2)
    assert scene.broker.snapshot() == before
    scene.buy(1)


def test_a_second_licence_is_used_when_the_first_is_full() -> None:
    scene = Scene(quota_micro=1000)
    scene.buy(1000)
    ring = scene.vendor.ring
    series = msgspec.structs.replace(ring.current(LICENSED_SERIES), id="0000000005")
    ring.add(series)
    scene.broker.run("grant", licence(ring, quotaMicro=1000), vendor_account())
    piece = scene.buy(1000)
    assert held(piece).scrip.series == 5
    assert scene.payer.spend(scene.vendor, piece, 1000) is None


def test_a_licence_that_has_ended_or_was_revoked_sells_nothing() -> None:
    scene = Scene()
    scene.clock.now_s += 91 * DAY_S
    with pytest.raises(Overlimit, match="licence_used_up"):
        scene.buy()
    scene = Scene()
    scene.broker.ring.revoke(LICENSED_SERIES, "news/0000000001")
    with pytest.raises(Revoked, match="licence_revoked"):
        scene.buy()


def test_a_series_is_granted_once() -> None:
    scene = Scene()
    before = scene.broker.snapshot()
    with pytest.raises(Replayed, match="series_already_granted"):
        scene.broker.run("grant", licence(scene.vendor.ring), vendor_account())
    assert scene.broker.snapshot() == before


@pytest.mark.parametrize(
    ("operation", "role"),
    [("issue", "vendor"), ("redeem", "payer"), ("take_back", "vendor"), ("grant", "payer")],
)
def test_an_operation_is_for_one_kind_of_account(operation: Operation, role: str) -> None:
    scene = Scene()
    account = vendor_account() if role == "vendor" else payer_account()
    with pytest.raises(Denied, match="wrong_kind_of_account"):
        scene.broker.run(operation, {}, account)


def test_properties_are_sold_only_as_far_as_they_are_vouched_for() -> None:
    scene = Scene(props="age=18;student=true")
    assert held(scene.buy_with_props("student=true")).scrip.props == "student=true"
    for props in ("student=false", "country=us", "age=18;country=us"):
        with pytest.raises(Denied, match="props_not_vouched"):
            scene.buy_with_props(props)
    with pytest.raises(Unfit):
        scene.buy_with_props("student=true;age=18")


@pytest.mark.parametrize("vendor", ["other", "news/0000000001"])
def test_scrip_of_a_vendor_without_a_licence_is_not_sold(vendor: str) -> None:
    scene = Scene()
    with pytest.raises(Refusal):
        scene.payer.buy(scene.broker, 1000, vendor)


def test_another_claim_on_a_used_serial_is_replayed() -> None:
    scene = Scene()
    piece = scene.buy()
    scene.payer.spend(scene.vendor, piece, 200)
    assert scene.clear() == 200
    before = scene.broker.snapshot()
    with pytest.raises(Replayed, match="serial_already_used"):
        scene.broker.redeem(claim_of(held(piece).scrip.serial, 300, piece.expires_at_s))
    assert scene.broker.snapshot() == before


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 2000), st.integers(0, 1)), max_size=12),
)
def test_a_lying_vendor_never_gets_more_than_was_sold(
    sold_micro: list[int], lies: list[tuple[int, int, int]]
) -> None:
    scene = Scene()
    pieces = [scene.buy(amount_micro) for amount_micro in sold_micro]
    expires_at_s = pieces[0].expires_at_s
    for number, price_micro, days in lies:
        message = claim_of(f"{number:016x}", price_micro, expires_at_s + days * DAY_S)
        try:
            scene.broker.redeem(message)
        except Refusal as wrong:
            assert isinstance(wrong, Overlimit | Replayed)  # noqa: PT017 - some lies pay
        assert scene.broker.balances["vendor/news"] <= sum(sold_micro)
        scene.audit()


def test_a_claim_under_another_key_or_of_another_vendor_is_refused() -> None:
    scene = Scene()
    scene.payer.spend(scene.vendor, scene.buy(), 200)
    (claim,) = scene.vendor.claims()
    with pytest.raises(Forged, match="claim_mac_wrong"):
        scene.broker.redeem(claim | {"mac": "0" * 32})
    with pytest.raises(WrongVendor, match="claim_of_another_vendor"):
        scene.broker.redeem(claim, "other")
    with pytest.raises(WrongVendor, match="vendor_unknown"):
        scene.broker.redeem(claim | {"vendor": "other"}, "other")


@pytest.mark.parametrize(
    "changed",
    [
        {"series": "8000000001"},
        {"kBurn": codec.b64u(bytes(31))},
        {"kPayer": codec.b64u(bytes(33))},
        {"kScrip": "?"},
    ],
)
def test_a_licence_is_for_a_series_that_is_sold_and_has_whole_keys(
    changed: dict[str, Json],
) -> None:
    broker = Scene().broker
    message = licence(Scene().vendor.ring, series="0000000009")
    broker.mint.check("grant", message, vendor_account(), broker.clock.at())
    with pytest.raises(Malformed):
        broker.mint.check("grant", message | changed, vendor_account(), broker.clock.at())


def test_a_cash_out_returns_what_was_paid_once() -> None:
    scene = Scene()
    left = scene.payer.spend(scene.vendor, scene.buy(1000), 200)
    assert left is not None
    receipt = scene.cash_out(left)
    assert scene.broker.balances["payer/ann"] == -200
    scene.broker.run("take_back", receipt, scene.payer.account)  # the reply was lost
    with pytest.raises(Replayed):  # and it is not told that it was credited, which a peer believes
        scene.broker.run("take_back", receipt, payer_account("thief"))
    assert scene.broker.balances["payer/ann"] == -200
    assert scene.broker.balances["payer/thief"] == 0
    assert scene.clear() == 200
    scene.audit()


def test_a_piece_that_was_burned_cannot_be_claimed() -> None:
    scene = Scene()
    piece = scene.buy(1000)
    scene.buy(1000)  # so that the pool could pay twice
    scene.cash_out(piece)
    before = scene.broker.snapshot()
    with pytest.raises(Replayed, match="serial_already_used"):
        scene.broker.redeem(claim_of(held(piece).scrip.serial, 1000, piece.expires_at_s))
    assert scene.broker.snapshot() == before


def test_a_piece_that_was_claimed_cannot_be_returned() -> None:
    scene = Scene()
    piece = scene.buy(1000)
    scene.buy(1000)
    asked = scene.payer.purse.give_back(piece, scene.clock.at())
    receipt = scene.vendor.burn(asked.message)
    scene.broker.redeem(claim_of(held(piece).scrip.serial, 1000, piece.expires_at_s))
    with pytest.raises(Replayed, match="serial_already_used"):
        scene.broker.run("take_back", receipt, scene.payer.account)


def test_what_nobody_claims_is_breakage_after_grace_and_submit_window() -> None:
    scene = Scene()
    piece = scene.buy(1000)
    scene.payer.spend(scene.vendor, piece, 200)
    claims = scene.vendor.claims()
    end_s = piece.expires_at_s + 31 * DAY_S
    scene.clock.now_s = end_s - 1
    scene.broker.lapse()
    assert scene.broker.redeem(claims[0]) == 200
    scene.clock.now_s = end_s
    scene.broker.lapse()
    assert scene.broker.balances["breakage/news"] == 800
    assert scene.broker.balances["outstanding/news"] == 0
    with pytest.raises(Overlimit, match="more_than_was_sold"):
        scene.broker.redeem(claim_of("f" * 16, 1, piece.expires_at_s))
    scene.broker.lapse()
    scene.audit()


def test_a_pool_lapses_once() -> None:
    scene = Scene()
    piece = scene.buy(1000)
    key = pool_key("news", piece.expires_at_s)
    scene.clock.now_s = piece.expires_at_s + 31 * DAY_S
    scene.broker.lapse()
    value = scene.broker.records[key]
    assert codec.Reader(Pool).read(value).rest_micro == 0
    assert scene.broker.mint.lapse(key, value, scene.clock.at()) is None


def test_a_reserved_payment_is_put_back_into_its_pool_as_it_stands_by_then() -> None:
    scene = Scene()
    piece, other = scene.buy(1000), scene.buy(1000)
    mint, vendor = scene.broker.mint, vendor_account()
    claim = claim_of("0000000001000000", 300, piece.expires_at_s)
    checked = mint.check("redeem", claim, vendor, scene.clock.at())
    reserved = mint.apply(checked, Memory(records=scene.broker.records), scene.clock.at())
    (pool_put,) = (record for record in reserved.records if record.key.startswith(mint.shared))
    assert isinstance(pool_put, Put)
    scene.broker.records[pool_put.key] = pool_put.value
    scene.payer.spend(scene.vendor, other, 200)
    assert scene.clear() == 200
    memory = Memory(records={pool_put.key: scene.broker.records[pool_put.key]})
    (put,) = mint.put_back(reserved, memory, scene.clock.at())
    pool = codec.Reader(Pool).read(put.value)
    assert (pool.sold_micro, pool.redeemed_micro) == (2000, 200)
    assert put.until_s == pool_put.until_s


def test_a_renewal_is_not_reserved() -> None:
    scene = Scene()
    at, later_s = scene.clock.at(), scene.buy(1000).expires_at_s
    memory = Memory(
        records={pool_key("news", later_s): b"{}", pool_key("news", later_s + 1): b"{}"}
    )
    with pytest.raises(Unsupported, match="settle_unsupported"):
        scene.broker.mint.put_back(Redeemed(), memory, at)


def test_no_record_is_dropped_while_it_may_matter() -> None:
    scene = Scene()
    piece = scene.buy(1000)
    scene.payer.spend(scene.vendor, piece, 200)
    scene.clear()
    last_s = piece.expires_at_s + 31 * DAY_S  # the last second of a claim
    for key, until_s in scene.broker.kept_until_s.items():
        assert until_s > last_s + 120, key


def test_an_operation_that_millicent_does_not_know_is_unsupported() -> None:
    scene = Scene()
    with pytest.raises(Unsupported, match="operation_unsupported"):
        scene.broker.run("status", {}, payer_account())


def test_a_claim_shown_again_says_that_it_paid_nothing() -> None:
    scene = Scene()
    scene.payer.spend(scene.vendor, scene.buy(), 200)
    (claim,) = scene.vendor.claims()
    answers = [scene.broker.run("redeem", claim, vendor_account()).answer for _ in range(2)]
    assert answers == [{"paidMicro": 200}, {"paidMicro": 0}]


@pytest.mark.parametrize("series", ["7000000000", "7fffffffff"])
def test_a_licence_is_for_any_series_that_is_no_warehouses(series: str) -> None:
    scene = Scene()
    scene.broker.run("grant", licence(scene.vendor.ring, series=series), vendor_account())
    with pytest.raises(Unfit, match="series_for_stock"):
        scene.broker.run("grant", licence(scene.vendor.ring, series="8000000000"), vendor_account())


def test_scrip_is_of_the_series_that_was_licensed_whatever_its_digits() -> None:
    scene = Scene(quota_micro=1_000)
    scene.buy(1_000)
    ring = scene.vendor.ring
    ring.add(msgspec.structs.replace(ring.current(LICENSED_SERIES), id="00000000fe"))
    scene.broker.run("grant", licence(ring, series="00000000fe"), vendor_account())
    assert held(scene.buy(1_000)).scrip.series == 0xFE


def test_a_pool_that_lapsed_is_remembered_until_nobody_may_ask_any_more() -> None:
    scene = Scene()
    piece = scene.buy()
    key = pool_key(VENDOR, piece.expires_at_s)
    scene.clock.now_s += 100 * DAY_S
    applied = scene.broker.mint.lapse(key, scene.broker.records[key], scene.clock.at())
    assert applied is not None
    (put,) = applied.records
    assert isinstance(put, Put)
    assert put.until_s >= scene.clock.now_s + 30 * DAY_S


def test_a_serial_is_used_up_by_a_write_that_only_one_can_make() -> None:
    scene = Scene()
    scene.payer.spend(scene.vendor, scene.buy(), 200)
    (claim,) = scene.vendor.claims()
    applied = scene.broker.run("redeem", claim, vendor_account())
    used = [put for put in applied.records if isinstance(put, Put) and put.once]
    assert [put.key for put in used] == [used_key(VENDOR, claim["serial"])]
