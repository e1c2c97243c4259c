"""The payer's side: a file with spending power, budgets, and a flow that pays for pages.

- `fetching.py`, `flow.py`, `errand.py`, `settling.py` are generators of commands: no I/O, no clock.
  `choice.py` reads offers, `known.py` remembers them, `policy.py` holds the budgets, `commands.py`
  is what flow and world say.
- `store.py` writes before anything is sent, so a wallet killed at any point loses nothing and pays
  nothing twice; `file.py`, `vault.py`, `rows.py` and `book.py` are the sealed file beneath it.
- `driver.py` carries commands out; `httpx_auth.py` lets a payer's own client send the pages, and
  `cashier.py` makes payments for clients that tell us nothing of what became of them.
- `app.py` is the process edge: clock, environment, and what commands offer.
- A secret is sealed in the file, and in no repr, log, error or URL.
"""

from farthing.wallet.app import Wallet, init
from farthing.wallet.app import open_wallet as open  # noqa: A004 - reads farthing.wallet.open()

__all__ = ["Wallet", "init", "open"]
