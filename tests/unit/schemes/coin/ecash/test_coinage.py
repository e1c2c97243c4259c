from farthing.schemes.coin.ecash.coinage import COINAGE, EPOCHS_MAX
from farthing.schemes.coin.epochs import EPOCH_S, epoch_at
from tests.kit.parties import NOW_S


def test_lists_are_told_by_the_clock_the_present_one_last() -> None:
    now = epoch_at(NOW_S)
    for now_s in (now.not_before_s, NOW_S, now.signs_until_s - 1):
        lists = COINAGE.lists_at(now_s)
        assert lists[-1] == now.number
        assert len(lists) in {EPOCHS_MAX - 1, EPOCHS_MAX}
    assert COINAGE.lists_at(NOW_S + EPOCH_S)[-1] == now.number + 1
