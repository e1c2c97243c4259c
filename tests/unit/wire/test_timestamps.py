import pytest
from hypothesis import given

from farthing.errors import Malformed
from farthing.wire.timestamps import from_timestamp, to_timestamp
from tests.unit.wire.examples import TIMES


def test_worked_example_reads_and_writes() -> None:
    assert to_timestamp(1_795_176_300) == "2026-11-20T12:05:00Z"
    assert from_timestamp("2026-11-20T12:05:00Z") == 1_795_176_300


@given(TIMES)
def test_what_is_written_reads_back(at_s: int) -> None:
    assert from_timestamp(to_timestamp(at_s)) == at_s


@given(TIMES, TIMES)
def test_text_sorts_as_time_does(one_s: int, other_s: int) -> None:
    assert (to_timestamp(one_s) < to_timestamp(other_s)) == (one_s < other_s)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "2026-11-20T12:05:00",
        "2026-11-20T12:05:00z",
        "2026-11-20 12:05:00Z",
        "2026-11-20T12:05:00+00:00",
        "2026-11-20T12:05:00.5Z",
        "2026-11-31T12:05:00Z",
        "2026-13-20T12:05:00Z",
        "2026-11-20T24:05:00Z",
        "2026-11-20T12:05:60Z",
        "2026-11-20T12:05:00Z\n",
        "٢٠٢٦-11-20T12:05:00Z",
    ],
)
def test_any_other_spelling_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="timestamp_malformed"):
        from_timestamp(text)
