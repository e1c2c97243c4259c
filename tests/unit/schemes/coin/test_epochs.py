from collections.abc import Callable

import pytest

from farthing.errors import Expired, NotYetValid
from farthing.schemes.coin.epochs import EPOCH_S, GRACE_S, LATE_S, SKEW_S, Epoch, epoch_at

EPOCH = Epoch(229)


def test_each_second_belongs_to_one_epoch() -> None:
    assert epoch_at(EPOCH.not_before_s) == EPOCH
    assert epoch_at(EPOCH.signs_until_s - 1) == EPOCH
    assert epoch_at(EPOCH.signs_until_s) == Epoch(EPOCH.number + 1)


def test_times_follow_each_other() -> None:
    assert EPOCH.signs_until_s - EPOCH.not_before_s == EPOCH_S
    assert EPOCH.not_after_s - EPOCH.signs_until_s == EPOCH_S
    assert EPOCH.ends_at_s - EPOCH.not_after_s == GRACE_S
    assert EPOCH.kept_until_s > EPOCH.ends_at_s + SKEW_S


@pytest.mark.parametrize(
    ("check", "last_s"),
    [
        (EPOCH.require_signing, EPOCH.signs_until_s + LATE_S),
        (EPOCH.require_spendable, EPOCH.not_after_s + SKEW_S),
        (EPOCH.require_exchangeable, EPOCH.ends_at_s + SKEW_S),
    ],
    ids=["sign", "pay", "exchange"],
)
def test_both_edges_of_what_an_epochs_coins_are_good_for(
    check: Callable[[int], None], last_s: int
) -> None:
    first_s = EPOCH.not_before_s - SKEW_S
    check(first_s)
    check(last_s)
    with pytest.raises(NotYetValid, match="keyset_not_yet_valid"):
        check(first_s - 1)
    with pytest.raises(Expired, match=r"keyset_over|coin_expired|coin_over"):
        check(last_s + 1)
