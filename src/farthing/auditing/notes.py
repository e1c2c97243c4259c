"""The notes of entries: marks that were set, counters that went on, shares and limits.

    once <id, hex> <until_s>
    free <id, hex>
    advance <id, hex> <over> <to> <until_s>
    share <account> <earned micro> <parts per 10,000> <carried before> <carried after>
    limit <account> <micro>
    rate <account> <parts per 10,000>

Marks are as many as payments, so they go to a temporary database and not to memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import apsw

from farthing.auditing.books import PAYER, Books, kind_of
from farthing.auditing.entries import Line
from farthing.auditing.moves import SCHEMES
from farthing.auditing.report import Findings

WHOLE_E4 = 10_000
_SHARED = {"liability/vendor", "asset/peer"}
_EARNING = {"redeem", "capture", "take_back", "lapse"}  # by the last two what was disputed
_EARNED_FROM = PAYER | {
    "equity/lottery",
    "liability/disputed",
    "liability/hold",
    "liability/outstanding",
    "liability/vendor",
}
_VENDOR = "liability/vendor/"
_MARKED = {"redeem", "capture", "take_back"}
_LINKS = {"fairchain": 2}  # of one paid step, where it is not one: promised, then released
_TOTALS = {"ticket", "upayword"}  # their last counter counts everything that was paid


@dataclass(slots=True)
class Carried:
    """What one account has earned and been charged."""

    carry_e4: int = 0
    earned_micro: int = 0
    """By entries that paid it."""
    rate_e4: int = -1
    """Our parts per 10,000 as they were noted; below 0 where they were not."""
    charged_for_micro: int = 0
    """By the shares that were taken of it."""
    unshared_micro: int = 0
    """Earned since the rate was noted, less what shares were taken of; 0 between two decisions."""
    paid_micro: int = 0
    """Commission until now, less what was given back."""


@dataclass(slots=True)
class Notes:
    """What notes have said so far."""

    findings: Findings
    books: Books
    shares: dict[str, Carried] = field(default_factory=dict)
    _is_older: bool = False
    """Whether claims were paid before there were marks."""
    _marking: set[str] = field(default_factory=set)
    """Kinds of entries that have carried a mark."""
    _marks: apsw.Connection = field(default_factory=lambda: apsw.Connection(""))

    def __post_init__(self) -> None:
        """The temporary tables; SQLite drops them with the connection."""
        self._marks.execute("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF")
        self._marks.execute(
            "CREATE TABLE once (id BLOB PRIMARY KEY, seq INTEGER, until_s INTEGER) WITHOUT ROWID;"
            "CREATE TABLE counters (id BLOB PRIMARY KEY, place INTEGER, seq INTEGER, "
            "until_s INTEGER, step_micro INTEGER) WITHOUT ROWID; BEGIN"
        )

    def add(self, line: Line) -> None:
        """Take one entry's notes in; its postings are in the books already."""
        if line.kind in _EARNING:
            self._earn(line)
        self._require_mark(line)
        shared: set[str] = set()
        for note in line.notes:
            word, *rest = note.split(" ")
            try:
                shared |= self._note(line, word, rest)
            except (ValueError, OverflowError):  # of no number, and of one that no clock shows
                self.findings.note("entry_unreadable", line.where, f"note {word[:20]}")
        self._price(line)
        if line.kind == "commission" and line.postings:
            charged = {name for name, _ in line.postings if kind_of(name) in _SHARED}
            if charged != shared:
                said = "nothing says what it is a share of"
                self.findings.note("share_wrong", line.where, said)

    def _note(self, line: Line, word: str, rest: list[str]) -> set[str]:
        """Take one note in; the accounts that it is a share of."""
        match word, rest:
            case "once", [mark, until_s]:
                self._once(line, bytes.fromhex(mark), int(until_s))
            case "free", [mark]:
                self._marks.execute("DELETE FROM once WHERE id = ?", (bytes.fromhex(mark),))
            case "advance", [mark, over, to, until_s]:
                self._advance(line, bytes.fromhex(mark), (int(over), int(to)), int(until_s))
            case "share", [account, *figures]:
                earned, rate, before, after = map(int, figures)
                self._share(line, account, (earned, rate, before, after))
                return {account}
            case "limit", [account, micro]:
                self.books.limits[account] = int(micro)
            case "rate", [account, rate]:
                self.shares.setdefault(account, Carried()).rate_e4 = int(rate)
            case _:
                self.findings.note("entry_unreadable", line.where, f"note {word[:20]}")
        return set()

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
        elif line.kind not in self._marking:
            self._is_older |= bool(line.postings)
        elif line.postings:
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
        place = row[0] if row else 0
        detail = f"from {over}, after entry {row[1]}" if row else f"from {over} to {to}"
        if over < place or to <= over:
            self.findings.note("counter_used_twice", line.where, detail)
        elif over > place and (row or not self._is_older):
            self.findings.note("counter_skipped", line.where, detail)
        self._marks.execute(
            "INSERT INTO counters VALUES (?, ?, ?, ?, NULL) ON CONFLICT (id) DO UPDATE SET "
            "place = excluded.place, seq = excluded.seq, until_s = max(until_s, excluded.until_s)",
            (mark, to, line.seq, until_s),
        )

    def _price(self, line: Line) -> None:
        """A step of one chain is worth the same in every claim, in the schemes that we know.

        A claim of several chains says nothing of each, nor one of which a part was captured. One
        that closes gives something back, too, but not of what it pays; it uses up a mark.
        """
        if line.kind not in _MARKED or not line.notes or line.ref not in SCHEMES:
            return
        advances = [note.split(" ") for note in line.notes if note.startswith("advance ")]
        if not advances or (len(advances) > 1 and line.ref not in _TOTALS):
            return
        is_closing = any(note.startswith("once ") for note in line.notes)
        paid_micro = 0
        for name, micro in line.postings:
            kind = kind_of(name)
            if kind == "liability/vendor":
                paid_micro -= micro
            elif micro < 0 and kind in PAYER and not is_closing:
                return
        try:
            _, mark, over, to, _ = advances[-1]
            links, counter = _LINKS.get(line.ref, 1), bytes.fromhex(mark)
            steps = int(to) // links - int(over) // links
        except ValueError:
            return  # named already
        step_micro, left_micro = divmod(paid_micro, steps) if steps > 0 else (0, paid_micro)
        known = self._marks.execute("SELECT step_micro FROM counters WHERE id = ?", (counter,)).get
        if left_micro or (steps > 0 and known not in {None, step_micro}):
            said = f"{paid_micro} for {steps} steps, of {known} before"
            self.findings.note("steps_mispriced", line.where, said)
        elif steps > 0:
            self._marks.execute(
                "UPDATE counters SET step_micro = ? WHERE id = ?", (step_micro, counter)
            )

    def _earn(self, line: Line) -> None:
        changes = line.changes
        earned = {name: -micro for name, micro in changes.items() if name.startswith(_VENDOR)}
        if not earned or not {kind_of(name) for name in changes} <= _EARNED_FROM:
            return  # what was bought ahead is no earning, nor is giving it back
        if min(earned.values()) < 0 < max(earned.values()):
            return  # nor what one vendor gives another
        for name, micro in earned.items():
            account = self.shares.setdefault(name, Carried())
            account.earned_micro += micro
            if account.rate_e4 > 0:
                account.unshared_micro += micro

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
        if so_far.rate_e4 not in {-1, rate_e4}:
            said = f"{account}: {rate_e4} of 10,000, not {so_far.rate_e4}"
            self.findings.note("rate_differs", line.where, said)
        if (due, left) != (taken, after_e4):
            said = f"{account}: due {due} and {left} carried, not {taken} and {after_e4}"
            self.findings.note("share_wrong", line.where, said)
        so_far.carry_e4 = after_e4
        so_far.paid_micro += taken
        so_far.charged_for_micro += earned
        if so_far.rate_e4 > 0:
            so_far.unshared_micro -= earned
        vendor = account.startswith("liability/vendor/")
        if vendor and so_far.charged_for_micro > so_far.earned_micro:
            said = f"{account}: {so_far.charged_for_micro} of {so_far.earned_micro}"
            self.findings.note("earnings_overstated", line.where, said)
