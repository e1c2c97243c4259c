import itertools
from typing import get_args

import apsw
import msgspec
import pytest

from farthing.broker import reservations, store
from farthing.broker.reservations import TABLE, Event, Reservation, State

ENDINGS = {"end", "end, capture"}
NAMED = {"capture", "void"}  # they name a number, so there is a reservation


@pytest.mark.parametrize(("state", "event"), [*itertools.product(get_args(State), get_args(Event))])
def test_the_table_answers_all_that_can_happen(state: State, event: Event) -> None:
    impossible = (event in ENDINGS and state != "reserved") or (
        event in NAMED and state == "absent"
    )
    assert ((state, event) in TABLE) != impossible


def test_money_moves_once_on_every_path() -> None:
    moving = {"pay", "capture"}
    for (state, _), (step, after) in TABLE.items():
        assert (step in moving) == (after == "captured" and state != "captured")
        if state == "captured":
            assert after == "captured"


def test_what_is_written_is_found_and_overdue_in_time() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(store.SCHEMA)
    made = Reservation(
        tx="tx_1",
        party="v7",
        scheme="coupon",
        number=1,
        state="reserved",
        until_s=100,
        at_end="void",
        amount_micro=5,
        applied=b"a",
        postings=b"[]",
        answer=b"",
    )
    assert reservations.find(connection, "tx_1") is None
    reservations.write(connection, made)
    assert reservations.find(connection, "tx_1") == made
    assert reservations.overdue(connection, 99) == []
    assert reservations.overdue(connection, 100) == [made]
    reservations.write(connection, msgspec.structs.replace(made, state="void"))
    assert reservations.overdue(connection, 100) == []
    reservations.write(connection, made)
    reservations.put_off(connection, made, 100)
    assert reservations.overdue(connection, 100 + reservations.RESERVED_S - 1) == []
    (later,) = reservations.overdue(connection, 100 + reservations.RESERVED_S)
    assert reservations.end_of(later) == "void"
    assert reservations.end_of(msgspec.structs.replace(later, at_end="capture")) == "capture"
