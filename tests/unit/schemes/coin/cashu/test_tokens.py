import base64
from typing import Any

import pytest

from farthing.errors import Malformed, Refusal, TooLarge
from farthing.schemes.coin.cashu import messages, tokens
from farthing.schemes.coin.cashu.messages import Proof
from farthing.schemes.coin.cashu.tokens import Token
from tests.kit import cashu
from tests.kit.nuts import vectors


def name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def coins(amount: int = 13) -> tuple[Proof, ...]:
    keys = cashu.mint_keys()
    made = cashu.blanks(keys.id, amount)
    return cashu.coins(made, [cashu.sign(keys, one.output) for one in made], keys.public.keys)


@pytest.mark.parametrize("vector", vectors("nut00", "token_v3"), ids=name)
def test_the_old_form_is_read(vector: dict[str, Any]) -> None:
    if vector["kind"].endswith("invalid"):
        with pytest.raises(Malformed, match="token_malformed"):
            tokens.read(vector["serialized"])
        return
    found, (entry,) = tokens.read(vector["serialized"]), vector["token"]["token"]
    assert (found.mint, found.unit) == (entry["mint"], vector["token"]["unit"])
    shown = [{"amount": p.amount, "id": p.id, "secret": p.secret, "C": p.C} for p in found.proofs]
    assert shown == entry["proofs"]


@pytest.mark.parametrize("vector", vectors("nut00", "token_v4_serialize"), ids=name)
def test_todays_form_is_read_and_written_as_published(vector: dict[str, Any]) -> None:
    found = tokens.read(vector["serialized"])
    assert (found.mint, found.unit) == (vector["token"]["m"], vector["token"]["u"])
    assert found.memo == vector["token"].get("d", "")
    assert tokens.write(found) == vector["serialized"] or len(vector["token"]["t"]) > 1
    assert tokens.read(tokens.write(found)) == found


def test_the_binary_form_is_read() -> None:
    (vector,) = vectors("nut00", "token_v4_raw")
    found = tokens.read_raw(bytes.fromhex(vector["raw_hex"]))
    assert (found.amount, found.mint) == (1, vector["token"]["m"])
    with pytest.raises(Malformed, match="token_malformed"):
        tokens.read_raw(b"cashu")


def test_a_token_keeps_proofs_and_witnesses() -> None:
    locked = cashu.unlocked(coins()[0], "alice")
    token = Token(mint="http://mint", unit="eur", proofs=(locked, *coins()), memo="hello")
    assert tokens.read(tokens.write(token)) == token
    assert token.amount == 14


def test_each_changed_character_is_refused_or_another_token() -> None:
    token = Token(mint="http://mint", unit="eur", proofs=coins(1))
    text = tokens.write(token)
    for at in range(len(text)):
        other = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        try:
            assert tokens.read(other) != token
        except Refusal:
            continue


def test_a_token_of_several_mints_is_refused() -> None:
    raw = '{"token": [{"mint": "a", "proofs": []}, {"mint": "b", "proofs": []}]}'
    text = tokens.V3_PREFIX + base64.urlsafe_b64encode(raw.encode()).decode()
    with pytest.raises(Malformed, match="token_of_several_mints"):
        tokens.read(text)


@pytest.mark.parametrize("text", ["", "cashuB", "cashuA", "cashuB!", "cashuBoA==", "cashuC" * 9])
def test_rubbish_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        tokens.read(text)


def test_a_token_is_bounded() -> None:
    with pytest.raises(TooLarge, match="token_too_large"):
        tokens.read("cashuB" + "A" * tokens.TOKEN_CHARS_MAX)
    many = coins(1) * (messages.INPUTS_MAX + 1)
    with pytest.raises(Refusal):
        tokens.read(tokens.write(Token(mint="m", unit="eur", proofs=many)))
    with pytest.raises(TooLarge, match="inputs_too_many"):
        tokens.read(tokens.write(Token(mint="m", unit="eur", proofs=())))


def test_no_coin_is_shown() -> None:
    token = Token(mint="http://mint", unit="eur", proofs=coins())
    assert not any(proof.secret in repr(token) for proof in token.proofs)
    assert len(tokens.digest(tokens.write(token))) == 32
