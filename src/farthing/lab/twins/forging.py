"""Messages as somebody changes them who does not understand them: flipped bits, other numbers."""

import random
from collections.abc import Iterator

import msgspec

from farthing import codec
from farthing.lab.network import Headers, Message
from farthing.schemes.contract import Json

BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
HUGE = 10**6  # micro-units: more than any page of a world costs


def flipped(message: Message, luck: random.Random) -> Message:
    """The message with one bit of it changed: of its body, or else of what pays."""
    if message.body:
        body = bytearray(message.body)
        body[luck.randrange(len(body))] ^= 1 << luck.randrange(8)
        return msgspec.structs.replace(message, body=bytes(body))
    names = {b"authorization", b"payment-authorization", b"payment-signature"}
    headers = tuple((n, _respelt(v, luck) if n in names else v) for n, v in message.headers)
    return msgspec.structs.replace(message, headers=headers)


def _respelt(value: bytes, luck: random.Random) -> bytes:
    """One character of a header's value changed, of those that carry data."""
    at = luck.randrange(min(len(value) - 1, 8), len(value))
    return value[:at] + bytes([luck.choice(BASE64)]) + value[at + 1 :]


def repaid(message: Message, name: str, other: str) -> Message:
    """The message with another name in the place of one that what pays has in it."""
    headers = tuple(
        (key, _renamed(value, name.encode(), other.encode()) if key == b"authorization" else value)
        for key, value in message.headers
    )
    return msgspec.structs.replace(message, headers=headers)


def _renamed(value: bytes, name: bytes, other: bytes) -> bytes:
    word, _, token = value.rpartition(b" ")
    said = codec.unb64u(token.decode()).replace(name, other)
    return word + b" " + codec.b64u(said).encode()


def under(message: Message, **headers: str) -> Message:
    """The message with some headers of its own replaced; `_` in a name stands for `-`."""
    new = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    kept: Headers = tuple(pair for pair in message.headers if pair[0] not in new)
    return msgspec.structs.replace(message, headers=(*kept, *new.items()))


def elsewhere(message: Message, host: str, path: str = "") -> Message:
    """The message to another host, and perhaps another path."""
    scheme, _, rest = message.url.partition("://")
    own = "/" + rest.partition("/")[2]
    return msgspec.structs.replace(message, url=f"{scheme}://{host}{path or own}")


def inflated(body: bytes, luck: random.Random) -> bytes:
    """JSON with one of its integers raised, or one of its texts taken from another place of it."""
    value = msgspec.json.decode(body)
    places = list(_places(value))
    if not places:
        return body
    holder, key = luck.choice(places)
    held = holder[key]
    if isinstance(held, int):
        holder[key] = luck.choice([held + 1, held * 2, held + HUGE])
    else:
        other, there = luck.choice(places)
        if isinstance(other[there], str):
            holder[key] = other[there]
    return codec.canonical(value)


def _places(value: Json) -> Iterator[tuple[Json, Json]]:
    """Where the integers and texts of a JSON value stand: their holder and key."""
    if isinstance(value, dict):
        pairs: list[tuple[Json, Json]] = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    else:
        return
    for key, held in pairs:
        if isinstance(held, dict | list):
            yield from _places(held)
        elif isinstance(held, int | str) and not isinstance(held, bool):
            yield value, key
