"""How much is hashed for chains, counted."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from farthing.crypto import chain


def count_links(patch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Tells how many hashes of chains there were since it was asked before."""
    counted: list[bytes] = []

    def hashed(raw: bytes) -> Any:
        counted.append(raw[:1])
        return sha256(raw)

    def told() -> int:
        count = len(counted)
        counted.clear()
        return count

    patch.setattr(chain, "sha256", hashed)
    return told
