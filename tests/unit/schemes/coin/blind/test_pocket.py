from farthing.schemes.coin.ecash.coinage import COINAGE
from farthing.schemes.coin.epochs import epoch_at
from tests.kit.blind import LOAD_MICRO, Scene, pocket_of
from tests.kit.parties import NOW_S


def test_a_pocket_is_one_instrument_for_any_vendor_until_its_last_coin_ends() -> None:
    instrument = Scene().withdraw()
    assert instrument.worth_micro == LOAD_MICRO
    assert instrument.vendor_id == ""
    assert instrument.expires_at_s == epoch_at(NOW_S).not_after_s
    pocket = pocket_of(instrument)
    assert pocket.instrument(COINAGE, "eur") == instrument
    assert pocket.worth_micro == LOAD_MICRO


def test_what_is_added_is_worth_more_and_counters_are_kept() -> None:
    pocket = pocket_of(Scene().withdraw())
    doubled = pocket.with_coins(pocket.coins)
    assert doubled.worth_micro == 2 * LOAD_MICRO
    assert doubled.counters == pocket.counters


def test_no_signature_is_shown() -> None:
    pocket = pocket_of(Scene().withdraw())
    assert repr(pocket.coins[0].signature)[2:30] not in repr(pocket)
