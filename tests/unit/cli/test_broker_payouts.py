"""What the operator sees of payouts, and what of them cannot be."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from farthing.cli import broker, broker_payouts

RUNNER = CliRunner()
LINES = [
    {"end_to_end_id": f"po_{n}", "destination": "DE00 1", "amount_cents": 250, "state": state}
    for n, state in enumerate(("planned", "exported"))
]


@pytest.mark.parametrize("lines", [[], LINES])
def test_what_was_typed_at_the_bank_is_told_from_what_was_not(
    broker_folder: Path, monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(broker_payouts, "call", lambda *_: lines)
    done = RUNNER.invoke(broker.app, ["clear", "--data", str(broker_folder)])
    assert done.stdout == (
        "po_0: 2.5 EUR to DE00 1, planned\npo_1: 2.5 EUR to DE00 1, exported\n"
        if lines
        else "nothing is to be paid out\n"
    )


def test_a_state_that_a_payout_does_not_have_is_refused_with_those_that_it_has() -> None:
    done = RUNNER.invoke(broker.app, ["payout", "po_0", "paid"])
    assert done.exit_code == 2
    for state in ("exported", "confirmed", "returned"):
        assert f"'{state}'" in done.output
