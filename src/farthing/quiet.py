"""Structs that say how much they hold, and never what."""

import msgspec


class Quiet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A struct whose bytes may be worth money: a repr says how much there is, never what."""

    def __repr__(self) -> str:
        """Every field, with bytes and collections as their sizes."""
        fields = (f"{name}={_shown(getattr(self, name))}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({', '.join(fields)})"


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, tuple | dict):
        return f"<{len(value)} items>"
    return repr(value)
