import itertools

import apsw
import msgspec
import pytest

from farthing.broker import reservations, store
from farthing.broker.reservations import TABLE, Event, Reservation, State, Step

ENDINGS = {Event.END, Event.END_CAPTURE}
NAMED = {Event.CAPTURE, Event.VOID}  # they name a number, so there is a reservation


@pytest.mark.parametrize(("state", "event"), [*itertools.product(State, Event)])
def test_the_table_answers_all_that_can_happen(state: State, event: Event) -> None:
    impossible = (event in ENDINGS and state is not State.RESERVED) or (
        event in NAMED and state is State.ABSENT
    )
    assert ((state, event) in TABLE) != impossible


def test_money_moves_once_on_every_path() -> None:
    moving = {Step.PAY, Step.CAPTURE}
    for (state, _), (step, after) in TABLE.items():
        assert (step in moving) == (after is State.CAPTURED and state is not State.CAPTURED)
        if state is State.CAPTURED:
            assert after is State.CAPTURED


def test_what_is_written_is_found_and_overdue_in_time() -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(store.SCHEMA)
    made = Reservation(
        tx="tx_1",
        party="v7",
        scheme="coupon",
        number=1,
        state=State.RESERVED,
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
    reservations.write(connection, msgspec.structs.replace(made, state=State.VOID))
    assert reservations.overdue(connection, 100) == []
