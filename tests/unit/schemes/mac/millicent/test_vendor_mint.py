import msgspec
import pytest

from farthing.errors import (
    Expired,
    Forged,
    Misconfigured,
    Refusal,
    Replayed,
    Revoked,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.marks import NOTHING
from farthing.schemes.contract import Account, Asked, Instrument, Json, Operation
from farthing.schemes.mac.millicent import MILLICENT
from farthing.schemes.mac.millicent.scrip import (
    BURN_KEY,
    LICENSED_SERIES,
    OWN_SERIES,
    SERIES_SIZE,
    Burn,
    burn_mac,
)
from farthing.schemes.mac.millicent.vendor_mint import MillicentVendorMint
from tests.kit.millicent import MASTER_SECRETS, Scene, held, vendor_ring
from tests.kit.parties import Vendor, setting_of


def order(scene: Scene, piece: Instrument) -> Json:
    return scene.payer.purse.give_back(piece, scene.clock.at()).message


def test_a_burn_receipt_names_the_piece_under_the_shared_key() -> None:
    scene = Scene()
    piece = scene.buy()
    receipt = scene.vendor.burn(order(scene, piece))
    scrip = held(piece).scrip
    burn = msgspec.convert(receipt, Burn)
    assert (burn.serial, burn.payer, burn.value_micro) == (scrip.serial, scrip.payer, 1000)
    assert burn.expires_at_s == scrip.expires_at_s
    assert burn.mac == burn_mac(MASTER_SECRETS["burn"], burn)


def test_scrip_that_was_spent_is_not_burned() -> None:
    scene = Scene()
    piece = scene.buy()
    scene.payer.spend(scene.vendor, piece, 200)
    with pytest.raises(Replayed, match="instrument_already_spent"):
        scene.vendor.burn(order(scene, piece))


def test_the_same_order_again_gets_the_same_receipt_and_another_one_is_replayed() -> None:
    scene = Scene()
    piece = scene.buy()
    message = order(scene, piece)
    assert scene.vendor.burn(message) == scene.vendor.burn(message)
    with pytest.raises(Replayed):
        scene.vendor.burn(order(scene, piece))


def test_only_the_payer_burns() -> None:
    scene = Scene()
    message = order(scene, scene.buy())
    for sig in ("0" * 32, "", order(scene, scene.buy())["sig"]):
        with pytest.raises(Forged, match="burn_signature_wrong"):
            scene.vendor.burn(message | {"sig": sig})


def test_a_payment_signature_does_not_burn() -> None:
    scene = Scene()
    piece = scene.buy()
    payload = scene.payer.pay(piece, scene.vendor.offer(1)).payload
    with pytest.raises(Forged, match="burn_signature_wrong"):
        scene.vendor.burn(payload)


def test_scrip_of_another_vendor_expired_or_revoked_is_not_burned() -> None:
    scene = Scene()
    piece = scene.buy()
    message = order(scene, piece)
    other = Vendor(MILLICENT, vendor_ring("other"), scene.clock, "other")
    with pytest.raises(WrongVendor):
        other.burn(message)
    scene.clock.now_s = piece.expires_at_s + 121
    with pytest.raises(Expired):
        scene.vendor.burn(message)
    scene.clock.now_s = piece.expires_at_s
    scene.vendor.ring.revoke(LICENSED_SERIES, "0000000001")
    with pytest.raises(Revoked):
        scene.vendor.burn(message)


def test_a_nonce_has_its_length() -> None:
    scene = Scene()
    message = order(scene, scene.buy())
    with pytest.raises(Forged):
        scene.vendor.burn(message | {"nonce": "x" * 32})
    with pytest.raises(Unfit, match="nonce_too_long"):
        scene.vendor.burn(message | {"nonce": "x" * 33})


@pytest.mark.parametrize("operation", ["redeem", "grant", "status"])
def test_a_vendor_does_nothing_else(operation: Operation) -> None:
    scene = Scene()
    mint = MillicentVendorMint(setting_of(vendor_ring(), vendor_id="news"))
    with pytest.raises(Unsupported):
        mint.check(operation, {}, Account(id="", role="payer"), scene.clock.at())


def test_a_leaked_burn_key_of_one_vendor_burns_nothing_of_another() -> None:
    scene = Scene()
    piece = scene.buy()
    burn = msgspec.convert(scene.vendor.burn(order(scene, piece)), Burn)
    key = scene.broker.ring.find(BURN_KEY, "news")
    assert key is not None
    forged = msgspec.structs.replace(burn, vendor="other")
    forged = msgspec.structs.replace(forged, mac=burn_mac(key.secret, forged))
    with pytest.raises(Refusal):
        scene.broker.run("take_back", msgspec.to_builtins(forged), scene.payer.account)


@pytest.mark.parametrize("fee_e4", [0, 1_000])
def test_a_fee_may_be_nothing_and_a_tenth(fee_e4: int) -> None:
    scene = Scene(renew_fee_e4=fee_e4)
    piece = scene.buy(10_000)
    scene.clock.now_s = piece.expires_at_s + 86_400
    asked = scene.payer.purse.give_back(piece, scene.clock.at())
    answer = scene.vendor.mint("issue", asked.message)
    assert answer["scrip"]["valueMicro"] == 10_000 - fee_e4


def test_a_renewed_piece_is_of_the_vendors_own_series() -> None:
    scene = Scene()
    key = scene.vendor.ring.current(OWN_SERIES)
    scene.vendor.ring.add(msgspec.structs.replace(key, id="00000000fe"))
    piece = scene.buy(10_000)
    scene.clock.now_s = piece.expires_at_s + 86_400
    asked = scene.payer.purse.give_back(piece, scene.clock.at())
    fresh = scene.payer.purse.receive(
        asked, scene.vendor.mint("issue", asked.message), scene.clock.at()
    )
    assert not isinstance(fresh, Asked)
    assert held(fresh[0]).scrip.series == 0xFE


def test_a_series_without_serials_renews_nothing_and_a_cash_out_needs_none() -> None:
    scene = Scene()
    mint = MillicentVendorMint(setting_of(scene.vendor.ring, vendor_id="news"))
    nobody = Account(id="", role="payer")
    first, second = scene.buy(), scene.buy()
    burned = mint.check("take_back", order(scene, first), nobody, scene.clock.at())
    assert mint.series(burned) == ""
    scene.clock.now_s = second.expires_at_s + 86_400
    renewed = mint.check("issue", order(scene, second), nobody, scene.clock.at())
    with pytest.raises(Misconfigured, match="series_used_up"):
        mint.apply(renewed, NOTHING, scene.clock.at(SERIES_SIZE))
