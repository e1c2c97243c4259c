"""Two wallets at a real broker: what one writes down, the other has, once."""

import pytest

from farthing import codec
from farthing.errors import Malformed, Replayed, Unsupported
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.wallet.bearing import TOKEN_CHARS_MAX, TOKEN_PREFIX, claim, is_token, read, send
from farthing.wallet.grants import Grant

AMOUNT_MICRO = 600  # which the coins of a pocket make after a page of 200


def sent(payer: Payer, amount_micro: int = AMOUNT_MICRO) -> Grant:
    return payer.run_alone(send(payer.guide(), payer.store.file, payer.bank.id, amount_micro))


def claimed(payer: Payer, token: str) -> int:
    return payer.run_alone(claim(payer.guide(), payer.store.file, token))


def two(stage: Stage) -> tuple[Payer, Payer]:
    ann = stage.payer
    bob = stage.admit("bob", 0)
    stage.payer = ann
    return ann, bob


def test_what_is_sent_is_received_once_and_pays() -> None:
    with Play("ecash", "bearing").stage() as stage:
        ann, bob = two(stage)
        stage.buy("one")
        held_micro = ann.held_micro()
        grant = sent(ann)
        assert ann.held_micro() == held_micro - AMOUNT_MICRO
        assert claimed(bob, grant.token + "\n") == AMOUNT_MICRO
        assert bob.held_micro() == AMOUNT_MICRO
        for payer in (bob, ann):
            with pytest.raises(Replayed, match="coin_spent"):
                claimed(payer, grant.token)
        stage.payer = bob
        stage.buy("two")
        assert bob.held_micro() == AMOUNT_MICRO - stage.price_micro


def test_what_is_not_at_hand_is_bought_of_the_account_first() -> None:
    with Play("ecash", "buying").stage() as stage:
        ann, bob = two(stage)
        before_micro = stage.bank.has_micro("payer", ann.id)
        assert claimed(bob, sent(ann, 12_345).token) == 12_345
        assert stage.bank.has_micro("payer", ann.id) == before_micro - 12_345
        assert ann.held_micro() == 0


def test_a_wallet_whose_schemes_are_not_passed_on_sends_nothing() -> None:
    with Play("payword", "other").stage() as stage, pytest.raises(Unsupported, match="part_un"):
        sent(stage.payer)


def test_what_is_no_token_is_malformed() -> None:
    with Play("ecash", "reading").stage() as stage:
        token = sent(stage.payer).token
        assert is_token(token)
        assert repr(read(token)) == "Borne(ecash)"
        for wrong in ("", "fg1" + token[3:], token[:-7], token + "A" * TOKEN_CHARS_MAX,
                      TOKEN_PREFIX + codec.b64u(b"{}")):  # fmt: skip  # - one list
            with pytest.raises(Malformed):
                read(wrong)
