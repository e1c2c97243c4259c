from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.codec import enc
from farthing.crypto import chain, lanes
from farthing.errors import Forged
from tests.kit.hashing import count_links

SALT, SEED = bytes(range(16)), bytes(range(16, 32))
LENGTH = 50


def word_at(index: int, salt: bytes = SALT) -> bytes:
    return chain.descend(chain.link_key(salt), SEED, LENGTH, index)


def test_a_link_is_one_compression_of_key_index_and_word() -> None:
    key = sha256(enc("farthing/chain/link/1", SALT)).digest()[:16]
    link = enc(key, (LENGTH - 1).to_bytes(4, "big"), SEED)
    assert len(link) == 48
    assert chain.link_key(SALT) == key
    assert word_at(LENGTH - 1) == sha256(link).digest()[:16]


def test_root_is_the_word_at_index_nought() -> None:
    assert chain.root_of(SALT, SEED, LENGTH) == word_at(0)


@settings(max_examples=100)
@given(st.data(), st.sampled_from([10, 16]), st.integers(1, 200))
def test_a_word_of_a_known_chain_is_the_one_that_its_links_lead_to(
    data: st.DataObject, size: int, length: int
) -> None:
    key, seed = chain.link_key(SALT), SEED[:size]
    index = data.draw(st.integers(0, length))
    assert chain.word_of(key, seed, length, index) == chain.descend(key, seed, length, index)


@settings(max_examples=50)
@given(st.integers(0, LENGTH), st.integers(0, LENGTH))
def test_a_higher_word_proves_every_lower_one(one: int, other: int) -> None:
    last, index = sorted((one, other))
    chain.verify_word(chain.link_key(SALT), word_at(index), index, word_at(last), last)


@settings(max_examples=50)
@given(st.integers(1, LENGTH), st.binary(max_size=20))
def test_any_other_word_is_forged(index: int, word: bytes) -> None:
    if word != word_at(index):
        with pytest.raises(Forged, match="word_does_not_hash_to_last"):
            chain.verify_word(chain.link_key(SALT), word, index, word_at(0), 0)


def test_a_word_is_good_at_its_own_index_and_chain_only() -> None:
    key = chain.link_key(SALT)
    for word, index, last in (
        (word_at(7), 8, 5),
        (word_at(7), 6, 5),
        (word_at(7), 7, 6 - 1 + 2),
        (word_at(7, salt=bytes(16)), 7, 5),
        (word_at(7) + b"\0", 7, 5),
        (word_at(7)[:15], 7, 5),
    ):
        with pytest.raises(Forged):
            chain.verify_word(key, word, index, word_at(5), last)
    with pytest.raises(Forged):
        chain.verify_word(chain.link_key(bytes(16)), word_at(7), 7, word_at(5), 5)


@pytest.mark.parametrize("length", [4095, 4096, 4097, 5000])
def test_links_beyond_the_ready_made_ones_are_the_same(length: int) -> None:
    key = chain.link_key(SALT)
    word = SEED
    for index in range(length - 1, length - 4, -1):
        word = sha256(enc(key, index.to_bytes(4, "big"), word)).digest()[:16]
    assert chain.descend(key, SEED, length, length - 3) == word
    assert chain.before(key, SEED, length) == chain.descend(key, SEED, length, length - 1)


def proof_of(salt: bytes) -> chain.Proof:
    """A true one, 35 links long."""
    return chain.Proof(chain.link_key(salt), word_at(40, salt), 40, word_at(5, salt), 5)


@pytest.mark.parametrize("is_compiled", [True, False])
@pytest.mark.parametrize("count", [3, 100])
def test_many_proofs_are_judged_one_by_one(
    monkeypatch: pytest.MonkeyPatch, count: int, *, is_compiled: bool
) -> None:
    if not is_compiled:
        monkeypatch.setattr(lanes, "_kernel", lambda: None)
    assert (count * LENGTH // 2 >= chain.BULK) == (count == 100), "both ways are tried"
    true = proof_of(SALT)
    wrong = [
        true._replace(word=word_at(39)),
        true._replace(last_word=word_at(4)),
        true._replace(at=41),
        true._replace(word=word_at(40)[:15]),
        true._replace(word=word_at(40) + b"\0"),
        true._replace(key=bytes(16)),
    ]
    proofs = [proof_of(bytes([n] * 16)) for n in range(count)] + wrong + [true]
    assert chain.are_proved(proofs) == [True] * count + [False] * len(wrong) + [True]


def test_a_proof_that_comes_several_times_is_hashed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    true, other = proof_of(SALT), proof_of(bytes(16))
    wrong = true._replace(last_word=word_at(4))
    hashed = count_links(monkeypatch)
    assert (
        chain.are_proved([true, wrong, true, other, wrong] * 20)
        == [
            *(True, False, True, True, False),
        ]
        * 20
    )
    assert hashed() == 3 * 35
