"""Farthing sells anything over HTTP for a fraction of a cent.

* A **scheme** is a mint (at the issuer), a purse (in the wallet) and a till (at the gate). All
  three are pure: bytes, ``now_s`` and ``entropy`` in, frozen structs or a ``Refusal`` out.
* A **gate** stands before the vendor's site, a **wallet** pays for the payer. Both are generators
  that yield commands and receive answers, so one gate and one wallet serve every driver.
* A payment is taken, held while the origin answers, then confirmed: receipt, change and claims
  commit in one transaction before the first byte goes out. The same payment, the same outcome.
* The **broker** turns claims into money owed: cryptography in workers, decisions in one writer,
  and books in double entry that sum to zero after every command.
* Imports point downwards only: ``cli``, then ``asgi``/``wsgi``/``plugins`` and ``lab``, then
  ``broker``/``vendor``/``wallet``, ``rails``, ``stores``, ``wire``, ``schemes``/``ledger``,
  ``crypto``, ``marks``/``codec``, ``money``/``ids``, ``errors``. The edge alone has a clock.
"""

__version__ = "0.1.0"
