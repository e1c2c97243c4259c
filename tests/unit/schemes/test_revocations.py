import pytest

from farthing.errors import Unavailable
from farthing.marks import NOTHING, Memory
from farthing.schemes.revocations import (
    GRACE_S,
    ListState,
    read_state,
    require_fresh,
    state_key,
)

STATE = ListState(number=7, this_update_s=1000, next_update_s=1300)


def test_what_is_noted_of_a_list_is_read_again() -> None:
    put = STATE.put("agent", 5000)
    assert (put.key, put.until_s) == (state_key("agent"), 5000)
    assert read_state(put.value) == STATE
    assert read_state(None) is None


def test_a_list_is_good_until_the_next_and_the_grace_and_not_a_second_longer() -> None:
    put = STATE.put("agent", 5000)
    memory = Memory(records={put.key: put.value})
    require_fresh(memory, put.key, 1300 + GRACE_S)
    with pytest.raises(Unavailable, match="list_stale"):
        require_fresh(memory, put.key, 1301 + GRACE_S)
    with pytest.raises(Unavailable, match="list_stale"):
        require_fresh(NOTHING, put.key, 0)
