import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Forged,
    Malformed,
    Mismatch,
    OutOfRange,
    Underpaid,
    WrongVendor,
)
from farthing.schemes.contract import Json, Taken
from tests.kit.blind import PRICE_MICRO, SCHEMES, Scene
from tests.kit.parties import binding_of, on_the_wire


@pytest.fixture(scope="module", params=SCHEMES, ids=lambda scheme: scheme.traits.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Of each scheme of blind coins."""
    return Scene(request.param)


@pytest.fixture(scope="module")
def payload(scene: Scene) -> dict[str, Json]:
    found: dict[str, Json] = on_the_wire(scene.pay(scene.withdraw())[0].payload)
    return found


def take(scene: Scene, payload: dict[str, Json], price_micro: int = PRICE_MICRO) -> Taken:
    till, at = scene.vendor.till, scene.clock.at()
    payment = till.read(codec.canonical(payload))
    offer = till.offer(price_micro, at)
    memory = scene.broker.read(till.recall(payment))
    return till.take(payment, offer, binding_of(), memory, at)


def test_a_payment_is_worth_its_price_and_clears_before_the_goods_go_out(
    scene: Scene, payload: dict[str, Json]
) -> None:
    taken = take(scene, payload)
    assert (taken.value_micro, taken.moment) == (PRICE_MICRO, "before")
    (claim,) = taken.claims
    assert codec.read_json(claim.body) == payload
    assert scene.vendor.till.finish(taken, ["box"], scene.clock.at()).change == ["box"]


def test_coins_for_another_vendor_price_or_request_are_refused(
    scene: Scene, payload: dict[str, Json]
) -> None:
    with pytest.raises(WrongVendor, match="payment_for_another_vendor"):
        take(scene, payload | {"vendor": "daily"})
    with pytest.raises(Underpaid, match="coins_below_price"):
        take(scene, payload, PRICE_MICRO + 1)
    with pytest.raises(Mismatch, match="price_not_the_offer_s"):
        take(scene, payload, PRICE_MICRO - 1)
    with pytest.raises(Mismatch, match="payment_for_another_order"):
        take(scene, payload | {"order": codec.b64u(bytes(32))})


@pytest.mark.parametrize(
    "change",
    [
        {"box": []},
        {"box": ["A"] * 17},
        {"box": "A"},
        {"order": "A"},
        {"payer": "A"},
        {"more": 1},
        {"priceMicro": "200"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_payload_of_another_form_is_malformed(
    scene: Scene, payload: dict[str, Json], change: dict[str, Json]
) -> None:
    with pytest.raises(Malformed):
        take(scene, payload | change)


def test_prices_and_vendors_have_limits(scene: Scene, payload: dict[str, Json]) -> None:
    for change in ({"priceMicro": 0}, {"priceMicro": 10**9 + 1}, {"vendor": "No Name"}):
        with pytest.raises((Malformed, OutOfRange)):
            take(scene, payload | change)
    for price_micro in (0, 10**9 + 1):
        with pytest.raises(OutOfRange, match="price_out_of_range"):
            scene.vendor.offer(price_micro)


def test_only_the_payer_can_ask_for_the_outcome(scene: Scene) -> None:
    paid, offer = scene.pay(scene.withdraw())
    taken = scene.vendor.serve(paid.payload, offer).taken
    proof = scene.payer.purse.prove(paid.spent, b"statement")
    scene.vendor.till.verify_owner(taken.owner, b"statement", proof)
    with pytest.raises(Forged):
        scene.vendor.till.verify_owner(taken.owner, b"another", proof)
    other = f"ed25519:{codec.b64u(signing.sign(bytes(32), b'statement'))}"
    with pytest.raises(Forged):
        scene.vendor.till.verify_owner(taken.owner, b"statement", other)


def test_two_payments_of_one_pocket_have_nothing_in_common(scene: Scene) -> None:
    pocket = scene.withdraw()
    first, offer = scene.pay(pocket)
    (left,) = scene.deposit(first, offer).instruments
    second, _ = scene.pay(left)
    assert first.payload["payer"] != second.payload["payer"]
    assert not set(first.payload["box"]) & set(second.payload["box"])
