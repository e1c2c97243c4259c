import msgspec
import pytest

from farthing.errors import Expired, Forged, Malformed, OutOfRange
from farthing.schemes.coin.cashu import CASHU, tokens
from farthing.schemes.coin.cashu.coinage import (
    COINAGE,
    NO_END_S,
    factor_of,
    read_coin,
    read_output,
    write_coin,
)
from farthing.schemes.coin.cashu.keysets import SHORT_ID_CHARS
from farthing.schemes.coin.cashu.messages import Dleq
from farthing.schemes.contract import Json
from tests.kit.blind import Scene, pocket_of
from tests.kit.parties import NOW_S


def scene() -> Scene:
    return Scene(CASHU)


def token_of(one: Scene, amount_micro: int = 300) -> tokens.Token:
    parted = one.payer.purse.part(one.withdraw(), amount_micro)
    assert isinstance(parted.token, str)
    return tokens.read(parted.token)


def test_a_part_is_a_token_of_that_network_with_a_proof_of_each_coin() -> None:
    found = token_of(scene())
    assert (found.unit, found.amount) == ("microeur", 300)
    assert found.mint == "https://broker.example/cashu/microeur"
    assert all(proof.dleq is not None and proof.dleq.r is not None for proof in found.proofs)


def test_each_proof_of_a_token_is_judged_and_one_that_is_wrong_ends_it() -> None:
    """An offline check that stops at the first proof without DLEQ takes the rest unseen (C7)."""
    one = scene()
    token = token_of(one)
    keys = pocket_of(one.withdraw(1)).keysets
    first, *others = token.proofs
    bare = msgspec.structs.replace(first, dleq=None)
    worth_micro, raw = COINAGE.read_token(tokens.write(_with(token, bare, *others)), keys)
    assert (worth_micro, len(raw)) == (300, len(token.proofs))
    last = others[-1]
    assert last.dleq is not None
    for wrong in (
        msgspec.structs.replace(last, secret="0" * 64),
        msgspec.structs.replace(last, C=first.C),
        msgspec.structs.replace(last, amount=last.amount * 2),
        msgspec.structs.replace(last, amount=3),
        msgspec.structs.replace(last, amount=0),
        msgspec.structs.replace(last, amount=2**52),
        msgspec.structs.replace(last, dleq=Dleq(e=last.dleq.s, s=last.dleq.e, r=last.dleq.r)),
    ):
        changed = tokens.write(_with(token, bare, *others[:-1], wrong))
        with pytest.raises(Forged, match="proof_wrong"):
            COINAGE.read_token(changed, keys)


def _with(token: tokens.Token, *proofs: object) -> tokens.Token:
    return msgspec.structs.replace(token, proofs=proofs)


def test_a_coin_of_a_keyset_s_short_id_is_judged_and_keeps_it() -> None:
    """Some wallets write no other into their tokens."""
    one = scene()
    token = token_of(one)
    keys = pocket_of(one.withdraw(1)).keysets
    short = [msgspec.structs.replace(each, id=each.id[:SHORT_ID_CHARS]) for each in token.proofs]
    worth_micro, raw = COINAGE.read_token(tokens.write(_with(token, *short)), keys)
    assert worth_micro == 300
    assert [read_coin(each).id for each in raw] == [each.id for each in short]
    wrong = msgspec.structs.replace(short[0], secret="0" * 64)
    with pytest.raises(Forged, match="proof_wrong"):
        COINAGE.read_token(tokens.write(_with(token, wrong)), keys)


def test_a_token_has_a_largest_number_of_coins_and_is_one_text() -> None:
    token = token_of(scene())
    (proof, *_) = token.proofs
    many = msgspec.structs.replace(token, proofs=(proof,) * 61)
    with pytest.raises(OutOfRange, match="coins_too_many"):
        COINAGE.read_token(tokens.write(many))
    wrong: tuple[Json, ...] = (None, {}, ["cashuB"], "fc1", "cashuB")
    for text in wrong:
        with pytest.raises(Malformed):
            COINAGE.read_token(text)


def test_coins_and_outputs_of_other_forms_are_malformed() -> None:
    (proof, *_) = token_of(scene()).proofs
    bare = msgspec.structs.replace(proof, dleq=None)
    assert read_coin(write_coin(proof)) == bare
    for raw in (b"", write_coin(bare)[:74], write_coin(bare)[:73], write_coin(bare) + b"\xff"):
        with pytest.raises(Malformed, match="coin_malformed"):
            read_coin(raw)
    for other in (
        msgspec.structs.replace(bare, id=bare.id[:SHORT_ID_CHARS] + "00"),
        msgspec.structs.replace(bare, id="0"),
        msgspec.structs.replace(bare, secret="\ud800"),
    ):
        with pytest.raises(Malformed, match="coin_malformed"):
            write_coin(other)
    for raw in (b"", bytes(73), bytes(75)):
        with pytest.raises(Malformed, match="output_malformed"):
            read_output(raw)


def test_coins_without_an_end_pay_as_long_as_our_clocks_go() -> None:
    assert COINAGE.pays_until_s(0) == COINAGE.ends_at_s(0) == NO_END_S
    COINAGE.require_spendable(NOW_S, NOW_S + 120)
    with pytest.raises(Expired, match="keyset_expired"):
        COINAGE.require_spendable(NOW_S, NOW_S + 121)


def test_a_factor_is_a_scalar_whatever_is_drawn() -> None:
    for raw in (bytes(48), b"\xff" * 48):
        assert len(factor_of(raw)) == 32
        assert any(factor_of(raw))
