import pytest

from farthing.errors import (
    Expired,
    Forged,
    Malformed,
    Mismatch,
    OutOfRange,
    Revoked,
    TooLarge,
    Unknown,
)
from farthing.marks import Keys, Memory
from farthing.schemes.coin.blind.checking import records_of
from farthing.schemes.coin.cashu import transactions
from farthing.schemes.coin.cashu.keysets import MintKeys
from farthing.schemes.coin.cashu.messages import INPUTS_MAX, Output, Proof
from farthing.schemes.coin.cashu.transactions import FOR_EVER_S, KeysetsOf
from tests.kit import cashu

NOW_S = 1_800_000_000
TODAY, BEFORE = cashu.mint_keys(), cashu.mint_keys(name="before", final_expiry=NOW_S)
OTHER = cashu.mint_keys("microeur")
KEYSETS = KeysetsOf([TODAY, BEFORE], frozenset({OTHER.id}))


def coins(amount: int, keys: MintKeys = TODAY) -> tuple[Proof, ...]:
    made = cashu.blanks(keys.id, amount)
    return cashu.coins(made, [cashu.sign(keys, one.output) for one in made], keys.public.keys)


def test_each_coin_has_a_mark_of_its_own_until_its_keyset_is_forgotten() -> None:
    found = transactions.verify_inputs(KEYSETS, (*coins(3), *coins(4, BEFORE)), (), NOW_S)
    assert found.amount == 7
    assert len({coin.mark for coin in found.coins}) == 3
    assert [coin.until_s for coin in found.coins][:2] == [FOR_EVER_S] * 2
    assert found.coins[2].until_s == NOW_S + transactions.AFTER_END_S
    assert [coin.micro for coin in found.coins] == [10_000, 20_000, 40_000]


def test_inputs_are_of_keysets_that_are_ours_and_live() -> None:
    with pytest.raises(Expired, match="keyset_expired"):
        transactions.verify_inputs(KEYSETS, coins(1, BEFORE), (), NOW_S + 1)
    with pytest.raises(Mismatch, match="units_mixed"):
        transactions.verify_inputs(KEYSETS, (*coins(1), *coins(1, OTHER)), (), NOW_S)
    with pytest.raises(Unknown, match="keyset_unknown"):
        transactions.verify_inputs(KEYSETS, coins(1, cashu.mint_keys(name="x")), (), NOW_S)
    with pytest.raises(Malformed, match="inputs_missing"):
        transactions.verify_inputs(KEYSETS, (), (), NOW_S)
    with pytest.raises(TooLarge, match="inputs_too_many"):
        transactions.verify_inputs(KEYSETS, coins(1) * (INPUTS_MAX + 1), (), NOW_S)


def test_outputs_are_signed_the_same_way_twice() -> None:
    outputs = [one.output for one in cashu.blanks(TODAY.id, 5)]
    once, again = (transactions.sign_outputs(KEYSETS, outputs) for _ in range(2))
    assert once == again
    assert once.amount == 5
    records = records_of("cashu", Memory(), (), once.outputs)
    memory = Memory(records={record.key: record.value for record in records})
    assert [transactions.found(one, memory) for one in outputs] == list(once.signatures)
    assert transactions.found(cashu.blank(TODAY.id, 1).output, memory) is None
    assert transactions.signed_keys(outputs) == Keys(records=tuple(memory.records))
    for signed, record in zip(once.outputs, records, strict=True):
        assert transactions.signature_in(record.value) == signed.signature


def test_outputs_name_todays_keyset_and_amounts_that_have_a_key() -> None:
    for keys, refused in ((BEFORE, Revoked), (OTHER, Mismatch)):
        with pytest.raises(refused):
            transactions.sign_outputs(KEYSETS, [cashu.blank(keys.id, 1).output])
    for amount in (0, 3, 2**53 - 1):
        with pytest.raises(OutOfRange, match="amount_without_key"):
            transactions.sign_outputs(KEYSETS, [cashu.blank(TODAY.id, amount).output])
    many = [cashu.blank(TODAY.id, 1).output] * (INPUTS_MAX + 1)
    with pytest.raises(TooLarge, match="outputs_too_many"):
        transactions.sign_outputs(KEYSETS, many)
    bad = Output(amount=1, id=TODAY.id, B_="02" + "f" * 64)
    with pytest.raises(Malformed, match="point_malformed"):
        transactions.sign_outputs(KEYSETS, [bad])


@pytest.mark.parametrize(("amount", "parts"), [(0, []), (1, [1]), (6, [2, 4]), (7, [1, 2, 4])])
def test_change_is_signed_on_blanks_in_their_order(amount: int, parts: list[int]) -> None:
    blanks = [cashu.blank(TODAY.id, 0).output for _ in range(3)]
    made = transactions.sign_change(KEYSETS, blanks, amount)
    assert [one.amount for one in made.signatures] == parts
    used = [bytes.fromhex(blank.B_) for blank in blanks[: len(parts)]]
    assert [output.mark for output in made.outputs] == used


def test_change_without_room_is_refused_and_not_kept() -> None:
    blanks = [cashu.blank(TODAY.id, 0).output]
    with pytest.raises(Mismatch, match="transaction_unbalanced"):
        transactions.sign_change(KEYSETS, blanks, 3)


def test_what_goes_in_comes_out() -> None:
    transactions.require_balanced(8, 8)
    for made in (7, 9):
        with pytest.raises(Mismatch, match="transaction_unbalanced"):
            transactions.require_balanced(8, made)


def test_a_coin_of_another_amount_is_forged() -> None:
    (coin,) = coins(8)
    for amount in (4, 3, 0):
        other = Proof(amount=amount, id=coin.id, secret=coin.secret, C=coin.C)
        with pytest.raises(Forged, match="coin_forged"):
            transactions.verify_inputs(KEYSETS, [other], (), NOW_S)
