"""Numbers that are bought at a gate and looked up by the application that the how-to shows."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import pytest

from farthing import marks
from farthing.errors import Unavailable
from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.shop import Shop
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.chain.agent.authorization import AUTHORIZATION_PREFIX, record_of
from farthing.stores.memory import MemoryMarks
from farthing.vendor import authorizations
from farthing.vendor.authorizations import Authorizing
from farthing.wallet.settling import receipt_in
from tests.kit.parties import binding_of

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "authorize-a-download.md"
PRODUCT = "/200/die Übersicht.pdf"
SESSION = "a%2Bb"


def application(table: Path) -> Any:
    """The one of the page, over this table."""
    (code,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    space: dict[str, Any] = {"TABLE": str(table)}
    exec(code, space)  # noqa: S102 - it is our own page
    return space["application"]


def served(table: Path, number: str, *, product: str = PRODUCT, session: str = SESSION) -> bool:
    """Whether the application serves the product."""
    said: list[str] = []
    query = f"authorization={number}&session={session}"
    environ = {"PATH_INFO": product.encode().decode("latin-1"), "QUERY_STRING": query}
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
        url = f"{self.stage.shop.site}{quote(PRODUCT)}?session={SESSION}"
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
        forgotten = [stage.room.wait_for(counter.store.forget(int(time.time()))) for _ in "12"]
        assert forgotten == [1, 0]
        counter.store.close()


class Held:
    """A table whose application is in the midst of a write, and a payment that buys a number."""

    def __init__(self, folder: Path) -> None:
        self.store = Authorizing(MemoryMarks(), folder / "table.db", AUTHORIZATION_PREFIX)
        self.application = apsw.Connection(str(folder / "table.db"))
        self.application.execute("BEGIN IMMEDIATE")
        hold = marks.Hold(
            k="k", digest=bytes(32), marks=(), kept=b"", now_s=1, lease_until_s=9, until_s=99
        )
        records = (record_of(b"n" * 16, "t_1", binding_of(), 1_000),)
        self.take = marks.Take(hold=hold, outcome=b"", records=records)

    def rows(self) -> int:
        """Numbers in the table."""
        ((count,),) = self.application.execute("SELECT COUNT(*) FROM authorizations")
        return int(count)


def test_a_row_from_before_a_crash_stays_as_it_is(tmp_path: Path) -> None:
    held = Held(tmp_path)
    held.application.execute("ROLLBACK")
    asyncio.run(held.store.do(held.take))
    held.store.close()
    held.application.execute("UPDATE authorizations SET used = 1")
    again = Authorizing(MemoryMarks(), tmp_path / "table.db", AUTHORIZATION_PREFIX)
    asyncio.run(again.do(held.take))  # the gate's own store had not seen it
    again.close()
    assert list(held.application.execute("SELECT used FROM authorizations")) == [(1,)]


def test_while_the_application_writes_the_gate_goes_on(tmp_path: Path) -> None:
    held = Held(tmp_path)

    async def scene() -> None:
        buying = asyncio.create_task(held.store.do(held.take))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not buying.done()
        held.application.execute("ROLLBACK")
        await buying

    asyncio.run(scene())
    assert held.rows() == 1
    held.store.close()


def test_an_application_that_does_not_let_go_makes_the_payment_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorizations, "BUSY_MS", 1)
    held = Held(tmp_path)
    for refused in (held.store.do(held.take), held.store.forget(2_000)):
        with pytest.raises(Unavailable, match="authorizations_busy"):
            asyncio.run(refused)
    held.application.execute("ROLLBACK")
    asyncio.run(held.store.do(held.take))
    assert (held.rows(), asyncio.run(held.store.forget(2_000))) == (1, 1)
    held.store.close()


@pytest.mark.parametrize("options", [{}, {"authorize": False}])
def test_without_the_option_nothing_is_released(options: dict[str, Any]) -> None:
    with Play("agent", "numbers", options=options).stage() as stage:
        hand = Hand(stage)
        receipt = receipt_in(stage.shop.serve(hand.pay(stage.page(), hand.instrument()).request))
        assert receipt is not None
        assert receipt.released is None
