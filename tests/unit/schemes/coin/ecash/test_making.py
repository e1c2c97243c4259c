import pytest

from farthing.errors import Forged
from farthing.schemes.coin.deriving import Maker, maker_of
from farthing.schemes.coin.ecash.making import (
    answer_key,
    coin_of,
    output_of,
    payer_secret,
    signature_of,
    signatures_of,
    slots,
)
from tests.kit.ecash import Scene, pocket_of
from tests.kit.parties import BROKER


def makers(scene: Scene) -> tuple[Maker, Maker]:
    """Of two pockets."""
    ring = scene.payer.purse.setting.ring
    return maker_of(ring, BROKER, 7), maker_of(ring, BROKER, 8)


def test_counters_go_on_for_each_keyset_by_itself() -> None:
    keysets = pocket_of(Scene().withdraw()).keysets
    first, counters = slots(keysets, (3, 3, 0), {})
    again, after = slots(keysets, (3, 1), counters)
    assert [slot.counter for slot in first] == [0, 1, 0]
    assert [slot.counter for slot in again] == [2, 0]
    assert sorted(after.values()) == [1, 1, 3]
    assert [slot.micro for slot in first] == [8, 8, 1]


def test_one_slot_makes_one_coin_and_another_slot_or_pocket_another() -> None:
    scene = Scene()
    keysets = pocket_of(scene.withdraw()).keysets
    made, _ = slots(keysets, (3, 3), {})
    found = {coin_of(maker, slot, b"").serial for maker in makers(scene) for slot in made}
    assert len(found) == 4
    outputs = {output_of(maker, keysets, slot).blinded for maker in makers(scene) for slot in made}
    assert len(outputs) == 4
    one = output_of(makers(scene)[0], keysets, made[0])
    assert output_of(makers(scene)[0], keysets, made[0]) == one
    assert one.blinded in outputs


def test_payments_have_codes_and_answer_keys_of_their_own() -> None:
    maker, other = makers(Scene())
    found = {make(of, n) for make in (payer_secret, answer_key) for of in (maker, other)
             for n in (0, 1)}  # fmt: skip  # - one set
    assert len(found) == 8


def test_a_signature_of_another_output_or_one_too_few_is_forged() -> None:
    scene = Scene()
    asked = scene.asked(3)
    pocket = pocket_of(scene.received(asked))
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, pocket.number)
    slot = pocket.coins[0].slot
    for blind in (bytes(256), b"", pocket.coins[1].signature):
        with pytest.raises(Forged, match="signature_wrong"):
            signature_of(maker, pocket.keysets, slot, blind)
    with pytest.raises(Forged, match="signatures_missing"):
        signatures_of(maker, pocket.keysets, (slot,), [])
