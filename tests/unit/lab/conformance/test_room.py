import pytest

from farthing.errors import Misconfigured
from farthing.lab.conformance.room import START_S, Ring, Room
from farthing.schemes.contract import Key


def test_what_is_drawn_follows_from_the_seed_and_never_repeats() -> None:
    rooms = [Room("a"), Room("a"), Room("b")]
    drawn = [[room.entropy(16) for _ in range(3)] for room in rooms]
    for room in rooms:
        room.close()
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 3


def test_time_passes_only_when_it_is_told_to_and_the_folder_goes() -> None:
    room = Room("a")
    assert room.now_s == START_S
    room.later(90)
    assert room.at().now_s == START_S + 90
    assert room.folder.is_dir()
    room.close()
    assert not room.folder.exists()


def test_a_ring_gives_the_newest_key_first_and_takes_no_id_twice() -> None:
    ring = Ring(Key(id="1", purpose="p"), Key(id="2", purpose="p"))
    assert [key.id for key in ring.live("p")] == ["2", "1"]
    assert ring.find("p", "1") == Key(id="1", purpose="p")
    with pytest.raises(Misconfigured, match="key_id_taken"):
        ring.add(Key(id="2", purpose="p"))
    with pytest.raises(Misconfigured, match="key_missing"):
        ring.current("q")
