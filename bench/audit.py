"""The independent auditor over a long journal, as a program of its own."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw

from bench.figures import Figure
from farthing.broker import journal, store
from farthing.ledger import accounts
from farthing.ledger.transfers import Entry, Posting

ENTRIES = 1_000_000
PAYERS, VENDORS = 1_000, 20
DEPOSIT_MICRO = 10**10
RATE_E4 = 333
RATE_MIN = 1_000_000 / 60  # a million entries in a minute
BEGIN_S = 1_800_000_000
UNTIL_S = 2**40

# What a process used at most is in its own status; what `getrusage` says of it includes its parent.
PROGRAM = """
import sys
from pathlib import Path
from farthing.auditing import audit_file
report = audit_file(Path(sys.argv[1]))
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
sys.exit(len(report.findings))
"""


def measure(entries: int = ENTRIES) -> list[Figure]:
    """Entries a second of CPU, and what the program took of memory."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "broker.db"
        _write(path, entries)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            [sys.executable, "-c", PROGRAM, str(path)],
            capture_output=True,
            check=False,
            env={**os.environ, "TMPDIR": folder},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"the auditor ended with {done.returncode}: {done.stderr[-500:]!r}")
    took_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return [
        Figure(part="audit", name="entries", value=entries / took_s, unit="/s", target=RATE_MIN),
        Figure(part="audit", name="memory at most", value=int(done.stdout) / 1024, unit="MB"),
    ]


def _write(path: Path, entries: int) -> None:
    """Deposits, then claims with their marks, every tenth followed by the broker's share."""
    connection = apsw.Connection(str(path))
    connection.execute(store.SCHEMA)
    for statement in ("PRAGMA journal_mode = OFF", "PRAGMA cache_size = -500000", "BEGIN"):
        connection.execute(statement)
    for number in range(PAYERS):
        journal.open_account(connection, accounts.payer(f"p{number}"))
    for number in range(VENDORS):
        name = f"v{number}"
        journal.open_account(connection, accounts.vendor(name))
        party = store.Party(
            id=name, role="vendor", commission_e4=RATE_E4, carry_e4=0, payout_to="", props=""
        )
        store.add_party(connection, party)
    for number in range(PAYERS):
        _post(connection, number, "topup", accounts.bank("manual"), accounts.payer(f"p{number}"),
              DEPOSIT_MICRO)  # fmt: skip  # - one call
    carried, earned = [0] * VENDORS, [0] * VENDORS
    for number in range(PAYERS, entries):
        vendor = number // 10 % VENDORS
        account = accounts.vendor(f"v{vendor}")
        if number % 10 == 9:
            share, carry = divmod(earned[vendor] * RATE_E4 + carried[vendor], 10_000)
            note = f"share {account} {earned[vendor]} {RATE_E4} {carried[vendor]} {carry}"
            _post(connection, number, "commission", account, accounts.COMMISSION, share, note)
            carried[vendor], earned[vendor] = carry, 0
            continue
        payer = accounts.payer(f"p{number % PAYERS}")
        mark = number.to_bytes(25, "big")
        connection.execute("INSERT INTO once VALUES (?, ?)", (mark, UNTIL_S))
        _post(connection, number, "redeem", payer, account, 200, f"once {mark.hex()} {UNTIL_S}")
        earned[vendor] += 200
    for vendor, carry in enumerate(carried):
        store.set_carry(connection, f"v{vendor}", carry)
    connection.execute("COMMIT")
    connection.close()


def _post(
    connection: apsw.Connection,
    number: int,
    kind: str,
    source: str,
    target: str,
    micro: int,
    note: str = "",
) -> None:
    entry = Entry(
        id=number.to_bytes(16, "big"),
        postings=(Posting(source, micro), Posting(target, -micro)),
        kind=kind,
        ref=f"r{number}",
        at_s=BEGIN_S + number // 100,
        notes=(note,) if note else (),
    )
    journal.post(connection, entry)
