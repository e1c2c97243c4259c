"""Marks only grow until they may be forgotten: looked at in every commit of a gate or a broker.

What is used up stays used up. Of each commit only the rows are looked at that it deletes or sets
back, and whether what was used up by it is there at all.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import apsw

from farthing import marks

ONCES = frozenset({"onces", "once"})  # the table of a gate, and of a broker
COUNTERS = "counters"
FIND_AT_GATE, FIND = "SELECT 1 FROM onces WHERE id = ?", "SELECT 1 FROM once WHERE id = ?"


class Remembered:
    """What is in everybody's stores, in one world."""

    def __init__(self, find: Callable[[str], None]) -> None:
        """Nothing yet."""
        self._find = find
        self._onces: dict[str, set[bytes]] = defaultdict(set)
        self._places: dict[str, dict[bytes, int]] = defaultdict(dict)
        """Where the counters of each party are."""
        self._gone: dict[str, list[tuple[bytes, int]]] = defaultdict(list)
        """Marks that a commit has deleted, and until when they were to be remembered."""
        self._back: dict[str, list[tuple[bytes, int, int]]] = defaultdict(list)
        """Counters that a commit has set back or deleted: where they were, and until when."""

    def watch(self, party: str, connection: apsw.Connection) -> None:
        """Look at every change of a party's store from now on."""
        onces, places, gone, back = (
            self._onces[party],
            self._places[party],
            self._gone[party],
            self._back[party],
        )
        gone.clear()
        back.clear()

        def changed(change: apsw.PreUpdate) -> None:
            table = change.table_name
            old: Any
            new: Any
            if table in ONCES:
                new = change.new
                if new is not None:
                    onces.add(new[0])
                else:
                    old = change.old
                    gone.append((old[0], old[-1]))
            elif table == COUNTERS:
                old, new = change.old, change.new
                place = -1 if new is None else new[1] or 0
                if old is not None and (old[1] or 0) > place:
                    back.append((old[0], old[1] or 0, old[3]))
                if new is not None:
                    places[new[0]] = place

        connection.preupdate_hook(changed)

    def uses(self, party: str, mark: marks.Mark, k: str) -> None:
        """A gate has just written that a mark is used up for good."""
        if isinstance(mark, marks.Once):
            if mark.id not in self._onces[party]:
                self._find(f"{party} does not write down a mark of {k}")
        elif self._places[party].get(mark.id, 0) < mark.to:
            at = self._places[party].get(mark.id)
            self._find(f"{party} leaves a counter of {k} at {at}, and not at {mark.to}")

    def committed(
        self,
        party: str,
        connection: apsw.Connection,
        until_s: int,
        is_used: Callable[[bytes], bool] = lambda _: True,
    ) -> None:
        """Whether what a commit took away may be forgotten at `until_s`, or was not used up yet.

        What it did may have been undone before it ended: then it is there.
        """
        gone, back = self._gone[party], self._back[party]
        for mark, kept_until_s in gone:
            if kept_until_s > until_s and is_used(mark) and not self._is_there(connection, mark):
                self._find(f"{party} forgets a mark {kept_until_s - until_s} s too early")
        for name, place, kept_until_s in back:
            row = connection.execute("SELECT place FROM counters WHERE id = ?", (name,)).fetchone()
            at = -1 if row is None else row[0] or 0
            self._places[party][name] = at
            if at < place and kept_until_s > until_s and is_used(name):
                self._find(f"{party} sets a counter back from {place} to {at}")
        gone.clear()
        back.clear()

    def _is_there(self, connection: apsw.Connection, mark: bytes) -> bool:
        is_gate = connection.table_exists("main", "onces")
        return bool(connection.execute(FIND_AT_GATE if is_gate else FIND, (mark,)).get)
