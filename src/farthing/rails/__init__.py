"""How real money comes in and goes out; each rail is a file.

- `manual.py`: the operator reads the bank's statement and types what came in and what went out.
- A rail knows references and the life of a payout; the broker posts the entries.
"""
