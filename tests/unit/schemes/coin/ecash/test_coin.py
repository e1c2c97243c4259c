import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.crypto import agreement
from farthing.errors import Forged, Malformed
from farthing.schemes.coin.ecash import coin as coins
from farthing.schemes.coin.ecash.keyset import Ref
from tests.kit.canaries import canary, draw

SECRET = canary("box")
PUBLIC = agreement.public_of(SECRET)
ENTROPY = draw("box", agreement.ENTROPY_BYTES)


def box_of(count: int = 2, outputs: int = 3) -> coins.Box:
    return coins.Box(
        header=draw("header", 32),
        answer_key=draw("key", 32),
        coins=tuple(
            coins.Coin(
                ref=Ref(200 + n, n, draw(f"id{n}", 16)),
                serial=draw(f"serial{n}", 32),
                prefix=draw(f"prefix{n}", 32),
                signature=draw(f"sig{n}", 256),
            )
            for n in range(count)
        ),
        outputs=tuple(
            coins.Output(ref=Ref(300, n, draw(f"oid{n}", 16)), blinded=draw(f"z{n}", 256))
            for n in range(outputs)
        ),
    )


@pytest.mark.parametrize(("count", "outputs"), [(1, 0), (2, 3), (60, 60)])
def test_a_box_comes_out_as_it_went_in(count: int, outputs: int) -> None:
    texts = coins.seal(PUBLIC, box_of(count, outputs), ENTROPY)
    assert all(len(text) <= coins.TEXT_CHARS for text in texts)
    assert len(texts) <= coins.TEXTS_MAX
    assert coins.unseal([SECRET], texts) == box_of(count, outputs)
    assert coins.unseal([canary("newer"), SECRET], texts) == box_of(count, outputs)


def test_only_its_receiver_opens_a_box() -> None:
    texts = coins.seal(PUBLIC, box_of(), ENTROPY)
    for secrets in ([canary("other")], [canary("other"), canary("third")]):
        with pytest.raises(Forged, match="seal_broken"):
            coins.unseal(secrets, texts)


@settings(max_examples=30)
@given(st.integers(0, 2**31))
def test_each_flipped_bit_of_a_box_is_forged(at: int) -> None:
    raw = bytearray(coins.joined(coins.seal(PUBLIC, box_of(), ENTROPY)))
    raw[at % len(raw)] ^= 1 << at % 8
    with pytest.raises(Forged):
        coins.unseal([SECRET], coins.texts(bytes(raw)))


@pytest.mark.parametrize(
    "texts",
    [[], [""], ["A"], ["AA", "AA"], ["A" * 4097], ["A" * 4096] * 17, ["A" * 4096, ""]],
    ids=str,
)
def test_texts_cut_in_another_way_are_malformed(texts: list[str]) -> None:
    with pytest.raises(Malformed):
        coins.joined(texts)


@pytest.mark.parametrize("cut", [-1, 1, -341])
def test_a_box_of_another_length_than_it_says_is_malformed(cut: int) -> None:
    plain = agreement.unseal_with(
        SECRET, coins._BOX_TAG, coins.joined(coins.seal(PUBLIC, box_of(), ENTROPY))
    )
    changed = plain[:cut] if cut < 0 else plain + bytes(cut)
    texts = coins.texts(agreement.seal_to(PUBLIC, coins._BOX_TAG, changed, ENTROPY))
    with pytest.raises(Malformed, match="box_malformed"):
        coins.unseal([SECRET], texts)


@pytest.mark.parametrize(("count", "outputs"), [(0, 0), (0, 2), (61, 0), (1, 61)])
def test_a_box_without_coins_or_with_too_many_is_malformed(count: int, outputs: int) -> None:
    texts = coins.seal(PUBLIC, box_of(count, outputs), ENTROPY)
    with pytest.raises(Malformed, match="box_malformed"):
        coins.unseal([SECRET], texts)


def test_less_in_a_box_than_every_box_has_is_malformed() -> None:
    texts = coins.texts(agreement.seal_to(PUBLIC, coins._BOX_TAG, b"", ENTROPY))
    with pytest.raises(Malformed, match="box_malformed"):
        coins.unseal([SECRET], texts)


def test_an_answer_is_opened_with_its_key_and_for_its_box_alone() -> None:
    key, header, signatures = draw("key", 32), draw("header", 32), [draw("s", 256)] * 3
    texts = coins.seal_answer(key, header, signatures)
    assert coins.unseal_answer(key, header, texts) == signatures
    assert coins.seal_answer(key, header, signatures) == texts
    for wrong_key, wrong_header in ((draw("k2", 32), header), (key, draw("h2", 32))):
        with pytest.raises(Forged):
            coins.unseal_answer(wrong_key, wrong_header, texts)
    with pytest.raises(Malformed, match="answer_malformed"):
        coins.unseal_answer(key, header, coins.seal_answer(key, header, [b"short"]))


def test_an_output_of_another_length_is_malformed() -> None:
    (output, *_) = box_of().outputs
    assert coins.read_output(output.raw) == output
    for raw in (b"", output.raw[:-1], output.raw + b"\0"):
        with pytest.raises(Malformed, match="output_malformed"):
            coins.read_output(raw)


def test_nothing_that_pays_is_shown() -> None:
    box = box_of()
    for shown in (repr(box), repr(box.coins[0])):
        assert box.coins[0].serial.hex() not in shown
        assert "serial" not in shown
