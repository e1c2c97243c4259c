from farthing.broker.reservations import RESERVED_S
from farthing.schemes.chain import times


def test_what_lapses_is_held_by_no_reservation_any_more() -> None:
    assert times.LAPSE_S > RESERVED_S
