import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Mismatch, OutOfRange, Overlimit, Unfit
from farthing.schemes.chain.upayword.commitment import Continuation, Opening, UpaywordCommitment
from tests.kit.upayword import Hand, scene

CONTINUATIONS, OPENINGS = codec.Reader(Continuation), codec.Reader(Opening)


@pytest.mark.parametrize(
    "changes",
    [
        {"chains": ((100, 5, "AAAAAAAAAAAAAAAAAAAAAA"), (200, 5, "AAAAAAAAAAAAAAAAAAAAAA"))},
        {"chains": ()},
        {"word_bytes": 9},
        {"word_bytes": 17},
    ],
)
def test_a_commitment_has_one_chain_of_words_of_10_to_16_bytes(changes: dict[str, object]) -> None:
    right = Hand(scene().certificate, 5).commitment
    with pytest.raises(Unfit):
        msgspec.structs.replace(right, **changes).__post_init__()
    msgspec.structs.replace(right, word_bytes=10).__post_init__()


@pytest.mark.parametrize(
    "changes", [{"length": 0}, {"length": 100_001}, {"number": 0}, {"before": 0}, {"number": 6}]
)
def test_a_continuation_out_of_range_is_not_read(changes: dict[str, int]) -> None:
    right = Hand(scene().certificate, 5, 5).chains[1]
    message = msgspec.to_builtins(right)
    assert CONTINUATIONS.convert(message) == right
    with pytest.raises(Unfit):
        CONTINUATIONS.convert(message | changes)


def test_every_field_of_a_continuation_is_signed() -> None:
    hand = Hand(scene().certificate, 5, 5)
    right = hand.chains[1]
    assert isinstance(right, Continuation)
    right.verify(hand.commitment)
    root = hand.root(1, 4)
    for changes in (
        {"before": 6}, {"length": 4}, {"number": 2}, {"root": root}, {"salt": root},
        {"sig": hand.commitment.sig},
    ):  # fmt: skip  # - one change each
        with pytest.raises(Forged):
            msgspec.structs.replace(right, **changes).verify(hand.commitment)


def test_the_size_of_words_is_signed_in_the_commitment() -> None:
    right = Hand(scene().certificate, 5).commitment
    right.verify()
    with pytest.raises(Forged):
        msgspec.structs.replace(right, word_bytes=10).verify()


def test_a_continuation_of_another_commitment_is_a_mismatch() -> None:
    mine, other = Hand(scene().certificate, 5, 5), Hand(scene().certificate, 5, slots=(1, 1))
    continuation = mine.chains[1]
    assert isinstance(continuation, Continuation)
    with pytest.raises(Mismatch, match="continuation_of_another_commitment"):
        continuation.verify(other.commitment)


def test_all_chains_stay_within_the_slots_of_the_commitment() -> None:
    hand = Hand(scene().certificate, 5, 995)
    assert hand.commitment.units_max == 1000
    last = hand.chains[1]
    assert isinstance(last, Continuation)
    last.verify(hand.commitment)
    hand.chains.pop()
    with pytest.raises(Overlimit, match="continuation_above_limit"):
        hand.after(996).verify(hand.commitment)


def test_chains_follow_one_after_the_other() -> None:
    hand = Hand(scene().certificate, 5, 6, 7)
    first, second, third = hand.chains
    assert isinstance(second, Continuation)
    assert isinstance(third, Continuation)
    second.require_after(first)
    third.require_after(second)
    for continuation, last in ((third, first), (second, third), (second, second)):
        with pytest.raises(OutOfRange, match="continuation_out_of_order"):
            continuation.require_after(last)
    for before in (second.before - 1, second.before + 1):
        with pytest.raises(OutOfRange, match="continuation_out_of_order"):
            msgspec.structs.replace(second, before=before).require_after(first)


def test_what_a_gate_keeps_of_a_chain_reads_back() -> None:
    hand = Hand(scene().certificate, 5, 6)
    first = Opening(commitment=hand.commitment)
    second = hand.chains[1]
    assert isinstance(second, Continuation)
    after = Opening(commitment=hand.commitment, continuation=second)
    for opening in (first, after):
        assert OPENINGS.read(codec.canonical(opening)) == opening
    assert (first.stretch, after.stretch) == (hand.commitment, second)
    assert isinstance(first.stretch, UpaywordCommitment)
    assert first.stretch.id != second.id
