"""The record beside a chain's counter: it reads back, and a payment changes the word only."""

import pytest

from farthing.errors import Expired, JumpTooLong, OutOfRange, Replayed
from farthing.schemes.chain.counters import Kept, pack, require_step

RECORD = pack(
    word=b"w" * 16,
    key=b"k" * 16,
    length=50,
    ends_at_s=1_000,
    public_key=b"p" * 32,
    payer="p_1f",
)


def test_a_record_reads_back() -> None:
    again = Kept(RECORD.raw)
    assert (again.word, again.key, again.length) == (b"w" * 16, b"k" * 16, 50)
    assert (again.ends_at_s, again.public_key, again.payer) == (1_000, b"p" * 32, "p_1f")


def test_a_payment_replaces_the_word_alone() -> None:
    after = Kept(RECORD.with_word(b"x" * 16))
    assert after.word == b"x" * 16
    assert after.raw[16:] == RECORD.raw[16:]


def test_a_record_shows_no_word() -> None:
    assert repr(RECORD) == "Kept(50, 1000)"


@pytest.mark.parametrize(
    ("index", "last", "now_s", "refusal"),
    [
        (1, 0, 1_121, Expired),
        (3, 3, 1_120, Replayed),
        (2, 3, 1_120, Replayed),
        (51, 45, 1_120, OutOfRange),
        (12, 1, 1_120, JumpTooLong),
    ],
)
def test_a_step_out_of_bounds_is_refused_before_any_hashing(
    index: int, last: int, now_s: int, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        require_step(RECORD, index, last, now_s, skew_s=120, steps_max=10)


def test_the_longest_step_and_the_last_second_are_taken() -> None:
    require_step(RECORD, 11, 1, 1_120, skew_s=120, steps_max=10)
    require_step(RECORD, 50, 49, 1_120, skew_s=120, steps_max=10)
