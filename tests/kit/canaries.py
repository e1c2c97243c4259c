"""Secrets that can be recognised wherever they turn up, in whatever spelling."""

import base64
import hashlib


def canary(name: str, size_bytes: int = 32) -> bytes:
    """A secret of this name: test data, and nothing but."""
    return f"TEST-{name}-CANARY".encode().ljust(size_bytes, b"~")[:size_bytes]


def draw(name: str, size_bytes: int = 64) -> bytes:
    """Entropy that is the same in every run."""
    return hashlib.shake_256(f"test entropy {name}".encode()).digest(size_bytes)


def spellings(secret: bytes) -> tuple[str, ...]:
    """How a secret may be written: as it is, hex, base64 and base64url, wherever they begin."""
    found = {secret.hex(), secret.hex().upper(), repr(secret)[2:-1]}
    for lead in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * lead + secret).decode()
            whole = len(secret) // 3 * 4 - 4  # characters that depend on the secret alone
            found.add(text[4 if lead else 0 :][:whole])
    return tuple(sorted(found))


def leaked(text: str, secrets: dict[str, bytes]) -> list[str]:
    """The names of the secrets that stand in `text`."""
    return [
        name
        for name, secret in secrets.items()
        if any(spelling in text for spelling in spellings(secret))
    ]
