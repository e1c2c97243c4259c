from collections.abc import Iterator

import pytest

from farthing.errors import Refusal, Unfunded, Unsupported
from farthing.lab.conformance.bank import Bank
from farthing.lab.conformance.cases import Violated
from farthing.lab.conformance.room import Room


@pytest.fixture
def bank() -> Iterator[Bank]:
    room = Room("a")
    made = Bank(room, keys=())
    made.admit("ann", "payer")
    yield made
    made.close()
    room.close()


def test_money_that_came_in_is_there_after_a_restart(bank: Bank) -> None:
    bank.top_up("ann", 500)
    bank.restart()
    assert (bank.has_micro("payer", "ann"), bank.has_micro("bank")) == (500, 500)
    bank.require_sound()


def test_a_refusal_is_watched_and_leaves_the_snapshot_as_it_was(bank: Bank) -> None:
    seen: list[Refusal] = []
    bank.watch = seen.append
    before = bank.snapshot()
    with pytest.raises(Unsupported):
        bank.operate("payword", "status", {}, "ann")
    assert [refusal.code for refusal in seen] == ["operation_unsupported"]
    assert bank.snapshot() == before
    bank.top_up("ann", 1)
    assert bank.snapshot() != before


def test_orders_at_once_are_answered_each_by_itself(bank: Bank) -> None:
    order = {"vendor": "nobody", "valueMicro": 5}
    answers = bank.operate_all("millicent", "issue", order, "ann", ["a", "b"])
    assert all(isinstance(answer, Refusal) for answer in answers)
    assert not any(isinstance(answer, Unfunded) for answer in answers)


def test_books_that_were_edited_are_not_sound(bank: Bank) -> None:
    bank.top_up("ann", 500)
    bank.room.wait_for(
        bank.books.committer.do(
            lambda db: db.execute("UPDATE accounts SET balance = balance - 1 WHERE balance < 0")
        )
    )
    with pytest.raises(Violated):
        bank.require_sound()
