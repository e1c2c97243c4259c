"""What is worth money is not shown."""

from farthing.marks import Advance, Claim, Confirm, Held, Hold, Memory, Place, Put, Settled


def test_a_repr_says_how_much_there_is_and_never_what() -> None:
    worth = b"worth money"
    claim = Claim(scheme="s", key=worth, order=1, value_micro=5, body=worth, moment="batch")
    put = Put(key=worth, value=worth, until_s=1)
    advance = Advance(id=worth, over=0, to=1, link=worth, until_s=1)
    hold = Hold(
        k="k", digest=worth, marks=(advance,), kept=worth, now_s=1, lease_until_s=2, until_s=3
    )
    confirm = Confirm(k="k", fence=1, outcome=worth, records=(put,), claims=(claim,))
    place = Place(to=1, link=worth)
    memory = Memory(counters={worth: place}, records={worth: worth})
    held = Held(fence=1, kept=worth, resumed=False)
    for secret in (claim, put, advance, hold, confirm, place, memory, held):
        assert "worth" not in repr(secret)
    assert repr(Settled(outcome=worth)) == "Settled(outcome=<11 bytes>)"
    assert repr(place) == "Place(to=1, link=<11 bytes>)"
