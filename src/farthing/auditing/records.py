"""What the schemes' own records say is out, beside the accounts that it is in.

Each scheme that holds value keeps a record of each piece of it, which pays it out or lets it lapse.
Value without its record is nobody's for ever, and so is a record that time never looks at.

    millicent/pool/<vendor>/<expiry>    sold_micro - redeemed_micro - returned_micro
    ecash/out/<epoch>-<key>             micro-units, decimal
    netcash/live/<epoch>/<serial>       8 bytes of micro-units, and a digest
    agent/issued/<serial>               worthMicro - claimedMicro - returnedMicro
    fairchain/escrow/<name>             worth_micro - next_micro
    fairchain/ticket/<id>               the units that nobody has committed to; a lone half apart
    <tag>/prepaid/…, <tag>/stick/…      rest_micro, of `account`

Cashu's mint keeps no such record.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import apsw

from farthing.auditing.holds import Held
from farthing.auditing.report import Findings

OUT, DISPUTED = "liability/outstanding/", "liability/disputed/"
_TAGS = {"ikp": "ikp", "netcard": "netcard", "ticks": "tick"}  # of schemes that set money apart
_KEPT_APART = {"agent", "ecash", "fairchain", "ikp", "millicent", "netcard", "netcash", "tick"}
# Their records change when a payment is reserved, those of the others when it is captured.
_AT_ONCE = {"agent", "ecash", "millicent"}
_OF_PAYMENTS = "liability/hold/tx_"  # an errand to another broker changes none before it ends

Parts = list[tuple[str, int]]


def compare(
    connection: apsw.Connection,
    balances: Mapping[str, int],
    holds: Mapping[str, Held],
    findings: Findings,
) -> None:
    """Note accounts that differ from their records, and records that nothing will end."""
    awaited = {hash(bytes(key)) for (key,) in connection.execute("SELECT key FROM due")}
    sums: dict[str, int] = {}
    for key, value in _records(connection):
        parts: Parts = []
        with findings.reading(f"record {key[:60]!r}"):
            parts = parts_of(key.decode(), value)
        for name, micro in parts:
            sums[name] = sums.get(name, 0) + micro
        if any(micro for _, micro in parts) and hash(key) not in awaited:
            findings.note("value_without_end", key.decode(errors="replace")[:80])
    stands = _stands(balances, holds)
    for name in sorted(sums.keys() | stands.keys()):
        here, there = sums.get(name, 0), stands.get(name, 0)
        if here != there:
            findings.note("records_differ", name[:80], f"{here} in records, {there} in accounts")


def _stands(balances: Mapping[str, int], holds: Mapping[str, Held]) -> dict[str, int]:
    """What records must add up to, by account."""
    stands = {
        name: -micro
        for name, micro in balances.items()
        if name.startswith((OUT, DISPUTED)) and name.split("/")[2] in _KEPT_APART
    }
    for hold, held in holds.items():
        for name, micro in held.taken.items():
            scheme = name.split("/")[2] if name.startswith((OUT, DISPUTED)) else ""
            if scheme not in _KEPT_APART:
                continue
            if scheme not in _AT_ONCE or not hold.startswith(_OF_PAYMENTS):
                stands[name] = stands.get(name, 0) + micro
    return stands


def _records(connection: apsw.Connection) -> Iterator[tuple[bytes, bytes]]:
    folders = ["millicent/pool", "ecash/out", "netcash/live", "agent/issued"]
    folders += ["fairchain/escrow", "fairchain/ticket"]
    folders += [f"{tag}/{what}" for tag in _TAGS for what in ("prepaid", "stick")]
    for folder in folders:
        first, after = f"{folder}/".encode(), f"{folder}0".encode()  # 0 follows /
        yield from connection.execute(
            "SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM records WHERE key > ? AND key < ?",
            (first, after),
        )


def parts_of(key: str, value: bytes) -> Parts:
    """What one record holds, by account."""
    scheme, what, *rest = key.split("/")
    if scheme == "ecash":
        return [(f"{OUT}ecash/e{rest[0]}", int(value))]
    if scheme == "netcash":
        return [(f"{OUT}netcash", int.from_bytes(value[:8], "big"))]
    found: dict[str, Any] = json.loads(value)
    if scheme == "millicent":
        micro = found["sold_micro"] - found["redeemed_micro"] - found["returned_micro"]
        return [(f"{OUT}millicent/{rest[0]}", micro)]
    if scheme == "agent":
        micro = found["worthMicro"] - found["claimedMicro"] - found["returnedMicro"]
        return [(f"{OUT}agent", micro)]
    if scheme == "fairchain":
        return _escrowed(found) if what == "escrow" else _assigned(found)
    return [(f"{OUT}{_TAGS[scheme]}/{found['account']}", found["rest_micro"])]


def _escrowed(found: dict[str, Any]) -> Parts:
    return [(f"{OUT}fairchain", found["worth_micro"] - found["next_micro"])]


def _assigned(found: dict[str, Any]) -> Parts:
    """A ticket: what it is charged for is not out any more, and half a unit is disputed."""
    ticket, last = found["ticket"], found["last"]
    unit_micro, committed = ticket["unitMicro"], (last + 1) // 2
    rest = 0 if found["over"] else ticket["units"] - committed
    lone = committed - last // 2
    return [(f"{OUT}fairchain", rest * unit_micro), (f"{DISPUTED}fairchain", lone * unit_micro)]
