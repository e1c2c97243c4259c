"""The broker: holds the real money, sells spending power, pays vendors' claims.

- `engine.py`: commands over one store with one writer; `operations.py`, `settling.py`,
  `redeeming.py` and `people.py` are its commands. Checks run before, state changes in the writer.
- `peers.py`, `errands.py`, `courier.py`: other brokers that we buy of.
- `clearing.py` turns flows into postings and takes the commission, `risk.py` knows credit,
  `topups.py` books what came in at the bank, `pseudonyms.py` says whose a payer's name is,
  `conflicts.py` who has signed two things that cannot both be true.
- `store.py`, `journal.py`, `facts.py`, `answers.py`: the tables, every statement of SQL.
- `audit.py` recomputes everything from the journal alone.
- `api.py`, `peer_api.py`, `revoking_api.py` (Litestar), `fast.py` (plain ASGI), `app.py` (a data
  directory, the clock, the server).
"""
