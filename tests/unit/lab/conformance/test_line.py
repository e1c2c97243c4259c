from farthing.lab.conformance.line import Line


def test_a_message_is_heard_as_sent_and_arrives_as_bent() -> None:
    line = Line()
    assert line.carry("claim", b"one") == b"one"
    line.bend = lambda kind, raw: raw.upper() if kind == "claim" else raw
    assert line.carry("claim", b"two") == b"TWO"
    assert line.carry("payment", b"three") == b"three"
    assert line.heard("claim") == [b"one", b"two"]
