"""In how many ways a message can be changed on its way: each byte, each length, each member.

The bit that is turned in each byte follows from the seed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from farthing.lab.conformance.stage import Stage

Bytes = Iterator[tuple[str, bytes]]
"""Changed messages, each with what was done to it."""


def flipped(stage: Stage, raw: bytes, most: int = 0) -> Bytes:
    """`raw` with each byte changed, one at a time; of more than `most` some, evenly."""
    masks = stage.room.entropy(len(raw))
    step = -(-len(raw) // most) if most else 1
    for place in range(masks[0] % step, len(raw), step):
        turned = raw[place] ^ (masks[place] % 255 + 1)
        yield f"byte {place}", raw[:place] + bytes((turned,)) + raw[place + 1 :]


def cut_and_grown(stage: Stage, raw: bytes) -> Bytes:
    """`raw` cut, lengthened, and with each of its members missing, doubled, cut or grown."""
    for size in {0, 1, len(raw) // 2, len(raw) - 1}:
        yield f"cut to {size} bytes", raw[:size]
    for more in (b" ", b"\0", b"}", b"{}", raw):
        yield f"with {more[:2]!r} behind it", raw + more
    for path, changed in edits(msgspec.json.decode(raw)):
        yield path, msgspec.json.encode(changed, order="sorted")


def edits(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A JSON value with one thing missing, too many, too long, too short or of another kind."""
    match value:
        case dict():
            yield f"{path}/ with a member more", {**value, "unknownMember": 1}
            for name in value:
                rest = {key: each for key, each in value.items() if key != name}
                yield f"{path}/{name} missing", rest
                for where, changed in edits(value[name], f"{path}/{name}"):
                    yield where, {**value, name: changed}
        case list():
            yield f"{path}[] twice", [*value, *value]
            yield f"{path}[] empty", []
            for number, each in enumerate(value):
                for where, changed in edits(each, f"{path}[{number}]"):
                    yield where, [*value[:number], changed, *value[number + 1 :]]
        case str():
            yield f"{path} shorter", value[:-1]
            yield f"{path} longer", value + "A"
            yield f"{path} empty", ""
            yield f"{path} a number", 1
        case bool():
            yield f"{path} turned", not value
        case int():
            yield f"{path} one more", value + 1
            yield f"{path} one less", value - 1
            yield f"{path} below zero", -value - 1
            yield f"{path} a text", str(value)
        case _:
            yield f"{path} an object", {}


WAYS: dict[str, Callable[[Stage, bytes], Bytes]] = {
    "every byte": flipped,
    "every length and member": cut_and_grown,
}
