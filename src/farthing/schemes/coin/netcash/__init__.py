"""NetCash: coins that the broker signs and lists, exchanged for a coin of the price before a page.

- Source: Medvinsky & Neuman 1993 [recalled].
- `coin.py`: what a coin is, and who may take it when. `orders.py`: what is said to the broker.
- `mint.py`: the broker sells, exchanges, pays and takes back coins; `live.py`: its list of those
  that are out; `abroad.py`: coins of other brokers. `purse.py`: the wallet's side, `till.py`: the
  vendor's.
- The wallet holds coins that anybody could spend, bought of its account. Before a page it exchanges
  one, without its account, for a coin of the price that names the vendor, and a coin of the rest:

  | until | who takes the vendor's coin | for what |
  |---|---|---|
  | an hour after the exchange | its payer shows it to the vendor | a page |
  | t1, a day later | the vendor | money in its account |
  | t2, a week later | its payer | its own money again: the page never came |
  | its end, and 30 days more | anybody | fresh coins, or money in an account |

- So a vendor needs not ask before it sells, and a payer whose page never came has its money back,
  or the broker's signature on who took it (`status`).
- What they learn: a vendor knows its payers by a key of one coin each. Nothing is blinded, so the
  broker can follow coins from the account that bought them to the vendor that claims them, by the
  answers that it keeps for repeats, for as long as it keeps them.
- Departures: windows are fields of one coin; a vendor gets a coin of the price in its own window,
  and so needs not ask the broker before it sells; a payer's broker buys the coins of a vendor's
  broker, where in the paper the vendor's broker settles coins of the payer's.
"""

from farthing.schemes.coin.netcash.coin import TRAITS
from farthing.schemes.coin.netcash.mint import NetcashMint
from farthing.schemes.coin.netcash.purse import NetcashPurse
from farthing.schemes.coin.netcash.till import NetcashTill
from farthing.schemes.contract import Scheme

NETCASH = Scheme(traits=TRAITS, mint=NetcashMint, purse=NetcashPurse, till=NetcashTill)
