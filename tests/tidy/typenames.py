"""Types of messages' fields, as those who read JSON say them, with their limits."""

import re
import types
import typing
from collections.abc import Iterator
from typing import Any

import msgspec

JSON_WORDS = {"str": "string", "int": "integer", "bool": "boolean", "tuple": "list",
              "dict": "object", "NoneType": "null", "None": "null"}  # fmt: skip  # - a table


def type_name(hint: Any) -> str:
    """A type as JSON's readers say it."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        limits = "".join(limit for meta in arguments[1:] for limit in _limits(meta))
        return type_name(arguments[0]) + limits
    if origin in {typing.Union, types.UnionType}:
        return " | ".join(type_name(one) for one in arguments)
    if origin in {list, tuple}:
        named = ["…" if one is ... else type_name(one) for one in arguments]
        return f"list[{', '.join(named)}]"
    return _plain(hint)


def _plain(hint: Any) -> str:
    text = hint.__name__ if isinstance(hint, type) and "[" not in str(hint) else str(hint)
    text = text.replace("~C", "Commitment")  # the member's own, of generic messages
    words = re.findall(r"[A-Za-z_][A-Za-z_.]*|[\[\]|,]|\.\.\.", text)
    named = [JSON_WORDS.get(word.rsplit(".", 1)[-1] or word, word) for word in words]
    short = [word.rsplit(".", 1)[-1] if word != "..." else word for word in named]
    return "".join(short).replace("|", " | ").replace(",...", ", …").replace(",", ", ")


def _limits(meta: msgspec.Meta) -> Iterator[str]:
    least = meta.gt + 1 if meta.gt is not None else meta.ge
    most = meta.lt - 1 if meta.lt is not None else meta.le
    yield from _range(least, most, "")
    yield from _range(meta.min_length, meta.max_length, "of ")


def _range(least: float | None, most: float | None, word: str) -> Iterator[str]:
    if least is not None and most is not None:
        yield f" {word}{least:,}" if least == most else f" {word}{least:,} to {most:,}"
    elif least is not None:
        yield f" {word}at least {least:,}"
    elif most is not None:
        yield f" {word}at most {most:,}"
