import pytest

from farthing import codec
from farthing.errors import Expired, Malformed, NotYetValid
from farthing.schemes.coin.blind.messages import PERIOD_MAX
from farthing.schemes.contract import Json
from tests.kit.blind import PRICE_MICRO, Scene
from tests.kit.parties import binding_of, on_the_wire


def test_a_payment_is_taken_in_its_epochs_alone() -> None:
    scene = Scene()
    payload = on_the_wire(scene.pay(scene.withdraw())[0].payload)

    def take(change: dict[str, Json]) -> None:
        till, at = scene.vendor.till, scene.clock.at()
        payment = till.read(codec.canonical(payload | change))
        memory = scene.broker.read(till.recall(payment))
        till.take(payment, till.offer(PRICE_MICRO, at), binding_of(), memory, at)

    take({})
    with pytest.raises(NotYetValid, match="keyset_not_yet_valid"):
        take({"period": PERIOD_MAX})
    with pytest.raises(Malformed):
        take({"period": PERIOD_MAX + 1})
    with pytest.raises(Expired, match="coin_expired"):
        take({"period": 0})
