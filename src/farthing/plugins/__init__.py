"""The small classes with which other people's payment clients pay Farthing offers.

- `x402.py` for the `x402` package (httpx and requests), `mpp.py` for `pympp` (httpx).
- Both pay out of a wallet, within its budgets: a payment is in the wallet's file before it is sent.
- Neither client shows its plug-in the receipt, so earlier payments are looked up at the vendor's
  outcome endpoint before the next one, and by `settle`: that is how the change comes back.
- `farthing[x402]` and `farthing[mpp]` install the clients; nothing else here needs them.
"""
