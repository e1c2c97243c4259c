"""Two payers of a real broker compare what it gives them."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Conflict, Refusal, Unsupported
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.coin.ecash.keyset import KEYS, LIST_KEY, LISTS
from farthing.schemes.contract import Need
from farthing.stores.keys import KeyRing
from farthing.wallet.commands import Answered, Ask, AskMint, Command, OpenAsk
from farthing.wallet.driver import Session
from farthing.wallet.errand import Flow, run
from farthing.wallet.key_lists import Shown, look_up
from tests.kit.canaries import canary
from tests.kit.turns import schemes_in_turn

BLIND = schemes_in_turn(("ecash", "cashu"))


def shown(payer: Payer) -> Shown:
    return payer.run_alone(look_up(payer.guide(), payer.book, payer.scheme, payer.bank.id))


def given(stage: Stage, change: Any) -> None:
    """The payer is given something else than everybody."""
    payer, answer = stage.payer, stage.payer.answer

    def answered(command: Command, session: Session) -> Any:
        said = answer(command, session)
        if isinstance(command, AskMint) and isinstance(said, Answered):
            return Answered(value=change(said.value))
        return said

    payer.answer = answered  # type: ignore[method-assign]  # of one payer


@pytest.mark.parametrize("scheme", BLIND)
def test_all_have_one_list_before_and_after_they_buy(scheme: str) -> None:
    with Play(scheme, "comparing").stage() as stage:
        ann, bob = stage.payer, stage.admit("bob")
        mine = shown(ann)
        assert (mine.broker, mine.scheme, len(mine.digest)) == (stage.bank.id, scheme, 43)
        stage.payer = ann
        stage.buy("one")
        assert shown(ann) == shown(bob) == mine


def load(payer: Payer, micro: int) -> Flow[None]:
    """Buy coins."""
    guide, scheme, broker = payer.guide(), payer.scheme, payer.bank.id
    purse = guide.purse(scheme, broker)
    need = Need(amount_micro=micro, currency=payer.bank.currency)
    ask = Ask(
        id=f"ask_{payer.numbered(purse).serials[0]}",
        created_at_s=0,
        broker_id=broker,
        scheme=scheme,
        vendor_id="",
        site="",
        amount_micro=micro,
        asked=purse.ask(need, payer.numbered(purse)),
    )
    opened: Ask | None = yield OpenAsk(ask=ask, patient=False, now_s=0)
    assert opened is not None
    yield from run(guide, opened)


def test_no_coins_are_bought_under_a_list_that_does_not_follow_from_that_of_those_here() -> None:
    with Play("ecash", "comparing").stage() as stage:
        stage.buy("one")
        payer, ring = stage.payer, stage.bank.books.ring
        assert isinstance(ring, KeyRing)
        ring.rotate(KEYS, canary("second"))
        payer.run_alone(load(payer, 100))
        had_micro = stage.bank.has_micro("payer", payer.id)
        ring.rotate(KEYS, canary("third"))

        def alone(value: Any) -> Any:
            if "keysets" not in value:
                return value
            bare = msgspec.structs.replace(LISTS.convert(value), older=())
            signed = codec.enc(LIST_KEY, bare.digest)
            sig = codec.b64u(signing.sign(ring.current(LIST_KEY).secret, signed))
            return msgspec.to_builtins(msgspec.structs.replace(bare, sig=sig))

        given(stage, alone)
        with pytest.raises(Conflict, match="keysets_differ"):
            payer.run_alone(load(payer, 100))
        assert stage.bank.has_micro("payer", payer.id) == had_micro


def test_a_list_that_the_broker_did_not_sign_is_refused() -> None:
    with Play("ecash", "comparing").stage() as stage:
        given(stage, lambda value: value | {"epoch": value["epoch"] + 1})
        with pytest.raises(Refusal):
            shown(stage.payer)


def test_another_list_than_before_is_a_conflict_and_both_are_named() -> None:
    with Play("ecash", "comparing").stage() as stage:
        stage.buy("one")
        payer = stage.payer
        now = shown(payer)
        (held,) = payer.book.held()
        purse: Any = payer.guide().purse("ecash", stage.bank.id)
        pocket = purse.readers.pockets.read(held.instrument.body)
        other = msgspec.structs.replace(pocket.keysets, currency="usd")
        assert other.digest != pocket.keysets.digest
        before = msgspec.structs.replace(pocket, keysets=other)
        body = codec.canonical(before)
        with payer.store.file.write():
            instrument = msgspec.structs.replace(held.instrument, body=body)
            payer.book._rows.put_instrument(stage.bank.id, "", instrument)
        with pytest.raises(Conflict, match="keysets_differ") as refused:
            shown(payer)
        assert now.digest in refused.value.detail
        assert codec.b64u(other.digest) in refused.value.detail


def test_a_scheme_that_is_not_blind_has_no_such_list() -> None:
    play, refused = Play("millicent", "comparing"), pytest.raises(Unsupported, match="keys_unsup")
    with play.stage() as stage, refused:
        shown(stage.payer)
