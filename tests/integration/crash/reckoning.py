"""After the faults have stopped: what is under way is finished, and the sums are right."""

import hashlib
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import msgspec

from farthing.cli import servers
from farthing.errors import Misconfigured
from farthing.wallet.app import open_wallet
from farthing.wallet.book import Entry, Holding
from tests.integration.crash.fleet import PASSPHRASE, VENDOR, Buyer, Fleet
from tests.integration.crash.wares import PRICE_MICRO, page

# A wallet believes "no such payment came" a minute after it paid. Its clock goes that far ahead,
# which a gate's tolerance for clocks allows, since nothing is under way any more.
LATER_S = 61
FINISH_S = 20.0  # leases end after three seconds, and reservations after ten
ALL = 10**9  # lines


class Purse(NamedTuple):
    """A wallet, when everything in it is decided."""

    history: tuple[Entry, ...]
    holdings: tuple[Holding, ...]
    states: dict[tuple[str, str], int]
    """Price of its purchases in micro-units, by scheme and state."""


def finish_wallet(buyer: Buyer) -> Purse:
    """Recover until nothing is open; it pays nothing."""
    deadline_s = time.monotonic() + FINISH_S
    with open_wallet(buyer.path, PASSPHRASE, clock=lambda: int(time.time()) + LATER_S) as wallet:
        while True:
            found = wallet.recover(days=1)
            if not (found.undecided or found.asks_open):
                break
            assert time.monotonic() < deadline_s, f"{buyer.name}: {found}"
            time.sleep(0.1)
        purse = Purse(wallet.history(ALL), wallet.holdings(), _states(buyer.path))
    assert {holding.state for holding in purse.holdings} <= {"ready"}, buyer.name
    assert {state for _, state in purse.states} <= {"done", "released"}, buyer.name
    return purse


def _states(path: Path) -> dict[tuple[str, str], int]:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    rows = db.execute("SELECT scheme, state, SUM(price_micro) FROM purchases GROUP BY 1, 2")
    states = {(scheme, state): micro for scheme, state, micro in rows}
    db.close()
    return states


def require_acknowledged(buyer: Buyer, purse: Purse) -> None:
    """Every page that the payer got is paid for, with that receipt, once; and it is the page."""
    done = {entry.url: entry.reference for entry in purse.history if entry.state == "done"}
    count = sum(entry.state == "done" for entry in purse.history)
    assert count == len(done), f"{buyer.name} paid {count} times for {len(done)} pages"
    for line in buyer.bought():
        number = line["number"]
        url, reference = _find(done, buyer.name, number)
        assert reference == line["reference"], url
        area, name = url.rsplit("/", 2)[1:]
        body = page(area, int(name.partition(".")[0]))
        assert line["sha256"] == hashlib.sha256(body.encode()).hexdigest(), url


def _find(done: dict[str, str], name: str, number: int) -> tuple[str, str]:
    for url, reference in done.items():
        if url.endswith(f"?{name}={number}"):
            return url, reference
    raise AssertionError(f"{name} got page {number} and does not know of it")


def clear(fleet: Fleet) -> None:
    """The vendor clears until nothing is pending; no claim is refused for good.

    Once may not do: another sweep can be under way, a gate's own or that of one killed, and a page
    whose reader was killed is confirmed when its origin has answered. What a gate had reserved when
    it was killed is refused for now, until the reservation has ended.
    """
    deadline_s = time.monotonic() + FINISH_S
    while left := _uncleared(fleet):
        assert time.monotonic() < deadline_s, f"clearing does not come through: {left}"
        time.sleep(0.1)


def _uncleared(fleet: Fleet) -> str:
    """What stands in the way; empty once all is cleared."""
    try:
        swept = _json(fleet.vendor("clear", "--json"))
    except Misconfigured as problem:
        return str(problem)
    assert not any(one["refused"] for one in swept), swept
    pending = [line for line in _json(fleet.vendor("report", "--json")) if line["pending_micro"]]
    return f"{swept} left {pending} pending" if pending else ""


def _json(raw: bytes) -> Any:
    return msgspec.json.decode(raw)


def reckon(
    fleet: Fleet, purses: dict[str, Purse], topped_up_micro: int, *, refunded_micro: int = 0
) -> str:
    """All sums; a line that says what was found. `refunded_micro`: of MilliCent pages."""
    spent = Counter[str]()
    held: Counter[str] = Counter()
    for purse in purses.values():
        for (scheme, state), micro in purse.states.items():
            spent[scheme] += micro if state == "done" else 0
        for holding in purse.holdings:
            held[holding.scheme] += holding.worth_micro
    references = [e.reference for p in purses.values() for e in p.history if e.state == "done"]
    assert len(references) == len(set(references)), "two purchases share a receipt"
    report = {line["scheme"]: line for line in _json(fleet.vendor("report", "--json"))}
    kept = spent - Counter({"millicent": refunded_micro})
    earned = {scheme: line["earned_micro"] for scheme, line in report.items()}
    assert earned == {scheme: micro for scheme, micro in kept.items() if micro}
    found = audit(fleet)
    assert found["findings"] == []
    assert found["ledgerSumMicro"] == 0
    scrip = found["schemes"]["millicent"]
    assert scrip["outstandingMicro"] == held["millicent"], "scrip is lost, or made of nothing"
    assert scrip["redeemedMicro"] == spent["millicent"], "what is given back is issued anew"
    vendor = fleet.call(f"/balance?account={VENDOR}")["vendorMicro"]
    commission = found["balances"].get("income/commission", 0)
    total_micro = sum(kept.values())
    assert vendor + commission == total_micro, "the vendor is paid what was spent"
    assert commission == total_micro * 500 // 10_000
    left_micro = 0
    for name in purses:
        account = fleet.call(f"/balance?account={name}")
        left_micro += account["payerMicro"]
        assert account["owedMicro"] == 0
    assert topped_up_micro == left_micro + held["millicent"] + total_micro
    assert not [name for name in found["balances"] if name.startswith("liability/hold/")]
    _require_marks(fleet, len(references))
    back = f", {refunded_micro // PRICE_MICRO} refunds" if refunded_micro else ""
    return f"{len(references)} pages{back}, {dict(spent)}, held {dict(held)}"


def audit(fleet: Fleet) -> Any:
    command = servers.python("-m", "farthing.cli", "broker", "audit", "--json")
    return _json(servers.run_once(command, env={"FARTHING_DATA": str(fleet.folder / "broker")}))


def _require_marks(fleet: Fleet, pages: int) -> None:
    """As many payments are confirmed as pages were paid, and no hold is within its lease."""
    db = apsw.Connection(str(fleet.folder / "gate" / "marks.db"))
    # What has a slash in its name is no payment: a list that was fetched, scrip that was burned.
    paid = "SELECT COUNT(*) FROM payments WHERE state = 2 AND INSTR(k, '/') = 0"
    confirmed = db.execute(paid).get
    held = db.execute(
        "SELECT COUNT(*) FROM payments WHERE state = 1 AND lease_until_s > ?", (int(time.time()),)
    ).get
    db.close()
    assert confirmed == pages
    assert held == 0
