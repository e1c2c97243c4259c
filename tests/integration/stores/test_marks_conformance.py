"""What every store of marks answers. A new store joins by a row in `mark_stores.STORES`."""

import asyncio
from typing import Any, get_args

import msgspec
import pytest

from farthing.errors import Busy, Expired, HoldLost, Refusal, Replayed, Reused
from farthing.holding import AGAIN_S, LOST, TABLE, Event, Step
from farthing.marks import (
    BEGUN,
    Command,
    Confirm,
    Find,
    Forget,
    Held,
    Hold,
    Mark,
    Place,
    Release,
    Settled,
    Stale,
    State,
    Take,
    Unresolved,
)
from tests.integration.stores.mark_stores import (
    LATER_S,
    LEASE_S,
    NOW_S,
    UNTIL_S,
    Bench,
    advance,
    claim,
    hold,
    once,
)

RACERS = 32


# --- the table ----------------------------------------------------------------------------------


def bring(bench: Bench, state: State) -> int:
    """Bring payment `p` on mark `m` to `state`; its fence, 1 where it has none."""
    if state == "absent":
        return 1
    fence: int = bench.do(hold("p", once(b"m"))).fence
    if state == "confirmed":
        bench.do(Confirm(k="p", fence=fence, outcome=b"outcome"))
    elif state == "released":
        bench.do(Release(k="p", fence=fence))
    return fence


def command_of(event: Event, fence: int) -> Command:
    commands: dict[Event, Command] = {
        "taken": hold("p", once(b"m"), now_s=LATER_S),
        "taken late": hold("p", once(b"m"), now_s=NOW_S + LEASE_S + AGAIN_S),
        "taken in lease": hold("p", once(b"m"), now_s=LATER_S - 1),
        "other": hold("q", once(b"m"), now_s=LATER_S),
        "other in lease": hold("q", once(b"m"), now_s=LATER_S - 1),
        "origin ok": Confirm(k="p", fence=fence, outcome=b"outcome"),
        "origin failed": Release(k="p", fence=fence),
    }
    return commands[event]


_REFUSED: dict[type[Refusal], Step] = {
    Busy: "busy",
    Expired: "refuse",
    HoldLost: "lost",
    Replayed: "replayed",
}


def step_seen(bench: Bench, command: Command) -> Step:
    """What the store did, read from its answer."""
    before = bench.dump()
    try:
        answer = bench.do(command)
    except Refusal as refusal:
        assert bench.dump() == before
        return _REFUSED[type(refusal)]
    match command, answer:
        case Hold(k="q"), Held(resumed=False):
            return "take over"
        case Hold(), Held(resumed=True):
            return "resume"
        case Hold(), Held(resumed=False):
            return "hold"
        case Hold(), Settled(outcome=b"outcome"):
            return "repeat"
        case Confirm(), None:
            return "confirm"
        case Release(), None:
            return "release"
        case _:
            raise AssertionError(answer)


@pytest.mark.parametrize(("state", "event"), TABLE)
def test_every_row_of_the_table_is_what_the_store_does(
    bench: Bench, state: State, event: Event
) -> None:
    step, next_state = TABLE[state, event]
    fence = bring(bench, state)
    assert step_seen(bench, command_of(event, fence)) == step
    assert bench.state("p") == next_state


@pytest.mark.parametrize("event", ["origin ok", "origin failed"])
@pytest.mark.parametrize("state", get_args(State))
def test_an_answer_to_a_payment_that_is_not_held_is_lost(
    bench: Bench, state: State, event: Event
) -> None:
    fence = bring(bench, state)
    expected = TABLE.get((state, event), LOST)[0]
    assert step_seen(bench, command_of(event, fence)) == expected


@pytest.mark.parametrize("state", ["absent", "released"])
def test_a_mark_that_was_given_back_is_free_for_another_payment(bench: Bench, state: State) -> None:
    bring(bench, state)
    assert isinstance(bench.do(hold("q", once(b"m"))), Held)
    assert bench.state("p") == state


# --- fences, leases, resuming, taking over ------------------------------------------------------


def test_a_resumed_hold_keeps_the_first_kept_and_ends_the_old_fence(bench: Bench) -> None:
    first = bench.do(hold("p", kept=b"first"))
    second = bench.do(hold("p", kept=b"second", now_s=LATER_S))
    assert (second.kept, second.resumed) == (b"first", True)
    assert second.fence > first.fence
    bench.refuses(Confirm(k="p", fence=first.fence, outcome=b"late"), HoldLost)
    bench.refuses(Release(k="p", fence=first.fence), HoldLost)
    bench.refuses(hold("p", now_s=LATER_S + LEASE_S - 1), Busy)
    bench.do(Confirm(k="p", fence=second.fence, outcome=b"in time"))
    assert bench.do(hold("p")) == Settled(outcome=b"in time")


def test_a_hold_after_a_release_has_a_higher_fence_and_its_own_kept(bench: Bench) -> None:
    first = bench.do(hold("p", kept=b"first"))
    bench.do(Release(k="p", fence=first.fence))
    second = bench.do(hold("p", kept=b"second"))
    assert (second.kept, second.resumed) == (b"second", False)
    assert second.fence > first.fence
    bench.refuses(Confirm(k="p", fence=first.fence, outcome=b"late"), HoldLost)


def test_a_forgotten_payment_never_meets_its_old_fences_again(bench: Bench) -> None:
    first = bench.do(hold("p", once(b"m", NOW_S), until_s=NOW_S))
    bench.do(Forget(now_s=LATER_S, count=10))
    assert bench.state("p") == "absent"
    assert bench.do(hold("p", now_s=LATER_S)).fence > first.fence


def test_a_confirm_after_the_lease_counts_while_nobody_took_over(bench: Bench) -> None:
    fence = bench.do(hold("p")).fence
    bench.do(Confirm(k="p", fence=fence, outcome=b"slow"))
    assert bench.do(hold("p", now_s=LATER_S)) == Settled(outcome=b"slow")


def test_a_payment_that_is_taken_over_loses_all_its_marks(bench: Bench) -> None:
    bench.do(Take(hold=hold("before", advance(0, 3)), outcome=b""))
    lost = bench.do(hold("p", once(b"a"), once(b"b"), advance(3, 5), advance(0, 1, name=b"new")))
    bench.do(hold("q", once(b"b"), now_s=LATER_S))
    bench.refuses(Confirm(k="p", fence=lost.fence, outcome=b"late"), HoldLost)
    assert isinstance(bench.do(hold("r", once(b"a"), advance(3, 6))), Held)
    assert isinstance(bench.do(hold("s", advance(0, 2, name=b"new"))), Held)


@pytest.mark.parametrize("again", [False, True], ids=["at first", "after a release"])
def test_of_what_a_broker_may_have_paid_no_mark_is_taken_over(bench: Bench, *, again: bool) -> None:
    begun = msgspec.structs.replace(hold("p", once(b"a"), advance(0, 1)), outcome=BEGUN)
    if again:
        fence = bench.do(hold("p", once(b"a"), advance(0, 1))).fence
        bench.do(Release(k="p", fence=fence))
    bench.do(begun)
    for mark in (once(b"a"), advance(0, 2)):
        other = hold("q", mark, now_s=LATER_S)
        for command in (other, Take(hold=other, outcome=b"")):
            before = bench.dump()
            with pytest.raises(Unresolved, match="p"):
                bench.do(command)
            assert bench.dump() == before
    resumed = bench.do(hold("p", now_s=LATER_S))
    assert resumed.resumed
    bench.do(Release(k="p", fence=resumed.fence))
    assert isinstance(bench.do(hold("q", once(b"a"), advance(0, 2), now_s=LATER_S)), Held)


@pytest.mark.parametrize("first", [BEGUN, b""], ids=["asking a broker", "asking none"])
def test_a_resumed_hold_stays_what_it_was_begun_as(bench: Bench, first: bytes) -> None:
    plain, asking = (
        msgspec.structs.replace(hold("p", once(b"a")), outcome=outcome) for outcome in (b"", BEGUN)
    )
    bench.do(asking if first else plain)
    again = msgspec.structs.replace(plain if first else asking, now_s=LATER_S)
    assert bench.do(msgspec.structs.replace(again, lease_until_s=LATER_S + LEASE_S)).resumed
    other = hold("q", once(b"a"), now_s=LATER_S + LEASE_S)
    if first:
        with pytest.raises(Unresolved, match="p"):
            bench.do(other)
    else:
        assert isinstance(bench.do(other), Held)


def test_a_hold_that_asks_no_broker_is_taken_over_whatever_it_was_before_a_release(
    bench: Bench,
) -> None:
    begun = msgspec.structs.replace(hold("p", once(b"a")), outcome=BEGUN)
    bench.do(Release(k="p", fence=bench.do(begun).fence))
    bench.do(hold("p", once(b"a")))
    assert isinstance(bench.do(hold("q", once(b"a"), now_s=LATER_S)), Held)


def test_one_payment_takes_two_marks_over_from_the_same_holder(bench: Bench) -> None:
    bench.do(hold("p", once(b"a"), once(b"b"), advance(0, 1)))
    both = bench.do(hold("q", once(b"a"), once(b"b"), advance(0, 2), now_s=LATER_S))
    bench.do(Confirm(k="q", fence=both.fence, outcome=b""))
    assert bench.place() == Place(to=2, link=b"link 2")
    assert bench.state("p") == "released"


def test_a_refusal_on_the_last_of_many_marks_takes_none(bench: Bench) -> None:
    bench.do(Take(hold=hold("spent", once(b"c")), outcome=b""))
    bench.do(hold("old", once(b"b")))
    bench.refuses(hold("p", once(b"a"), once(b"b"), once(b"c"), now_s=LATER_S), Replayed)
    assert bench.state("old") == "held"


def test_one_payment_cannot_spend_a_mark_twice(bench: Bench) -> None:
    bench.refuses(hold("p", once(b"a"), once(b"b"), once(b"a")), Replayed)
    bench.refuses(hold("p", advance(0, 1), advance(0, 2)), Replayed)
    assert isinstance(bench.do(hold("q", once(b"chain"), advance(0, 1))), Held)


@pytest.mark.parametrize("state", ["held", "confirmed", "released"])
def test_one_key_with_another_digest_is_reused(bench: Bench, state: State) -> None:
    bring(bench, state)
    bench.refuses(hold("p", once(b"m"), digest=b"x" * 32, now_s=LATER_S), Reused)


@pytest.mark.parametrize("racers", ["held", "taken"])
def test_of_32_payments_on_one_mark_exactly_one_wins(bench: Bench, racers: str) -> None:
    async def race() -> list[Any]:
        holds = [hold(f"p{n}", once(b"m")) for n in range(RACERS)]
        commands: list[Command] = [
            racer if racers == "held" else Take(hold=racer, outcome=b"") for racer in holds
        ]
        return await asyncio.gather(*map(bench.store.do, commands), return_exceptions=True)

    answers = asyncio.run(race())
    assert [type(answer) for answer in answers].count(Held) == 1
    loss = Busy if racers == "held" else Replayed
    assert [type(answer) for answer in answers].count(loss) == RACERS - 1


def test_of_32_arrivals_of_one_payment_exactly_one_is_served(bench: Bench) -> None:
    async def race() -> list[Any]:
        return await asyncio.gather(
            *(bench.store.do(hold("p")) for _ in range(RACERS)), return_exceptions=True
        )

    kinds = [type(answer) for answer in asyncio.run(race())]
    assert (kinds.count(Held), kinds.count(Busy)) == (1, RACERS - 1)


def test_a_cancelled_task_learns_it_once_its_command_is_done(bench: Bench) -> None:
    """The gate counts on it: what it asked for has happened when it hears that nobody waits."""

    async def cancel_one() -> State:
        asked = asyncio.ensure_future(bench.store.do(hold("p")))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait({asked})
        return bench.state("p")

    assert asyncio.run(cancel_one()) == "held"


def test_take_is_hold_and_confirm_at_once(bench: Bench) -> None:
    take = Take(hold=hold("p"), outcome=b"outcome", claims=(claim(b"c"),))
    assert isinstance(bench.do(take), Held)
    before = bench.dump()
    assert bench.do(take) == Settled(outcome=b"outcome")
    assert bench.dump() == before
    bench.refuses(Take(hold=hold("q", once(b"p")), outcome=b""), Replayed)


@pytest.mark.parametrize("step", [1, -1])
def test_of_a_mark_and_counters_all_are_taken_or_none(bench: Bench, step: int) -> None:
    def take(k: str, *marks: Mark) -> Take:
        return Take(hold=hold(k, *marks[::step]), outcome=b"")

    bench.do(take("p", once(b"m"), advance(0, 1), advance(0, 1, name=b"other")))
    before = bench.dump()
    bench.refuses(take("q", once(b"n"), advance(0, 2)), Stale)
    bench.refuses(take("q", once(b"m"), advance(1, 2)), Replayed)
    bench.refuses(take("q", advance(1, 2), advance(0, 2, name=b"other")), Stale)
    assert bench.dump() == before
    bench.do(take("q", once(b"n"), advance(1, 2), advance(1, 2, name=b"other")))
    assert bench.place() == Place(to=2, link=b"link 2")


def test_find_shows_the_payment_as_it_is(bench: Bench) -> None:
    fence = bench.do(hold("p", kept=b"secret")).fence
    bench.do(Confirm(k="p", fence=fence, outcome=b"receipt"))
    found = bench.do(Find(k="p"))
    assert (found.k, found.digest, found.state) == ("p", b"p".ljust(32, b"."), "confirmed")
    assert (found.fence, found.lease_until_s) == (fence, LATER_S)
    assert (found.kept, found.outcome, found.until_s) == (b"secret", b"receipt", UNTIL_S)
    assert bench.do(Find(k="q")) is None
