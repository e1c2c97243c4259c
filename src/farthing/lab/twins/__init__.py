"""Dishonest twins: parties that run the programs of production and cheat with what these say.

- `stage.py` is a world of one scheme in which honest people shop, and what everybody lost in it.
- `payers.py`, `vendors.py`, `tappers.py`, `listeners.py` … are the tricks, each by a kind
  of twin: they copy files, change, repeat and steal messages, and leave out what they owe.
- `tricks.py` lists them, and plays some in a world that one seed decides.
- No trick knows a scheme: messages are bytes and JSON to them.
"""
