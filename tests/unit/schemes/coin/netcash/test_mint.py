"""The broker: coins for money, coins for coins, money for coins."""

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Denied,
    Expired,
    Forged,
    Replayed,
    Unsupported,
    WrongPayer,
    WrongVendor,
)
from farthing.lab.conformance.bank import Bank
from farthing.lab.conformance.room import Room
from farthing.schemes.coin.netcash.coin import COIN_KEY, GRACE_S, PAYER_WINDOW_S, SKEW_S, SUBMIT_S
from farthing.schemes.coin.netcash.mint import RECEIPT_KEY
from farthing.schemes.contract import Instrument, Json
from tests.kit.flips import bit_flips
from tests.kit.netcash import (
    BEARER,
    COIN_MICRO,
    PRICE_MICRO,
    Scene,
    coin_of,
    order,
    returning,
    signing_key,
    want,
)
from tests.kit.parties import PAYER, VENDOR, payer_account, vendor_account


def whole_of(scene: Scene) -> Instrument:
    assert scene.whole is not None
    return scene.whole


def claim_of(bound: Instrument) -> Json:
    return msgspec.to_builtins(coin_of(bound))


def refuse(scene: Scene, kind: type[Exception], rule: str, *asked: object) -> None:
    before = scene.broker.snapshot()
    with pytest.raises(kind, match=rule):
        scene.broker.run(*asked)  # type: ignore[arg-type]  # operation, message, account
    assert scene.broker.snapshot() == before


def test_money_becomes_a_coin_that_is_outstanding_and_on_the_list() -> None:
    scene = Scene()
    assert scene.micro("payer", PAYER) == -COIN_MICRO
    assert scene.micro("outstanding") == scene.live_micro() == COIN_MICRO


def test_no_record_says_whose_a_coin_is() -> None:
    scene = Scene()
    scene.bound()
    for key, value in scene.broker.records.items():
        assert PAYER.encode() not in key + value


def test_an_exchange_moves_no_money_and_names_no_account() -> None:
    scene = Scene()
    bound = scene.bound()
    assert scene.micro("payer", PAYER) == -COIN_MICRO
    assert scene.micro("outstanding") == scene.live_micro() == COIN_MICRO
    assert (bound.worth_micro, whole_of(scene).worth_micro) == (200, COIN_MICRO - 200)
    assert scene.broker.mint.is_bearer("issue", order([want(COIN_MICRO)], whole_of(scene)))
    assert not scene.broker.mint.is_bearer("issue", order([want(COIN_MICRO)]))
    assert not scene.broker.mint.is_bearer("take_back", returning(whole_of(scene)))


def test_several_coins_become_one() -> None:
    scene = Scene(0)
    coins = [scene.buy(1_000), scene.buy(234)]
    scene.run("issue", order([want(1_234)], *coins))
    assert scene.micro("outstanding") == scene.live_micro() == 1_234


def test_a_coin_is_exchanged_once() -> None:
    scene = Scene()
    message = order([want(COIN_MICRO)], whole_of(scene))
    scene.run("issue", message)
    for operation, again in (("issue", message), ("take_back", returning(whole_of(scene)))):
        refuse(scene, Replayed, "coin_already_taken", operation, again, payer_account())


def test_none_of_an_orders_coins_is_consumed_where_one_is_taken() -> None:
    scene = Scene()
    first, second = whole_of(scene), scene.buy(500)
    scene.run("take_back", returning(first), payer_account())
    message = order([want(COIN_MICRO + 500)], second, first)
    refuse(scene, Replayed, "coin_already_taken", "issue", message, payer_account())
    scene.run("take_back", returning(second), payer_account())


@pytest.mark.parametrize("key_id", ["2", ""])
def test_a_coin_under_a_key_that_the_broker_never_had_is_forged(key_id: str) -> None:
    """It knows its own keys, so nobody is told to come again."""
    scene = Scene()
    coin = msgspec.structs.replace(coin_of(whole_of(scene)), key_id=key_id)
    sig = codec.b64u(signing.sign(signing_key(COIN_KEY, "2").secret, coin.signed()))
    named = msgspec.to_builtins(msgspec.structs.replace(coin, sig=sig))
    message = {"broker": coin.broker, "coins": [{"coin": named, "sig": ""}]}
    wanted = order([want(coin.worth_micro)]) | {"coins": message["coins"]}
    refuse(scene, Forged, "coin_key_unknown", "take_back", message, payer_account())
    refuse(scene, Forged, "coin_key_unknown", "issue", wanted, BEARER)
    refuse(scene, Forged, "coin_key_unknown", "redeem", named, vendor_account())
    refuse(scene, Forged, "coin_key_unknown", "status", {"coin": named}, BEARER)


def test_a_serial_that_is_unknown_is_forged_whoever_signed_it() -> None:
    scene = Scene()
    coin = msgspec.structs.replace(coin_of(whole_of(scene)), serial=codec.b64u(b"never issued it "))
    sig = codec.b64u(signing.sign(signing_key(COIN_KEY).secret, coin.signed()))
    named = msgspec.to_builtins(msgspec.structs.replace(coin, sig=sig))
    message = {"broker": coin.broker, "coins": [{"coin": named, "sig": ""}]}
    refuse(scene, Forged, "coin_not_live", "take_back", message, payer_account())
    refuse(scene, Forged, "coin_not_live", "redeem", named, vendor_account())


def test_the_same_request_has_the_same_coins_and_another_has_none() -> None:
    room = Room("netcash")
    bank = Bank(room, keys=())
    bank.admit("ann", "payer")
    bank.top_up("ann", 1_000)
    buying = {"broker": bank.id, "coins": [], "wants": [want(900)]}
    bought = msgspec.json.decode(bank.operate("netcash", "issue", buying, "ann"))
    coins = [{"coin": coin, "sig": ""} for coin in bought["answer"]["coins"]]
    exchange = {"broker": bank.id, "coins": coins, "wants": [want(500), want(400)]}
    first = bank.operate("netcash", "issue", exchange, "", "the request")
    assert bank.operate("netcash", "issue", exchange, "", "the request") == first
    bank.restart()
    assert bank.operate("netcash", "issue", exchange, "", "the request") == first
    with pytest.raises(Replayed):
        bank.operate("netcash", "issue", exchange, "", "another request")
    assert bank.has_micro("outstanding") == 900
    bank.require_sound()
    bank.close()
    room.close()


def test_of_two_vendors_that_claim_a_coin_only_its_own_is_paid() -> None:
    scene = Scene()
    bound = scene.bound()
    refuse(scene, WrongVendor, "another_vendor", "redeem", claim_of(bound), vendor_account("daily"))
    assert scene.broker.redeem(claim_of(bound)) == PRICE_MICRO
    refuse(scene, WrongVendor, "another_vendor", "redeem", claim_of(bound), vendor_account("daily"))
    assert scene.micro("vendor", VENDOR) == PRICE_MICRO
    assert scene.micro("outstanding") == scene.live_micro() == COIN_MICRO - PRICE_MICRO


def test_a_coin_that_its_vendor_claims_again_later_is_paid_and_costs_nothing_more() -> None:
    scene = Scene()
    bound = scene.bound()
    assert scene.broker.redeem(claim_of(bound)) == PRICE_MICRO
    scene.clock.now_s = coin_of(bound).vendor_until_s + 1
    assert scene.broker.redeem(claim_of(bound)) == 0
    assert scene.micro("vendor", VENDOR) == PRICE_MICRO
    assert scene.micro("outstanding") == scene.live_micro() == COIN_MICRO - PRICE_MICRO


def test_before_t1_the_payer_cannot_take_back_what_the_vendor_may_have_sold_for() -> None:
    scene = Scene()
    bound = scene.bound()
    message = returning(bound, signed=True)
    scene.clock.now_s = coin_of(bound).vendor_until_s
    refuse(scene, WrongVendor, "coin_is_its_vendors", "take_back", message, payer_account())
    exchange = order([want(PRICE_MICRO)], bound)
    refuse(scene, WrongVendor, "coin_is_its_vendors", "issue", exchange, payer_account())
    assert scene.broker.redeem(claim_of(bound)) == PRICE_MICRO


def test_between_t1_and_t2_only_the_payer_has_it_back() -> None:
    scene = Scene()
    bound = scene.bound()
    scene.clock.now_s = coin_of(bound).vendor_until_s + 1
    refuse(scene, WrongPayer, "coin_is_its_payers", "redeem", claim_of(bound), vendor_account())
    for message in (returning(bound), returning(bound, signed=True)):
        message["coins"][0]["sig"] = codec.b64u(bytes(64))
        refuse(scene, WrongPayer, "its_payers", "take_back", message, payer_account("eve"))
    scene.run("take_back", returning(bound, signed=True), payer_account())
    assert scene.micro("payer", PAYER) == PRICE_MICRO - COIN_MICRO


def test_a_payers_signature_is_good_for_what_it_was_made_for_only() -> None:
    scene = Scene()
    bound = scene.bound()
    scene.clock.now_s = coin_of(bound).vendor_until_s + 1
    exchange = order([want(PRICE_MICRO)]) | {"coins": returning(bound, signed=True)["coins"]}
    refuse(scene, WrongPayer, "coin_is_its_payers", "issue", exchange, payer_account("eve"))


def test_after_t2_it_is_anybodys() -> None:
    scene = Scene()
    bound = scene.bound()
    scene.clock.now_s = coin_of(bound).payer_until_s + 1
    scene.run("issue", order([want(PRICE_MICRO)], bound))
    assert scene.live_micro() == COIN_MICRO


def test_an_expired_coin_leaves_the_list_and_is_breakage_once() -> None:
    scene = Scene()
    whole, end_s = whole_of(scene), coin_of(whole_of(scene)).expires_at_s + GRACE_S
    scene.pass_time(end_s - scene.clock.now_s)
    assert scene.live_micro() == COIN_MICRO
    scene.pass_time(1)
    assert scene.micro("breakage") == COIN_MICRO
    assert scene.micro("outstanding") == scene.live_micro() == 0
    scene.pass_time(GRACE_S)
    assert scene.micro("breakage") == COIN_MICRO
    refuse(scene, Expired, "coin_expired", "take_back", returning(whole), payer_account())


def test_a_coin_that_was_taken_is_no_breakage() -> None:
    scene = Scene()
    scene.run("take_back", returning(whole_of(scene)), payer_account())
    scene.pass_time(90 * 86_400)
    assert scene.micro("breakage") == 0


def test_windows_are_the_brokers_and_leave_a_vendor_a_day_and_a_payer_a_week() -> None:
    scene = Scene()
    coin = coin_of(scene.bound())
    assert coin.vendor_until_s == coin.pays_until_s + SUBMIT_S + SKEW_S
    assert coin.payer_until_s - coin.vendor_until_s == PAYER_WINDOW_S
    assert coin.payer_until_s < coin.expires_at_s


def test_each_kind_of_account_does_its_own() -> None:
    scene = Scene()
    bound = scene.bound()
    refuse(scene, Denied, "wrong_kind", "issue", order([want(1)]), vendor_account())
    refuse(scene, Denied, "wrong_kind", "redeem", claim_of(bound), payer_account())
    refuse(scene, Denied, "wrong_kind", "take_back", returning(bound), vendor_account())
    refuse(scene, Unsupported, "operation_unsupported", "grant", {}, vendor_account())


def test_no_bit_of_a_claim_can_be_turned() -> None:
    scene = Scene()
    raw = codec.canonical(claim_of(scene.bound()))
    before = scene.broker.snapshot()
    for flipped in bit_flips(raw):
        try:
            message = codec.read_json(flipped)
        except Exception:  # noqa: BLE001, S112 - it is no JSON any more
            continue
        with pytest.raises(Exception):  # noqa: B017, PT011 - any refusal
            scene.broker.redeem(message)
    assert scene.broker.snapshot() == before


def test_who_took_a_coin_is_said_under_a_key_of_the_broker() -> None:
    scene = Scene()
    bound = scene.bound()
    asking = {"coin": claim_of(bound)}
    assert scene.broker.mint.is_bearer("status", asking)
    assert scene.run("status", asking) == {"state": "vendors"}
    scene.clock.now_s += 5
    scene.broker.redeem(claim_of(bound))
    said, coin = scene.run("status", asking), coin_of(bound)
    assert (said["by"], said["atS"], said["state"]) == (VENDOR, scene.clock.now_s, "taken")
    signed = codec.enc(
        RECEIPT_KEY, coin.broker, coin.serial, 200, VENDOR, scene.clock.now_s, said["keyId"]
    )
    signing.verify(signing_key(RECEIPT_KEY).public, signed, codec.unb64u(said["sig"]))
    assert scene.run("status", {"coin": claim_of(whole_of(scene))}) == {"state": "holders"}
    forged = claim_of(bound) | {"worthMicro": 1}
    refuse(scene, Forged, "signature_wrong", "status", {"coin": forged}, payer_account())
