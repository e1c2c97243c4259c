"""What the journal says of payouts; the rest of the comparison is in `test_journal.py`."""

import pytest

from farthing.auditing.entries import Line
from farthing.auditing.report import Findings
from farthing.auditing.tables import Payouts

OWNER, TRANSIT, BANK = "liability/vendor/v7", "asset/clearing/manual", "asset/bank/manual"
PLANNED = ((OWNER, 5), (TRANSIT, -5))
CONFIRMED = ((TRANSIT, 5), (BANK, -5))
BOUNCED = ((TRANSIT, 5), (OWNER, -5))
RETURNED = ((BANK, 5), (OWNER, -5))


def after(*steps: tuple[tuple[str, int], ...]) -> tuple[str, list[str]]:
    findings = Findings()
    payouts = Payouts(findings)
    for seq, postings in enumerate(steps):
        payouts.add(Line(seq, "", "payout", "po_1", 0, postings, ()))
    return payouts.booked["po_1"][2], [one.code for one in findings.found]


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ((PLANNED,), "planned"),
        ((PLANNED, CONFIRMED), "confirmed"),
        ((PLANNED, BOUNCED), "returned"),
        ((PLANNED, CONFIRMED, RETURNED), "returned"),
    ],
)
def test_a_payout_goes_its_way(steps: tuple[tuple[tuple[str, int], ...], ...], state: str) -> None:
    assert after(*steps) == (state, [])


@pytest.mark.parametrize(
    "steps",
    [
        (PLANNED, CONFIRMED, CONFIRMED),
        (PLANNED, BOUNCED, BOUNCED),
        (PLANNED, PLANNED),
        (PLANNED, ((TRANSIT, 6), (BANK, -6))),
        (PLANNED, ((BANK, 5), (TRANSIT, -5))),
        (PLANNED, RETURNED),
        (PLANNED, CONFIRMED, BOUNCED),
        (PLANNED, ((TRANSIT, 5), ("liability/vendor/v8", -5))),
    ],
)
def test_no_other_way(steps: tuple[tuple[tuple[str, int], ...], ...]) -> None:
    assert after(*steps)[1] == ["payout_differs"]
