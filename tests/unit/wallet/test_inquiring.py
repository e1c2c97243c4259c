"""A vendor that says nothing: the broker says what became of the payment."""

from collections.abc import Iterator

import pytest

from farthing.lab.conformance.hand import Paused
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.schemes.contract import Accepted, Burned, Conclusion, Json, Rolled
from farthing.wallet.commands import Failed, Request, Response, Sent
from farthing.wallet.flow import Recovered


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Play("netcash", "inquiring").stage() as opened:
        yield opened


def paused(stage: Stage) -> Paused:
    """A purchase that is written; whether its payment arrives is for the test to say."""
    found = Paused(stage.payer, stage.page())
    assert found.purchase is not None
    stage.payer.restart()
    return found


def gone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """No vendor answers any more."""

    def send(_: Payer, request: Request) -> Sent:
        return Failed(reason=f"ConnectError {request.method}")

    monkeypatch.setattr(Payer, "send", send)


def states(stage: Stage) -> list[str]:
    return [entry.state for entry in stage.payer.book.history()]


def test_what_the_vendor_took_stays_in_doubt_until_it_gives_its_receipt(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = stage.shop.serve(paused(stage).request)
    assert answer.status == 200
    gone(stage, monkeypatch)
    assert stage.payer.recover() == Recovered(undecided=1)
    stage.shop.clear()
    assert stage.payer.recover() == Recovered(undecided=1)
    monkeypatch.undo()
    assert stage.payer.recover() == Recovered(done=1)
    assert states(stage) == ["done"]


@pytest.mark.parametrize(
    ("conclusion", "ended"), [(Accepted(), "done"), (Rolled(), "released"), (Burned(), "released")]
)
def test_a_purchase_ends_as_the_broker_says(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, conclusion: Conclusion, ended: str
) -> None:
    paused(stage)
    gone(stage, monkeypatch)
    purse = type(stage.payer.guide().purse(stage.scheme, stage.bank.id))
    monkeypatch.setattr(purse, "learn", lambda *_: conclusion)
    assert stage.payer.recover() == Recovered(**{ended: 1})
    assert states(stage) == [ended]
    bound = [each for each in stage.payer.instruments() if each.vendor_id]
    assert len(bound) == isinstance(conclusion, Rolled)


def test_what_it_never_claimed_is_the_payers_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused(stage)
    gone(stage, monkeypatch)
    assert stage.payer.recover() == Recovered(undecided=1)
    stage.room.later(2 * DAY_S)
    assert stage.payer.recover() == Recovered(released=1)
    assert states(stage) == ["released"]
    for held in stage.payer.book.held():
        assert stage.payer.give_back(held.instrument, held.site)
    assert stage.bank.has_micro("outstanding") == 0


@pytest.mark.parametrize("said", [{}, {"state": "else"}, None])
def test_a_broker_that_does_not_say_leaves_the_doubt(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, said: Json
) -> None:
    paused(stage)
    gone(stage, monkeypatch)
    purse = type(stage.payer.guide().purse(stage.scheme, stage.bank.id))
    learn = purse.learn
    monkeypatch.setattr(purse, "learn", lambda self, paid, _, at: learn(self, paid, said, at))
    assert stage.payer.recover() == Recovered(undecided=1)
    monkeypatch.setattr(Payer, "_ask", lambda *_: Failed(reason="ConnectError"))
    assert stage.payer.recover() == Recovered(undecided=1)


def test_a_scheme_of_which_the_broker_knows_nothing_asks_it_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Play("payword", "inquiring").stage() as stage:
        paused(stage)
        gone(stage, monkeypatch)
        before = len(stage.payer.said)
        assert stage.payer.recover() == Recovered(undecided=1)
        assert "AskMint" not in stage.payer.said[before:]
        monkeypatch.undo()
        assert isinstance(stage.payer.send(Request(method="GET", url=stage.page())), Response)
