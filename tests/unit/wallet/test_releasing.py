"""The second half goes out when the page is there, until the vendor has it."""

from collections.abc import Callable, Iterator

import msgspec
import pytest

from farthing.lab.conformance.line import Died
from farthing.lab.conformance.shop import failing
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.wallet.commands import Failed, Request, Response, SendRequest, Sent
from farthing.wallet.flow import Recovered
from farthing.wallet.releasing import GIVEN_UP_S, hand_over

Answerer = Callable[[Request], Sent]


@pytest.fixture(params=["mpp", "x402"])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Play("fairchain", "releasing").stage(dialect=request.param) as opened:
        yield opened


def releases(stage: Stage) -> list[tuple[object, ...]]:
    """State and code of every second half."""
    with stage.payer.store.file.write():
        return stage.payer.store.file.rows(
            "SELECT state, code FROM asks WHERE operation = 'release' ORDER BY rowid"
        )


def die_at(stage: Stage, command: str) -> None:
    """The wallet dies before this command of what comes after its page."""

    def die(who: str, what: str) -> None:
        if who == stage.payer.id and stage.payer.got and what == command:
            stage.line.before = lambda who, what: None
            raise Died(who)

    stage.line.before = die
    with pytest.raises(Died):
        stage.buy()
    stage.payer.restart()


def recovered(stage: Stage) -> Recovered:
    return stage.payer.recover()


def test_after_the_page_the_unit_is_released_and_earned(stage: Stage) -> None:
    stage.buy()
    assert releases(stage) == [("done", "")]
    stage.shop.clear()
    assert stage.earned_micro == stage.price_micro
    assert stage.shop.visits == 1


def test_a_page_that_failed_is_not_released(stage: Stage) -> None:
    stage.shop.origin = failing
    stage.payer.buy(stage.page())
    assert releases(stage) == []
    stage.shop.clear()
    assert (stage.earned_micro, stage.bank.has_micro("disputed")) == (0, 0)


@pytest.mark.parametrize("command", ["Look", "TakeRelease", "SendRequest", "FinishRelease"])
def test_whatever_a_crash_leaves_is_released_by_the_next_process(
    stage: Stage, command: str
) -> None:
    die_at(stage, command)
    assert releases(stage) == [("open", "")]
    assert recovered(stage).releases_sent == 1
    assert releases(stage) == [("done", "")]
    stage.shop.clear()
    assert stage.earned_micro == stage.price_micro


@pytest.mark.parametrize("command", ["TakeRelease", "FinishRelease"])
def test_a_page_whose_wallet_cannot_write_its_second_half_has_come_all_the_same(
    stage: Stage, command: str
) -> None:
    def fail(who: str, what: str) -> None:
        if who == stage.payer.id and stage.payer.got and what == command:
            stage.payer.store.file.connection.pragma("query_only", 1)

    stage.line.before = fail
    stage.buy()
    stage.line.before = lambda who, what: None
    stage.payer.restart()
    assert releases(stage) == [("open", "")]
    assert recovered(stage).releases_sent == 1
    assert releases(stage) == [("done", "")]


def test_a_crash_is_overtaken_by_the_next_page_of_the_same_ticket(stage: Stage) -> None:
    die_at(stage, "SendRequest")
    stage.buy("next")
    assert recovered(stage).releases_sent == 1  # the vendor calls it spent, as it is
    assert releases(stage) == [("done", "")] * 2
    stage.shop.clear()
    assert stage.earned_micro == 2 * stage.price_micro


def test_when_the_offer_is_over_a_fresh_one_carries_the_same_half(stage: Stage) -> None:
    die_at(stage, "SendRequest")
    stage.room.later(DAY_S)
    assert recovered(stage).releases_sent == 1
    assert releases(stage) == [("done", "")]
    stage.shop.clear()
    assert stage.earned_micro == stage.price_micro


def sending(stage: Stage, answerer: Answerer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another answer to what is sent after the page."""
    send = stage.payer.send
    monkeypatch.setattr(
        stage.payer,
        "send",
        lambda request: answerer(request) if stage.payer.got else send(request),
    )


def test_a_vendor_that_does_not_answer_is_asked_again_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    def silent(request: Request) -> Sent:
        asked.append(request)
        return Failed(reason="ConnectError")

    sending(stage, silent, monkeypatch)
    stage.buy()
    assert len(asked) == 3
    assert len({request.headers for request in asked}) == 1
    assert releases(stage) == [("open", "")]
    monkeypatch.undo()
    stage.payer.restart()
    assert recovered(stage).releases_sent == 1


@pytest.mark.parametrize(
    ("status", "body", "state"),
    [
        (404, b"", "open"),
        (200, b"", "open"),
        (503, b'{"code": "broker_unreachable", "retry": "same"}', "open"),
        (410, b'{"code": "ticket_unknown", "retry": "new"}', "refused"),
        (402, b'{"code": "ticket_expired", "retry": "new"}', "refused"),
        (403, b'{"code": "spent", "type": "x/verification-failed"}', "done"),
    ],
)
def test_only_a_word_of_the_gate_ends_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes, state: str
) -> None:
    answer = Response(status=status, url=stage.page(), body=body)
    sending(stage, lambda request: answer, monkeypatch)
    stage.buy()
    assert releases(stage)[0][0] == state


@pytest.mark.parametrize(
    "answer",
    [
        Failed(reason="ConnectError"),
        Response(status=410, url="", body=b'{"code": "ticket_unknown", "retry": "new"}'),
    ],
    ids=["silent", "refused"],
)
@pytest.mark.parametrize("is_submitted", [True, False])
def test_a_half_that_its_vendor_does_not_take_goes_to_the_broker_once_the_first_is_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, answer: Sent, *, is_submitted: bool
) -> None:
    def away(request: Request) -> Sent:
        if is_submitted:
            stage.shop.clear()
        return answer

    sending(stage, away, monkeypatch)
    stage.buy()
    ((state, code),) = releases(stage)
    assert (state == "done") is is_submitted
    if not is_submitted:
        is_over = isinstance(answer, Response)
        assert (state, code) == (("refused", "ticket_unknown") if is_over else ("open", ""))
    assert stage.earned_micro == (stage.price_micro if is_submitted else 0)
    assert stage.bank.has_micro("disputed") == 0


def test_a_receipt_that_is_not_the_vendors_is_none(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stage.payer.buy(stage.page("other"))
    assert isinstance(first.answer, Response)
    taken = first.answer
    other = stage.admit("ben")
    stage.payer = other
    send = other.send
    monkeypatch.setattr(
        other,
        "send",
        lambda request: (
            msgspec.structs.replace(send(request), headers=taken.headers)
            if other.got
            else send(request)
        ),
    )
    stage.buy()
    assert releases(stage)[0][0] == "open"


def test_what_no_vendor_can_claim_any_more_is_given_up(stage: Stage) -> None:
    die_at(stage, "SendRequest")
    stage.room.later(GIVEN_UP_S + 1)
    assert recovered(stage).releases_sent == 1
    assert releases(stage) == [("refused", "release_too_old")]


def test_a_scheme_without_second_halves_asks_nothing_of_the_store() -> None:
    with Play("millicent", "releasing").stage() as plain:
        made = plain.buy().purchase
        assert made is not None
        assert list(hand_over(plain.payer.guide(), made)) == []


def test_a_release_is_a_request_of_the_wallets_own(stage: Stage) -> None:
    die_at(stage, "TakeRelease")
    sent: list[SendRequest] = []
    answer = stage.payer.answer

    def watched(command: object, session: object) -> object:
        if isinstance(command, SendRequest):
            sent.append(command)
        return answer(command, session)  # type: ignore[arg-type]  # - passed on as it came

    stage.payer.answer = watched  # type: ignore[method-assign]  # - to read along
    recovered(stage)
    assert [command.leg for command in sent] == ["release"]
    assert sent[0].request.body == b""
