import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Malformed, Overlimit
from farthing.marks import Once
from farthing.schemes.chain.sticks.stick import AUTHS, SERIAL_BYTES
from tests.kit.sticks import SLOT_MICRO, Scene, resigned, stick_of


def test_a_serial_has_one_size() -> None:
    scene = Scene()
    stick = stick_of(scene, scene.open())
    assert len(codec.unb64u(stick.serial)) == SERIAL_BYTES
    for serial in ("", "AAAA", stick.serial + "A", "!" * 22):
        with pytest.raises(Malformed):
            msgspec.structs.replace(stick, serial=serial)


@pytest.mark.parametrize("field", ["auth", "serial"])
def test_its_payer_signs_its_serial_and_what_is_to_be_reserved(field: str) -> None:
    scene = Scene()
    stick = stick_of(scene, scene.open())
    stick.verify()
    other = {"auth": AUTHS[0], "serial": codec.b64u(bytes(SERIAL_BYTES))}[field]
    changed = msgspec.structs.replace(stick, **{field: other})
    with pytest.raises(Forged):
        changed.verify()


def test_one_on_credit_is_within_it_and_an_authorised_one_may_be_worth_more() -> None:
    scene = Scene()
    opened = scene.open()
    [(value, length, root)] = stick_of(scene, opened).chains
    assert value * length == SLOT_MICRO
    longer = ((value, length + 1, root),)
    stick_of(scene, resigned(scene, opened, chains=longer)).verify()
    credit = resigned(scene, opened, chains=longer, auth="offline")
    with pytest.raises(Overlimit, match="commitment_above_limit"):
        stick_of(scene, credit).verify()


def test_at_a_gate_a_serial_is_used_up_with_its_slots() -> None:
    scene = Scene()
    stick = stick_of(scene, scene.open())
    slot, serial = stick.slot_marks()
    assert serial == Once(id=stick.serial_key, until_s=slot.until_s)
