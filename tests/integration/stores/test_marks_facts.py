"""What every store of marks remembers (counters, records, claims, serials) and forgets."""

from typing import Any

from farthing.errors import Busy, HoldLost, Replayed
from farthing.marks import (
    RELEASED_KEPT_S,
    Acknowledge,
    Add,
    Confirm,
    Delete,
    Find,
    Forget,
    Held,
    Keys,
    LeaseSerials,
    Pending,
    Place,
    Put,
    Read,
    Release,
    Search,
    Stale,
    Take,
    Tally,
    Total,
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

# --- counters and records -----------------------------------------------------------------------


def test_a_counter_moves_at_the_confirm_and_not_before(bench: Bench) -> None:
    held = bench.do(hold("p", advance(0, 3)))
    assert bench.place() is None
    bench.do(Confirm(k="p", fence=held.fence, outcome=b""))
    assert bench.place() == Place(to=3, link=b"link 3")
    held = bench.do(hold("q", advance(3, 4)))
    assert bench.place() == Place(to=3, link=b"link 3")
    bench.do(Release(k="q", fence=held.fence))
    assert bench.place() == Place(to=3, link=b"link 3")


def test_a_counter_that_moved_is_stale(bench: Bench) -> None:
    bench.refuses(hold("p", advance(2, 3)), Stale)
    bench.do(Take(hold=hold("q", advance(0, 3)), outcome=b""))
    bench.refuses(hold("p", advance(0, 4)), Stale)
    assert isinstance(bench.do(hold("p", advance(3, 4))), Held)
    bench.refuses(hold("r", advance(0, 1)), Stale)
    bench.refuses(hold("r", advance(3, 5)), Busy)


def test_a_counter_is_taken_in_one_step_as_it_is_held_and_confirmed(bench: Bench) -> None:
    def take(k: str, over: int, to: int, now_s: int = LATER_S) -> Take:
        return Take(hold=hold(k, advance(over, to), now_s=now_s), outcome=b"")

    bench.do(take("p", 0, 3, NOW_S))
    bench.refuses(take("q", 2, 4), Stale)
    bench.do(hold("q", advance(3, 4)))
    bench.refuses(take("r", 3, 5, LATER_S - 1), Busy)
    bench.refuses(take("r", 4, 5), Stale)
    bench.do(take("r", 3, 5))
    assert bench.place() == Place(to=5, link=b"link 5")
    assert bench.state("q") == "released"


def test_records_are_put_read_and_deleted_at_the_confirm(bench: Bench) -> None:
    puts = tuple(
        Put(key=key, value=b"v" + key, until_s=UNTIL_S)
        for key in (b"a", b"ab", b"ac", b"b", b"\xff", b"\xff\xff1")
    )
    bench.do(Take(hold=hold("p"), outcome=b"", records=puts))
    read = Read(keys=Keys(records=(b"a", b"none"), prefixes=(b"ab", b"\xff")))
    found = bench.do(read).records
    assert found == {key: b"v" + key for key in (b"a", b"ab", b"\xff", b"\xff\xff1")}
    held = bench.do(hold("q"))
    assert len(bench.do(Read(keys=Keys(prefixes=(b"",)))).records) == len(puts)
    gone = (Delete(key=b"a"), Delete(key=b"none"), Put(key=b"ab", value=b"new", until_s=0))
    bench.do(Confirm(k="q", fence=held.fence, outcome=b"", records=gone))
    found = bench.do(Read(keys=Keys(prefixes=(b"a",)))).records
    assert found == {b"ab": b"new", b"ac": b"vac"}


def test_sums_have_all_that_was_added_by_whoever_was_first(bench: Bench) -> None:
    def added(amount: int, until_s: int = UNTIL_S) -> tuple[Add, ...]:
        return (Add(key=b"sum", amount=amount, until_s=until_s), Add(key=b"o", amount=1, until_s=0))

    held = {k: bench.do(hold(k)) for k in "pq"}
    bench.do(Take(hold=hold("r"), outcome=b"", records=added(2**40)))
    for number, k in enumerate("qp", start=1):
        confirm = Confirm(k=k, fence=held[k].fence, outcome=b"", records=added(number, 0))
        bench.do(confirm)
    bench.refuses(Confirm(k="p", fence=0, outcome=b"", records=added(1)), HoldLost)
    read = Read(keys=Keys(records=(b"sum", b"o")))
    assert bench.do(read).records == {b"sum": b"%d" % (2**40 + 3), b"o": b"3"}
    bench.do(Forget(now_s=UNTIL_S, count=10))
    assert bench.do(read).records == {b"sum": b"%d" % (2**40 + 3)}, "its end never shrinks"


def test_a_lost_confirm_writes_no_record_and_no_claim(bench: Bench) -> None:
    fence = bench.do(hold("p")).fence
    bench.do(Release(k="p", fence=fence))
    records = (Put(key=b"r", value=b"v", until_s=UNTIL_S),)
    late = Confirm(k="p", fence=fence, outcome=b"", records=records, claims=(claim(b"c"),))
    bench.refuses(late, HoldLost)


# --- the outbox ---------------------------------------------------------------------------------


def send(bench: Bench, k: str, *claims: Any, until_s: int = UNTIL_S) -> None:
    bench.do(Take(hold=hold(k, until_s=until_s), outcome=b"", claims=claims))


def pending(bench: Bench, count: int = 10, after: int = 0, scheme: str = "payword") -> Any:
    return bench.do(Pending(scheme=scheme, count=count, after=after))


def test_only_the_highest_order_of_a_key_is_pending(bench: Bench) -> None:
    send(bench, "p", claim(b"a", 1), claim(b"b", 1), claim(b"c", 1, scheme="millicent"))
    send(bench, "q", claim(b"a", 5))
    send(bench, "r", claim(b"a", 4), claim(b"a", 5))
    assert [row[1] for row in pending(bench)] == [claim(b"a", 5), claim(b"b", 1)]
    assert [row[1] for row in pending(bench, scheme="millicent")] == [
        claim(b"c", 1, scheme="millicent")
    ]


def test_the_claim_of_one_key_is_asked_for(bench: Bench) -> None:
    for k, key in (("p", b"a"), ("q", b"b"), ("r", b"c")):
        taken = Take(hold=hold(k), outcome=b"", claims=(claim(key, 1),))
        bench.do(taken)

    def pending(key: bytes, **how: bool) -> list[bytes]:
        asked = Pending(scheme="payword", count=9, key=key, **how)
        return [found.key for _, found in bench.do(asked)]

    assert (pending(b"b"), pending(b"d")) == ([b"b"], [])
    bench.do(Acknowledge(scheme="payword", done=((b"b", 1),)))
    assert (pending(b"b"), pending(b"b", paid_too=True), pending(b"c")) == ([], [b"b"], [b"c"])


def test_payments_are_found_by_what_their_outcome_says(bench: Bench) -> None:
    for k in "pqr":
        bench.do(Take(hold=hold(k), outcome=b"the page of " + k.encode()))
    held = bench.do(hold("s", once(b"m")))
    assert held.fence

    def found(text: bytes, count: int = 9) -> list[str]:
        return [payment.k for payment in bench.do(Search(text=text, count=count))]

    assert found(b"page of q") == ["q"]
    assert found(b"the page") == ["p", "q", "r"]
    assert found(b"the page", 2) == ["p", "q"]
    assert found(b"another") == []


def test_pending_is_read_in_pages(bench: Bench) -> None:
    claims = [claim(b"%d" % n) for n in range(5)]
    send(bench, "p", *claims)
    first = pending(bench, count=2)
    second = pending(bench, count=2, after=first[-1][0])
    third = pending(bench, count=2, after=second[-1][0])
    assert [row[1] for row in (*first, *second, *third)] == claims


def test_an_acknowledged_claim_comes_back_only_when_it_rises(bench: Bench) -> None:
    send(bench, "p", claim(b"a", 2), claim(b"b", 1))
    bench.do(Acknowledge(scheme="payword", done=((b"a", 2), (b"none", 1))))
    bench.do(Acknowledge(scheme="payword", done=((b"a", 1),)))
    assert [row[1].key for row in pending(bench)] == [b"b"]
    send(bench, "q", claim(b"a", 2))
    assert [row[1].key for row in pending(bench)] == [b"b"]
    send(bench, "r", claim(b"a", 3))
    bench.do(Acknowledge(scheme="payword", done=((b"a", 2),)))
    assert [row[1].order for row in pending(bench)] == [3, 1]


def test_the_tally_tells_what_is_earned_and_what_is_pending(bench: Bench) -> None:
    assert bench.do(Tally()) == ()
    send(bench, "p", claim(b"a", 2), claim(b"b", 1), claim(b"c", 1, scheme="millicent"))
    bench.do(Acknowledge(scheme="payword", done=((b"a", 2),)))
    send(bench, "q", claim(b"a", 5))
    assert bench.do(Tally()) == (
        Total(scheme="millicent", claims=1, earned_micro=100, pending_micro=100),
        Total(scheme="payword", claims=2, earned_micro=600, pending_micro=400),
    )


def test_what_the_broker_refuses_is_not_earned_and_not_pending(bench: Bench) -> None:
    send(bench, "p", claim(b"a", 2), claim(b"b", 1), claim(b"c", 4))
    bench.do(Acknowledge(scheme="payword", done=((b"a", 2),)))
    send(bench, "q", claim(b"a", 5), claim(b"c", 6))
    refused = ((b"a", 5), (b"b", 1), (b"c", 4), (b"none", 1))
    for _ in range(2):
        bench.do(Acknowledge(scheme="payword", done=refused, refused=refused))
        (total,) = bench.do(Tally())
        assert (total.claims, total.earned_micro, total.pending_micro) == (3, 800, 200)
        assert [row[1].key for row in pending(bench)] == [b"c"], "it has risen since"
    send(bench, "r", claim(b"a", 7))
    (total,) = bench.do(Tally())
    assert total.earned_micro == 1300, "a later claim covers all of its chain"


def test_what_the_broker_has_paid_before_is_counted_and_never_pending(bench: Bench) -> None:
    send(bench, "p", claim(b"a", 3), claim(b"b", 1))
    settled = (claim(b"a", 5, moment="before"), claim(b"c", 1, moment="before"))
    send(bench, "q", *settled)
    assert [row[1].key for row in pending(bench)] == [b"b"]
    (total,) = bench.do(Tally())
    assert (total.earned_micro, total.pending_micro) == (700, 100)
    send(bench, "r", claim(b"a", 6))
    assert [(row[1].key, row[1].order) for row in pending(bench)] == [(b"a", 6), (b"b", 1)]


def test_acknowledged_claims_are_shown_once_more_if_asked_for(bench: Bench) -> None:
    send(bench, "p", claim(b"a", 2), claim(b"b", 1), claim(b"c", 1, moment="before"))
    bench.do(Acknowledge(scheme="payword", done=((b"a", 2),)))
    every = bench.do(Pending(scheme="payword", count=9, paid_too=True))
    assert [row[1].key for row in every] == [b"a", b"b", b"c"]
    following = Pending(scheme="payword", count=9, after=every[0][0], paid_too=True)
    assert [row[1].key for row in bench.do(following)] == [b"b", b"c"]


def test_serials_are_leased_once(bench: Bench) -> None:
    leases = [("s", 10), ("s", 1), ("t", 5), ("s", 3)]
    firsts = [bench.do(LeaseSerials(series=series, count=count)) for series, count in leases]
    assert firsts == [0, 10, 0, 11]


# --- forgetting ---------------------------------------------------------------------------------


def test_what_is_past_its_end_is_forgotten_and_nothing_else(bench: Bench) -> None:
    soon_s, long_s = NOW_S + 100, NOW_S + 200
    for name, until_s in (("soon", soon_s), ("long", long_s)):
        key = name.encode()
        take = Take(
            hold=hold(
                name,
                once(key, until_s),
                advance(0, 1, name=key, until_s=until_s),
                until_s=until_s,
            ),
            outcome=b"",
            records=(Put(key=key, value=b"", until_s=until_s),),
            claims=(claim(key),),
        )
        bench.do(take)
    bench.do(Acknowledge(scheme="payword", done=((b"soon", 1), (b"long", 1))))
    assert bench.do(Forget(now_s=soon_s, count=10)) == 0
    assert bench.do(Forget(now_s=soon_s + 1, count=10)) == 5
    assert (bench.state("soon"), bench.state("long")) == ("absent", "confirmed")
    assert bench.place(b"soon") is None
    assert bench.place(b"long") is not None
    assert set(bench.do(Read(keys=Keys(prefixes=(b"",)))).records) == {b"long"}
    assert isinstance(bench.do(hold("new", once(b"soon"))), Held)
    bench.refuses(hold("other", once(b"long")), Replayed)
    send(bench, "again", claim(b"soon"), claim(b"long"))
    assert [row[1].key for row in pending(bench)] == [b"soon"]


def test_a_mark_outlives_its_payment(bench: Bench) -> None:
    bench.do(Take(hold=hold("p", once(b"m"), until_s=NOW_S), outcome=b""))
    assert bench.do(Forget(now_s=LATER_S, count=10)) == 1
    assert bench.state("p") == "absent"
    bench.refuses(hold("q", once(b"m"), now_s=LATER_S), Replayed)
    bench.refuses(hold("p", once(b"m"), now_s=LATER_S), Replayed)


def test_a_key_that_comes_back_has_nothing_to_do_with_its_old_marks(bench: Bench) -> None:
    bench.do(Take(hold=hold("p", once(b"m"), until_s=NOW_S), outcome=b""))
    bench.do(Forget(now_s=LATER_S, count=10))
    bench.do(hold("p", once(b"n"), now_s=LATER_S))
    over_s = LATER_S + LEASE_S
    bench.refuses(hold("q", once(b"m"), now_s=over_s), Replayed)
    bench.refuses(hold("q", once(b"n"), once(b"m"), now_s=over_s), Replayed)
    assert bench.state("p") == "held"
    assert isinstance(bench.do(hold("q", once(b"n"), now_s=over_s)), Held)


def test_a_forgotten_row_is_never_mistaken_for_a_later_payment(bench: Bench) -> None:
    bench.do(Take(hold=hold("p", once(b"m"), until_s=NOW_S), outcome=b""))
    bench.do(Forget(now_s=LATER_S, count=10))
    bench.do(hold("next", once(b"n")))
    bench.refuses(hold("q", once(b"m"), now_s=LATER_S + LEASE_S), Replayed)
    assert bench.state("next") == "held"


def test_a_running_hold_is_not_forgotten_and_a_dead_one_gives_its_marks_back(
    bench: Bench,
) -> None:
    long = once(b"long")
    fence = bench.do(hold("p", once(b"m", NOW_S - 1), long, until_s=NOW_S - 1)).fence
    assert bench.do(Forget(now_s=LATER_S - 1, count=10)) == 0
    bench.refuses(hold("q", once(b"m")), Busy)
    assert bench.do(Forget(now_s=LATER_S, count=10)) == 1
    bench.refuses(Confirm(k="p", fence=fence, outcome=b""), HoldLost)
    assert isinstance(bench.do(hold("q", once(b"m"), long)), Held)


def test_a_claim_is_kept_until_it_is_acknowledged(bench: Bench) -> None:
    send(bench, "p", claim(b"a"), until_s=NOW_S)
    bench.do(Forget(now_s=LATER_S, count=10))
    assert len(pending(bench)) == 1
    bench.do(Acknowledge(scheme="payword", done=((b"a", 1),)))
    assert bench.do(Forget(now_s=LATER_S, count=10)) == 1


def test_what_was_released_is_told_for_some_days_only(bench: Bench) -> None:
    """Anybody may ask for pages that fail, and be charged for none."""
    month_s = NOW_S + 30 * 86_400
    for name in ("p", "q"):
        fence = bench.do(hold(name, once(name.encode(), month_s), until_s=month_s)).fence
        bench.do(
            Release(k=name, fence=fence)
            if name == "p"
            else Confirm(k=name, fence=fence, outcome=b"")
        )
    told_s = NOW_S + LEASE_S + RELEASED_KEPT_S
    assert bench.do(Forget(now_s=told_s, count=10)) == 0
    assert bench.do(Forget(now_s=told_s + 1, count=10)) == 1
    assert (bench.state("p"), bench.state("q")) == ("absent", "confirmed")
    again = bench.do(hold("p", once(b"p", month_s), now_s=told_s, until_s=month_s))
    bench.do(Confirm(k="p", fence=again.fence, outcome=b""))
    assert bench.do(Find(k="p")).until_s == month_s


def test_forgetting_is_bounded(bench: Bench) -> None:
    for n in range(5):
        bench.do(Take(hold=hold(f"p{n}", once(b"%d" % n, NOW_S), until_s=NOW_S), outcome=b""))
    assert [bench.do(Forget(now_s=LATER_S, count=2)) for _ in range(4)] == [4, 4, 2, 0]


def test_the_end_never_shrinks(bench: Bench) -> None:
    early_s = NOW_S - 10
    fence = bench.do(hold("p", advance(0, 1))).fence
    bench.do(Release(k="p", fence=fence))
    fence = bench.do(hold("p", advance(0, 1), until_s=early_s)).fence
    records = (Put(key=b"r", value=b"", until_s=UNTIL_S),)
    first = Confirm(k="p", fence=fence, outcome=b"", records=records, claims=(claim(b"c"),))
    bench.do(first)
    assert bench.do(Find(k="p")).until_s == UNTIL_S
    take = Take(
        hold=hold("q", advance(1, 2, until_s=early_s), until_s=early_s),
        outcome=b"",
        records=(Put(key=b"r", value=b"new", until_s=early_s),),
        claims=(claim(b"c", 2),),
    )
    bench.do(take)
    bench.do(Acknowledge(scheme="payword", done=((b"c", 2),)))
    assert bench.do(Forget(now_s=LATER_S, count=10)) == 1  # the payment q alone
    assert bench.place() == Place(to=2, link=b"link 2")
    assert bench.do(Read(keys=Keys(records=(b"r",)))).records == {b"r": b"new"}
    resumed = bench.do(hold("s"))
    assert bench.do(hold("s", now_s=LATER_S, until_s=early_s)).fence > resumed.fence
    assert bench.do(Find(k="s")).until_s == UNTIL_S


def test_a_counter_and_a_claim_live_as_long_as_the_longest_that_moved_them(bench: Bench) -> None:
    long_s = LATER_S + LEASE_S
    for number, until_s in enumerate((NOW_S, long_s, NOW_S)):
        k = f"p{number}"
        taken = hold(k, advance(number, number + 1, until_s=until_s), until_s=until_s)
        bench.do(Take(hold=taken, outcome=b"", claims=(claim(b"a", number + 1),)))
    bench.do(Acknowledge(scheme="payword", done=((b"a", 3),)))
    bench.do(Forget(now_s=long_s, count=10))
    assert bench.place() == Place(to=3, link=b"link 3")
    send(bench, "late", claim(b"a", 3))
    assert not pending(bench)  # it was acknowledged, and that is remembered
    bench.do(Forget(now_s=long_s + 1, count=10))
    assert bench.place() is None


def test_one_payment_takes_over_from_every_holder_whose_lease_ended(bench: Bench) -> None:
    for k in ("a", "b"):
        bench.do(hold(k, once(k.encode())))
    both = (once(b"a"), once(b"b"))
    bench.refuses(hold("c", *both, now_s=NOW_S + LEASE_S - 1), Busy)
    assert isinstance(bench.do(hold("c", *both, now_s=NOW_S + LEASE_S)), Held)
    assert bench.state("a") == bench.state("b") == "released"
