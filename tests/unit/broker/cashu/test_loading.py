import asyncio
from pathlib import Path

import msgspec
import pytest

from farthing.broker import facts
from farthing.broker.answers import KEPT_S
from farthing.broker.cashu import terms
from farthing.broker.cashu.quotes import LOAD_S
from farthing.crypto import schnorr
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY
from tests.kit import cashu
from tests.unit.broker.cashu.stall import EURO_MICRO, Refused, Stall, at_the_stall, mint_of

CENT_MICRO = 10_000


def test_an_account_pays_and_the_wallet_has_coins(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        quote = await stall.quote(529)
        assert (quote["state"], quote["amount"], quote["unit"]) == ("UNPAID", 529, "eur")
        assert quote["quote"] not in quote["request"], "whoever pays does not learn the secret"
        await stall.pay(quote)
        assert (await stall.get(f"mint/quote/bolt11/{quote['quote']}"))["state"] == "PAID"
        assert stall.outstanding() == 529 * CENT_MICRO
        blanks = await stall.blanks(529)
        coins = await stall.signed("mint/bolt11", mint_of(quote, blanks), blanks)
        assert sum(coin.amount for coin in coins) == 529
        assert (await stall.get(f"mint/quote/bolt11/{quote['quote']}"))["state"] == "ISSUED"
        assert stall.outstanding() == 529 * CENT_MICRO
        assert stall.desk.balance("liability/payer/alice") == -1_000 * EURO_MICRO + 5_290_000

    at_the_stall(tmp_path, talk)


def test_asking_for_quotes_and_about_them_writes_nothing(tmp_path: Path) -> None:
    """Anybody may ask, as often as they like."""

    async def talk(stall: Stall) -> None:
        before = stall.rows()
        found = [await stall.quote(8, pubkey=cashu.public("wallet")) for _ in range(3)]
        for quote in found:
            assert await stall.get(f"mint/quote/bolt11/{quote['quote']}") == quote
        assert len({quote["quote"] for quote in found}) == 3
        assert stall.rows() == before
        await stall.pay(found[0])
        assert stall.rows() > before

    at_the_stall(tmp_path, talk)


def test_quotes_outlive_rotations_and_paid_ones_the_keys_that_made_them(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        unpaid, paid = await stall.quote(8), await stall.quote(8)
        await stall.pay(paid)
        stall.rotate("2")
        stall.rotate("3")
        assert (await stall.get(f"mint/quote/bolt11/{unpaid['quote']}"))["state"] == "UNPAID"
        await stall.pay(unpaid)
        other = await stall.quote(8)
        keys = stall.desk.ring.keys
        del keys[KEYSET_KEY, "3"]  # as a ring forgets what is revoked
        with pytest.raises(Refused, match="quote_unknown"):
            await stall.pay(other)
        del keys[KEYSET_KEY, "1"]
        for quote in (unpaid, paid):
            await stall.pay(quote)
            blanks = await stall.blanks(8)
            await stall.signed("mint/bolt11", mint_of(quote, blanks), blanks)

    at_the_stall(tmp_path, talk)


def test_a_quote_with_another_amount_in_its_address_is_not_paid(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        quote = await stall.quote(529)
        for paid in (False, True):
            named = terms.read_quote(quote["quote"]).named
            dear = msgspec.structs.replace(named, amount=530).text
            path = quote["request"].replace(named.text, dear)
            with pytest.raises(Refused, match="quote_unknown"):
                await stall.pay(quote | {"request": path})
            assert stall.outstanding() == paid * 529 * CENT_MICRO
            await stall.pay(quote)

    at_the_stall(tmp_path, talk)


def test_a_quote_that_is_used_up_is_not_paid_again_once_it_is_forgotten(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        quote = await stall.quote(8)
        await stall.pay(quote)
        blanks = await stall.blanks(8)
        await stall.signed("mint/bolt11", mint_of(quote, blanks), blanks)
        stall.desk.now_s += LOAD_S + KEPT_S + 2
        committer, now_s = stall.desk.committer, stall.desk.now_s
        await committer.do(lambda db: facts.forget(db, now_s, 1_000))
        with pytest.raises(Refused, match="quote_expired"):
            await stall.pay(quote)
        assert stall.outstanding() == 8 * CENT_MICRO

    at_the_stall(tmp_path, talk)


def test_a_quote_is_paid_once_whoever_asks_again(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        await stall.open("bob")
        await stall.desk.top_up("bob", EURO_MICRO, "in 2")
        quote = await stall.quote(10)
        first = await asyncio.gather(*(stall.pay(quote) for _ in range(32)))
        assert all(answer == first[0] for answer in first)
        assert stall.outstanding() == 10 * CENT_MICRO
        with pytest.raises(Refused) as refused:
            await stall.pay(quote, "bob")
        assert (refused.value.status, refused.value.code) == (403, "quote_paid")

    at_the_stall(tmp_path, talk)


def test_a_quote_is_not_paid_after_its_end_nor_without_money(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        await stall.open("bob")
        quote = await stall.quote(10)
        with pytest.raises(Refused, match="balance_too_low"):
            await stall.pay(quote, "bob")
        stall.desk.now_s += LOAD_S + 1
        with pytest.raises(Refused, match="quote_expired"):
            await stall.pay(quote)
        stall.desk.now_s -= 86_400  # a clock set back brings nothing to life again
        with pytest.raises(Refused, match="quote_expired"):
            await stall.pay(quote)
        assert stall.outstanding() == 0

    at_the_stall(tmp_path, talk)


def test_coins_are_signed_once_for_a_quote(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        quote = await stall.quote(8)
        unpaid = mint_of(quote, await stall.blanks(8))
        with pytest.raises(Refused) as refused:
            await stall.post("mint/bolt11", unpaid)
        assert refused.value.code == 20_001
        await stall.pay(quote)
        asked = [mint_of(quote, await stall.blanks(8)) for _ in range(32)]
        found = await asyncio.gather(
            *(stall.post("mint/bolt11", one) for one in asked), return_exceptions=True
        )
        codes = [one.code for one in found if isinstance(one, Refused)]
        assert codes == [20_002] * 31
        (winner,) = [
            one for one, answer in zip(asked, found, strict=True) if isinstance(answer, dict)
        ]
        assert await stall.post("mint/bolt11", winner) in found

    at_the_stall(tmp_path, talk)


def test_outputs_that_do_not_make_the_amount_are_refused(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        quote = await stall.quote(8)
        await stall.pay(quote)
        for amount in (7, 9):
            with pytest.raises(Refused) as refused:
                await stall.post("mint/bolt11", mint_of(quote, await stall.blanks(amount)))
            assert refused.value.code == 11_005
        blanks = await stall.blanks(8)
        await stall.signed("mint/bolt11", mint_of(quote, blanks), blanks)

    at_the_stall(tmp_path, talk)


def test_a_locked_quote_is_for_the_holder_of_its_key(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        quote = await stall.quote(8, pubkey=cashu.public("wallet"))
        await stall.pay(quote)
        blanks = await stall.blanks(8)
        message = quote["quote"] + "".join(blank.output.B_ for blank in blanks)
        right = schnorr.sign(cashu.scalar("wallet"), message.encode()).hex()
        stolen = schnorr.sign(cashu.scalar("thief"), message.encode()).hex()
        other = schnorr.sign(cashu.scalar("wallet"), message[:-1].encode()).hex()
        for signature in (None, "", "zz", stolen, other):
            with pytest.raises(Refused) as refused:
                await stall.post("mint/bolt11", mint_of(quote, blanks, signature=signature))
            assert refused.value.code == 20_008
        await stall.signed("mint/bolt11", mint_of(quote, blanks, signature=right), blanks)
        with pytest.raises(Refused, match="public key"):
            await stall.quote(8, pubkey="zz")

    at_the_stall(tmp_path, talk)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": 0}, 11_006),
        ({"amount": 100_001}, 11_006),
        ({"unit": "sat"}, 11_013),
        ({"unit": "microeur"}, 11_013),
        ({"amount": "8"}, 11_000),
        ({"amount": 8.0}, 11_000),
        ({"amount": True}, 11_000),
        ({"amount": 2**63}, 11_000),
    ],
)
def test_a_quote_that_is_not_ours_is_refused(
    tmp_path: Path, changes: dict[str, object], code: int
) -> None:
    async def talk(stall: Stall) -> None:
        with pytest.raises(Refused) as refused:
            await stall.post("mint/quote/bolt11", {"amount": 8, "unit": "eur"} | changes)
        assert refused.value.code == code

    at_the_stall(tmp_path, talk)


def test_each_unit_is_a_mint_of_its_own(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        small = stall.beside("microeur")
        coins = await small.load(200)
        assert (small.outstanding(), stall.outstanding()) == (200, 0)
        cents = await stall.load(1)
        for one, inputs in ((stall, coins), (small, cents)):
            blanks = await one.blanks(sum(coin.amount for coin in inputs))
            with pytest.raises(Refused) as refused:
                await one.swap(inputs, blanks)
            assert refused.value.code == 11_009

    at_the_stall(tmp_path, talk)


def test_a_quote_of_one_unit_is_not_paid_in_another(tmp_path: Path) -> None:
    """Else a hundred cents of coins would cost a hundred millionths."""

    async def talk(stall: Stall) -> None:
        small = stall.beside("microeur")
        quote = await stall.quote(100)
        path = quote["request"].replace("/cashu/eur/", "/cashu/microeur/")
        with pytest.raises(Refused, match="quote_unknown"):
            await small.pay(quote | {"request": path})
        for path, body in (
            (f"mint/quote/bolt11/{quote['quote']}", None),
            ("mint/bolt11", mint_of(quote, await small.blanks(100))),
        ):
            with pytest.raises(Refused, match="no such quote"):
                await small.send("POST" if body else "GET", f"v1/{path}", body)
        assert (stall.outstanding(), small.outstanding()) == (0, 0)

    at_the_stall(tmp_path, talk)


def test_a_code_of_one_unit_is_not_paid_in_another(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        small = stall.beside("microeur")
        code = (await stall.code(100))["request"]
        with pytest.raises(Refused) as refused:
            await small.melt_quote(code)
        assert refused.value.code == 20_004
        quote = await stall.melt_quote(code)
        with pytest.raises(Refused, match="no such quote"):
            await small.get(f"melt/quote/bolt11/{quote['quote']}")
        coins = await small.load(100)
        with pytest.raises(Refused, match="no such quote"):
            await small.post("melt/bolt11", {"quote": quote["quote"], "inputs": coins})
        assert await small.state(coins[0]) == "UNSPENT"

    at_the_stall(tmp_path, talk)
