import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.crypto import agreement, sealing
from farthing.errors import Forged, Malformed
from farthing.schemes.coin.blind import boxes
from tests.kit.canaries import canary, draw

SECRET = canary("box")
PUBLIC = agreement.public_of(SECRET)
ENTROPY = draw("box", agreement.ENTROPY_BYTES)
TAG = "farthing/test/sealed/1"


def box_of(count: int = 2, outputs: int = 3) -> boxes.Box:
    return boxes.Box(
        header=draw("header", 32),
        answer_key=draw("key", 32),
        coins=tuple(draw(f"coin{n}", 300 + n) for n in range(count)),
        outputs=tuple(draw(f"output{n}", 277) for n in range(outputs)),
    )


@pytest.mark.parametrize(("count", "outputs"), [(1, 0), (2, 3), (60, 60)])
def test_a_box_comes_out_as_it_went_in(count: int, outputs: int) -> None:
    texts = boxes.seal(TAG, PUBLIC, box_of(count, outputs), ENTROPY)
    assert all(len(text) <= boxes.TEXT_CHARS for text in texts)
    assert len(texts) <= boxes.TEXTS_MAX
    assert boxes.unseal(TAG, [SECRET], texts) == box_of(count, outputs)
    assert boxes.unseal(TAG, [canary("newer"), SECRET], texts) == box_of(count, outputs)


def test_only_its_receiver_opens_a_box() -> None:
    texts = boxes.seal(TAG, PUBLIC, box_of(), ENTROPY)
    for secrets in ([canary("other")], [canary("other"), canary("third")]):
        with pytest.raises(Forged, match="seal_broken"):
            boxes.unseal(TAG, secrets, texts)


@settings(max_examples=30)
@given(st.integers(0, 2**31))
def test_each_flipped_bit_of_a_box_is_forged(at: int) -> None:
    raw = bytearray(boxes.joined(boxes.seal(TAG, PUBLIC, box_of(), ENTROPY)))
    raw[at % len(raw)] ^= 1 << at % 8
    with pytest.raises(Forged):
        boxes.unseal(TAG, [SECRET], boxes.texts(bytes(raw)))


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["A"], ["AA", "AA"], ["A" * 4097], ["A" * 4096] * 17, ["A" * 4096, ""]],
    ids=str,
)
def test_texts_cut_in_another_way_are_malformed(texts: list[str]) -> None:
    with pytest.raises(Malformed):
        boxes.joined(texts)


@pytest.mark.parametrize("cut", [-1, 1, -341])
def test_a_box_of_another_length_than_it_says_is_malformed(cut: int) -> None:
    plain = agreement.unseal_with(
        SECRET, TAG, boxes.joined(boxes.seal(TAG, PUBLIC, box_of(), ENTROPY))
    )
    changed = plain[:cut] if cut < 0 else plain + bytes(cut)
    texts = boxes.texts(agreement.seal_to(PUBLIC, TAG, changed, ENTROPY))
    with pytest.raises(Malformed, match="box_malformed"):
        boxes.unseal(TAG, [SECRET], texts)


@pytest.mark.parametrize(("count", "outputs"), [(0, 0), (0, 2), (61, 0), (1, 61)])
def test_a_box_without_coins_or_with_too_many_is_malformed(count: int, outputs: int) -> None:
    texts = boxes.seal(TAG, PUBLIC, box_of(count, outputs), ENTROPY)
    with pytest.raises(Malformed, match="box_malformed"):
        boxes.unseal(TAG, [SECRET], texts)


def test_less_in_a_box_than_every_box_has_is_malformed() -> None:
    texts = boxes.texts(agreement.seal_to(PUBLIC, TAG, b"", ENTROPY))
    with pytest.raises(Malformed, match="box_malformed"):
        boxes.unseal(TAG, [SECRET], texts)


def test_an_answer_is_opened_with_its_key_and_for_its_box_alone() -> None:
    key, header, signatures = draw("key", 32), draw("header", 32), [draw("s", 256)] * 3
    texts = boxes.seal_answer(key, header, signatures)
    assert boxes.unseal_answer(key, header, texts, 256) == signatures
    assert boxes.seal_answer(key, header, signatures) == texts
    for wrong_key, wrong_header in ((draw("k2", 32), header), (key, draw("h2", 32))):
        with pytest.raises(Forged):
            boxes.unseal_answer(wrong_key, wrong_header, texts, 256)
    with pytest.raises(Malformed, match="answer_malformed"):
        boxes.unseal_answer(key, header, boxes.seal_answer(key, header, [b"short"]), 256)


def test_two_answers_under_one_key_have_nonces_of_their_own() -> None:
    key, header, one, two = (draw(name, 32) for name in ("key", "header", "one", "two"))
    answers = [
        boxes.seal_answer(key, *what)
        for what in ((header, [one]), (header, [two]), (draw("h2", 32), [one]))
    ]
    nonces = {boxes.joined(texts)[: sealing.NONCE_BYTES] for texts in answers}
    assert len(nonces) == len(answers)


def test_nothing_that_pays_is_shown() -> None:
    box = box_of()
    assert repr(box) == "Box(2 coins, 3 outputs)"
