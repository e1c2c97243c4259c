"""`python -m farthing.auditing BROKER.db`: the auditor without the rest of the project."""

import json
import sys
import time
from pathlib import Path

import apsw

from farthing.auditing import audit_file


def main() -> int:
    """Print what was found as one JSON object; 0 where all is well, 1 otherwise, 2 for no file."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.stderr.write("usage: python -m farthing.auditing BROKER.db\n")
        return 2
    try:
        report = audit_file(Path(sys.argv[1]), now_s=int(time.time()))
    except apsw.Error as wrong:
        sys.stderr.write(f"cannot read {sys.argv[1]}: {wrong}\n")
        return 2
    sys.stdout.write(json.dumps(report.as_json(), indent=2, sort_keys=True) + "\n")
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
