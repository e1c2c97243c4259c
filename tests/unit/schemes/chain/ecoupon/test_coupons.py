from tests.kit.ecoupon import SLOT_MICRO, Scene, coupons_of
from tests.kit.parties import NOW_S


def test_what_is_left_is_counted_over_segments_of_which_the_last_is_cut() -> None:
    scene = Scene()
    opened = scene.open()
    assert coupons_of(opened).units == SLOT_MICRO // 100
    mine, phone = scene.hand(opened, 2000)
    got = coupons_of(phone)
    assert (got.last, got.end(got.last), got.end(got.first), got.units) == (3, 4, 16, 20)
    assert coupons_of(mine).units == 32  # whole segments: the rest of the second is nobody's


def test_after_the_last_word_of_a_segment_the_next_one_begins() -> None:
    coupons = coupons_of(Scene().open())
    moved = coupons.moved(0, 16)
    assert (moved.first, moved.index, moved.free, moved.units) == (1, 0, 1, 48)
    assert moved.word(1) == coupons.word(1)
    assert coupons.moved(1, 3).units == 64 - 19


def test_its_keys_are_the_holders_own() -> None:
    mine, phone = (coupons_of(held) for held in Scene().hand(Scene().open(), 1600))
    assert mine.keys.start((60, 6), NOW_S) != phone.keys.start((60, 6), NOW_S)
    assert mine.keys.start((60, 6), NOW_S) == mine.keys.start((60, 6), NOW_S)


def test_a_repr_shows_neither_words_nor_keys() -> None:
    coupons = coupons_of(Scene(authentication="tesla").open())
    assert coupons.words not in repr(coupons)
    assert coupons.secret not in repr(coupons)
