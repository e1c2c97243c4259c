"""What everybody may know about Cashu before using it."""

from farthing.schemes.coin.blind.traits import traits_of

TRAITS = traits_of(
    name="cashu",
    title="Cashu",
    source="the NUT specifications of the Cashu network, 2026; Wagner 1996",
)
