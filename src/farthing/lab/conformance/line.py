"""Between the parties: whatever one says to another passes here, and may be heard or changed."""

from collections.abc import Callable

import msgspec


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One message that passed."""

    kind: str
    """Who was told what: `broker issue`, `broker issue answer`, `payment`, `claim` ..."""
    raw: bytes
    """As it was sent: JSON, or the value of a header."""


class Died(Exception):  # noqa: N818 - a signal of a case, not an error of the program
    """This party's process ends here; `after` says whether its last command was carried out."""

    def __init__(self, who: str) -> None:
        """`broker`, `payer` or a vendor's name."""
        super().__init__(who)
        self.who = who


class Line:
    """What a case may put between the parties."""

    def __init__(self) -> None:
        """Everything passes as it is."""
        self.said: list[Said] = []
        self.bend: Callable[[str, bytes], bytes] = lambda _, raw: raw
        """Given a message's kind and bytes, what arrives."""
        self.faults: list[str] = []
        """What happens to the next payments on their way: `payment` or `reply` is lost, or ""."""
        self.before: Callable[[str, str], None] = lambda who, what: None
        """Called before each command, with who is about to do what; may raise `Died`."""
        self.after: Callable[[str, str], None] = lambda who, what: None
        """Likewise, once it is done and its result is not yet known to who wanted it."""

    def carry(self, kind: str, raw: bytes) -> bytes:
        """What arrives of a message."""
        self.said.append(Said(kind=kind, raw=raw))
        return self.bend(kind, raw)

    def heard(self, kind: str) -> list[bytes]:
        """Every message of this kind, oldest first."""
        return [said.raw for said in self.said if said.kind == kind]
