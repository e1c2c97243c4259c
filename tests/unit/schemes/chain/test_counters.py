"""The record beside a chain's counter: it reads back, and a payment changes the word only."""

import pytest

from farthing.codec import b64u
from farthing.crypto import chain
from farthing.errors import Expired, Forged, JumpTooLong, Malformed, OutOfRange, Replayed
from farthing.schemes.chain.counters import (
    WORD_BYTES,
    kept_of,
    pack,
    require_step,
    verify_next,
)

RECORD = pack(
    word=b"w" * 16,
    key=b"k" * 16,
    length=50,
    ends_at_s=1_000,
    public_key=b"p" * 32,
    payer="p_1f",
)


KEPT = kept_of(RECORD[WORD_BYTES:])


def test_a_record_reads_back() -> None:
    assert b"w" * 16 + KEPT.raw == RECORD
    assert (KEPT.key, KEPT.length, KEPT.word_bytes) == (b"k" * 16, 50, 16)
    assert (KEPT.ends_at_s, KEPT.public_key, KEPT.payer) == (1_000, b"p" * 32, "p_1f")


def test_what_stays_the_same_is_read_once_a_chain() -> None:
    first = kept_of(RECORD[WORD_BYTES:])  # that of the collection may be forgotten by now
    assert kept_of(RECORD[WORD_BYTES:]) is first
    assert kept_of(RECORD[WORD_BYTES:] + b"0") is not KEPT


def test_a_record_shows_no_key() -> None:
    assert repr(KEPT) == "Kept(50, 1000)"


@pytest.mark.parametrize("size_bytes", [chain.WORD_BYTES_MIN, WORD_BYTES])
def test_a_word_is_verified_in_its_own_size(size_bytes: int) -> None:
    key, words = b"k" * 16, {3: b"z" * size_bytes}
    for index in (2, 1, 0):
        words[index] = chain.descend(key, words[index + 1], index + 1, index)
    record = pack(
        word=words[0], key=key, length=3, ends_at_s=1_000, public_key=b"p" * 32, payer="p_1f"
    )
    kept = kept_of(record[WORD_BYTES:])
    assert verify_next(kept, record, 0, 3, b64u(words[3])) == words[3]
    assert verify_next(kept, record, 0, 1, b64u(words[1])) == words[1]
    with pytest.raises(Forged):
        verify_next(kept, record, 0, 2, b64u(words[1]))
    with pytest.raises(Malformed):
        verify_next(kept, record, 0, 1, b64u(words[1] + b"0"))


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
        require_step(KEPT, index, last, now_s, 120, 10)


def test_the_longest_step_and_the_last_second_are_taken() -> None:
    require_step(KEPT, 11, 1, 1_120, 120, 10)
    require_step(KEPT, 50, 49, 1_120, 120, 10)
