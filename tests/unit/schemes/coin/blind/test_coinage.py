import msgspec
import pytest

from farthing import codec
from farthing.errors import Conflict, Forged, Malformed
from farthing.schemes.coin.blind.coinage import (
    answer_key,
    payer_secret,
    require_one_line,
    signatures_of,
    slots,
)
from farthing.schemes.coin.cashu import CASHU
from farthing.schemes.coin.deriving import Maker, maker_of
from farthing.schemes.coin.epochs import EPOCH_S, LISTED_S, epoch_at
from farthing.schemes.contract import Account, AskFirst
from tests.kit import cashu
from tests.kit.blind import SCHEMES, Scene, newer_key, pocket_of, run
from tests.kit.parties import BROKER, NOW_S, binding_of, on_the_wire


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.traits.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Of each scheme of blind coins."""
    return Scene(request.param)


def makers(scene: Scene) -> tuple[Maker, Maker]:
    """Of two pockets."""
    ring = scene.payer.purse.setting.ring
    return maker_of(ring, BROKER, 7), maker_of(ring, BROKER, 8)


def test_counters_go_on_for_each_keyset_by_itself(scene: Scene) -> None:
    keysets = pocket_of(scene.withdraw()).keysets
    first, counters = slots(keysets, (3, 3, 0), {})
    again, after = slots(keysets, (3, 1), counters)
    assert [slot.counter for slot in first] == [0, 1, 0]
    assert [slot.counter for slot in again] == [2, 0]
    assert sorted(after.values()) == [1, 1, 3]
    assert [slot.micro for slot in first] == [8, 8, 1]


def test_a_list_goes_on_from_the_one_before_or_is_one_for_somebody_alone(scene: Scene) -> None:
    first = pocket_of(scene.withdraw()).keysets
    scene.broker.ring.add(newer_key(scene.scheme.traits.name))
    second = pocket_of(scene.withdraw()).keysets
    alone = msgspec.structs.replace(second, older=())
    for keys, known in ((first, first), (second, first), (first, second), (second, alone)):
        require_one_line(keys, known)
    changed = msgspec.structs.replace(first, sealing=second.sealing)
    for keys, known in ((alone, first), (changed, first), (first, changed)):
        with pytest.raises(Conflict, match="keysets_differ") as refused:
            require_one_line(keys, known)
        assert codec.b64u(keys.digest) in refused.value.detail
        assert codec.b64u(known.digest) in refused.value.detail


def test_another_end_makes_no_list_of_cashus_one_of_its_own() -> None:
    scene = Scene(CASHU)
    first = pocket_of(scene.withdraw()).keysets
    scene.broker.ring.add(cashu.key_of("ends", NOW_S + LISTED_S))
    ending = pocket_of(scene.withdraw()).keysets
    require_one_line(ending, first)
    with pytest.raises(Conflict, match="keysets_differ"):
        require_one_line(msgspec.structs.replace(ending, older=()), first)


def test_another_epochs_list_is_no_other_one() -> None:
    scene = Scene()
    first = pocket_of(scene.withdraw()).keysets
    scene.clock.now_s += EPOCH_S
    require_one_line(pocket_of(scene.withdraw()).keysets, first)


def test_a_pocket_takes_no_list_for_somebody_alone(scene: Scene) -> None:
    scene.clock.now_s = epoch_at(scene.clock.now_s).not_before_s  # all of it is in one epoch
    pocket = scene.spend(scene.withdraw(7), 1)
    assert pocket is not None
    new = newer_key(scene.scheme.traits.name)
    scene.broker.ring.add(new)
    scene.broker.ring.revoke(new.purpose, "k")
    scene.clock.now_s += LISTED_S
    offer, purse = scene.vendor.offer(1), scene.payer.purse
    first = purse.pay(pocket, offer, binding_of(), scene.clock.at())
    assert isinstance(first, AskFirst)
    with pytest.raises(Conflict, match="keysets_differ"):
        scene.received(first.asked)
    alone = run(scene, "issue", first.asked.message, Account(id="", role="payer"))
    with pytest.raises(Conflict, match="keysets_differ"):
        purse.pay(pocket, offer, binding_of(), scene.clock.at(), on_the_wire(alone))


def test_nothing_is_bought_under_a_list_for_somebody_alone(scene: Scene) -> None:
    held = scene.withdraw()
    new = newer_key(scene.scheme.traits.name)
    scene.broker.ring.add(new)
    scene.payer.purse.compare(scene.asked(), (held,))
    scene.broker.ring.revoke(new.purpose, "k")
    alone = scene.asked()
    scene.payer.purse.compare(alone, ())
    with pytest.raises(Conflict, match="keysets_differ"):
        scene.payer.purse.compare(alone, (held,))
    scene.payer.purse.compare(scene.payer.purse.remake(0, scene.clock.at()), (held,))


def test_one_slot_makes_one_coin_and_another_slot_or_pocket_another(scene: Scene) -> None:
    keysets = pocket_of(scene.withdraw()).keysets
    made, _ = slots(keysets, (3, 3), {})
    found = {scene.coinage.mark(maker, slot, b"") for maker in makers(scene) for slot in made}
    assert len(found) == 4
    outputs = {
        scene.coinage.output(maker, keysets, slot) for maker in makers(scene) for slot in made
    }
    assert len(outputs) == 4
    one = scene.coinage.output(makers(scene)[0], keysets, made[0])
    assert scene.coinage.output(makers(scene)[0], keysets, made[0]) == one
    assert one in outputs


def test_payments_have_codes_and_answer_keys_of_their_own(scene: Scene) -> None:
    maker, other = makers(scene)
    found = {make(scene.coinage, of, n) for make in (payer_secret, answer_key)
             for of in (maker, other) for n in (0, 1)}  # fmt: skip  # - one set
    assert len(found) == 8


def test_a_signature_of_another_output_or_one_too_few_is_forged(scene: Scene) -> None:
    asked = scene.asked(3)
    pocket = pocket_of(scene.received(asked))
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, pocket.number)
    slot = pocket.coins[0].slot
    for blind in (bytes(scene.coinage.blind_bytes), b"", pocket.coins[1].signature):
        with pytest.raises((Forged, Malformed)):
            scene.coinage.signature(maker, pocket.keysets, slot, blind)
    with pytest.raises(Forged, match="signatures_missing"):
        signatures_of(scene.coinage, maker, pocket.keysets, (slot,), [])
