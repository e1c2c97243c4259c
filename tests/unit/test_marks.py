"""What is asked of a store, and what it says of a payment."""

import pytest

from farthing.marks import LEASE_S_MAX, Keys, Payment

NOW_S = 1_800_000_000


def test_keys_are_true_when_there_is_something_to_read() -> None:
    assert not Keys()
    assert Keys(counters=(b"a",))
    assert Keys(records=(b"a",))
    assert Keys(prefixes=(b"",))


@pytest.mark.parametrize(
    ("left_s", "is_served"),
    [(0, False), (1, True), (LEASE_S_MAX, True), (LEASE_S_MAX + 1, False)],
)
def test_a_lease_that_ends_too_late_was_taken_by_a_clock_that_was_ahead(
    left_s: int,
    is_served: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    held = Payment(
        k="p",
        digest=b"d" * 32,
        state="held",
        fence=7,
        lease_until_s=NOW_S + left_s,
        kept=b"",
        outcome=b"",
        until_s=NOW_S,
    )
    assert held.in_lease(NOW_S) is is_served
