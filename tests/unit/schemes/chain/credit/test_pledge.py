import msgspec
import pytest

from farthing import codec
from farthing.errors import Expired, NotYetValid, Overlimit, Unfit
from farthing.schemes.chain.credit.certificate import LIMIT_MICRO_MAX
from farthing.schemes.chain.credit.pledge import SLOTS
from tests.kit.parties import DAY_S
from tests.kit.payword import SLOT_MICRO, TODAY, Hand, Scene

SCENE = Scene()


COMMITMENT = Hand(SCENE.certificate, chains=((100, 50), (2500, 3))).commitment


CERTIFICATE = COMMITMENT.certificate


ROOT = COMMITMENT.chains[0][2]


@pytest.mark.parametrize(
    ("early_s", "refusal"),
    [(0, None), (120, None), (121, NotYetValid), (2 * DAY_S, NotYetValid)],
)
def test_a_day_begins_two_minutes_early(early_s: int, refusal: type[Exception] | None) -> None:
    now_s = TODAY * DAY_S - early_s
    if refusal is None:
        COMMITMENT.require_day(now_s)
    else:
        with pytest.raises(refusal, match="commitment_not_yet_valid"):
            COMMITMENT.require_day(now_s)


@pytest.mark.parametrize(
    ("late_s", "refusal"), [(0, None), (120, None), (121, Expired), (2 * DAY_S, Expired)]
)
def test_a_day_ends_two_minutes_late(late_s: int, refusal: type[Exception] | None) -> None:
    now_s = COMMITMENT.ends_at_s + late_s
    if refusal is None:
        COMMITMENT.require_day(now_s)
    else:
        with pytest.raises(refusal, match="commitment_expired"):
            COMMITMENT.require_day(now_s)


def test_a_commitment_is_worth_at_most_the_credit_of_its_slots() -> None:
    unit_micro, words = 100, SLOT_MICRO // 100
    Hand(SCENE.certificate, chains=((unit_micro, words),)).commitment.verify()
    with pytest.raises(Overlimit, match="commitment_above_limit"):
        Hand(SCENE.certificate, chains=((unit_micro, words + 1),)).commitment.verify()
    with pytest.raises(Overlimit):
        Hand(SCENE.certificate, chains=((100, words), (101, 1))).commitment.verify()
    both = Hand(SCENE.certificate, chains=((100, 2 * words),), slots=(6, 2))
    both.commitment.verify()


def test_the_slots_together_are_never_worth_more_than_the_limit() -> None:
    for limit_micro in (1, 7, 8, 9, 1001, LIMIT_MICRO_MAX):
        certificate = msgspec.structs.replace(CERTIFICATE, limit_micro=limit_micro)
        single = msgspec.structs.replace(COMMITMENT, certificate=certificate, slots=(0, 1))
        whole = msgspec.structs.replace(single, slots=(0, SLOTS))
        assert SLOTS * single.share_micro <= whole.share_micro == limit_micro


def test_a_day_is_any_that_can_be_told_in_seconds() -> None:
    last = codec.JSON_INT_MAX // DAY_S - 1
    for day in (0, last):
        assert msgspec.structs.replace(COMMITMENT, day=day).day == day
    for day in (-1, last + 1):
        with pytest.raises(Unfit, match="day_out_of_range"):
            msgspec.structs.replace(COMMITMENT, day=day)
