"""Money that came in at the bank: booked once for each name that the bank has for it."""

import apsw

from farthing.broker import journal, risk
from farthing.broker.books import Books, entry_id
from farthing.errors import Replayed, Reused
from farthing.ledger import accounts
from farthing.ledger.transfers import Posting
from farthing.money import show_micro
from farthing.rails import manual


def book(
    books: Books, connection: apsw.Connection, payer: str, amount_micro: int, reference: str
) -> int:
    """Book a credit of the bank; how many micro-units of it paid a debt.

    `Replayed` for a reference that was booked, `Reused` where that was another amount or payer.
    """
    cause = ("topup", manual.NAME, reference)
    owed = accounts.credit(payer)
    own_micro, repaid_micro = risk.repay(amount_micro, debt_micro=journal.balance(connection, owed))
    postings = [Posting(accounts.bank(manual.NAME), amount_micro)]
    if own_micro:
        postings.append(Posting(accounts.payer(payer), -own_micro))
    if repaid_micro:
        postings.append(Posting(owed, -repaid_micro))
    try:
        books.post(connection, cause, tuple(postings), kind="topup", ref=reference)
    except Replayed:
        raise _told(books, connection, cause, payer, amount_micro) from None
    return repaid_micro


def _told(
    books: Books,
    connection: apsw.Connection,
    cause: tuple[str, ...],
    payer: str,
    amount_micro: int,
) -> Replayed | Reused:
    """What was booked under this reference, and whether it is the same."""
    before = journal.find(connection, entry_id(*cause))
    assert before is not None, "that is why it was refused"
    bank, *others = before.postings
    whose = others[0].account.rpartition("/")[2]
    shown = show_micro(bank.amount_micro, books.identity.currency)
    booked = f"{cause[-1]} was booked already, with {shown} for {whose}; nothing has changed"
    if (whose, bank.amount_micro) == (payer, amount_micro):
        return Replayed("request_already_done", booked)
    return Reused(
        "topup_differs", f"{booked}: give another credit the name that the bank has for it"
    )
