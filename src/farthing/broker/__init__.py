"""The broker: holds the real money, sells spending power, pays vendors' claims.

- `engine.py`: commands over one store with one writer; `operations.py`, `settling.py`,
  `redeeming.py` and `people.py` are its commands. Checks run before, state changes in the writer.
- `peers.py`, `errands.py`, `courier.py`: other brokers that we buy of.
- `clearing.py` turns flows into postings and takes the commission, `risk.py` knows credit,
  `topups.py` books what came in at the bank, `pseudonyms.py` says whose a payer's name is,
  `conflicts.py` who has signed two things that cannot both be true.
- `store.py`, `journal.py`, `facts.py`, `answers.py`: the tables, every statement of SQL.
- `audit.py` recomputes everything from the journal alone.
- `front.py` stands before `fast.py` (plain ASGI), and that before `api.py`, `peer_api.py` and
  `revoking_api.py` (Litestar); `app.py` is a data directory, the clock, the server.
"""
