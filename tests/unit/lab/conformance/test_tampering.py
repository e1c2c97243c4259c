"""What breaks a rule of `tampering.py` is found there."""

import pytest

from farthing.lab.conformance.stage import Play
from farthing.lab.conformance.tampering import edits, flipped
from tests.kit.broken import Broken, broken_in, require_found


@pytest.mark.parametrize("broken", broken_in("tampering"), ids=str)
def test_a_broken_rule_is_found(broken: Broken) -> None:
    require_found(broken)


def test_a_flip_changes_every_byte_once_and_nothing_else() -> None:
    play = Play("payword", "a")
    with play.stage() as stage:
        raw = bytes(range(40))
        changed = [each for _, each in flipped(stage, raw)]
    assert len(changed) == len(raw)
    for place, each in enumerate(changed):
        assert [here for here in range(40) if each[here] != raw[here]] == [place]


def test_edits_miss_lengthen_and_retype_everything_in_a_message() -> None:
    value = {"a": "text", "b": [1, {"c": True}], "d": None}
    edited = dict(edits(value))
    assert edited["/a missing"] == {"b": [1, {"c": True}], "d": None}
    assert edited["/a longer"]["a"] == "textA"
    assert edited["/b[0] one more"]["b"][0] == 2
    assert edited["/b[1]/c turned"]["b"][1] == {"c": False}
    assert edited["/d an object"]["d"] == {}
    assert value not in edited.values()
