"""The broker: keys of their epochs, and what is out of each."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import Expired, Forged, Malformed, NotYetValid
from farthing.marks import Put
from farthing.schemes.coin.blind import boxes
from farthing.schemes.coin.blind.coinage import slots, tag
from farthing.schemes.coin.blind.messages import exchange_header
from farthing.schemes.coin.deriving import maker_of
from farthing.schemes.coin.epochs import DAY_S, EPOCH_MAX, EPOCH_S, LATE_S, SKEW_S, epoch_at
from farthing.schemes.coin.outstanding import pool_of
from farthing.schemes.contract import Account
from tests.kit.blind import ANSWER_KEY, LOAD_MICRO, Scene, newer_key, pocket_of, refused, run
from tests.kit.parties import BROKER, NOW_S, on_the_wire, vendor_account

NOBODY = Account(id="", role="payer")


def out(scene: Scene, epoch: int, key: str = "k") -> int:
    """What is out of an epoch and a secret."""
    return scene.broker.balances[f"outstanding/{pool_of(epoch, key)}"]


def test_what_is_out_of_each_secret_stands_in_an_account_of_its_own() -> None:
    scene = Scene()
    old = scene.withdraw(100)
    scene.broker.ring.add(newer_key("ecash"))
    new = scene.withdraw()
    epoch = epoch_at(NOW_S).number
    assert (out(scene, epoch), out(scene, epoch, "knew")) == (100, LOAD_MICRO)
    scene.spend(old, 100)
    assert (out(scene, epoch), out(scene, epoch, "knew")) == (0, LOAD_MICRO), (
        "a thief finds nothing"
    )
    left = scene.spend(new, 3)
    assert left is not None
    assert out(scene, epoch, "knew") == left.worth_micro


def test_keys_sign_in_their_epoch_alone() -> None:
    scene = Scene()
    asked = scene.asked()
    epoch = epoch_at(NOW_S)
    scene.clock.now_s = epoch.signs_until_s + LATE_S + 1
    with pytest.raises(Expired, match="keyset_over"):
        refused(scene, "issue", asked.message, scene.account)
    scene.clock.now_s = epoch.not_before_s - SKEW_S - 1
    with pytest.raises(NotYetValid, match="keyset_not_yet_valid"):
        refused(scene, "issue", asked.message, scene.account)
    scene.clock.now_s = epoch.signs_until_s + LATE_S
    scene.received(asked)


@pytest.mark.parametrize("late_s", [0, SKEW_S, SKEW_S + 1])
def test_coins_come_back_whole_until_their_grace_is_over_and_are_breakage_then(late_s: int) -> None:
    scene = Scene()
    pocket = scene.withdraw()
    scene.pass_time(epoch_at(NOW_S).ends_at_s - NOW_S)
    giving = scene.payer.purse.give_back(pocket, scene.clock.at())
    scene.pass_time(late_s)
    if late_s > SKEW_S:
        with pytest.raises(Expired, match="coin_over"):
            refused(scene, "take_back", giving.message, scene.account)
    else:
        assert run(scene, "take_back", giving.message)["returnedMicro"] == LOAD_MICRO
    scene.pass_time(DAY_S)
    assert scene.micro("outstanding") == 0
    assert scene.micro("breakage") == -scene.micro("payer") == LOAD_MICRO * (late_s > SKEW_S)


def test_an_exchange_of_an_older_epochs_coins_moves_what_is_out() -> None:
    scene = Scene()
    old = scene.withdraw()
    scene.clock.now_s += EPOCH_S
    newer = pocket_of(scene.withdraw(1))
    mixed = msgspec.structs.replace(newer, coins=(), counters={}, number=50)
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, 50)
    made, _ = slots(mixed.keysets, (9, 8, 7, 6, 5, 3), {})
    held = pocket_of(old)
    own = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    box = boxes.Box(
        header=exchange_header("ecash", BROKER),
        answer_key=ANSWER_KEY,
        coins=tuple(scene.coinage.coin(own, one.slot, one.signature) for one in held.coins),
        outputs=tuple(scene.coinage.output(maker, mixed.keysets, slot) for slot in made),
    )
    texts = boxes.seal(
        tag("ecash", "sealed"), codec.unb64u(mixed.keysets.sealing), box, scene.clock.at().entropy
    )
    run(scene, "issue", {"exchange": texts}, NOBODY)
    epoch = epoch_at(NOW_S).number
    assert out(scene, epoch) == 0
    assert out(scene, epoch + 1) == LOAD_MICRO + 1


def test_a_payment_that_was_reserved_and_is_void_leaves_what_is_out_as_it_was() -> None:
    scene = Scene()
    paid, _ = scene.pay(scene.withdraw(), 3)
    mint, at = scene.mint, scene.clock.at()
    checked = mint.check("redeem", on_the_wire(paid.payload), vendor_account(), at)
    memory = scene.broker.read(mint.recall(checked))
    applied = mint.apply(checked, memory, at)
    shared = [one for one in applied.records if one.key.startswith(mint.shared)]
    assert shared
    between = {one.key: one.value for one in shared if isinstance(one, Put)}
    after = mint.put_back(applied, msgspec.structs.replace(memory, records=between), at)
    assert {one.key: one.value for one in after} == {
        key: scene.broker.records[key] for key in between
    }


def test_a_list_is_asked_for_by_a_name_that_an_epoch_has() -> None:
    scene = Scene()
    last = epoch_at(NOW_S).number
    present = run(scene, "issue", {"list": "current"}, NOBODY)
    for same in (last, present["keysets"][0]["id"]):
        assert run(scene, "issue", {"list": same}, NOBODY) == present
    strange = (
        ("other", Malformed),
        (EPOCH_MAX + 1, Malformed),
        (codec.b64u(bytes(16)), Forged),
        (EPOCH_MAX, NotYetValid),
        (last - 3, Expired),
    )
    for name, refusal in strange:
        with pytest.raises(refusal):
            refused(scene, "issue", {"list": name}, NOBODY)
