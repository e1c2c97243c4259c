"""Mechanism `coin`: a signature is the money.

- A coin is a serial under the broker's signature. Who has the coin has the money, so it travels
  only encrypted, and names its vendor where it is on its way to one.
- The broker decides, in one transaction, by a list of what is spent, or of what is still live.
- Change is made by the broker, never by a vendor.
"""
