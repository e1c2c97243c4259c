from farthing.schemes.contract import Asked, Instrument, Portion, Shared
from tests.kit.canaries import canary, leaked

LEFT = Instrument(
    id="x:1", scheme="x", vendor_id="news", currency="eur", worth_micro=7, expires_at_s=1, body=b"s"
)


def test_who_gets_a_part_may_not_hand_it_on_unless_it_is_said() -> None:
    assert not Portion(amount_micro=1, to=bytes(32), until_s=1).passes_on


def test_what_was_handed_over_shows_nothing_that_is_worth_money() -> None:
    words = canary("words")
    shared = Shared(
        grant={"words": words.hex()},
        left=LEFT,
        until_s=1,
        withdrawal=Asked(operation="take_back", message={"words": words.hex()}),
    )
    assert leaked(repr(shared), {"words": words}) == []
    assert "x:1" in repr(shared)
