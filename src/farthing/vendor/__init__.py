"""The vendor: a gate before any web site, and what it owes and is owed.

- `gate.py` is one payment from header to first byte, as a generator without I/O.
- `prices.py` reads `prices.toml`, whole or not at all; `driver.py` runs gates over ASGI apps.
- `proxy.py` is the origin behind `farthing vendor serve --upstream URL`.
- `outbox.py` clears claims with the broker; `app.py` puts a vendor together from its folder.
- Everything that must survive a crash goes through one mark store.
"""
