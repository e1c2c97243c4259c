"""What a submission moves, whatever was submitted before, and what time moves."""

from itertools import pairwise

import msgspec
import pytest

from farthing.marks import Delete, Put
from farthing.schemes.chain.fairchain import escrow as book
from farthing.schemes.contract import Applied, Flow
from tests.kit.fairchain import UNIT_MICRO, Scene


def assigned(last: int = 0, *, over: bool = False) -> book.Assigned:
    scene = Scene()
    found = scene.assigned(scene.ticket())
    assert found is not None
    return msgspec.structs.replace(found, last=last, over=over)


def moved(flows: tuple[Flow, ...]) -> dict[tuple[str, str], int]:
    return {(flow.source.kind, flow.target.kind): flow.amount_micro for flow in flows}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (0, 1, {("outstanding", "disputed"): 1}),
        (0, 2, {("outstanding", "vendor"): 1}),
        (0, 5, {("outstanding", "vendor"): 2, ("outstanding", "disputed"): 1}),
        (1, 2, {("disputed", "vendor"): 1}),
        (1, 3, {("disputed", "vendor"): 1, ("outstanding", "disputed"): 1}),
        (1, 6, {("disputed", "vendor"): 1, ("outstanding", "vendor"): 2}),
        (2, 3, {("outstanding", "disputed"): 1}),
        (2, 4, {("outstanding", "vendor"): 1}),
    ],
)
def test_commit_halves_are_charged_and_release_halves_paid(
    before: int, after: int, expected: dict[tuple[str, str], int]
) -> None:
    ticket, flows, paid_micro = book.submitted(assigned(before), after)
    assert moved(flows) == {ends: units * UNIT_MICRO for ends, units in expected.items()}
    assert paid_micro == (after // 2 - before // 2) * UNIT_MICRO
    assert ticket.last == after


def test_any_way_up_pays_the_same_in_the_end() -> None:
    for way in ((0, 8), (0, 1, 2, 3, 8), (0, 3, 5, 8), (0, 1, 8), (0, 2, 4, 6, 8)):
        paid = sum(book.submitted(assigned(a), b)[2] for a, b in pairwise(way))
        assert paid == 4 * UNIT_MICRO


@pytest.mark.parametrize("last", range(6))
def test_what_was_not_committed_to_goes_back(last: int) -> None:
    before = assigned(last)
    ended = book.ended(before)
    rest = before.ticket.units - (last + 1) // 2
    assert moved(ended.flows) == {("outstanding", "payer"): rest * UNIT_MICRO}
    [record] = ended.records
    assert isinstance(record, Put if last % 2 else Delete)
    assert len(ended.due) == last % 2


def test_a_ticket_that_is_spent_whole_leaves_nothing() -> None:
    before = assigned()
    spent = msgspec.structs.replace(before, last=before.ticket.length)
    assert book.ended(spent) == Applied(records=(Delete(key=before.put().key),))


def test_a_lone_half_is_nobodys_in_the_end() -> None:
    ended = book.ended(assigned(1, over=True))
    assert moved(ended.flows) == {("disputed", "unclaimed"): UNIT_MICRO}
    assert isinstance(ended.records[0], Delete)


def test_an_escrow_gives_back_what_no_ticket_has_taken() -> None:
    escrow = book.Escrow(account="ann", ends_at_s=1, key_id="1", next_micro=300, worth_micro=1000)
    assert moved(book.closed(escrow, "n").flows) == {("outstanding", "payer"): 700}
    used = msgspec.structs.replace(escrow, next_micro=1000)
    assert book.closed(used, "n").flows == ()
