"""The life of a payment, as a table without gaps."""

from itertools import product
from typing import get_args

import msgspec
import pytest

from farthing.errors import Busy, Expired, HoldLost, Replayed, Reused
from farthing.holding import (
    AGAIN_S,
    LOST,
    TABLE,
    Event,
    Step,
    decide_hold,
    decide_mark,
    next_fence,
    require_distinct,
    require_fence,
    require_over,
)
from farthing.marks import (
    BEGUN,
    LEASE_S_MAX,
    Advance,
    Hold,
    Once,
    Payment,
    Place,
    Stale,
    State,
    Unresolved,
)

NOW_S = 1_800_000_000

# An answer of the origin to a payment that is not held any more.
LATE = set(product(("absent", "confirmed", "released"), ("origin ok", "origin failed")))
# A lease belongs to a hold, only held and confirmed payments have marks, and only what was released
# may be too late.
IMPOSSIBLE = {
    ("absent", "taken in lease"),
    ("released", "taken in lease"),
    ("confirmed", "taken in lease"),
    ("absent", "taken late"),
    ("held", "taken late"),
    ("confirmed", "taken late"),
    ("confirmed", "other in lease"),
    ("absent", "other"),
    ("absent", "other in lease"),
    ("released", "other"),
    ("released", "other in lease"),
}


def payment(state: State, lease_until_s: int = NOW_S, fence: int = 7) -> Payment:
    return Payment(
        k="p",
        digest=b"d" * 32,
        state=state,
        fence=fence,
        lease_until_s=lease_until_s,
        kept=b"",
        outcome=b"",
        until_s=NOW_S,
    )


def hold(digest: bytes = b"d" * 32) -> Hold:
    return Hold(
        k="p",
        digest=digest,
        marks=(),
        kept=b"",
        now_s=NOW_S,
        lease_until_s=NOW_S + 60,
        until_s=NOW_S,
    )


def test_every_pair_of_state_and_event_is_in_the_table_late_or_impossible() -> None:
    every = set(product(get_args(State), get_args(Event)))
    assert set(TABLE) | LATE | IMPOSSIBLE == every
    assert len(TABLE) + len(LATE) + len(IMPOSSIBLE) == len(every)
    assert LOST == ("lost", "absent")


def test_only_a_hold_leads_out_of_absent_and_nothing_out_of_confirmed() -> None:
    assert [TABLE[pair][0] for pair in TABLE if pair[0] == "absent"] == ["hold"]
    ends = {TABLE[pair][1] for pair in TABLE if pair[0] == "confirmed"}
    assert ends == {"confirmed"}


@pytest.mark.parametrize(
    ("stored", "step"),
    [
        (None, "hold"),
        (payment("released", NOW_S + 1), "hold"),
        (payment("held"), "resume"),
        (payment("confirmed", NOW_S + 1), "repeat"),
    ],
)
def test_a_payment_that_arrives_is_held_resumed_or_repeated(
    stored: Payment | None, step: Step
) -> None:
    assert decide_hold(stored, hold())[0] == step


@pytest.mark.parametrize(
    ("lease_s", "is_over"),
    [(LEASE_S_MAX + 1, True), (LEASE_S_MAX, False), (1 - AGAIN_S, False), (-AGAIN_S, True)],
)
def test_what_was_released_may_come_again_for_some_minutes(
    lease_s: int,
    is_over: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    released = payment("released", NOW_S + lease_s)
    again = msgspec.structs.replace(hold(), again=True)
    assert decide_hold(released, again)[0] == "hold", "its payer cannot make another"
    if not is_over:
        assert decide_hold(released, hold())[0] == "hold"
        return
    with pytest.raises(Expired, match="payment_released"):
        decide_hold(released, hold())


def test_a_payment_that_is_being_served_is_busy() -> None:
    with pytest.raises(Busy):
        decide_hold(payment("held", NOW_S + 1), hold())


@pytest.mark.parametrize("state", ["held", "confirmed", "released"])
def test_a_key_with_another_digest_is_reused(state: State) -> None:
    with pytest.raises(Reused):
        decide_hold(payment(state), hold(b"e" * 32))


def test_a_mark_is_taken_over_after_the_lease_only() -> None:
    assert decide_mark(payment("held"), now_s=NOW_S) == "take over"
    with pytest.raises(Busy):
        decide_mark(payment("held", NOW_S + 1), now_s=NOW_S)


def test_a_lease_that_ends_too_late_was_taken_by_a_clock_that_was_ahead() -> None:
    longest, longer = (payment("held", NOW_S + LEASE_S_MAX + more_s) for more_s in (0, 1))
    with pytest.raises(Busy):
        decide_hold(longest, hold())
    with pytest.raises(Busy):
        decide_mark(longest, now_s=NOW_S)
    assert decide_hold(longer, hold())[0] == "resume"
    assert decide_mark(longer, now_s=NOW_S) == "take over"


def test_a_mark_whose_holder_a_broker_may_have_paid_is_asked_about_first() -> None:
    begun = msgspec.structs.replace(payment("held"), outcome=BEGUN)
    with pytest.raises(Unresolved, match=begun.k):
        decide_mark(begun, now_s=NOW_S)
    with pytest.raises(Busy):
        decide_mark(msgspec.structs.replace(begun, lease_until_s=NOW_S + 1), now_s=NOW_S)


@pytest.mark.parametrize("holder", [None, payment("confirmed")])
def test_a_mark_of_a_confirmed_or_forgotten_payment_is_spent(holder: Payment | None) -> None:
    with pytest.raises(Replayed):
        decide_mark(holder, now_s=NOW_S)


@pytest.mark.parametrize("state", ["confirmed", "released"])
def test_only_a_held_payment_has_a_fence(state: State) -> None:
    held = payment("held")
    assert require_fence(held, 7) is held
    for lost, fence in ((payment(state), 7), (held, 6), (held, 8), (None, 7)):
        with pytest.raises(HoldLost):
            require_fence(lost, fence)


def test_fences_rise_and_the_first_follows_the_clock() -> None:
    assert next_fence(payment("held", fence=7), NOW_S) == 8
    assert next_fence(None, NOW_S + 1) > next_fence(None, NOW_S) + 1_000_000
    assert next_fence(None, NOW_S) < 2**53


def test_a_counter_advances_only_from_where_it_stands() -> None:
    mark = Advance(id=b"c", over=3, to=5, link=b"", until_s=NOW_S)
    require_over(mark, Place(to=3, link=b""))
    for place in (Place(to=2, link=b""), Place(to=5, link=b""), None):
        with pytest.raises(Stale):
            require_over(mark, place)
    require_over(Advance(id=b"c", over=0, to=1, link=b"", until_s=NOW_S), None)


def test_an_id_stands_once_in_a_payment() -> None:
    one, two = (Once(id=name, until_s=NOW_S) for name in (b"a", b"b"))
    require_distinct((one, two, Advance(id=b"a", over=0, to=1, link=b"", until_s=NOW_S)))
    with pytest.raises(Replayed):
        require_distinct((one, two, one))
