"""A payer at a real broker, which signs what became of a purchase."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Unavailable, Unsupported
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.attestations import Attestation, Attested
from farthing.wallet.commands import AskMint, Command, Failed, Purchase, SendRequest
from farthing.wallet.driver import Session
from farthing.wallet.messages import Response
from farthing.wallet.proving import prove


def published(stage: Stage) -> bytes:
    """The keys that the broker publishes."""
    keys = [
        {"public": codec.b64u(key.public), "purpose": key.purpose} for key in stage.bank.publics()
    ]
    return codec.canonical({"broker": stage.bank.id, "currency": "eur", "keys": keys})


def asking(stage: Stage, *, keys: Any = None) -> Payer:
    """The payer, to whom the broker publishes its keys, or something else."""
    payer, answer = stage.payer, stage.payer.answer

    def answered(command: Command, session: Session) -> Any:
        if isinstance(command, SendRequest) and command.request.url.startswith(stage.bank.url):
            return keys or Response(status=200, url="", headers=(), body=published(stage))
        if isinstance(command, AskMint):
            assert command.ask.asked.bearer, "whose payment it is, nobody is told"
        return answer(command, session)

    payer.answer = answered  # type: ignore[method-assign]  # of one payer
    return payer


def bought(stage: Stage) -> Purchase:
    """A purchase as the wallet's file has it: the payment itself is gone."""
    made = stage.buy("one").purchase
    assert made is not None
    stage.payer.store.flush()
    kept = stage.payer.book.purchase(made.id)
    assert kept.paid.payload is None
    return kept


def proved(payer: Payer, made: Purchase) -> tuple[Attestation, Attested]:
    return payer.run_alone(prove(payer.guide(), made))


def test_a_purchase_is_proved_by_its_broker() -> None:
    with Play("ecash", "proving").stage() as stage:
        made = bought(stage)
        file, said = proved(asking(stage), made)
        assert said.paid is not None
        assert (said.paid.vendor, said.paid.price_micro) == (stage.shop.id, stage.price_micro)
        assert file.target == said.target == f"GET {made.url.removeprefix(stage.shop.site)}"


def test_that_nothing_was_paid_is_proved_too() -> None:
    with Play("ecash", "proving").stage() as stage:
        bought(stage)
        payer = asking(stage)
        stage.line.faults.extend(["payment"] * 9)
        made = payer.buy(stage.page("two")).purchase
        assert made is not None
        _, said = proved(payer, made)
        assert said.paid is None


def test_the_key_of_another_payment_shows_nothing_of_this() -> None:
    with Play("ecash", "proving").stage() as stage:
        made = bought(stage)
        later = msgspec.structs.replace(made.paid, spent=stage.payer.instruments()[0])
        _, said = proved(asking(stage), msgspec.structs.replace(made, paid=later))
        assert said.paid is None


@pytest.mark.parametrize("wrong", [Failed(reason="ConnectError"), 404, b"{}"])
def test_a_broker_whose_keys_are_not_to_be_had_proves_nothing(wrong: Any) -> None:
    with Play("ecash", "proving").stage() as stage:
        made = bought(stage)
        if isinstance(wrong, int):
            wrong = Response(status=wrong, url="", headers=(), body=b"")
        if isinstance(wrong, bytes):
            other = published(stage).replace(b"/record/", b"/another/")
            wrong = Response(status=200, url="", headers=(), body=other)
        with pytest.raises((Unavailable, Forged)):
            proved(asking(stage, keys=wrong), made)


def test_what_has_no_key_of_its_own_is_not_proved() -> None:
    with Play("payword", "proving").stage() as stage:
        made = bought(stage)
        with pytest.raises(Unsupported, match="proof_unsupported"):
            proved(stage.payer, made)
