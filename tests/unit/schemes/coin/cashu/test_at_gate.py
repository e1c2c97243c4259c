import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import Forged, Malformed, Mismatch
from farthing.schemes.coin.cashu import at_gate, tokens
from farthing.schemes.coin.cashu.at_gate import ChangeMaker, change_of
from farthing.schemes.coin.cashu.keysets import MintKeys, unit_micro
from farthing.schemes.coin.cashu.messages import Output
from farthing.schemes.contract import Json
from tests.kit import cashu
from tests.kit.canaries import canary, draw

MAKER = ChangeMaker(canary("change"), draw("token", 32))
URL = "https://broker.example"
CENTS, MICROS = cashu.mint_keys(), cashu.mint_keys("microeur")


@given(st.integers(0, 10**9), st.sampled_from(["eur", "microeur"]))
def test_change_is_worth_what_is_over_and_comes_in_the_tokens_unit_first(
    change_micro: int, unit: str
) -> None:
    found = change_of("eur", unit, change_micro)
    worth_micro = sum(unit_micro(one) * sum(parts) for one, parts in found.items())
    assert worth_micro == change_micro
    assert list(found) in ([], [unit], ["microeur"], ["eur", "microeur"])
    if unit == "microeur":
        assert "eur" not in found
    assert sum(found.get("microeur", ())) < (10_000 if unit == "eur" else 10**9 + 1)


def test_where_there_are_no_cents_all_is_in_micro_units() -> None:
    assert change_of("jpy", "microjpy", 10_001) == {"microjpy": [1, 16, 256, 512, 1024, 8192]}
    with pytest.raises(Mismatch, match="token_of_another_unit"):
        change_of("jpy", "jpy", 1)


def returned(amounts: dict[str, list[int]], **keys: MintKeys) -> Json:
    blanks = MAKER.blanks(amounts)
    found: dict[str, list[Json]] = {}
    for unit, parts in amounts.items():
        mint = keys.get(unit, CENTS if unit == "eur" else MICROS)
        for amount, blank in zip(parts, blanks[unit], strict=True):
            one = cashu.sign(mint, Output(amount=amount, id=mint.id, B_=blank))
            key = mint.public.keys[amount]
            found.setdefault(unit, []).append(
                {"amount": amount, "id": one.id, "K": key, "C_": one.C_,
                 "e": one.dleq.e, "s": one.dleq.s}
            )  # fmt: skip  # - as it is sent
    return found


def test_change_is_tokens_of_each_unit_that_the_mint_has_signed() -> None:
    amounts = change_of("eur", "eur", 49_800)
    made = [tokens.read(text) for text in MAKER.tokens(amounts, returned(amounts), URL)]
    assert [(one.unit, one.amount, one.mint) for one in made] == [
        ("eur", 4, f"{URL}/cashu/eur"),
        ("microeur", 9_800, f"{URL}/cashu/microeur"),
    ]
    again = ChangeMaker(canary("change"), draw("token", 32))
    assert again.blanks(amounts) == MAKER.blanks(amounts)
    other = ChangeMaker(canary("change"), draw("another", 32))
    assert set(other.blanks(amounts)["eur"]).isdisjoint(MAKER.blanks(amounts)["eur"])


def test_change_that_is_not_what_was_asked_for_is_refused() -> None:
    amounts = change_of("eur", "eur", 49_800)
    wrong: tuple[Json, ...] = (
        None,
        [],
        {"eur": [{}]},
        returned(change_of("eur", "eur", 49_801)),
        returned(change_of("eur", "eur", 40_000)),
    )
    for answer in wrong:
        with pytest.raises((Malformed, Mismatch)):
            MAKER.tokens(amounts, answer, URL)
    lied = returned(amounts)
    lied["eur"][0]["K"] = returned(amounts)["microeur"][0]["K"]
    with pytest.raises(Forged, match="change_wrong"):
        MAKER.tokens(amounts, lied, URL)


def test_nothing_of_a_token_is_shown() -> None:
    assert "cashu" not in repr(at_gate.TokenPaid(token=("cashuBabc",)))
    claim = at_gate.TokenClaim(blanks={}, price_micro=1, token=("cashuBabc",), vendor="news")
    assert "cashu" not in repr(claim)
