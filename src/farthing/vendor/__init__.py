"""The vendor: a gate before any web site, and what it owes and is owed.

- `gate.py` is one payment from header to hold, `delivery.py` from hold to first byte: generators
  without I/O. `offering.py` makes offers and refusals, `booking.py` what a payment writes,
  `reserving.py` has the broker pay before the goods go out.
- `driver.py` runs a generator on real stores, `asgi.py` around an application, `proxy.py` before
  another web server.
- `prices.py` reads `prices.toml`, whole or not at all.
- `clearing.py` shows claims to the broker, `lists.py` fetches its keys and revocations;
  `founding.py` makes a vendor's folder, `app.py` puts a vendor together from it.
- Everything that must survive a crash goes through one mark store.
"""
