"""Coins that the broker signs without seeing them: what eCash and Cashu have in common.

- `coinage.py`: what a scheme says of its coins; slots, from which a wallet makes them.
- `boxes.py`: the box in which coins travel to the broker, and its answer.
- `messages.py`: what wallets and vendors send, and what each box is bound to.
- `traits.py`: what they have in common for everybody.
- `pocket.py`, `purse.py`, `kept.py`, `restoring.py`: the wallet's side. `till.py`: the vendor's.
- `mint.py`, `checking.py`: the broker's.
"""
