"""The notes of entries: marks that were set, counters that went on, shares and limits.

    once <id, hex> <until_s>
    free <id, hex>
    advance <id, hex> <over> <to> <until_s>
    share <account> <earned micro> <parts per 10,000> <carried before> <carried after>
    limit <account> <micro>

Marks are as many as payments, so they go to a temporary database and not to memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import apsw

from farthing.auditing.books import Books
from farthing.auditing.entries import Line
from farthing.auditing.report import Findings

WHOLE_E4 = 10_000
_SHARED = {"liability/vendor", "asset/peer"}
_EARNING = {"redeem", "capture", "take_back", "lapse"}  # by the last two what was disputed
_MARKED = {"redeem", "capture", "take_back"}


@dataclass(slots=True)
class Carried:
    """What one account has earned and been charged."""

    carry_e4: int = 0
    earned_micro: int = 0
    """By entries that paid it."""
    charged_for_micro: int = 0
    """By the shares that were taken of it."""
    paid_micro: int = 0
    """Commission until now, less what was given back."""


@dataclass(slots=True)
class Notes:
    """What notes have said so far."""

    findings: Findings
    books: Books
    shares: dict[str, Carried] = field(default_factory=dict)
    _marking: set[str] = field(default_factory=set)
    """Kinds of entries that have carried a mark."""
    _marks: apsw.Connection = field(default_factory=lambda: apsw.Connection(""))

    def __post_init__(self) -> None:
        """The temporary tables; SQLite drops them with the connection."""
        self._marks.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF")
        self._marks.execute(
            "CREATE TABLE once (id BLOB PRIMARY KEY, seq INTEGER, until_s INTEGER) WITHOUT ROWID;"
            "CREATE TABLE counters (id BLOB PRIMARY KEY, place INTEGER, seq INTEGER, "
            "until_s INTEGER) WITHOUT ROWID; BEGIN"
        )

    def add(self, line: Line) -> None:
        """Take one entry's notes in; its postings are in the books already."""
        if line.kind in _EARNING:
            self._earn(line)
        self._require_mark(line)
        shares = 0
        for note in line.notes:
            word, *rest = note.split(" ")
            try:
                match word, rest:
                    case "once", [mark, until_s]:
                        self._once(line, bytes.fromhex(mark), int(until_s))
                    case "free", [mark]:
                        self._marks.execute("DELETE FROM once WHERE id = ?", (bytes.fromhex(mark),))
                    case "advance", [mark, over, to, until_s]:
                        steps = (int(over), int(to))
                        self._advance(line, bytes.fromhex(mark), steps, int(until_s))
                    case "share", [account, *figures]:
                        earned, rate, before, after = map(int, figures)
                        self._share(line, account, (earned, rate, before, after))
                        shares += 1
                    case "limit", [account, micro]:
                        self.books.limits[account] = int(micro)
                    case _:
                        self.findings.note("entry_unreadable", line.where, f"note {word[:20]}")
            except (ValueError, OverflowError):  # of no number, and of one that no clock shows
                self.findings.note("entry_unreadable", line.where, f"note {word[:20]}")
        if line.kind == "commission" and line.postings and not shares:
            self.findings.note("share_wrong", line.where, "nothing says what it is a share of")

    def marks(self, now_s: int) -> Iterator[tuple[bytes, int]]:
        """(id, entry) of marks that may not be forgotten yet."""
        yield from self._marks.execute("SELECT id, seq FROM once WHERE until_s >= ?", (now_s,))

    def counters(self, now_s: int) -> Iterator[tuple[bytes, int, int]]:
        """(id, place, entry) of counters that may not be forgotten yet."""
        yield from self._marks.execute(
            "SELECT id, place, seq FROM counters WHERE until_s >= ?", (now_s,)
        )

    def _require_mark(self, line: Line) -> None:
        """Once such an entry was marked, each one is; older journals have no marks.

        What another broker sold for us was marked when it was ordered.
        """
        resold = any(name.startswith("asset/peer/") for name, _ in line.postings)
        if line.kind not in _MARKED or resold:
            return
        if any(note.startswith(("once ", "advance ")) for note in line.notes):
            self._marking.add(line.kind)
        elif line.kind in self._marking and line.postings:
            self.findings.note("mark_missing", line.where, f"{line.kind} of {line.ref[:32]}")

    def _once(self, line: Line, mark: bytes, until_s: int) -> None:
        self._marks.execute(
            "INSERT OR IGNORE INTO once VALUES (?, ?, ?)", (mark, line.seq, until_s)
        )
        if self._marks.changes() != 1:
            seq = self._marks.execute("SELECT seq FROM once WHERE id = ?", (mark,)).get
            self.findings.note("mark_used_twice", line.where, f"{mark.hex()[:32]} of entry {seq}")

    def _advance(self, line: Line, mark: bytes, steps: tuple[int, int], until_s: int) -> None:
        over, to = steps
        row = self._marks.execute(
            "SELECT place, seq FROM counters WHERE id = ?", (mark,)
        ).fetchone()
        if (row is not None and over < row[0]) or to <= over:
            detail = f"from {over}, after entry {row[1]}" if row else f"from {over} to {to}"
            self.findings.note("counter_used_twice", line.where, detail)
        self._marks.execute(
            "INSERT INTO counters VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "place = excluded.place, seq = excluded.seq, until_s = max(until_s, excluded.until_s)",
            (mark, to, line.seq, until_s),
        )

    def _earn(self, line: Line) -> None:
        for name, change_micro in line.changes.items():
            if name.startswith("liability/vendor/"):
                self.shares.setdefault(name, Carried()).earned_micro -= change_micro

    def _share(self, line: Line, account: str, figures: tuple[int, int, int, int]) -> None:
        earned, rate_e4, before_e4, after_e4 = figures
        so_far = self.shares.setdefault(account, Carried())
        due, left = divmod(earned * rate_e4 + before_e4, WHOLE_E4)
        taken = line.changes.get(account, 0)
        # What is given back is at most what was paid: money from elsewhere paid no share.
        due = max(due, -so_far.paid_micro)
        if before_e4 != so_far.carry_e4 or not 0 <= rate_e4 <= WHOLE_E4:
            said = f"{account} carried {so_far.carry_e4}, not {before_e4}"
            self.findings.note("carry_differs", line.where, said)
        if (due, left) != (taken, after_e4):
            said = f"{account}: due {due} and {left} carried, not {taken} and {after_e4}"
            self.findings.note("share_wrong", line.where, said)
        so_far.carry_e4 = after_e4
        so_far.paid_micro += taken
        so_far.charged_for_micro += earned
        vendor = account.startswith("liability/vendor/")
        if vendor and so_far.charged_for_micro > so_far.earned_micro:
            said = f"{account}: {so_far.charged_for_micro} of {so_far.earned_micro}"
            self.findings.note("earnings_overstated", line.where, said)
