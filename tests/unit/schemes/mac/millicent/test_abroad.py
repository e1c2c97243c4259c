"""Another broker's scrip at this broker's mint; the brokers themselves are in the integration."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import Busy, Mismatch, Refusal, Replayed, WrongVendor
from farthing.schemes.contract import Abroad, Applied, Json
from farthing.schemes.mac.millicent.abroad import Errand
from tests.kit.flips import bit_flips
from tests.kit.millicent import Scene, held
from tests.kit.parties import NOW_S, VENDOR, on_the_wire, payer_account

PEER = "south"
ORDER = {"broker": PEER, "valueMicro": 3_000, "vendor": VENDOR}


def begun(scene: Scene, message: Json = None, operation: Any = "issue") -> Abroad:
    applied = scene.broker.run(operation, message or ORDER, scene.payer.account)
    assert isinstance(applied, Abroad)
    return applied


def resumed(scene: Scene, abroad: Abroad, outcome: Json | Refusal) -> Applied:
    """The second half, as the engine runs it."""
    broker, at = scene.broker, scene.clock.at()
    checked = broker.mint.resume(abroad.kept, outcome, at)
    memory = broker.read(broker.mint.recall(checked))
    applied = broker.mint.apply(checked, memory, at)
    broker._write(applied)
    return applied


def piece_of(scene: Scene, micro: int = 3_000) -> dict[str, Json]:
    """What a peer would answer."""
    own = held(scene.buy(micro))
    return {"scrip": msgspec.to_builtins(own.scrip), "secret": own.secret}


def test_the_price_is_on_hold_until_the_peer_has_sold() -> None:
    scene = Scene()
    answer = piece_of(scene)
    before = scene.broker.balances["payer/ann"]
    abroad = begun(scene)
    assert (abroad.peer, abroad.operation) == (PEER, "issue")
    assert abroad.message == {"exact": True, "valueMicro": 3_000, "vendor": VENDOR}
    assert scene.broker.balances["payer/ann"] == before - 3_000
    assert scene.broker.balances[f"hold/{abroad.hold}"] == 3_000
    applied = resumed(scene, abroad, answer)
    assert applied.answer == answer
    assert scene.broker.balances[f"hold/{abroad.hold}"] == 0
    assert scene.broker.balances[f"peer/{PEER}"] == 3_000


def test_a_refusal_undoes_all_of_it() -> None:
    scene = Scene()
    before = scene.broker.snapshot()
    abroad = begun(scene)
    resumed(scene, abroad, WrongVendor("vendor_unknown"))
    after: Any = scene.broker.snapshot()
    balances = {name: micro for name, micro in after[3].items() if micro}
    assert (*after[:3], balances) == before


@pytest.mark.parametrize(
    "changed",
    [
        {"valueMicro": 2_999},
        {"valueMicro": 3_001},
        {"vendor": "other"},
        {"currency": "usd"},
        {"expiresS": NOW_S},
        {"props": "student=true"},
        {"serial": 7},
    ],
)
def test_another_piece_than_was_ordered_is_not_sold_on(changed: dict[str, Json]) -> None:
    scene = Scene()
    answer = piece_of(scene)
    abroad = begun(scene)
    for wrong in (answer | {"scrip": answer["scrip"] | changed}, answer | {"secret": "AA"}, None):
        with pytest.raises(Mismatch, match="peer_answered_wrongly"):
            scene.broker.mint.resume(abroad.kept, wrong, scene.clock.at())


def test_a_peers_answer_with_any_bit_flipped_is_right_or_a_mismatch() -> None:
    scene = Scene()
    answer = piece_of(scene)
    abroad = begun(scene)
    for flipped in bit_flips(codec.canonical(answer)):
        try:
            value = codec.read_json(flipped)
        except Refusal:
            continue
        try:
            checked = scene.broker.mint.resume(abroad.kept, value, scene.clock.at())
        except Mismatch:
            continue
        assert checked.message.scrip.value_micro == 3_000
        assert checked.message.scrip.vendor == VENDOR


def receipt_of(scene: Scene) -> dict[str, Json]:
    asked = scene.payer.purse.give_back(scene.buy(), scene.clock.at())
    return {"broker": PEER, "burn": scene.vendor.burn(asked.message)}


def test_a_receipt_is_noted_passed_on_and_credited_once() -> None:
    scene = Scene()
    message = receipt_of(scene)
    abroad = begun(scene, message, "take_back")
    assert (abroad.message, abroad.flows) == (on_the_wire(message["burn"]), ())
    with pytest.raises(Busy, match="receipt_under_way"):
        begun(scene, message, "take_back")
    with pytest.raises(Mismatch):
        scene.broker.mint.resume(abroad.kept, {"creditedMicro": 999}, scene.clock.at())
    before = scene.broker.balances["payer/ann"]
    resumed(scene, abroad, {"creditedMicro": 1_000})
    assert scene.broker.balances["payer/ann"] == before + 1_000
    assert scene.broker.balances[f"peer/{PEER}"] == -1_000
    repeat = scene.broker.run("take_back", message, scene.payer.account)
    assert (repeat.answer, repeat.flows) == ({"creditedMicro": 1_000}, ())
    with pytest.raises(Replayed):
        scene.broker.run("take_back", message, payer_account("thief"))


def test_a_refused_receipt_may_be_shown_again() -> None:
    scene = Scene()
    message = receipt_of(scene)
    resumed(scene, begun(scene, message, "take_back"), Replayed("serial_already_used"))
    assert begun(scene, message, "take_back").peer == PEER


def test_what_is_remembered_is_told_in_no_repr() -> None:
    scene = Scene()
    answer = piece_of(scene)
    abroad = begun(scene)
    checked = scene.broker.mint.resume(abroad.kept, answer, scene.clock.at())
    assert str(answer["secret"]) not in repr(checked)
    assert isinstance(checked.message.errand, Errand)


def test_an_order_at_the_broker_itself_may_name_it() -> None:
    scene = Scene()
    own = {"broker": scene.broker.mint.setting.broker_id, "valueMicro": 5, "vendor": VENDOR}
    assert not isinstance(scene.broker.run("issue", own, scene.payer.account), Abroad)


def test_an_order_takes_the_wanted_properties_along() -> None:
    scene = Scene(props="student=true")
    assert begun(scene, ORDER | {"props": "student=true"}).message["props"] == "student=true"


@pytest.mark.parametrize("operation", ["issue", "take_back"])
def test_what_a_peer_refused_is_undone_as_what_it_was(operation: str) -> None:
    scene = Scene()
    message = ORDER if operation == "issue" else receipt_of(scene)
    abroad = begun(scene, message, operation)
    refused = WrongVendor("vendor_unknown")
    assert scene.broker.mint.resume(abroad.kept, refused, scene.clock.at()).operation == operation
