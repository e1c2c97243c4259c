"""What schemes that pay with words of plain chains share: PayWord and its nearest relations.

- `commitment.py`: chains of several denominations under one pledge. `till.py`: the vendor's
  counters and claims. `mint.py`: the broker bills the last word. `purse.py`: the wallet's chains.
- A member gives the commitment fields of its own, and says what makes it different.
- Source: PayWord (Rivest & Shamir 1996).
"""
