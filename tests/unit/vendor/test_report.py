"""The vendor's report reads its outbox."""

from pathlib import Path

from farthing import marks
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor.report import report


def confirm(store: SqliteMarks, k: str, claim: marks.Claim) -> None:
    hold = marks.Hold(
        k=k, digest=bytes(32), marks=(), kept=b"", now_s=1, lease_until_s=9, until_s=99
    )
    store.do_now(marks.Take(hold=hold, outcome=b"", claims=(claim,)))


def claim(scheme: str, key: bytes, order: int, value_micro: int) -> marks.Claim:
    return marks.Claim(
        scheme=scheme, key=key, order=order, value_micro=value_micro, body=b"{}", moment="batch"
    )


def test_what_was_sold_and_what_is_still_to_clear(tmp_path: Path) -> None:
    store = SqliteMarks(tmp_path / "marks.db")
    try:
        assert report(store) == ()
        confirm(store, "1", claim("millicent", b"a", 1, 200))
        confirm(store, "2", claim("millicent", b"b", 1, 300))
        confirm(store, "3", claim("payword", b"c", 4, 400))
        store.do_now(marks.Acknowledge(scheme="millicent", done=((b"a", 1),)))
        store.do_now(marks.Acknowledge(scheme="payword", done=((b"c", 4),)))
        confirm(store, "4", claim("payword", b"c", 7, 700))
        millicent, payword = report(store)
    finally:
        store.close()
    assert (millicent.claims, millicent.earned_micro, millicent.pending_micro) == (2, 500, 300)
    assert (payword.claims, payword.earned_micro, payword.pending_micro) == (1, 700, 300)


def test_what_the_broker_has_refused_is_not_earned(tmp_path: Path) -> None:
    store = SqliteMarks(tmp_path / "marks.db")
    try:
        confirm(store, "1", claim("payword", b"a", 4, 400))
        confirm(store, "2", claim("payword", b"b", 1, 100))
        store.do_now(marks.Acknowledge(scheme="payword", done=((b"a", 4),)))
        confirm(store, "3", claim("payword", b"a", 7, 700))
        refused = ((b"a", 7), (b"b", 1))
        told = marks.Acknowledge(scheme="payword", done=refused, refused=refused)
        for _ in range(2):
            store.do_now(told)
            (payword,) = report(store)
            assert (payword.claims, payword.earned_micro, payword.pending_micro) == (2, 400, 0)
    finally:
        store.close()
