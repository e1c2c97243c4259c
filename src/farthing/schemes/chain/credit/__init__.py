"""What every chain on credit shares: the broker vouches for a payer, who promises vendors.

- `certificate.py`: the broker's word for a payer, and the names of a member of the family.
- `pledge.py`: what a payer signs for one vendor and day, within a part of its credit.
- `mint.py`: certify, revoke, bill. `purse.py`: the wallet's certificates. `till.py`: a vendor's
  look at what it is promised. `losses.py`: what each can lose.
- A member says what its pledge holds and what a claim under it is worth. `chain/words` does so for
  all that pay with words of plain chains.
- Source: PayWord (Rivest & Shamir 1996); slots and the one sum of credit are ours (decision 16).
"""
