"""What a vendor has sold, cleared and not cleared yet, by scheme, from its outbox alone."""

from farthing import marks
from farthing.stores.sqlite import SqliteMarks


def report(store: SqliteMarks) -> tuple[marks.Total, ...]:
    """One line per scheme; claims that the broker acknowledged stay in it until forgotten."""
    lines: tuple[marks.Total, ...] = store.do_now(marks.Tally())
    return lines
