"""Numbers that are bought at a gate and looked up by the application that the how-to shows."""

import re
import time
from pathlib import Path
from typing import Any

import pytest

from farthing import marks
from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.shop import Shop
from farthing.lab.conformance.stage import Play, Stage
from farthing.vendor.authorizations import Authorizing
from farthing.wallet.settling import receipt_in

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "authorize-a-download.md"
PRODUCT = "/200/report.pdf"


def application(table: Path) -> Any:
    """The one of the page, over this table."""
    (code,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    space: dict[str, Any] = {"TABLE": str(table)}
    exec(code, space)  # noqa: S102 - it is our own page
    return space["application"]


def served(table: Path, number: str, *, product: str = PRODUCT, session: str = "abc") -> bool:
    """Whether the application serves the product."""
    said: list[str] = []
    query = f"authorization={number}&session={session}"
    environ = {"PATH_INFO": product, "QUERY_STRING": query}
    application(table)(environ, lambda status, headers: said.append(status))
    return said == ["200 OK"]


class Counter:
    """A gate of the stage with the table beside its store."""

    def __init__(self, stage: Stage, table: Path) -> None:
        shop: Shop = stage.shop
        self.stage, self.table = stage, table
        self.store = Authorizing(shop.store, table, shop.till.tabled)
        plain = shop.carry_out

        def carry_out(command: object) -> object:
            if isinstance(command, marks.Confirm | marks.Take):
                return stage.room.wait_for(self.store.do(command))
            return plain(command)

        shop.carry_out = carry_out  # type: ignore[method-assign]  # - as the driver has it

    def buy(self) -> str:
        """A number, asked for twice: the first answer is lost."""
        hand = Hand(self.stage)
        url = self.stage.shop.site + PRODUCT + "?session=abc"
        made = hand.pay(url, hand.instrument())
        numbers = set()
        for _ in range(2):
            receipt = receipt_in(self.stage.shop.serve(made.request))
            assert receipt is not None
            numbers.add(receipt.released["authorization"])
        (number,) = numbers
        return str(number)


def test_a_number_serves_its_product_once_and_a_lost_answer_has_the_same(tmp_path: Path) -> None:
    table = tmp_path / "authorizations.db"
    with Play("agent", "numbers", options={"authorize": True}).stage() as stage:
        stage.room.now_ms = int(time.time() * 1000)
        counter = Counter(stage, table)
        number = counter.buy()
        assert stage.shop.charged_micro() == stage.price_micro, "one booking"
        assert len(number) == 22
        assert not served(table, number, product="/200/other.pdf")
        assert not served(table, number, session="eve")
        assert not served(table, "A" * 22)
        assert served(table, number)
        assert not served(table, number), "it is used up"
        counter.store.close()


def test_a_number_ends_and_is_dropped(tmp_path: Path) -> None:
    table = tmp_path / "authorizations.db"
    with Play("agent", "numbers", options={"authorize": True}).stage() as stage:
        stage.room.now_ms = int((time.time() - 601) * 1000)
        counter = Counter(stage, table)
        number = counter.buy()
        assert not served(table, number)
        assert counter.store.forget(int(time.time())) == 1
        assert counter.store.forget(int(time.time())) == 0
        counter.store.close()


@pytest.mark.parametrize("options", [{}, {"authorize": False}])
def test_without_the_option_nothing_is_released(options: dict[str, Any]) -> None:
    with Play("agent", "numbers", options=options).stage() as stage:
        hand = Hand(stage)
        receipt = receipt_in(stage.shop.serve(hand.pay(stage.page(), hand.instrument()).request))
        assert receipt is not None
        assert receipt.released is None
