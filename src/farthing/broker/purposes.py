"""What the broker's keys are for."""

from farthing.broker.cashu.spending import PAYOUT_KEY
from farthing.schemes import registry
from farthing.schemes.coin.cashu.keysets import KEYSET_KEY
from farthing.schemes.coin.ecash.keyset import KEYS as ECASH_KEY

ROOT_KEY = "farthing/broker/root/1"
VAULT_KEY = "farthing/broker/vault/1"
SIGNING = (ROOT_KEY, *(key for one in registry.all_schemes() for key in one.mint.signing))
SEALING = (
    *(VAULT_KEY, PAYOUT_KEY),
    *(key for one in registry.all_schemes() for key in one.mint.sealing),
)
COINS = (ECASH_KEY, KEYSET_KEY)  # what their keys follow from
ROTATING = (*SIGNING[1:], *COINS)  # the root is what vendors have pinned: it stays
