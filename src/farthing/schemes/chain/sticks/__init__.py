"""Words whose chain is named by a number of its own, and may be authorised on-line before it pays.

- `stick.py`: a commitment with a serial, off-line or on-line. `mint.py`: the first claim of an
  on-line stick reserves its whole value; what is not spent goes back. `till.py`: the opening of an
  on-line stick clears before the page goes out, all its other payments as late as one likes.
  `purse.py`: as the vendor asks.
- Off-line is credit within the part of the day's limit that it takes up; on-line is money that lies
  ready, whatever becomes of the payer's account.
- Source: NetCard (Anderson, Manifavas, Sutherland 1996), micro-iKP (Hauser, Steiner, Waidner 1996).
  That the first claim is the authorisation is ours: one message, one decision, one way to undo it.
"""
