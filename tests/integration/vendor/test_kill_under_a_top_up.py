"""A gate that dies at any command of what a broker pays before: openings and top-ups of streams."""

import pytest

from farthing.vendor.booking import read_outcome
from farthing.vendor.commands import AskOrigin, OriginAnswered
from tests.kit.shop import SCHEMES, answering, code_of, receipt_in, value_of
from tests.kit.streams import PRICE_MICRO, STREAM, Early, Reader
from tests.unit.vendor.test_reserving import Facilitator

EVENTS = OriginAnswered(status=200, headers=((b"content-type", b"text/event-stream"),), body=None)
HOLD_S = 60
COMMANDS_MAX = 30  # more than any walk here has
every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


def early(scheme: str) -> tuple[Reader, Facilitator]:
    shop, broker = Early(STREAM), Facilitator()
    shop.broker = broker
    return Reader(scheme, shop=shop), broker


@every_scheme
def test_what_the_broker_pays_before_opens_a_stream_and_tops_it_up(scheme: str) -> None:
    reader, broker = early(scheme)
    assert reader.open().stream is not None
    payment = reader.top_up(4)
    answer = reader.send(payment, 4)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.stream_paid_micro == 5 * PRICE_MICRO
    found = reader.shop.find(payment.k)
    assert found is not None
    assert not read_outcome(found.outcome).stored, "there is no page to keep"
    assert reader.paid_micro == 5 * PRICE_MICRO == broker.paid_micro


@every_scheme
def test_killed_at_any_command_a_top_up_is_paid_and_counted_or_neither(scheme: str) -> None:
    for commands in range(1, COMMANDS_MAX):
        for ask in ("outcome", "again"):
            reader, broker = early(scheme)
            reader.open()
            payment = reader.top_up(4)
            walking = reader.shop.start(payment.header, path=reader.path(4), method="POST")
            ended = walking.go(commands) is not None
            walking.drop()
            reader.shop.restart()
            if ended:
                return
            reader.shop.clock.now_s += HOLD_S
            if ask == "outcome":
                reader.shop.outcome({"k": payment.k, "payload": payment.payload})
            else:
                assert reader.send(payment, 4).status == 200
            assert reader.paid_micro == broker.paid_micro, commands
            assert "reserved" not in broker.state.values(), "nothing stays frozen"


@every_scheme
def test_killed_at_any_command_an_opening_opens_one_stream_or_says_that_it_was_paid(
    scheme: str,
) -> None:
    for commands in range(1, COMMANDS_MAX):
        for ask in ("outcome", "again"):
            reader, broker = early(scheme)
            walking = reader.shop.start(reader.opening.header)
            ended = walking.go(commands) is not None
            walking.drop()
            reader.shop.restart()
            if ended:
                return
            reader.shop.clock.now_s += HOLD_S
            if ask == "outcome":
                question = {"k": reader.opening.k, "payload": reader.opening.payload}
                reader.shop.outcome(question)
            else:
                answer = reader.open()
                assert answer.stream is not None or code_of(answer) == "stream_opened_before"
            assert reader.paid_micro == broker.paid_micro, commands
            assert "reserved" not in broker.state.values(), "nothing stays frozen"


def paid_and_killed(stream: str = STREAM) -> Reader:
    """An opening that the broker has paid, of which the gate knows nothing yet."""
    shop, broker = Early(stream), Facilitator()
    shop.broker = broker
    reader = Reader("millicent", shop=shop)
    shop.origin = answering(EVENTS)
    walking = shop.start(reader.opening.header)
    walking.until(AskOrigin)
    while broker.paid_micro == 0:
        walking.go(1)
    walking.drop()
    shop.restart()
    shop.clock.now_s += HOLD_S
    return reader


def test_a_stream_that_was_paid_before_a_crash_is_passed_on_as_far_as_it_is_paid() -> None:
    answer = paid_and_killed().open()
    assert answer.stream is not None
    assert value_of(answer, b"link")
    assert answer.charged_micro == PRICE_MICRO == answer.stream.price_micro


@pytest.mark.parametrize(
    ("status", "kind", "opens"),
    [
        (200, b"text/event-stream", True),
        (299, b"text/event-stream", True),
        (300, b"text/event-stream", False),
        (500, b"text/event-stream", False),
        (200, b"text/html", False),
    ],
)
def test_a_site_that_fails_then_has_no_stream_and_the_payer_a_receipt(
    status: int, kind: bytes, *, opens: bool
) -> None:
    reader = paid_and_killed(STREAM.replace("1kB", "1 message"))
    headers = ((b"content-type", kind),)
    reader.shop.origin = answering(OriginAnswered(status=status, headers=headers, body=None))
    answer = reader.open()
    assert (answer.stream is not None) is opens
    assert receipt_in(answer) is not None
    if kind == b"text/html":
        assert code_of(answer) == "origin_sends_no_events"
    again = reader.open()
    assert (again.status, code_of(again)) == (403, "stream_opened_before")
