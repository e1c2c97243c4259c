"""What everybody may know about eCash before using it."""

from farthing.schemes.coin.blind.traits import traits_of

TRAITS = traits_of(name="ecash", title="eCash", source="Chaum 1982, DigiCash; RFC 9474")
