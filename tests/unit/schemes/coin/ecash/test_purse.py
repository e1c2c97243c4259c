"""The wallet: lists of their epochs, and coins that end."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import Expired, Forged, Malformed, Mismatch, OutOfRange
from farthing.schemes.coin.ecash.keyset import BrokerKeys
from farthing.schemes.coin.epochs import EPOCH_S, Epoch, epoch_at
from farthing.schemes.contract import Account, Asked, AskFirst, Json, Need
from tests.kit.blind import LOAD_MICRO, Scene, broker_keys
from tests.kit.parties import NOW_S, Ring, binding_of, on_the_wire, setting_of

NOBODY = Account(id="", role="payer")


def list_answer(name: str = "", epoch: Epoch | None = None) -> Json:
    keys = BrokerKeys(setting_of(Ring(*broker_keys(name=name))))
    return on_the_wire(msgspec.to_builtins(keys.list_of(epoch or epoch_at(NOW_S))))


def ask(scene: Scene, amount_micro: int = LOAD_MICRO) -> Asked:
    need = Need(amount_micro=amount_micro, currency="eur")
    return scene.payer.purse.ask(need, scene.clock.at(7))


def test_a_list_of_another_broker_or_epoch_or_unsigned_is_refused() -> None:
    scene, purse = Scene(), Scene().payer.purse
    listing = ask(scene)
    good = list_answer()
    assert isinstance(purse.receive(listing, good, scene.clock.at()), Asked)
    for answer, kind in (
        (good | {"broker": "other"}, Mismatch),
        (good | {"sig": codec.b64u(bytes(64))}, Forged),
        (list_answer(epoch=Epoch(epoch_at(NOW_S).number - 2)), Expired),
        (good | {"keysets": good["keysets"][:-1]}, Forged),
        (good | {"more": 1}, Malformed),
        ({}, Malformed),
    ):
        with pytest.raises(kind):
            purse.receive(listing, answer, scene.clock.at())


def test_an_old_list_is_asked_anew_where_change_is_due_and_only_there() -> None:
    scene = Scene()
    pocket = scene.withdraw(4)  # 2, 1, 1
    pocket = scene.spend(pocket, 1) or pocket
    pocket = scene.spend(pocket, 1) or pocket
    scene.clock.now_s += EPOCH_S
    exact, _ = scene.pay(pocket, 2)
    assert exact.payload["period"] == epoch_at(NOW_S).number
    offer = scene.vendor.offer(1)
    first = scene.payer.purse.pay(pocket, offer, binding_of(), scene.clock.at())
    assert isinstance(first, AskFirst)
    assert first.asked.bearer
    answer = on_the_wire(scene.broker.run("issue", first.asked.message, NOBODY).answer)
    paid = scene.payer.purse.pay(pocket, offer, binding_of(), scene.clock.at(), answer)
    assert not isinstance(paid, AskFirst)
    (left,) = scene.deposit(paid, offer).instruments
    assert left.worth_micro == 1
    assert left.expires_at_s > pocket.expires_at_s
    found = scene.payer.purse.receive(first.asked, answer, scene.clock.at())
    assert not isinstance(found, Asked)
    (renewed,) = found
    assert renewed.worth_micro == pocket.worth_micro


def test_coins_that_pay_no_more_are_not_shown() -> None:
    scene = Scene()
    pocket = scene.withdraw(4)
    scene.clock.now_s = epoch_at(NOW_S).not_after_s
    with pytest.raises(OutOfRange, match="coins_below_price"):
        scene.payer.purse.pay(pocket, scene.vendor.offer(1), binding_of(), scene.clock.at())
