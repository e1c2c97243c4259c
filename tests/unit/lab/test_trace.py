"""Two traces have one hash exactly if the same happened at the same times."""

from farthing.lab.trace import Trace, brief


def traced(*notes: tuple[str, ...], at_s: float = 1.5) -> Trace:
    trace = Trace(lambda: at_s, lines_max=2)
    for kind, who, *what in notes:
        trace.note(kind, who, *what)
    return trace


def test_order_time_and_bytes_are_in_the_hash() -> None:
    one, other = ("request", "a", "b"), ("answer", "b", "a")
    assert traced(one, other).hash == traced(one, other).hash
    assert traced(one, other).hash != traced(other, one).hash
    assert traced(one).hash != traced(one, at_s=2.5).hash
    assert brief(b"x") != brief(b"y")
    assert brief(b"") == "-"


def test_the_last_lines_are_kept_for_people() -> None:
    trace = traced(("up", "a"), ("up", "b"), ("killed", "a", "why"))
    assert trace.events == 3
    assert [line.split() for line in trace.lines] == [
        ["1.500000", "up", "b"],
        ["1.500000", "killed", "a", "why"],
    ]
