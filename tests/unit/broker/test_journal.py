import apsw
import pytest

from farthing.broker import journal, store
from farthing.errors import OutOfRange, Overlimit, Unfunded, Unknown
from farthing.ledger import accounts
from farthing.ledger.transfers import GENESIS, Entry, Posting, link

BANK, ALICE, BOB = accounts.bank("manual"), accounts.payer("alice"), accounts.payer("bob")


def connection() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.execute(store.SCHEMA)
    for name in (ALICE, BOB):
        journal.open_account(db, name)
    post(db, 1, (BANK, 100), (ALICE, -100))
    return db


def post(db: apsw.Connection, number: int, *postings: tuple[str, int]) -> None:
    made = tuple(Posting(name, micro) for name, micro in postings)
    entry = Entry(
        id=number.to_bytes(16, "big"), postings=made, kind="transfer", ref="r", at_s=number
    )
    with db:
        journal.post(db, entry)


def test_balances_follow_the_postings_and_the_chain_grows() -> None:
    db = connection()
    post(db, 2, (ALICE, 30), (BOB, -30))
    assert journal.balances(db) == {BANK: 100, ALICE: -70, BOB: -30}
    head = GENESIS
    for _, _, body, stored in journal.rows(db):
        head = link(head, body)
        assert stored == head
    assert journal.newest_s(db) == 2


def test_a_refused_entry_leaves_no_trace() -> None:
    db = connection()
    before = journal.balances(db)
    for kind, postings in (
        (Unfunded, ((ALICE, 101), (BOB, -101))),
        (Unfunded, ((BOB, -1), (ALICE, 101), (BANK, -100))),
        (Unknown, ((ALICE, 1), (accounts.payer("nobody"), -1))),
        (Unknown, ((accounts.credit("nobody"), 1), (ALICE, -1))),
        (OutOfRange, ((ALICE, 1), ("no/such/account", -1))),
    ):
        with pytest.raises(kind):
            post(db, 2, *postings)
    assert journal.balances(db) == before
    assert journal.find(db, (2).to_bytes(16, "big")) is None


def test_an_account_is_closed_only_when_nothing_is_on_it() -> None:
    db = connection()
    held = accounts.hold("tx_1")
    post(db, 2, (ALICE, 30), (held, -30))
    journal.close_account(db, held)
    assert journal.balance(db, held) == -30
    post(db, 3, (held, 30), (BOB, -30))
    journal.close_account(db, held)
    assert held not in journal.balances(db)


def test_an_entry_id_is_used_once() -> None:
    db = connection()
    with pytest.raises(apsw.ConstraintError):
        post(db, 1, (ALICE, 1), (BOB, -1))
    assert journal.balance(db, BOB) == 0


@pytest.mark.parametrize(
    ("kind", "number", "postings"),
    [
        (Unfunded, 2, ((ALICE, 101), (BOB, -101))),
        (Unknown, 2, ((ALICE, 1), (accounts.payer("nobody"), -1))),
        (None, 1, ((ALICE, 1), (BOB, -1))),
    ],
)
def test_a_transfer_that_is_refused_or_known_changes_nothing(
    kind: type[Exception] | None, number: int, postings: tuple[tuple[str, int], ...]
) -> None:
    db = connection()
    before = (journal.balances(db), list(journal.rows(db)))
    made = tuple(Posting(name, micro) for name, micro in postings)
    entry = Entry(
        id=number.to_bytes(16, "big"), postings=made, kind="transfer", ref="r", at_s=number
    )
    if kind is None:
        assert not journal.post_once(db, entry)
    else:
        with pytest.raises(kind):
            journal.post_once(db, entry)
    assert (journal.balances(db), list(journal.rows(db))) == before


def test_a_credit_limit_holds_and_lowering_it_lets_debt_shrink() -> None:
    db = connection()
    debt = accounts.credit("bob")
    journal.open_account(db, debt, 50)
    assert journal.credit_limit(db, debt) == 50
    post(db, 2, (debt, 50), (BOB, -50))
    with pytest.raises(Overlimit):
        post(db, 3, (debt, 1), (BOB, -1))
    journal.open_account(db, debt, 10)
    post(db, 3, (BOB, 5), (debt, -5))
    assert journal.balance(db, debt) == 45


def test_the_brokers_own_accounts_appear_when_used() -> None:
    db = connection()
    post(db, 2, (ALICE, 5), (accounts.outstanding("coupon", "v7"), -5))
    assert journal.balance(db, accounts.outstanding("coupon", "v7")) == -5
    assert journal.balance(db, accounts.outstanding("coupon")) == 0


def test_an_account_that_nobody_has_opened_is_named() -> None:
    db = connection()
    with pytest.raises(Unknown, match="there is no account 'carol' here"):
        post(db, 2, (ALICE, 5), (accounts.payer("carol"), -5))
    assert journal.balance(db, ALICE) == -100


def test_lines_of_an_account_are_indexed_when_asked_for() -> None:
    db = connection()
    post(db, 2, (ALICE, 30), (BOB, -30))
    assert journal.lines(db, ALICE, after_seq=0, count=10) == []
    assert journal.index_lines(db) == 2
    assert journal.index_lines(db) == 0
    post(db, 3, (ALICE, 1), (BOB, -1))
    assert journal.index_lines(db) == 1
    found = journal.lines(db, ALICE, after_seq=1, count=10)
    assert [(seq, micro) for seq, micro, _ in found] == [(2, 30), (3, 1)]
