"""The must-holds of blind coins at the deposit: each once, for one vendor, in its time."""

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Expired,
    Forged,
    Malformed,
    Mismatch,
    Replayed,
    Revoked,
    WrongVendor,
)
from farthing.schemes.coin.blind.coinage import payer_secret
from farthing.schemes.coin.blind.messages import PAYMENTS
from farthing.schemes.coin.cashu import CASHU
from farthing.schemes.coin.deriving import maker_of
from farthing.schemes.coin.epochs import DAY_S, EPOCH_S, GRACE_S, SKEW_S, epoch_at
from farthing.schemes.contract import Json
from tests.kit.blind import (
    LOAD_MICRO,
    PRICE_MICRO,
    SCHEMES,
    Scene,
    boxed,
    pocket_of,
    refused,
    run,
)
from tests.kit.canaries import canary
from tests.kit.parties import BROKER, NOW_S, VENDOR, on_the_wire, vendor_account


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.traits.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Of each scheme of blind coins."""
    return Scene(request.param)


@pytest.mark.parametrize("price_micro", [1, 200, 488, 489, 999, 1000])
def test_coins_are_worth_the_price_and_the_change(scene: Scene, price_micro: int) -> None:
    left = scene.spend(scene.withdraw(), price_micro)
    assert (left.worth_micro if left else 0) == LOAD_MICRO - price_micro
    assert scene.micro("vendor", VENDOR) == price_micro
    assert scene.micro("outstanding") == LOAD_MICRO - price_micro
    while left is not None:
        left = scene.spend(left, 1 if left.worth_micro % 7 else left.worth_micro)
    assert scene.micro("outstanding") == 0


def test_a_coin_is_deposited_once(scene: Scene) -> None:
    pocket = scene.withdraw()
    paid, offer = scene.pay(pocket)
    scene.deposit(paid, offer)
    with pytest.raises(Replayed, match="coin_spent"):
        refused(scene, "redeem", on_the_wire(paid.payload), vendor_account())


def test_none_of_the_other_coins_is_spent_with_one_that_was(scene: Scene) -> None:
    pocket = scene.withdraw()
    first, offer = scene.pay(pocket, 1)
    scene.deposit(first, offer)
    second, _ = scene.pay(pocket, 3)  # an old copy of the wallet: the coin of 1, and one of 2
    with pytest.raises(Replayed, match="coin_spent"):
        refused(scene, "redeem", on_the_wire(second.payload), vendor_account())
    third, offer = scene.pay(pocket, 2)
    scene.deposit(third, offer)


def test_of_two_vendors_with_one_coin_one_is_paid(scene: Scene) -> None:
    pocket = scene.withdraw()
    first, offer = scene.pay(pocket)
    second, _ = scene.pay(pocket, vendor=scene.other)
    scene.deposit(first, offer)
    with pytest.raises(Replayed, match="coin_spent"):
        refused(scene, "redeem", on_the_wire(second.payload), vendor_account("daily"))


def test_coins_for_one_vendor_are_nobody_elses(scene: Scene) -> None:
    paid, _ = scene.pay(scene.withdraw())
    payload = on_the_wire(paid.payload)
    with pytest.raises(WrongVendor, match="claim_of_another_vendor"):
        refused(scene, "redeem", payload, vendor_account("daily"))
    thief = canary("thief")
    own = {"payer": codec.b64u(signing.public_of(thief))}
    for change in (
        {"vendor": "daily"},
        {"priceMicro": PRICE_MICRO + 1},
        {"order": codec.b64u(bytes(32))},
        {"payer": codec.b64u(bytes(32))},
    ):
        account = vendor_account("daily" if "vendor" in change else VENDOR)
        with pytest.raises(Forged, match="signature_wrong"):
            refused(scene, "redeem", payload | change, account)
        stolen = PAYMENTS.convert(payload | change | own).sign(scene.coinage.name, thief)
        with pytest.raises(Mismatch, match="box_for_something_else"):
            refused(scene, "redeem", msgspec.to_builtins(stolen), account)


def test_coins_that_are_worth_more_or_less_than_price_and_change_are_refused(scene: Scene) -> None:
    pocket = scene.withdraw()
    paid, _ = scene.pay(pocket)
    held = pocket_of(pocket)
    bare = on_the_wire(paid.payload)
    header = PAYMENTS.convert(on_the_wire(paid.payload)).header(scene.coinage.name)
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    secret = payer_secret(scene.coinage, maker, 0)

    def signed(box: list[str]) -> Json:
        return msgspec.to_builtins(
            PAYMENTS.convert(bare | {"box": box}).sign(scene.coinage.name, secret)
        )

    for exponents in ((), (9,), (9, 8, 5, 4, 3, 2, 1, 0), (20,)):
        box = boxed(scene, pocket, header, exponents=exponents)
        with pytest.raises(Mismatch, match="coins_and_change_differ"):
            refused(scene, "redeem", signed(box), vendor_account())
    assert held.worth_micro - PRICE_MICRO == 800
    right = boxed(scene, pocket, header, exponents=(9, 8, 5))
    scene.broker.run("redeem", signed(right), vendor_account())


def test_one_coin_twice_in_a_payment_is_refused(scene: Scene) -> None:
    pocket = scene.withdraw(1)
    doubled = pocket_of(pocket)
    doubled = msgspec.structs.replace(doubled, coins=doubled.coins * 2)
    box = boxed(scene, doubled.instrument(scene.coinage, "eur"), scene.returning)
    with pytest.raises((Replayed, Malformed), match=r"coin_spent|inputs_repeated"):
        refused(scene, "take_back", {"coins": box}, scene.account)


@pytest.mark.parametrize("what", ["exponent", "period", "id", "signature", "counter"])
def test_a_coin_under_another_key_or_with_another_serial_is_forged(scene: Scene, what: str) -> None:
    if what == "period" and scene.scheme is CASHU:
        pytest.skip("a Cashu coin does not say when it ends: its keyset does")
    held = pocket_of(scene.withdraw())
    first, slot = held.coins[0], held.coins[0].slot
    changed = {
        "exponent": lambda: msgspec.structs.replace(
            first, slot=msgspec.structs.replace(slot, exponent=slot.exponent + 1)
        ),
        "period": lambda: msgspec.structs.replace(
            first, slot=msgspec.structs.replace(slot, period=slot.period - 1)
        ),
        "id": lambda: msgspec.structs.replace(
            first, slot=msgspec.structs.replace(slot, id=slot.id[:-1] + b"\0")
        ),
        "signature": lambda: msgspec.structs.replace(first, signature=held.coins[1].signature),
        "counter": lambda: msgspec.structs.replace(
            first, slot=msgspec.structs.replace(slot, counter=9)
        ),
    }[what]()
    pocket = msgspec.structs.replace(held, coins=(changed,)).instrument(scene.coinage, "eur")
    box = boxed(scene, pocket, scene.returning)
    with pytest.raises(Forged, match=r"keyset_unknown|signature_wrong|coin_forged"):
        refused(scene, "take_back", {"coins": box}, scene.account)


def test_coins_pay_until_their_end_and_can_be_exchanged_and_returned_a_month_longer() -> None:
    scene = Scene()
    pocket = scene.withdraw()
    paid, offer = scene.pay(pocket)
    end_s = epoch_at(NOW_S).not_after_s
    scene.clock.now_s = end_s + SKEW_S + 1
    with pytest.raises(Expired, match="coin_expired"):
        refused(scene, "redeem", on_the_wire(paid.payload), vendor_account())
    scene.clock.now_s = end_s + SKEW_S
    left = scene.deposit(paid, msgspec.structs.replace(offer)).instruments[0]
    scene.clock.now_s = end_s + GRACE_S + SKEW_S
    giving = boxed(scene, left, scene.returning)
    scene.clock.now_s += 1
    with pytest.raises(Expired, match="coin_over"):
        refused(scene, "take_back", {"coins": giving}, scene.account)
    scene.clock.now_s -= 1
    run(scene, "take_back", {"coins": giving})
    assert scene.micro("payer") == -PRICE_MICRO


def test_which_coins_are_spent_is_forgotten_only_when_none_can_come_back() -> None:
    scene = Scene()
    scene.spend(scene.withdraw())
    spent = [key for key in scene.broker.records if key.startswith(b"ecash/spent/")]
    assert spent
    over_s = epoch_at(NOW_S).ends_at_s + SKEW_S
    assert all(scene.broker.kept_until_s[key] > over_s for key in spent)


def test_what_nobody_brings_back_is_the_brokers_in_the_end() -> None:
    scene = Scene()
    scene.spend(scene.withdraw())
    scene.pass_time(2 * EPOCH_S + GRACE_S + 2 * DAY_S)
    assert scene.micro("outstanding") == 0
    assert scene.micro("breakage") == LOAD_MICRO - PRICE_MICRO
    assert not [key for key in scene.broker.records if key.startswith(b"ecash/out/")]


def test_a_blocked_coin_is_revoked_and_the_others_come_back(scene: Scene) -> None:
    pocket = scene.withdraw()
    held = pocket_of(pocket)
    first = held.coins[0]
    maker = maker_of(scene.payer.purse.setting.ring, BROKER, held.number)
    name = scene.coinage.mark(maker, first.slot, first.signature)
    scene.broker.records[f"{scene.coinage.name}/revoked/{name}".encode()] = b"1 broker"
    alone = msgspec.structs.replace(held, coins=(first,)).instrument(scene.coinage, "eur")
    with pytest.raises(Revoked, match="coin_revoked"):
        refused(scene, "take_back", {"coins": boxed(scene, alone, scene.returning)},
                scene.account)  # fmt: skip  # - one call
    answer = run(scene, "take_back", {"coins": boxed(scene, pocket, scene.returning)})
    assert answer == {"returnedMicro": LOAD_MICRO - first.slot.micro}
    assert scene.micro("payer") == -first.slot.micro


def test_one_spent_coin_does_not_keep_the_others_from_their_account(scene: Scene) -> None:
    """As where a vendor took a payment and said that it had not."""
    pocket = scene.withdraw()
    scene.spend(pocket)
    giving = {"coins": boxed(scene, pocket, scene.returning)}
    assert run(scene, "take_back", giving) == {"returnedMicro": LOAD_MICRO - PRICE_MICRO}
    with pytest.raises(Replayed, match="coin_spent"):
        refused(scene, "take_back", giving, scene.account)
    assert scene.micro("payer") == -PRICE_MICRO
    assert scene.micro("outstanding") == 0
