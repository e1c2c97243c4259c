from farthing.lab.conformance.changing import edits, flipped
from farthing.lab.conformance.stage import Play


def test_a_flip_changes_every_byte_once_and_nothing_else() -> None:
    play = Play("payword", "a")
    with play.stage() as stage:
        raw = bytes(range(40))
        changed = [each for _, each in flipped(stage, raw)]
    assert len(changed) == len(raw)
    for place, each in enumerate(changed):
        assert [here for here in range(40) if each[here] != raw[here]] == [place]


def test_of_a_long_message_some_bytes_are_flipped_and_each_has_its_turn() -> None:
    raw, places = bytes(40), set[int]()
    for seed in range(40):
        with Play("payword", str(seed)).stage() as stage:
            flips = [each for _, each in flipped(stage, raw, most=10)]
        assert len(flips) == 10
        places |= {place for each in flips for place in range(40) if each[place]}
    assert places == set(range(40))


def test_edits_miss_lengthen_and_retype_everything_in_a_message() -> None:
    value = {"a": "text", "b": [1, {"c": True}], "d": None}
    edited = dict(edits(value))
    assert edited["/a missing"] == {"b": [1, {"c": True}], "d": None}
    assert edited["/a longer"]["a"] == "textA"
    assert edited["/b[0] one more"]["b"][0] == 2
    assert edited["/b[1]/c turned"]["b"][1] == {"c": False}
    assert edited["/d an object"]["d"] == {}
    assert value not in edited.values()
