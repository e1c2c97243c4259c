"""The mint that stock Cashu wallets use, over the same books as everything else.

- `counter.py`: one unit's keysets, and how a command is carried out once for the same bytes.
- `loading.py`: an account pays a quote, and a wallet has coins signed for it.
- `spending.py`: swaps, states and restores; coins paid out to an account by a code.
- `quotes.py`: the records of quotes and codes; `info.py`: what wallets read first.
- `routes.py`: the routes, plain ASGI, a mint for each unit under `/cashu/<unit>`.
"""
