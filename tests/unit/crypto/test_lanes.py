import random

import pytest

from farthing.crypto import chain, lanes

R = random.Random(1)


def proof(*, at: int, last_index: int = 0, word: bytes = b"", key: bytes = b"") -> chain.Proof:
    return chain.Proof(
        key=key or R.randbytes(16),
        word=word or R.randbytes(16),
        at=at,
        last_word=bytes(16),
        last_index=last_index,
    )


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 50])
def test_compiled_code_finds_what_the_standard_library_finds(count: int) -> None:
    proofs = [proof(at=R.randrange(3, 200), last_index=R.randrange(4)) for _ in range(count)]
    expected = [chain.descend(one.key, one.word, one.at, one.last_index) for one in proofs]
    assert lanes.descend_all(proofs) == expected


def test_indices_are_whole_numbers_of_32_bits() -> None:
    high = proof(at=chain.LENGTH_MAX, last_index=chain.LENGTH_MAX - 2)
    assert lanes.descend_all([high]) == [
        chain.descend(high.key, high.word, high.at, high.last_index)
    ]


def test_a_word_of_another_length_leads_nowhere() -> None:
    good = proof(at=2)
    assert lanes.descend_all([proof(at=2, word=b"short"), good, proof(at=2, key=b"k" * 17)]) == [
        b"",
        chain.descend(good.key, good.word, 2, 0),
        b"",
    ]


def test_without_the_extra_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_kernel", lambda: None)
    assert lanes.descend_all([proof(at=2)]) is None
