"""A scheme with traits and nothing written: where everybody who adds one begins."""

import msgspec

from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Mint, Purse, Scheme, Till

TRAITS = msgspec.structs.replace(PAYWORD.traits, name="bare", variant="bare")
BARE = Scheme(
    traits=TRAITS,
    mint=type("BareMint", (Mint,), {"traits": TRAITS}),
    purse=type("BarePurse", (Purse,), {"traits": TRAITS}),
    till=type("BareTill", (Till,), {"traits": TRAITS}),
)
