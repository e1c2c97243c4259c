"""Cashu: coins that an unmodified wallet of that network loads, sends, receives and pays out.

- `keysets.py`: one key for each power of two, ids that everybody can compute.
- `messages.py`: proofs, outputs and signatures as wallets send them, within limits.
- `conditions.py`: what unlocks a coin: keys, a hash, a time (NUT-10, 11 and 14).
- `tokens.py`, `payment_request.py`: coins as one string, and what a vendor asks for as one.

Source: the NUT specifications of the Cashu network, as of July 2026.
"""
