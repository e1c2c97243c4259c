import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from farthing.broker.cashu.quotes import CODE_S, LOAD_S
from farthing.schemes.coin.cashu.messages import INPUTS_MAX, Proof
from tests.kit import cashu
from tests.unit.broker.cashu.stall import EURO_MICRO, Refused, Stall, at_the_stall, spend_of, y_of

RACERS = 32


def code_of(refused: pytest.ExceptionInfo[Refused]) -> int | str:
    return refused.value.code


def test_coins_are_exchanged_for_others_of_the_same_sum(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        old = await stall.load(13)
        new = await stall.swap(old, [cashu.blank(old[0].id, 1) for _ in range(13)])
        assert sum(coin.amount for coin in new) == 13
        assert {await stall.state(coin) for coin in old} == {"SPENT"}
        assert {await stall.state(coin) for coin in new} == {"UNSPENT"}
        for amount in (12, 14):
            with pytest.raises(Refused) as refused:
                await stall.swap(new, await stall.blanks(amount))
            assert code_of(refused) == 11_005

    at_the_stall(tmp_path, talk)


def test_one_coin_spent_by_many_is_spent_once(tmp_path: Path) -> None:
    """C8: and nobody who is refused has changed anything."""

    async def talk(stall: Stall) -> None:
        coin, other = await stall.load(3)
        asked = [spend_of([coin], await stall.blanks(1)) for _ in range(RACERS)]
        found = await asyncio.gather(
            *(stall.post("swap", one) for one in asked), return_exceptions=True
        )
        assert [one.code for one in found if isinstance(one, Refused)] == [11_001] * (RACERS - 1)
        with pytest.raises(Refused) as refused:
            await stall.swap([coin, other], await stall.blanks(3))
        assert code_of(refused) == 11_001
        assert await stall.state(other) == "UNSPENT"

    at_the_stall(tmp_path, talk)


def test_the_same_bytes_have_the_same_answer(tmp_path: Path) -> None:
    """C9, on every command that moves something, also when many send them at once."""

    async def talk(stall: Stall) -> None:
        (coin,) = await stall.load(8)
        blanks = await stall.blanks(8)
        raw = msgspec.json.encode(spend_of([coin], blanks))
        found = await asyncio.gather(*(stall.post("swap", raw) for _ in range(RACERS)))
        assert all(answer == found[0] for answer in found)
        coins = await stall.unblinded(blanks, found[0]["signatures"])
        quote = await stall.melt_quote((await stall.code(5))["request"])
        change = [cashu.blank(coins[0].id, 1) for _ in range(3)]
        melt = spend_of(coins, change) | {"quote": quote["quote"]}
        raw = msgspec.json.encode(melt)
        paid = await asyncio.gather(*(stall.post("melt/bolt11", raw) for _ in range(RACERS)))
        assert all(answer == paid[0] for answer in paid)
        with pytest.raises(Refused) as refused:  # another spelling is another request
            await stall.post("swap", msgspec.json.encode(spend_of([coin], blanks)) + b" ")
        assert code_of(refused) in {11_001, 11_003}

    at_the_stall(tmp_path, talk)


def test_an_output_is_signed_once(tmp_path: Path) -> None:
    """C10: in one request, in another one, after a rotation, for another amount."""

    async def talk(stall: Stall) -> None:
        first, second = await stall.load(3)
        blank = cashu.blank(first.id, 1)
        with pytest.raises(Refused) as refused:
            await stall.post("swap", spend_of([second], [blank, blank]))
        assert code_of(refused) == 11_008
        await stall.swap([first], [blank])
        with pytest.raises(Refused) as refused:
            await stall.swap([second], [blank, cashu.blank(first.id, 1)])
        assert code_of(refused) == 11_003
        two = msgspec.structs.replace(blank.output, amount=2)
        with pytest.raises(Refused) as refused:
            await stall.post("swap", {"inputs": [second], "outputs": [two]})
        assert code_of(refused) == 11_003
        stall.rotate()
        today = msgspec.structs.replace(two, id=(await stall.keyset()).id)
        with pytest.raises(Refused) as refused:
            await stall.post("swap", {"inputs": [second], "outputs": [today]})
        assert code_of(refused) == 11_003
        assert await stall.state(second) == "UNSPENT"

    at_the_stall(tmp_path, talk)


def test_a_coin_that_was_changed_is_forged(tmp_path: Path) -> None:
    """C11."""

    async def talk(stall: Stall) -> None:
        (coin,) = await stall.load(8)
        stall.rotate()
        blanks = await stall.blanks(8)
        replace = msgspec.structs.replace
        wrong = [
            (replace(coin, amount=16), 10_001, 16),
            (replace(coin, amount=3), 10_001, 3),
            (replace(coin, secret=coin.secret + "0"), 10_001, 8),
            (replace(coin, C=cashu.public("any")), 10_001, 8),
            (replace(coin, id=blanks[0].output.id), 10_001, 8),
            (replace(coin, id="00" * 8), 12_001, 8),
        ]
        for changed, code, amount in wrong:
            with pytest.raises(Refused) as refused:
                await stall.swap([changed], await stall.blanks(amount))
            assert code_of(refused) == code
        await stall.swap([coin], blanks)

    at_the_stall(tmp_path, talk)


def test_a_coin_twice_in_one_request_is_refused(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        (coin,) = await stall.load(8)
        with pytest.raises(Refused) as refused:
            await stall.swap([coin, coin], await stall.blanks(16))
        assert code_of(refused) == 11_007
        with pytest.raises(Refused) as refused:
            await stall.swap([], [])
        assert code_of(refused) == 11_000

    at_the_stall(tmp_path, talk)


def test_old_keysets_take_coins_and_sign_none_until_their_end(tmp_path: Path) -> None:
    """C14, C18."""

    async def talk(stall: Stall) -> None:
        end_s = stall.desk.now_s + 1_000
        stall.rotate("ending", not_after_s=end_s)
        coins = await stall.load(12)
        old = await stall.keyset()
        stall.rotate("next")
        with pytest.raises(Refused) as refused:
            await stall.swap(coins, cashu.blanks(old.id, 12))
        assert code_of(refused) == 12_002
        await stall.swap(coins[:1], await stall.blanks(4))
        listed = (await stall.get("keysets"))["keysets"]
        assert [one["active"] for one in listed] == [True, False, False]
        assert [one["final_expiry"] for one in listed] == [None, end_s, None]
        assert (await stall.get(f"keys/{old.id}"))["keysets"][0]["id"] == old.id
        stall.desk.now_s = end_s + 1
        for _ in range(2):  # and with the clock set back
            with pytest.raises(Refused) as refused:
                await stall.swap(coins[1:], await stall.blanks(8))
            assert code_of(refused) == 12_003
            stall.desk.now_s -= 86_400
        stall.desk.now_s += 2 * 86_400

    at_the_stall(tmp_path, talk)


def test_locks_hold_at_the_mint(tmp_path: Path) -> None:
    """C15; all paths of a lock are tried in the tests of `conditions`."""

    async def talk(stall: Stall) -> None:
        (plain,) = await stall.load(8)
        blank = cashu.blank(plain.id, 8, cashu.lock("P2PK", cashu.public("bob")))
        (locked,) = await stall.swap([plain], [blank])
        for wrong in (locked, cashu.unlocked(locked, "carol")):
            with pytest.raises(Refused) as refused:
                await stall.swap([wrong], await stall.blanks(8))
            assert code_of(refused) == 10_001
        await stall.swap([cashu.unlocked(locked, "bob")], await stall.blanks(8))

    at_the_stall(tmp_path, talk)


@pytest.mark.parametrize("role", ["payer", "vendor"])
def test_coins_are_paid_out_to_the_account_of_a_code(tmp_path: Path, role: str) -> None:
    async def talk(stall: Stall) -> None:
        await stall.open("shop", role=role, **{"commission_e4": 1_000} if role == "vendor" else {})
        coins = await stall.load(15)
        code = await stall.code(12, "shop")
        assert await stall.code(12, "shop") == code
        with pytest.raises(Refused, match="idempotency_conflict"):
            await stall.code(13, "shop")
        quote = await stall.melt_quote(code["request"])
        assert (quote["state"], quote["fee_reserve"], quote["amount"]) == ("UNPAID", 0, 12)
        change = [cashu.blank(coins[0].id, 0) for _ in range(4)]
        asked = spend_of(coins, change) | {"quote": quote["quote"]}
        paid = await stall.post("melt/bolt11", asked)
        assert paid["state"] == "PAID"
        assert len(bytes.fromhex(paid["payment_preimage"])) == 32
        back = await stall.unblinded(change[: len(paid["change"])], paid["change"])
        assert sum(coin.amount for coin in back) == 3
        earned = 120_000 if role == "payer" else 108_000
        assert stall.desk.balance(f"liability/{role}/shop") == -earned
        assert stall.outstanding() == 30_000
        shown = await stall.get(f"melt/quote/bolt11/{quote['quote']}")
        assert (shown["state"], shown["payment_preimage"]) == ("PAID", paid["payment_preimage"])
        with pytest.raises(Refused) as refused:
            await stall.melt_quote(code["request"])
        assert code_of(refused) == 20_006

    at_the_stall(tmp_path, talk)


def test_a_code_that_is_not_ours_costs_no_coin(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        code = (await stall.code(8))["request"]
        for request in ("", "lnbc1", "payto://iban/DE1", code[:-1] + "q", code.upper(), "é" * 80):
            with pytest.raises(Refused) as refused:
                await stall.melt_quote(request)
            assert code_of(refused) == 20_004
        with pytest.raises(Refused, match="11013"):
            await stall.post("melt/quote/bolt11", {"request": code, "unit": "sat"})
        stall.desk.now_s += CODE_S + 1
        with pytest.raises(Refused) as refused:
            await stall.melt_quote(code)
        assert code_of(refused) == 20_007

    at_the_stall(tmp_path, talk)


def test_too_few_coins_or_blanks_melt_nothing(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        coins = await stall.load(15)
        quote = await stall.melt_quote((await stall.code(12))["request"])
        for inputs, blanks in (
            (coins[:3], []),
            (coins, []),
            (coins, [cashu.blank(coins[0].id, 0)]),
        ):
            asked = spend_of(inputs, blanks) | {"quote": quote["quote"]}
            with pytest.raises(Refused) as refused:
                await stall.post("melt/bolt11", asked)
            assert code_of(refused) == 11_005
        assert {await stall.state(coin) for coin in coins} == {"UNSPENT"}
        stall.desk.now_s += LOAD_S + 1
        with pytest.raises(Refused) as refused:
            await stall.post("melt/bolt11", spend_of(coins[2:], []) | {"quote": quote["quote"]})
        assert code_of(refused) == 20_007

    at_the_stall(tmp_path, talk)


def test_coins_that_are_spent_are_not_paid_out(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        coins = await stall.load(8)
        for key, codes in (("k1", []), ("k2", [11_001])):
            quote = await stall.melt_quote((await stall.code(8, key=key))["request"])
            asked = spend_of(coins, []) | {"quote": quote["quote"]}
            found = await asyncio.gather(stall.post("melt/bolt11", asked), return_exceptions=True)
            assert [one.code for one in found if isinstance(one, Refused)] == codes

    at_the_stall(tmp_path, talk)


def test_one_coin_at_two_vendors_pays_one(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        (coin,) = await stall.load(8)
        vendors = [f"v{number}" for number in range(RACERS)]
        asked = []
        for name in vendors:
            await stall.open(name, role="vendor")
            quote = await stall.melt_quote((await stall.code(8, name))["request"])
            asked.append(spend_of([coin], []) | {"quote": quote["quote"]})
        found = await asyncio.gather(
            *(stall.post("melt/bolt11", one) for one in asked), return_exceptions=True
        )
        assert [one.code for one in found if isinstance(one, Refused)] == [11_001] * (RACERS - 1)
        earned = [stall.desk.balance(f"liability/vendor/{name}") for name in vendors]
        assert sorted(earned) == [-80_000] + [0] * (RACERS - 1)

    at_the_stall(tmp_path, talk)


def test_two_payouts_of_one_quote_pay_once_and_freeze_nothing(tmp_path: Path) -> None:
    """C3: quote, code and coins change in one transaction."""

    async def talk(stall: Stall) -> None:
        coins = [(await stall.load(8))[0] for _ in range(RACERS)]
        quote = await stall.melt_quote((await stall.code(8))["request"])
        found = await asyncio.gather(
            *(
                stall.post("melt/bolt11", spend_of([coin], []) | {"quote": quote["quote"]})
                for coin in coins
            ),
            return_exceptions=True,
        )
        assert [one.code for one in found if isinstance(one, Refused)] == [20_006] * (RACERS - 1)
        states = [await stall.state(coin) for coin in coins]
        assert sorted(states) == ["SPENT"] + ["UNSPENT"] * (RACERS - 1)
        assert stall.outstanding() == (RACERS - 1) * 80_000

    at_the_stall(tmp_path, talk)


def test_a_swap_and_a_payout_of_one_coin_are_one(tmp_path: Path) -> None:
    """C2, C5: a coin has one owner, and no look at a quote changes anything (C4)."""

    async def talk(stall: Stall) -> None:
        (coin,) = await stall.load(8)
        quote = await stall.melt_quote((await stall.code(8))["request"])
        melt = spend_of([coin], []) | {"quote": quote["quote"]}
        blanks = await stall.blanks(8)
        await asyncio.gather(
            stall.post("swap", spend_of([coin], blanks)),
            stall.post("melt/bolt11", melt),
            *(stall.get(f"melt/quote/bolt11/{quote['quote']}") for _ in range(RACERS)),
            return_exceptions=True,
        )
        shown = await stall.get(f"melt/quote/bolt11/{quote['quote']}")
        found = await stall.post("restore", {"outputs": [blanks[0].output]})
        assert (shown["state"] == "PAID") != bool(found["signatures"])

    at_the_stall(tmp_path, talk)


def test_restore_finds_what_was_signed_and_nothing_else(tmp_path: Path) -> None:
    async def talk(stall: Stall) -> None:
        coins = await stall.load(15)
        blanks = await stall.blanks(15)
        await stall.post("swap", spend_of(coins, blanks))
        stall.rotate()
        strange = cashu.blank(coins[0].id, 1)
        asked = [blank.output for blank in [*blanks[:2], strange, *blanks[2:]]]
        zero = [msgspec.structs.replace(one, amount=0) for one in asked]
        found = await stall.post("restore", {"outputs": zero})
        assert [one["B_"] for one in found["outputs"]] == [one.output.B_ for one in blanks]
        assert sum(one["amount"] for one in found["signatures"]) == 15
        too_many = {"outputs": [strange.output] * (INPUTS_MAX + 1)}
        with pytest.raises(Refused) as refused:
            await stall.post("restore", too_many)
        assert code_of(refused) == 11_014
        with pytest.raises(Refused):
            await stall.post("checkstate", {"Ys": [y_of(coins[0])] * (INPUTS_MAX + 1)})

    at_the_stall(tmp_path, talk)


def test_hundreds_of_coins_go_at_once(tmp_path: Path) -> None:
    """More marks than one entry of the journal has notes for."""

    async def talk(stall: Stall) -> None:
        (coin,) = await stall.load(512)
        many = await stall.swap([coin], [cashu.blank(coin.id, 1) for _ in range(512)])
        assert len(many) == 512
        await stall.swap(many, await stall.blanks(512))
        quote = await stall.melt_quote((await stall.code(300))["request"])
        more = await stall.load(512)
        coins = await stall.swap(more, [cashu.blank(coin.id, 1) for _ in range(512)])
        await stall.post("melt/bolt11", spend_of(coins[:300], []) | {"quote": quote["quote"]})

    at_the_stall(tmp_path, talk)


def test_random_payouts_conserve_every_unit(tmp_path: Path) -> None:
    """C6."""

    async def talk(stall: Stall) -> None:
        luck, held = random.Random(6), 0
        coins: tuple[Proof, ...] = ()
        for turn in range(60):
            loaded = await stall.load(luck.randrange(1, 200))
            coins, held = (*coins, *loaded), held + sum(coin.amount for coin in loaded)
            amount = luck.randrange(1, held + 1)
            quote = await stall.melt_quote((await stall.code(amount, key=f"k{turn}"))["request"])
            change = [cashu.blank(coins[0].id, 0) for _ in range((held - amount).bit_length())]
            paid = await stall.post(
                "melt/bolt11", spend_of(coins, change) | {"quote": quote["quote"]}
            )
            coins = await stall.unblinded(change[: len(paid["change"])], paid["change"])
            held -= amount
            assert sum(coin.amount for coin in coins) == held
            assert stall.outstanding() == held * 10_000
            if not coins:
                coins, held = await stall.load(1), 1
        total = -stall.desk.balance("liability/payer/alice") + stall.outstanding()
        assert total == 1_000 * EURO_MICRO

    at_the_stall(tmp_path, talk)
