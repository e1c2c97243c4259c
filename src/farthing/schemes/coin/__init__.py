"""Mechanism `coin`: a signature is the money.

- A coin is a serial under the broker's signature. Who has the coin has the money, so it travels
  only encrypted, and names its vendor where it is on its way to one.
- The broker decides, in one transaction, by a list of what is spent, or of what is still live.
- Change is made by the broker, never by a vendor.
- Where coins are powers of two under one key each: `values.py` says which coins make an amount and
  which pay a price, `epochs.py` how long a key signs and its coins are good, `outstanding.py` keeps
  what is out of each epoch, `deriving.py` makes a wallet's secrets of its seed.
"""
