"""What a coin is, and who may take it when."""

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Expired, Forged, Refusal, Unfit, WrongPayer, WrongVendor
from farthing.schemes.coin.netcash.coin import (
    COIN_KEY,
    COIN_MICRO_MAX,
    GRACE_S,
    SKEW_S,
    SUBMIT_S,
    Coin,
    end_of,
)
from tests.kit.netcash import Scene, coin_of, held_of, signing_key
from tests.kit.parties import BROKER, DAY_S, NOW_S, VENDOR, Ring

COINS = codec.Reader(Coin)
STATEMENT = b"have it back"


def changed(coin: Coin, **fields: object) -> dict[str, object]:
    members: dict[str, object] = msgspec.to_builtins(coin)
    return members | fields


@pytest.mark.parametrize(
    "fields",
    [
        {"worthMicro": 0},
        {"worthMicro": COIN_MICRO_MAX + 1},
        {"vendor": ""},
        {"payer": ""},
        {"payer": "short"},
        {"vendorUntilS": 0},
        {"vendorUntilS": NOW_S + 99 * DAY_S},
        {"payerUntilS": NOW_S + 99 * DAY_S},
        {"payerUntilS": 0},
        {"expiresAtS": 0},
        {"expiresAtS": codec.JSON_INT_MAX + 1},
        {"serial": "AAAA"},
    ],
)
def test_a_coin_cannot_be_in_a_bad_state(fields: dict[str, object]) -> None:
    coin = coin_of(Scene().bound())
    with pytest.raises(Unfit):
        COINS.convert(changed(coin, **fields))


def test_a_coin_that_is_anybodys_has_no_window_at_all() -> None:
    scene = Scene()
    assert scene.whole is not None
    coin = coin_of(scene.whole)
    assert (coin.vendor, coin.payer, coin.vendor_until_s, coin.payer_until_s) == ("", "", 0, 0)
    for name in ("vendorUntilS", "payerUntilS"):
        with pytest.raises(Unfit):
            COINS.convert(changed(coin, **{name: 1}))


def test_coins_of_one_day_end_together_thirty_days_after_it() -> None:
    noon_s = NOW_S // DAY_S * DAY_S + DAY_S // 2
    assert end_of(noon_s) == end_of(noon_s + 1) == (noon_s // DAY_S + 31) * DAY_S


def test_every_field_is_under_the_brokers_signature() -> None:
    scene = Scene()
    coin = coin_of(scene.bound())
    ring = Ring(signing_key(COIN_KEY), signing_key(COIN_KEY, "2"))
    coin.verify(ring, BROKER, "eur")
    others = {
        "expires_at_s": coin.expires_at_s + DAY_S,
        "key_id": "2",
        "payer": codec.b64u(bytes(32)),
        "payer_until_s": coin.payer_until_s + 1,
        "serial": codec.b64u(bytes(16)),
        "sig": codec.b64u(bytes(64)),
        "vendor": "daily",
        "vendor_until_s": coin.vendor_until_s + 1,
        "worth_micro": coin.worth_micro + 1,
    }
    assert {*others, "broker", "currency"} == set(Coin.__struct_fields__)
    for name, value in others.items():
        with pytest.raises(Forged, match="signature_wrong"):
            msgspec.structs.replace(coin, **{name: value}).verify(ring, BROKER, "eur")


def test_another_brokers_coin_is_refused_and_one_of_a_key_that_is_none() -> None:
    coin, ring = coin_of(Scene().bound()), Ring(signing_key(COIN_KEY))
    with pytest.raises(Forged, match="coin_of_another_broker"):
        coin.verify(ring, "another", "eur")
    with pytest.raises(Forged, match="coin_of_another_broker"):
        coin.verify(ring, BROKER, "usd")
    with pytest.raises(Forged, match="coin_key_unknown"):
        coin.verify(Ring(), BROKER, "eur")


def of_vendor(coin: Coin, now_s: int, vendor: str = VENDOR) -> str:
    return told(lambda: coin.require_vendor(vendor, now_s))


def of_holder(coin: Coin, now_s: int, secret: bytes = b"") -> str:
    sig = codec.b64u(signing.sign(secret, STATEMENT)) if secret else codec.b64u(bytes(64))
    return told(lambda: coin.require_holder(STATEMENT, sig, now_s))


def told(check: object) -> str:
    try:
        check()  # type: ignore[operator]  # a closure of this file
    except Refusal as refusal:
        return type(refusal).__name__
    return "taken"


def test_before_t1_only_the_vendor_between_t1_and_t2_only_the_payer_then_anybody() -> None:
    bound = Scene().bound()
    coin, secret = coin_of(bound), codec.unb64u(held_of(bound).secret)
    t1, t2, end = coin.vendor_until_s, coin.payer_until_s, coin.expires_at_s + GRACE_S
    vendor, other = WrongVendor.__name__, WrongPayer.__name__
    for now_s, by_vendor, by_another, by_payer, by_anybody in (
        (t1, "taken", vendor, vendor, vendor),
        (t1 + 1, other, other, "taken", other),
        (t2, other, other, "taken", other),
        (t2 + 1, "taken", "taken", "taken", other),
        (end, "taken", "taken", "taken", other),
        (end + 1, Expired.__name__, Expired.__name__, Expired.__name__, other),
    ):
        assert of_vendor(coin, now_s) == by_vendor
        assert of_vendor(coin, now_s, "daily") == by_another
        assert of_holder(coin, now_s, secret) == by_payer
        assert of_holder(coin, now_s) == by_anybody  # with a signature that is wrong
    coin.require_holder(STATEMENT, "", t2 + 1)  # and without one, once it is anybody's
    with pytest.raises(Expired):
        coin.require_holder(STATEMENT, "", end + 1)


def test_a_coin_without_windows_is_anybodys_and_nobody_signs_for_it() -> None:
    scene = Scene()
    assert scene.whole is not None
    coin = coin_of(scene.whole)
    coin.require_vendor(VENDOR, NOW_S)
    coin.require_holder(STATEMENT, "", NOW_S)
    with pytest.raises(Unfit, match="signature_unasked"):
        coin.require_holder(STATEMENT, "AA", NOW_S)


def test_its_vendor_has_a_day_to_claim_after_the_last_payment() -> None:
    coin = coin_of(Scene().bound())
    assert coin.vendor_until_s - (coin.pays_until_s + SKEW_S) == SUBMIT_S


def test_a_coin_shows_nothing_of_itself() -> None:
    bound = Scene().bound()
    coin = coin_of(bound)
    for text in (repr(coin), repr(held_of(bound)), repr(bound)):
        assert coin.sig not in text
        assert held_of(bound).secret not in text
    assert "anybody" in repr(
        msgspec.structs.replace(coin, vendor="", payer="", vendor_until_s=0, payer_until_s=0)
    )
