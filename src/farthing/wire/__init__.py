"""HTTP 402 in and out: pure codecs between our messages and the dialects.

- `offers.py` holds what the rest of the project exchanges with a dialect.
- `mpp.py` is the MPP `Payment` scheme, `x402.py` is x402 version 2; both ride in one response.
- `receipts.py` is the vendor's signed answer, one form for both; `shapes.py` is what offers share.
- `problems.py` writes refusals; the row comes from `errors.ROWS` and nowhere else.
- `peers.py` says whose word on the other end is taken, `attempts.py` how often it may be refused.
- A scheme's payload is the same JSON object in every dialect.
- Every header, list and number is bounded before it is parsed.
"""
