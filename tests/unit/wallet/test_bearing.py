"""Two wallets at a real broker: what one writes down, the other has, once."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Malformed,
    Replayed,
    Unavailable,
    Unfunded,
    Unknown,
    Unsupported,
)
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.coin.cashu import tokens
from farthing.wallet.bearing import (
    TOKEN_CHARS_MAX,
    TOKEN_PREFIX,
    admit,
    claim,
    is_token,
    read,
    send,
)
from farthing.wallet.book import Book
from farthing.wallet.commands import AskMint, Command, Failed
from farthing.wallet.driver import Session
from farthing.wallet.grants import Grant
from farthing.wallet.peering import reachable

AMOUNT_MICRO = 1_024  # which the coins of a pocket make after a page of 200


def sent(payer: Payer, amount_micro: int = AMOUNT_MICRO) -> Grant:
    return payer.run_alone(send(payer.guide(), payer.store.file, payer.bank.id, amount_micro))


def claimed(payer: Payer, token: str) -> int:
    return payer.run_alone(claim(payer.guide(), payer.store.file, token))


def two(stage: Stage) -> tuple[Payer, Payer]:
    ann = stage.payer
    bob = stage.admit("bob", 0)
    stage.payer = ann
    return ann, bob


@pytest.mark.parametrize("scheme", ["ecash", "cashu"])
def test_what_is_sent_is_received_once_and_pays(scheme: str) -> None:
    with Play(scheme, "bearing").stage() as stage:
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


@pytest.mark.parametrize("scheme", ["ecash", "cashu"])
def test_what_is_not_at_hand_is_bought_of_the_account_first(scheme: str) -> None:
    with Play(scheme, "buying").stage() as stage:
        ann, bob = two(stage)
        before_micro = stage.bank.has_micro("payer", ann.id)
        assert claimed(bob, sent(ann, 12_345).token) == 12_345
        assert stage.bank.has_micro("payer", ann.id) == before_micro - 100_000
        assert ann.held_micro() == 100_000 - 12_345


def test_a_round_amount_is_bought_even_where_it_is_what_is_sent() -> None:
    with Play("ecash", "buying").stage(funds_micro=100_001) as stage:
        ann, _ = two(stage)
        assert sent(ann, 10_000).amount_micro == 10_000
        assert ann.held_micro() == 90_000
        with pytest.raises(Unfunded):
            sent(ann, 99_999)


def test_a_claim_whose_answer_was_lost_is_finished_by_the_next() -> None:
    with Play("ecash", "bearing").stage() as stage:
        ann, bob = two(stage)
        grant = sent(ann)
        answer, lost = bob.answer, ["AskMint"] * 4

        def losing(command: Command, session: Session) -> object:
            said = answer(command, session)
            if lost and isinstance(command, AskMint):
                return Failed(reason=lost.pop())
            return said

        bob.answer = losing  # type: ignore[method-assign]  # of one payer
        with pytest.raises(Unavailable):
            claimed(bob, grant.token)
        lost.clear()
        assert claimed(bob, grant.token) == AMOUNT_MICRO
        with pytest.raises(Replayed, match="coin_spent"):
            claimed(bob, grant.token)


def test_a_wallet_learns_the_broker_of_a_token_and_keeps_the_account_that_it_has() -> None:
    with Play("ecash", "bearing").stage() as stage:
        token = sent(stage.payer).token
        with Play("ecash", "other").stage() as other:
            file = other.payer.store.file
            admit(file, token)
            (known,) = Book(file).brokers().values()
            assert (known.id, known.url, known.account) == (
                stage.bank.id,
                stage.bank.url,
                "",
            )
            Book(file).put_broker(msgspec.structs.replace(known, account="bob", token="t"))
            admit(file, token)
            assert Book(file).brokers()[known.id].account == "bob"


def test_a_wallet_whose_schemes_are_not_passed_on_sends_nothing() -> None:
    with Play("payword", "other").stage() as stage, pytest.raises(Unsupported, match="part_un"):
        sent(stage.payer)


def test_what_is_no_token_is_malformed() -> None:
    with Play("ecash", "reading").stage() as stage:
        token = sent(stage.payer).token
        assert is_token(token)
        assert repr(read(token, {})) == "Borne(ecash)"
        for wrong in ("", "fg1" + token[3:], token[:-7], token + "A" * TOKEN_CHARS_MAX,
                      TOKEN_PREFIX + codec.b64u(b"{}")):  # fmt: skip  # - one list
            with pytest.raises(Malformed):
                read(wrong, {})


def test_a_schemes_own_text_names_its_mint_and_another_brokers_is_not_known() -> None:
    with Play("cashu", "bearing").stage() as stage:
        ann, bob = two(stage)
        stage.buy("one")
        token = sent(ann).token
        assert tokens.read(token).mint == f"{ann.bank.url}/cashu/microeur"
        known = bob.guide().brokers
        assert read(token, known).scheme == "cashu"
        Book(bob.store.file).put_broker(known[bob.bank.id])
        assert admit(bob.store.file, token).id == bob.bank.id
        with pytest.raises(Unknown, match="broker_unknown"):
            read(token, {})
        peered = reachable(known, {"abroad": bob.bank.id})  # at the same address, and listed first
        assert next(iter(peered)) == "abroad"
        assert read(token, peered).broker.id == bob.bank.id
        with pytest.raises(Unsupported, match="part_unsupported"):
            ann.run_alone(send(ann.guide(), ann.store.file, ann.bank.id, AMOUNT_MICRO, "ecash"))
