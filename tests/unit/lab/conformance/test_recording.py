import os
import time
from typing import Any

import msgspec
import pytest

from farthing.errors import Unsupported
from farthing.lab.conformance.cases import Violated
from farthing.lab.conformance.recording import MINT, PURSE, TILL, Call, recorded, repeated
from farthing.lab.conformance.stage import Play


class Side:
    """Stands for a till."""

    def __init__(self, setting: Any) -> None:
        self.setting = setting

    def offer(self, text: str) -> str:
        return text.upper()

    def read(self, what: str) -> Any:
        return time.time() if what == "clock" else os.urandom(1)

    def seal(self) -> None:
        raise Unsupported("seal_unsupported", "x", n=1)


def call(name: str, *before: Any) -> Call:
    return Call(
        side=TILL, kind=Side, setting=None, name=name, before=before, after=before, result=None
    )


def test_a_conversation_calls_every_side_and_a_repeat_says_the_same() -> None:
    with Play("payword", "a").stage() as stage, recorded(stage) as calls:
        stage.buy()
        stage.shop.clear()
        assert {each.side for each in calls} == {MINT, PURSE, TILL}
        assert all(repeated(each) == each.result for each in calls)


@pytest.mark.parametrize("what", ["clock", "luck"])
def test_who_asks_for_time_or_luck_is_violated(what: str) -> None:
    assert repeated(call("offer", "a")) == "A"
    with pytest.raises(Violated, match="time or randomness"):
        repeated(call("read", what))
    assert time.time() > 0
    assert os.urandom(1)


def test_a_refusal_is_a_result_too() -> None:
    assert repeated(call("seal")) == (Unsupported, "seal_unsupported", (("n", 1),))
    assert msgspec.structs.replace(call("seal"), name="offer", before=("b",)).before == ("b",)
