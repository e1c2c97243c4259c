"""What payer or vendor show a third party of one purchase, whose description was hidden from it."""

import msgspec

from farthing import codec
from farthing.schemes.contract import Json


class Disclosure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of `farthing wallet disclose` or `farthing vendor disclose`."""

    scheme: str
    """Registry name."""
    shown: Json
    """As `Mint.judge` takes it."""

    def __repr__(self) -> str:
        """Scheme only: the rest is for who was given the file."""
        return f"Disclosure({self.scheme})"


READER = codec.Reader(Disclosure)
