import itertools

import pytest

from farthing.errors import Conflict, OutOfRange
from farthing.rails import manual
from farthing.rails.manual import PayoutState

ALLOWED = {
    ("planned", "exported"),
    ("planned", "returned"),
    ("exported", "confirmed"),
    ("exported", "returned"),
    ("confirmed", "returned"),
}


@pytest.mark.parametrize(("before", "after"), [*itertools.product(PayoutState, PayoutState)])
def test_a_payout_takes_only_the_steps_of_the_table(
    before: PayoutState, after: PayoutState
) -> None:
    if (before.value, after.value) in ALLOWED:
        manual.require_step(before, after)
    else:
        with pytest.raises(Conflict):
            manual.require_step(before, after)


def test_payouts_are_whole_cents_rounded_down() -> None:
    assert manual.payable_micro(10_000) == 10_000
    assert manual.payable_micro(29_999) == 20_000
    with pytest.raises(OutOfRange, match="payout_below_one_cent"):
        manual.payable_micro(9_999)
    with pytest.raises(OutOfRange):
        manual.payable_micro(-10_000)


@pytest.mark.parametrize("text", ["", "x" * 129, "a\tb", "a\u202eb", "a\udcff"])
def test_references_are_short_printable_text(text: str) -> None:
    with pytest.raises(OutOfRange, match="reference_malformed"):
        manual.require_reference(text)
    with pytest.raises(OutOfRange, match="destination_malformed"):
        manual.require_destination(text)
    assert manual.require_reference("x" * 128) == "x" * 128


def test_an_export_line_counts_cents() -> None:
    line = manual.line_of("po_1", "DE00 1234", 120_000, "exported")
    assert (line.end_to_end_id, line.destination, line.amount_cents) == ("po_1", "DE00 1234", 12)
    assert line.state == "exported"
