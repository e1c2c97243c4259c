"""A credit of the bank is booked once, and one that differs under the same name is refused."""

from pathlib import Path

import pytest

from farthing.broker.people import TopUp
from farthing.errors import Replayed, Reused
from tests.unit.broker.desk import Desk, with_desk


def test_a_reference_is_booked_once_and_for_one_amount_and_payer(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        for name in ("alice", "bob"):
            await desk.open(name)
        await desk.top_up("alice", 20_000, "RF-1")

        async def again(payer: str, amount_micro: int) -> None:
            asked = TopUp(payer=payer, amount_micro=amount_micro, reference="RF-1")
            await desk.engine.people.top_up(asked, f"again {payer} {amount_micro}")

        booked = "RF-1 was booked already, with 0.02 EUR (2 cent) for alice; nothing has changed"
        with pytest.raises(Replayed, match="request_already_done") as same:
            await again("alice", 20_000)
        assert same.value.detail == booked
        for payer, amount_micro in (("alice", 30_000), ("bob", 20_000)):
            with pytest.raises(Reused, match="topup_differs") as other:
                await again(payer, amount_micro)
            assert other.value.detail.startswith(booked)
        assert desk.balance("liability/payer/alice") == -20_000
        assert desk.balance("liability/payer/bob") == 0

    with_desk(tmp_path, talk)
