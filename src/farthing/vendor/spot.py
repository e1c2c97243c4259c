"""Where in `prices.toml` something stands, for messages that people can act on."""

import re
from typing import get_args

from farthing.errors import Misconfigured
from farthing.marks import Moment


class Spot:
    """Where in the text a route or key stands, for messages that people can act on."""

    def __init__(self, where: str, text: str) -> None:
        """`where` is the file's name."""
        self._where = where
        self._lines = text.splitlines()

    def line(self, table: str, index: int | None, key: str) -> int:
        """The line, from 1, of `key` in the `index`-th `[[table]]`, else of the table's head.

        None: in the file itself, where it may be a table too.
        """
        start = 0
        named = {f"[[{table}]]"} if index is not None else {f"[{key}]", f"[[{key}]]"}
        heads = [n for n, line in enumerate(self._lines) if line.strip() in named]
        if index is not None:
            start = heads[index] if index < len(heads) else 0
        elif heads:
            return heads[0] + 1
        for number in range(start, len(self._lines)):
            line = self._lines[number]
            if number > start and line.startswith("[[") and not line.startswith(f"[[{table}."):
                break
            if line.strip() == f"[[{table}.{key}]]":
                return number + 1
            if key and re.match(rf"\s*(?:\w+\.)?{re.escape(key)}(?:\.\w+)?\s*=", line):
                return number + 1
        return start + 1

    def of_scheme(self, name: str, wrong: Misconfigured) -> Misconfigured:
        """What is wrong in the table of a scheme; the refusal's fact `option` names the key."""
        heads = [n for n, line in enumerate(self._lines) if line.strip() == f"[{name}]"]
        start = number = heads[0] if heads else 0
        key = str(wrong.facts.get("option", ""))
        for place in range(start + 1, len(self._lines)):
            if self._lines[place].startswith("["):
                break
            if key and re.match(rf"\s*{re.escape(key)}\s*=", self._lines[place]):
                number = place
        return Misconfigured(
            wrong.code, f"{self._where}, line {number + 1}: {wrong.detail}", **wrong.facts
        )

    def wrong(self, code: str, index: int, key: str, reason: str) -> Misconfigured:
        """The refusal for one key of one route."""
        return Misconfigured(
            code, f"{self._where}, line {self.line('route', index, key)}: {reason}"
        )

    def in_file(self, code: str, key: str, reason: str) -> Misconfigured:
        """The refusal for one key of the file itself."""
        return Misconfigured(code, f"{self._where}, line {self.line('', None, key)}: {reason}")

    def unreadable(self, message: str) -> Misconfigured:
        """The refusal for what msgspec found, whose message ends in a path such as `$.route[2]`."""
        path = re.search(r"\$\.?(\w*)(?:\[(\d+)\])?(?:\.(\w+))?", message)
        table, index, key = path.groups() if path is not None else ("", None, None)
        unknown = re.search(r"unknown field `(\w+)`", message)
        name = unknown.group(1) if unknown else key or (table if index is None else "")
        line = self.line(table, int(index) if index is not None else None, name)
        if key == "clearing":
            message = f"write {' or '.join(get_args(Moment))}: {message}"
        return Misconfigured("prices_malformed", f"{self._where}, line {line}: {message}")
