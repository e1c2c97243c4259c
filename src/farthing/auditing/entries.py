"""One entry of the journal, read from its bytes. Written from docs/reference/journal.md alone."""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

FIELDS = {"at_s", "id", "kind", "notes", "postings", "ref"}
ID = re.compile(r"[0-9a-f]{32}")
KIND = re.compile(r"[a-z][a-z_]{0,31}")
LARGEST_MICRO = 2**60
BRACKETS_MAX = 500  # 128 postings and as many in a reference: what nests deeper is no entry


class Unreadable(Exception):  # noqa: N818 - a fact about a file, which the caller notes
    """These bytes are no entry; the text says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry."""

    seq: int
    id: str
    kind: str
    ref: str
    at_s: int
    postings: tuple[tuple[str, int], ...]
    """(account, signed micro-units), debit-positive."""
    notes: tuple[str, ...]

    @property
    def where(self) -> str:
        """How findings call it."""
        return f"entry {self.seq}"

    @property
    def changes(self) -> dict[str, int]:
        """Each account once, with what the entry changes in it."""
        sums: dict[str, int] = {}
        for account, micro in self.postings:
            sums[account] = sums.get(account, 0) + micro
        return sums


def read(seq: int, body: bytes) -> Line:
    """The entry in `body`; `Unreadable` for anything but its one spelling."""
    if body.count(b"[") + body.count(b"{") > BRACKETS_MAX:
        raise Unreadable("nested deeper than entries are")
    try:
        found = json.loads(body, parse_float=_refuse, parse_constant=_refuse)
    except ValueError:
        raise Unreadable("no JSON") from None
    if not isinstance(found, dict) or not found.keys() <= FIELDS:
        raise Unreadable("fields that no entry has")
    try:
        is_spelled = _spell(found) == body
    except UnicodeEncodeError:
        is_spelled = False  # a lone surrogate, which no spelling holds
    if not is_spelled:
        raise Unreadable("not spelled as entries are")
    try:
        postings = tuple((_text(name), _whole(micro)) for name, micro in found["postings"])
        notes = tuple(_text(note) for note in found.get("notes", ()))
        line = Line(
            seq=seq,
            id=_text(found["id"]),
            kind=_text(found["kind"]),
            ref=_text(found["ref"]),
            at_s=_whole(found["at_s"]),
            postings=postings,
            notes=notes,
        )
    except (KeyError, TypeError, ValueError):
        raise Unreadable("a field is missing or of another type") from None
    if "notes" in found and not notes:
        raise Unreadable("empty notes are left out")
    if not ID.fullmatch(line.id) or not KIND.fullmatch(line.kind) or line.at_s < 0:
        raise Unreadable("its id, kind or time is none")
    if len(postings) == 1 or not (postings or notes):
        raise Unreadable("too few postings")
    return line


def _spell(found: dict[str, Any]) -> bytes:
    """The one spelling: keys in order, no blanks, UTF-8 as it is."""
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _whole(value: object) -> int:
    if type(value) is not int or abs(value) > LARGEST_MICRO:
        raise TypeError(value)
    return value


def _refuse(_: str) -> NoReturn:
    raise ValueError("no integer")
