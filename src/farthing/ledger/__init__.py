"""Double entry, pure: who has how much, and why it always sums to zero.

- `accounts.py`: the chart of accounts, and how far each account may go up and down.
- `transfers.py`: postings and entries; an entry that does not sum to zero cannot be made.
- `book.py`: balances in memory, for audits and as the model that tests compare with.
- Amounts are debit-positive, as in beancount: what the broker has counts up, what it owes counts
  down. One book holds one currency. `accounts.shown_micro` turns a balance the way people read it.
- Every entry is hashed over the one before it, so the journal cannot be edited unseen.
"""
