"""Old scrip for fresh: while it lives and in its grace, for a fee, and never after."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Expired,
    Forged,
    Malformed,
    Misconfigured,
    OutOfRange,
    Overlimit,
    Replayed,
    Revoked,
    Unfit,
    WrongVendor,
)
from farthing.schemes.contract import Asked, Instrument, Json
from farthing.schemes.mac.millicent import MILLICENT, renewal
from farthing.schemes.mac.millicent.claims import CLAIMS, claim_mac
from farthing.schemes.mac.millicent.scrip import BURN_KEY, GRACE_S
from tests.kit.flips import bit_flips
from tests.kit.millicent import Scene, held, vendor_ring
from tests.kit.parties import DAY_S, VENDOR, setting_of

REFUSED = (Malformed, Forged, WrongVendor, Expired, Revoked, OutOfRange, Overlimit)


def renew(scene: Scene, piece: Instrument) -> Instrument:
    asked = scene.payer.purse.give_back(piece, scene.clock.at())
    assert (asked.operation, asked.to) == ("issue", "vendor")
    answer = scene.vendor.mint(asked.operation, asked.message)
    received = scene.payer.purse.receive(asked, answer, scene.clock.at())
    assert not isinstance(received, Asked)
    return received[0]


def expired(scene: Scene, micro: int = 10_000) -> Instrument:
    piece = scene.buy(micro)
    scene.clock.now_s = piece.expires_at_s + DAY_S
    return piece


def test_expired_scrip_is_renewed_for_the_fee_and_goes_on_paying() -> None:
    scene = Scene()
    piece = expired(scene)
    fresh = renew(scene, piece)
    assert fresh.worth_micro == 9_800
    assert fresh.expires_at_s > piece.expires_at_s
    assert held(fresh).scrip.payer == held(piece).scrip.payer
    left = scene.payer.spend(scene.vendor, fresh, 800)
    assert left is not None
    assert left.worth_micro == 9_000
    assert scene.clear() == 200 + 800
    scene.audit()


def test_a_renewed_piece_is_given_back_in_full() -> None:
    scene = Scene()
    fresh = renew(scene, expired(scene))
    scene.clear()
    scene.cash_out(fresh)
    assert scene.broker.balances[f"vendor/{VENDOR}"] == 200
    assert scene.broker.balances[f"outstanding/{VENDOR}"] == 0
    scene.audit()


def test_the_same_renewal_again_gives_the_same_piece_once() -> None:
    scene = Scene()
    asked = scene.payer.purse.give_back(expired(scene), scene.clock.at())
    first = scene.vendor.mint("issue", asked.message)
    assert scene.vendor.mint("issue", asked.message) == first
    assert scene.clear() == 200


def test_a_renewed_serial_is_used_up() -> None:
    scene = Scene()
    piece = scene.buy(10_000)
    end_s = piece.expires_at_s
    scene.clock.now_s = end_s
    renew(scene, piece)
    with pytest.raises(Replayed):
        scene.payer.spend(scene.vendor, piece, 800)


def test_scrip_is_renewed_to_the_last_second_of_grace_and_never_after() -> None:
    scene = Scene()
    piece, other = scene.buy(10_000), scene.buy(10_000)
    scene.clock.now_s = piece.expires_at_s + GRACE_S
    renew(scene, piece)
    scene.clock.now_s += 1
    with pytest.raises(Expired, match="scrip_past_grace"):
        renew(scene, other)


def test_a_piece_worth_no_more_than_the_fee_is_not_renewed() -> None:
    with pytest.raises(OutOfRange, match="worth_less_than_fee"):
        renewal.fee_micro(1, 200)
    assert renewal.fee_micro(2, 200) == 1
    assert renewal.fee_micro(10_000, 0) == 0


def test_every_flipped_bit_of_a_renewal_is_refused_and_changes_nothing() -> None:
    scene = Scene()
    asked = scene.payer.purse.give_back(expired(scene), scene.clock.at())
    before = scene.vendor.snapshot()
    for flipped in bit_flips(codec.canonical(asked.message)):
        with pytest.raises(REFUSED):
            scene.vendor.mint("issue", codec.read_json(flipped))
    assert scene.vendor.snapshot() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("valueMicro", 10_001), ("payer", "0001" + "0" * 12), ("expiresS", 1), ("vendor", "other")],
)
def test_a_vendor_that_gives_another_piece_is_found_out(name: str, value: Json) -> None:
    scene = Scene()
    asked = scene.payer.purse.give_back(expired(scene), scene.clock.at())
    answer = scene.vendor.mint("issue", asked.message)
    answer["scrip"][name] = value
    with pytest.raises(Forged, match="renewal_wrong"):
        scene.payer.purse.receive(asked, answer, scene.clock.at())


def test_a_claim_moves_no_more_than_was_sold_and_no_further_than_new_scrip_lives() -> None:
    scene = Scene()
    piece = scene.buy(10_000)
    scene.clock.now_s = piece.expires_at_s
    renew(scene, piece)
    (claim,) = scene.vendor.claims()
    assert claim["movedMicro"] == 9_800
    moved_to_s = claim["movedToS"]
    for name, value in (
        ("movedMicro", 4_999_999),
        ("movedToS", moved_to_s + 2 * DAY_S),
        ("movedToS", moved_to_s - 1),  # pools end at midnight, and so there are few
    ):
        forged = resign(claim | {name: value})
        before = scene.broker.snapshot()
        with pytest.raises(REFUSED):
            scene.broker.redeem(forged)
        assert scene.broker.snapshot() == before
    assert scene.broker.redeem(claim) == 200


def test_a_broker_whose_clock_was_set_back_a_day_pays_a_renewal_as_ever() -> None:
    scene = Scene()
    piece = scene.buy(10_000)
    scene.clock.now_s = piece.expires_at_s  # a midnight
    renew(scene, piece)
    (claim,) = scene.vendor.claims()
    scene.clock.now_s -= DAY_S + 1
    with pytest.raises(OutOfRange, match="renewed_too_long"):
        scene.broker.redeem(claim)
    scene.clock.now_s += 1
    assert scene.broker.redeem(claim) == 200


def resign(claim: dict[str, Json]) -> dict[str, Json]:
    """A claim that a dishonest vendor made up, under its own good key."""
    body = CLAIMS.convert(claim | {"mac": ""})
    key = vendor_ring().current(BURN_KEY)
    signed: dict[str, Json] = msgspec.to_builtins(
        msgspec.structs.replace(body, mac=claim_mac(key.secret, body))
    )
    return signed


def test_a_fee_that_is_no_fee_is_refused_when_the_gate_starts() -> None:
    assert MILLICENT.vendor_mint is not None
    for fee in (-1, renewal.FEE_E4_MAX + 1, "2"):
        with pytest.raises(Misconfigured, match="fee_out_of_range"):
            MILLICENT.vendor_mint(setting_of(vendor_ring(), vendor_id=VENDOR, renew_fee_e4=fee))


def test_scrip_that_still_lives_is_burned_not_renewed() -> None:
    scene = Scene()
    asked = scene.payer.purse.give_back(scene.buy(), scene.clock.at())
    assert asked.operation == "take_back"


def test_two_renewals_into_one_pool_are_both_worth_something() -> None:
    scene = Scene()
    pieces = scene.buy(10_000), scene.buy(10_000)
    scene.clock.now_s = pieces[0].expires_at_s + DAY_S
    fresh = [renew(scene, piece) for piece in pieces]
    scene.clear()
    for piece in fresh:
        scene.cash_out(piece)
    assert scene.broker.balances[f"outstanding/{VENDOR}"] == 0
    scene.audit()


def test_a_nonce_may_be_as_long_as_its_limit() -> None:
    piece = held(Scene().buy()).scrip
    renewal.Renewal(nonce="n" * renewal.NONCE_CHARS_MAX, renew=piece, sig="")
    with pytest.raises(Unfit, match="nonce_too_long"):
        renewal.Renewal(nonce="n" * (renewal.NONCE_CHARS_MAX + 1), renew=piece, sig="")


def test_a_fee_is_its_share_to_the_micro_unit_rounded_up() -> None:
    assert renewal.fee_micro(5_000_000, 200) == 100_000
    assert renewal.fee_micro(5_000_000, 9_999) == 4_999_500
    assert [renewal.fee_micro(value, 200) for value in (49, 50, 51)] == [1, 1, 2]


def test_however_little_a_vendor_gives_for_an_old_piece_it_is_kept() -> None:
    """The old one is gone by then."""
    scene = Scene(renew_fee_e4=renewal.FEE_E4_MAX)
    assert renew(scene, expired(scene)).worth_micro == 9_000
    asked = scene.payer.purse.give_back(expired(scene), scene.clock.at())
    answer = scene.vendor.mint("issue", asked.message)
    answer["scrip"]["valueMicro"] = 1
    kept = scene.payer.purse.receive(asked, answer, scene.clock.at())
    assert not isinstance(kept, Asked)
    assert kept[0].worth_micro == 1
