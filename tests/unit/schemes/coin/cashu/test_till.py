import pytest

from farthing import codec
from farthing.errors import Malformed, Mismatch, Underpaid, Unfit
from farthing.marks import Memory
from farthing.schemes.coin.cashu import tokens
from farthing.schemes.contract import Json
from tests.kit.blind import PRICE_MICRO, Shop
from tests.kit.parties import binding_of


def test_a_token_is_worth_the_price_and_clears_before_the_goods_go_out() -> None:
    shop = Shop()
    text = shop.token(1)
    taken = shop.take(text)
    assert (taken.value_micro, taken.moment) == (PRICE_MICRO, "before")
    (mark,) = taken.marks
    assert mark.id == b"cashu/" + tokens.digest(text)
    assert shop.take(text).claims == taken.claims, "the same token has the same change"
    assert text[:40] not in repr(taken)


def test_a_token_of_another_mint_or_unit_or_of_too_little_is_refused() -> None:
    shop = Shop()
    token = tokens.read(shop.token(100, "microeur"))
    with pytest.raises(Underpaid, match="coins_below_price"):
        shop.take(tokens.write(token))
    for mint, unit in (
        ("https://other.example/cashu/eur", "eur"),
        ("https://broker.example/cashu/eur", "microeur"),
    ):
        with pytest.raises(Mismatch, match="token_of_another_mint"):
            shop.take(tokens.write(tokens.Token(mint=mint, unit=unit, proofs=token.proofs)), 1)
    sats = tokens.Token(mint="https://broker.example/cashu/sat", unit="sat", proofs=token.proofs)
    with pytest.raises(Mismatch, match="token_of_another_unit"):
        shop.take(tokens.write(sats), 1)


def test_a_token_comes_in_its_own_header_alone() -> None:
    shop = Shop()
    till, at = shop.vendor.till, shop.clock.at()
    payment = till.read(codec.canonical({"token": [shop.token(1)]}))
    with pytest.raises(Unfit, match="token_unbound"):
        till.take(payment, till.offer(1, at), binding_of(), Memory(), at)


@pytest.mark.parametrize(
    "payload",
    [{"token": []}, {"token": "cashuB"}, {"token": ["cashuB"], "more": 1}, {"token": ["A"] * 17}],
    ids=str,
)
def test_a_payload_of_another_form_is_malformed(payload: Json) -> None:
    with pytest.raises(Malformed):
        Shop().vendor.till.read(codec.canonical(payload))


def test_text_that_is_no_token_is_malformed() -> None:
    for text in ("cashuB", "cashuZ" + "A" * 40, "A"):
        with pytest.raises(Malformed):
            Shop().take(text)
