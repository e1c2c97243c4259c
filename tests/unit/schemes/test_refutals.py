from farthing.errors import Conflict
from farthing.schemes.contract import Applied
from farthing.schemes.refutals import Refuted


def test_a_refutal_is_a_decision_that_moves_no_money() -> None:
    refuted = Refuted(refusal=Conflict("segment_opened_twice"))
    assert isinstance(refuted, Applied)
    assert (refuted.flows, refuted.records) == ((), ())
