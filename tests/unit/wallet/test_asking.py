"""The mint is asked before a payment: written first, paid with at once, or received later."""

from collections.abc import Iterator

import pytest

from farthing.errors import Expired, Refusal, Unavailable, Unsupported
from farthing.lab.conformance.line import Died
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.chain.fairchain.mint import FairMint
from farthing.wallet.commands import Failed

SCHEME = "fairchain"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Play(SCHEME, "asking").stage(load_micro=100 * 200) as opened:
        yield opened


def rows(stage: Stage) -> list[tuple[object, ...]]:
    """Operation and state of every ask."""
    with stage.payer.store.file.write():
        return stage.payer.store.file.rows(
            "SELECT operation, state FROM asks WHERE operation <> 'release' ORDER BY rowid"
        )


def test_the_ask_is_written_with_the_choice_and_ends_with_the_purchase(stage: Stage) -> None:
    seen: list[list[tuple[object, ...]]] = []
    stage.line.before = lambda who, what: seen.append(rows(stage)) if what == "issue" else None
    stage.buy()
    assert seen[1] == [("issue", "done"), ("first", "open")]
    assert rows(stage) == [("issue", "done"), ("first", "done")]
    general, ticket = sorted(stage.payer.instruments(), key=lambda one: one.vendor_id)
    assert (general.vendor_id, ticket.vendor_id) == ("", stage.shop.id)
    assert general.worth_micro + ticket.worth_micro == 99 * 200


def test_a_wallet_that_dies_before_the_purchase_receives_the_same_ticket(stage: Stage) -> None:
    asked: list[str] = []

    def die(who: str, what: str) -> None:
        asked.append(what)
        if asked.count("issue") == 2 and who == stage.payer.id and what == "AskMint":
            stage.line.after = lambda who, what: None
            raise Died(who)

    stage.line.after = die
    with pytest.raises(Died):
        stage.buy()
    stage.payer.restart()
    held_micro = stage.payer.held_micro()
    assert stage.payer.recover().asks_finished == 1
    assert stage.payer.held_micro() == held_micro
    assert {one.vendor_id for one in stage.payer.instruments()} == {"", stage.shop.id}
    stage.buy()
    assert [one for one in rows(stage) if one[0] == "first"] == [("first", "done")]


def test_what_was_abandoned_is_finished_by_whoever_buys_next(stage: Stage) -> None:
    def die(who: str, what: str) -> None:
        if what == "AskMint" and len(rows(stage)) == 2:
            stage.line.before = lambda who, what: None
            raise Died(who)

    stage.line.before = die
    with pytest.raises(Died):
        stage.buy()
    stage.payer.restart()
    other = stage.open_shop("daily")
    stage.buy(shop=other)  # out of the same escrow, once the ask for the first vendor is finished
    assert [state for _, state in rows(stage)] == ["done"] * 3
    assert stage.payer.said.count("OpenAsk") == 1


def test_a_broker_that_does_not_answer_leaves_the_ask_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = stage.payer._ask
    monkeypatch.setattr(
        stage.payer,
        "_ask",
        lambda ask: answers(ask) if not ask.instrument_id else Failed(reason="ConnectError"),
    )
    with pytest.raises(Unavailable):
        stage.buy()
    assert rows(stage)[-1] == ("first", "open")
    monkeypatch.undo()
    stage.buy()
    assert {state for _, state in rows(stage)} == {"done"}
    assert stage.payer.said.count("OpenAsk") == 1


def refusing(monkeypatch: pytest.MonkeyPatch, refusal: Refusal, times: int) -> None:
    """The mint refuses so many orders."""
    assign = FairMint._assign
    left = [refusal] * times

    def refuse(mint: FairMint, *arguments: object) -> object:
        if left:
            raise left.pop()
        return assign(mint, *arguments)  # type: ignore[arg-type]  # - passed on as they came

    monkeypatch.setattr(FairMint, "_assign", refuse)


def test_an_escrow_that_is_spoilt_is_set_aside_and_another_one_opened(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, Expired("escrow_over", "open another escrow"), 1)
    stage.buy()
    assert stage.payer.said.count("OpenAsk") == 2
    states = {one.state for one in stage.payer.book.holdings()}
    assert states == {"ready", "aside"}


def test_a_refusal_that_is_not_about_the_escrow_is_told_and_the_escrow_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing(monkeypatch, Unsupported("vendor_without_key", "it has not granted its key"), 1)
    with pytest.raises(Unsupported, match="vendor_without_key"):
        stage.buy()
    assert [one.state for one in stage.payer.book.holdings()] == ["ready"]
    stage.buy()
    assert stage.payer.said.count("OpenAsk") == 1


def test_a_ticket_that_is_not_right_pays_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from farthing.schemes.chain.fairchain import mint

    monkeypatch.setattr(mint, "seed_of", lambda key, ticket: bytes(16))
    with pytest.raises(Refusal, match="ticket_not_ours"):
        stage.buy()
    assert stage.shop.charged_micro() == 0
