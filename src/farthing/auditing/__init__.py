"""The independent auditor: a broker's books, read by code that shares nothing with the broker's.

It has a parser, an arithmetic and a chart of its own, imports nothing of this project, and needs no
key: the file is enough. What it knows of the format is docs/reference/journal.md.

- `entries.py` reads one entry and its place in the chain of hashes.
- `books.py` adds the postings up, account by account, and judges each entry by its kind: `moves.py`
  says between which accounts it moves money, and `holds.py` follows what is reserved.
- `notes.py` follows marks, counters, shares and limits through the journal.
- `tables.py` compares what came out with the tables beside the journal, `records.py` with what the
  schemes' records hold.
- `statement.py` compares deposits with the bank's own list.
- `report.py` names what was found; `journal.py` runs all of it over one file.
"""

from farthing.auditing.journal import audit, audit_file
from farthing.auditing.report import CODES, Finding, Report, Scheme
from farthing.auditing.statement import read_statement

__all__ = ["CODES", "Finding", "Report", "Scheme", "audit", "audit_file", "read_statement"]
