"""A refusal that must not be forgotten: two statements of one signer, kept as evidence.

What a mint refuses by raising leaves no trace. Where the refusal itself is news (a payer has spent
twice, its certificate is void from now on) `Mint.apply` gives `Refuted`: its records are written,
no money moves, and whoever asked gets the refusal.
"""

from farthing.errors import Refusal
from farthing.schemes.messages import Applied


class Refuted(Applied, frozen=True, kw_only=True):
    """Refused, with what proves it."""

    refusal: Refusal
