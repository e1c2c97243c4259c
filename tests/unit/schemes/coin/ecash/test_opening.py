import msgspec
import pytest

from farthing import codec
from farthing.errors import Expired, Forged, Malformed, Mismatch, OutOfRange
from farthing.schemes.coin.ecash import coin as coins
from farthing.schemes.coin.ecash.keyset import BrokerKeys
from farthing.schemes.coin.ecash.messages import PAYMENTS
from farthing.schemes.coin.ecash.opening import Opened, opened, signed, worth_micro
from farthing.schemes.coin.epochs import epoch_at
from tests.kit.ecash import PRICE_MICRO, Scene, broker_keys
from tests.kit.parties import NOW_S, Ring, on_the_wire, setting_of

KEYS = BrokerKeys(setting_of(Ring(*broker_keys())))
END_S = epoch_at(NOW_S).not_after_s


def shown(scene: Scene) -> tuple[tuple[str, ...], bytes]:
    paid, _ = scene.pay(scene.withdraw())
    payment = PAYMENTS.convert(on_the_wire(paid.payload))
    return payment.box, payment.header


def test_what_is_over_is_the_price() -> None:
    texts, header = shown(Scene())
    found = opened(KEYS, texts, header, NOW_S, pays=True)
    assert found.over_micro == PRICE_MICRO
    assert worth_micro(found.coins) - worth_micro(found.outputs) == PRICE_MICRO


def test_an_answer_is_there_where_something_was_to_be_signed() -> None:
    scene = Scene()
    exact, header = shown(scene)
    assert opened(KEYS, exact, header, NOW_S, pays=True).answer is None
    paid, _ = scene.pay(scene.withdraw(4), 2)
    payment = PAYMENTS.convert(on_the_wire(paid.payload))
    found = opened(KEYS, payment.box, payment.header, NOW_S, pays=True)
    assert (found.answer is None) == (not found.outputs)


def test_a_box_for_something_else_is_a_mismatch() -> None:
    texts, _ = shown(Scene())
    with pytest.raises(Mismatch, match="box_for_something_else"):
        opened(KEYS, texts, bytes(32), NOW_S, pays=True)


def test_coins_that_pay_no_more_are_exchanged_still() -> None:
    texts, header = shown(Scene())
    late_s = END_S + 1_000
    with pytest.raises(Expired, match="coin_expired"):
        opened(KEYS, texts, header, late_s, pays=True)
    assert opened(KEYS, texts, header, late_s, pays=False).over_micro == PRICE_MICRO


def test_another_brokers_box_is_forged() -> None:
    texts, header = shown(Scene())
    other = BrokerKeys(setting_of(Ring(*broker_keys("other"))))
    with pytest.raises(Forged, match="seal_broken"):
        opened(other, texts, header, NOW_S, pays=True)


def test_nothing_of_a_signature_is_shown() -> None:
    texts, header = shown(Scene())
    found = opened(KEYS, texts, header, NOW_S, pays=True)
    assert isinstance(found, Opened)
    assert "signature" not in repr(found)
    assert found.answer_key.hex() not in repr(found)


def test_each_output_is_signed_once_and_below_its_modulus_alone() -> None:
    scene = Scene()
    message = scene.asked(3).message
    output = coins.read_output(codec.unb64u(message["outputs"][0]))
    (one,) = signed(KEYS, (output,), NOW_S)
    assert one.micro == output.ref.micro
    with pytest.raises(Malformed, match="output_twice"):
        signed(KEYS, (output, output), NOW_S)
    too_large = msgspec.structs.replace(output, blinded=b"\xff" * 256)
    with pytest.raises(OutOfRange, match="blinded_out_of_range"):
        signed(KEYS, (too_large,), NOW_S)
