"""What a third party is shown: of one purchase what was hidden from it, or two statements."""

import msgspec

from farthing import codec
from farthing.schemes.contract import Json


class Disclosure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of `farthing wallet disclose`, `vendor disclose`; a `proof` of `broker conflicts`."""

    scheme: str
    """Registry name."""
    shown: Json
    """As `Mint.judge` takes it."""

    def __repr__(self) -> str:
        """Scheme only: the rest is for who was given the file."""
        return f"Disclosure({self.scheme})"


READER = codec.Reader(Disclosure)
