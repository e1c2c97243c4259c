import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Malformed, Mismatch, Replayed, Underpaid, WrongVendor
from farthing.schemes.coin.cashu import tokens
from farthing.schemes.contract import Json, Redeemed
from tests.kit import cashu
from tests.kit.blind import PRICE_MICRO, Shop, refused
from tests.kit.parties import VENDOR, on_the_wire, vendor_account


def claim_of(shop: Shop, text: str, price_micro: int = PRICE_MICRO) -> dict[str, Json]:
    (claim,) = shop.take(text, price_micro).claims
    found: Json = codec.read_json(claim.body)
    assert isinstance(found, dict)
    return found


def test_a_token_pays_its_vendor_and_what_is_over_comes_back_in_new_coins() -> None:
    shop = Shop()
    change = shop.redeem(shop.take(shop.token(5)))
    assert [(one.unit, one.amount) for one in change] == [("eur", 4), ("microeur", 9_800)]
    assert shop.micro("vendor", VENDOR) == PRICE_MICRO
    assert shop.micro("outstanding", "eur") == 40_000
    assert shop.micro("outstanding", "microeur") == 9_800


def test_change_pays_again_down_to_the_last_coin() -> None:
    shop = Shop()
    (change,) = shop.redeem(shop.take(shop.token(1), 300))
    while change.amount > 4_000:
        (change,) = shop.redeem(shop.take(tokens.write(change), 1_900))
    assert shop.redeem(shop.take(tokens.write(change), change.amount)) == []
    assert shop.micro("outstanding") == 0
    assert shop.micro("vendor", VENDOR) == 10_000


def test_a_token_pays_once_whoever_shows_it() -> None:
    shop = Shop()
    text = shop.token(5)
    claim = claim_of(shop, text)
    shop.broker.run("redeem", claim, vendor_account())
    for again in (claim, claim_of(shop, text, 1)):
        with pytest.raises(Replayed, match="coin_spent"):
            refused(shop, "redeem", again, vendor_account())
    token = tokens.read(text)
    one = tokens.write(msgspec.structs.replace(token, proofs=token.proofs[1:]))
    with pytest.raises(Replayed, match="coin_spent"):
        refused(shop, "redeem", claim_of(shop, one), vendor_account())
    with pytest.raises(WrongVendor, match="claim_of_another_vendor"):
        refused(shop, "redeem", claim, vendor_account("daily"))


def test_change_other_than_what_is_over_is_refused() -> None:
    shop = Shop()
    claim = claim_of(shop, shop.token(5))
    blanks = claim["blanks"]
    wrong: tuple[Json, ...] = (
        {},
        {"eur": blanks["eur"]},
        blanks | {"eur": [*blanks["eur"], blanks["eur"][0]]},
        blanks | {"usd": blanks["eur"]},
    )
    for other in wrong:
        with pytest.raises(Mismatch, match="change_differs"):
            refused(shop, "redeem", claim | {"blanks": other}, vendor_account())
    with pytest.raises(Mismatch, match="change_differs"):
        refused(shop, "redeem", claim | {"priceMicro": 50_000}, vendor_account())
    with pytest.raises(Underpaid, match="coins_below_price"):
        refused(shop, "redeem", claim | {"priceMicro": 50_001}, vendor_account())
    twice = {unit: [parts[0]] * len(parts) for unit, parts in blanks.items()}
    with pytest.raises(Malformed, match="outputs_repeated"):
        refused(shop, "redeem", claim | {"blanks": twice}, vendor_account())


def test_coins_of_another_mint_and_locked_ones_pay_nobody() -> None:
    shop = Shop()
    stranger = cashu.mint_keys("eur", "stranger")
    with pytest.raises(Forged, match="keyset_unknown"):
        refused(shop, "redeem", claim_of(shop, shop.token(1, keys=stranger)), vendor_account())
    keys = shop.mint_keys["eur"]
    locked = cashu.blank(keys.id, 1, cashu.lock("P2PK", cashu.public("ann")))
    coin = cashu.coin(locked, cashu.sign(keys, locked.output), keys.public.keys)
    token = tokens.Token(mint="https://broker.example/cashu/eur", unit="eur", proofs=(coin,))
    with pytest.raises(Forged, match="lock_not_opened"):
        refused(shop, "redeem", claim_of(shop, tokens.write(token)), vendor_account())
    opened = msgspec.structs.replace(token, proofs=(cashu.unlocked(coin, "ann"),))
    applied = shop.broker.run("redeem", claim_of(shop, tokens.write(opened)), vendor_account())
    assert isinstance(applied, Redeemed)


def test_a_token_of_stock_coins_becomes_coins_of_ours() -> None:
    shop = Shop()
    listing = shop.payer.purse.claim(shop.token(7), shop.clock.at(0))
    exchange = shop.following(listing)
    assert exchange.bearer
    assert shop.received(exchange).worth_micro == 70_000
    assert shop.micro("outstanding", "microeur") == 70_000
    with pytest.raises(Replayed, match="coin_spent"):
        shop.received(exchange)


def test_rotated_keys_take_the_old_coins_and_give_change_of_the_new() -> None:
    shop = Shop()
    pocket, text = shop.withdraw(), shop.token(2)
    old = shop.mint_keys["microeur"].id
    shop.broker.ring.add(cashu.key_of("rotated"))
    (change,) = shop.redeem(shop.take(text, 15_000))
    assert {proof.id for proof in change.proofs}.isdisjoint({old})
    left = shop.spend(pocket, 3)
    assert left is not None, "change of a list that is one rotation old"
    found = on_the_wire(shop.broker.run("issue", {"list": "current"}, shop.account).answer)
    assert found["older"] == [old]
