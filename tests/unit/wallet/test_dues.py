"""What a payer owes and risks on a stream, whoever pays by which threads."""

from pathlib import Path

import msgspec
import pytest

from farthing.schemes.streams import TICKS_MAX
from farthing.wallet.dues import Dues
from farthing.wallet.policy import Limits, Policy
from farthing.wallet.streams import Opened, open_stream
from tests.unit.wallet.gate_town import PRICE_MICRO, town
from tests.unit.wallet.world import get

A_LOT = 2**40
FREE = Policy(Limits(per_payment_micro=A_LOT))
GRACE = 8
STREAM = f'[[route]]\npath = "/x"\nprice = "{PRICE_MICRO}u"\nper = "1kB"\ngrace = {GRACE}\n'


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    world = town(tmp_path, "tick")
    world.site.open("tick", more=STREAM)
    return world.run(open_stream(world.guide(), get("/x")))


class Counted(Dues):
    """Pays whatever is due at once."""

    def __init__(self, policy: Policy, opened: Opened, most_micro: int, needed: int) -> None:
        super().__init__(policy, opened, most_micro, needed)
        self._opening = opened.purchase

    def came(self, ticks: int, whole: int, *, asked: bool = False) -> None:
        if self._is_news(ticks, whole, asked=asked):
            self._note(ticks, asked=asked)
        while self._is_due() and (count := self._begin()):
            assert self._opening is not None, "it was paid for"
            price_micro = count * PRICE_MICRO
            self._taken(msgspec.structs.replace(self._opening, price_micro=price_micro))


def counted(opened: Opened, *, most: int = A_LOT, needed: int = A_LOT) -> Counted:
    return Counted(FREE, opened, most * PRICE_MICRO, needed)


def test_ever_more_is_paid_ahead_and_never_more_than_the_grace(opened: Opened) -> None:
    dues, paid = counted(opened), []
    for begun in range(2, 40):
        dues.came(begun, begun - 1)
        paid.append(dues.ticks - begun)
    assert paid[:3] == [1, 2, 4]
    assert max(paid) == GRACE
    assert min(paid) > 0
    assert dues.paid_micro == dues.ticks * PRICE_MICRO


def test_a_vendor_that_sends_nothing_and_asks_for_more_is_paid_no_more_than_the_grace(
    opened: Opened,
) -> None:
    dues = counted(opened)
    for _ in range(3 * GRACE):
        dues.came(0, 0, asked=True)
    assert dues.ticks == 1, "a tick is paid ahead as it is, and nothing has come"
    for _ in range(3 * GRACE):
        dues.came(1, 0, asked=True)
    assert dues.ticks == 1 + GRACE


def test_nothing_is_paid_above_the_limit_or_beyond_the_end(opened: Opened) -> None:
    capped, short = counted(opened, most=5), counted(opened, needed=7)
    for begun in range(2, 30):
        capped.came(begun, begun - 1)
        short.came(begun, begun - 1)
    assert (capped.ticks, short.ticks) == (5, 7)


def test_a_voucher_is_no_larger_than_one_may_be(opened: Opened) -> None:
    dues = counted(opened)
    before = 1
    for begun in range(2, 500):
        dues.came(begun, begun - 1)
        assert dues.ticks - before <= min(TICKS_MAX, 2 * GRACE)
        before = dues.ticks


def test_it_is_over_once_all_has_come_and_nothing_more_will_be_paid(opened: Opened) -> None:
    dues = counted(opened, most=3)
    dues.came(3, 2)
    assert not dues.is_over
    dues._end()
    assert not dues.is_over
    dues.came(3, 3)
    assert dues.is_over
