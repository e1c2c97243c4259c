"""A trace reads as sentences, in order, and shows no body."""

import pytest

from farthing.lab.trace import Trace
from farthing.lab.traces import SENTENCES, eventful, tell, tell_all
from farthing.lab.world import World


@pytest.mark.parametrize(
    ("kind", "words", "sentence"),
    [
        ("request", ("ann", "shop", "GET", "/a", b""), "ann asks shop: GET /a"),
        ("request", ("ann", "shop", "GET", "/a", b"x"), "ann asks shop: GET /a, body b1ba07e5"),
        ("answer", ("shop", "ann", "402", "-", b""), "shop answers ann: 402"),
        ("up", ("shop",), "shop starts"),
        ("killed", ("shop", "before a commit"), "shop is killed: before a commit"),
        ("refused", ("shop", "clock_behind"), "shop refuses to start: clock_behind"),
        ("leap", ("everybody", "86400"), "leap everybody 86400"),
    ],
)
def test_an_event_is_a_sentence(kind: str, words: tuple[str | bytes, ...], sentence: str) -> None:
    trace = Trace(lambda: 12.5)
    trace.note(kind, str(words[0]), *words[1:])
    assert tell(trace.lines[0]) == f"     12.500 s  {sentence}"


def test_a_purchase_is_told_in_order_and_its_credential_is_not() -> None:
    with World(3) as world:
        payer, vendor = world.payers[0], world.vendors[0]
        world.run(payer.buy(f"{vendor.url}{vendor.pages[0].path}/1?secret=canary"))
        told = tell_all(world.ground.trace.lines)
    wanted = f"{payer.name} asks {vendor.name}: GET {vendor.pages[0].path}/1"
    first, *_, last = [line for line in told if wanted in line]
    assert told.index(first) < told.index(last)
    assert any(f"{vendor.name} answers {payer.name}: 402" in line for line in told)
    assert "canary" not in "".join(told)
    assert {line.split()[3] for line in told} >= {"asks", "answers", "starts"}


def test_what_is_asked_again_and_again_is_left_out_with_its_answers() -> None:
    trace = Trace(lambda: 0.5)
    for path, again in (("/lists/tick", True), ("/settle", False), ("/lists/ikp", True)):
        trace.note("request", "shop", "broker", "GET", path, b"")
        trace.note("request", "ann", "shop", "GET", "/.well-known/farthing-keys" * again, b"")
        trace.note("answer", "broker", "shop", "200", path, b"")
        trace.note("answer", "shop", "ann", "200", path, b"")
    assert [line.split()[1:6] for line in eventful(trace.lines)] == [
        ["request", "shop", "broker", "GET", "/settle"],
        ["request", "ann", "shop", "GET", "-"],
        ["answer", "broker", "shop", "200", "/settle"],
        ["answer", "shop", "ann", "200", "/settle"],
        ["answer", "shop", "ann", "200", "/lists/ikp"],
    ], "the last one, too"


def test_an_answer_that_may_be_to_something_else_is_shown() -> None:
    trace = Trace(lambda: 0.5)
    trace.note("request", "shop", "broker", "GET", "/lists/tick", b"")
    trace.note("request", "shop", "broker", "POST", "/settle", b"x")
    trace.note("answer", "broker", "shop", "200", "-", b"")
    assert [line.split()[1] for line in eventful(trace.lines)] == ["request", "answer"]


def test_the_last_line_is_shown_whatever_it_is() -> None:
    trace = Trace(lambda: 0.5)
    trace.note("request", "shop", "broker", "GET", "/lists/tick", b"")
    assert eventful(trace.lines) == list(trace.lines)
    trace.note("answer", "broker", "shop", "200", "-", b"")
    assert eventful(trace.lines) == [trace.lines[-1]]
    trace.note("up", "shop")
    assert eventful(trace.lines) == [trace.lines[-1]]
    assert eventful([]) == []


def test_every_kind_has_room_for_its_words() -> None:
    assert all("{0}" in form for form in SENTENCES.values())
