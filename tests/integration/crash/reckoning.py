"""After the faults have stopped: what is under way is finished, and the sums are right."""

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw
import msgspec

from farthing.cli import servers
from farthing.errors import Misconfigured
from farthing.lab.recount import debts_of
from farthing.ledger import accounts
from farthing.schemes import registry
from farthing.vendor.booking import read_kept, read_outcome
from farthing.wallet.app import open_wallet
from farthing.wallet.book import Entry, Holding
from tests.integration.crash.fleet import COMMISSION_E4, PASSPHRASE, VENDOR, Buyer, Fleet
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


class Sums(NamedTuple):
    """What wallets say, by scheme in micro-units."""

    spent: Counter[str]
    refunded: Counter[str]
    held: Counter[str]
    """Of what was paid for when it was bought."""


def _add_up(purses: Iterable[Purse]) -> Sums:
    sums = Sums(Counter(), Counter(), Counter())
    for purse in purses:
        for (scheme, state), micro in purse.states.items():
            sums.spent[scheme] += micro if state == "done" else 0
        for entry in purse.history:
            sums.refunded[entry.scheme] += entry.price_micro if entry.refunded else 0
        for holding in purse.holdings:
            is_billed = registry.by_name(holding.scheme).traits.credit
            sums.held[holding.scheme] += 0 if is_billed else holding.worth_micro
    return sums


def reckon(
    fleet: Fleet,
    purses: Mapping[str, Purse],
    topped_up_micro: Mapping[str, int],
    *,
    refunded_micro: int = 0,
) -> str:
    """All sums, of every scheme that was paid with; a line that says what was found.

    `topped_up_micro`: by wallet. `refunded_micro`: what the vendor gave back.
    """
    sums = _add_up(purses.values())
    assert sums.refunded.total() == refunded_micro, "what is given back is fetched, once"
    references = [e.reference for p in purses.values() for e in p.history if e.state == "done"]
    assert len(references) == len(set(references)), "two purchases share a receipt"
    earned = _earned(fleet, sums)
    found = audit(fleet)
    assert found["findings"] == []
    assert found["ledgerSumMicro"] == 0
    for scheme, money in found["schemes"].items():
        if not registry.by_name(scheme).traits.credit:
            assert money["outstandingMicro"] == sums.held[scheme], f"{scheme} is lost, or made"
            assert money["redeemedMicro"] == sums.spent[scheme], f"{scheme}: paid, not redeemed"
    balances = Counter(found["balances"])
    commission_micro = balances["income/commission"]
    assert balances[accounts.vendor(VENDOR)] + commission_micro == earned.total(), "not paid"
    assert commission_micro == earned.total() * COMMISSION_E4 // 10_000
    assert not [name for name in balances if name.startswith("liability/hold/")]
    gained_micro = earned.total() - (sums.spent - sums.refunded).total()  # by draws
    _require_payers(balances, purses, topped_up_micro, gained_micro)
    _require_marks(fleet, set(references), sums.spent)
    back = f", {sums.refunded.total() // PRICE_MICRO} refunds" if refunded_micro else ""
    return f"{len(references)} pages{back}, {dict(sums.spent)}, held {dict(sums.held)}"


def _earned(fleet: Fleet, sums: Sums) -> Counter[str]:
    """What the vendor has to claim: what was spent, but for schemes that draw what it comes to."""
    lines = {
        line["scheme"]: line["earned_micro"] for line in _json(fleet.vendor("report", "--json"))
    }
    earned = Counter({scheme: micro for scheme, micro in lines.items() if micro})
    assert earned.keys() <= sums.spent.keys(), "it earned what nobody has spent"
    kept = sums.spent - sums.refunded
    for scheme in sums.spent:
        if not registry.by_name(scheme).traits.drawn:
            assert earned[scheme] == kept[scheme], f"{scheme}: what was spent is what was earned"
    return earned


def _require_payers(
    balances: Counter[str],
    purses: Mapping[str, Purse],
    topped_up_micro: Mapping[str, int],
    gained_micro: int,
) -> None:
    """Every payer has what came in for it less what it spent, by `gained_micro` less by draws."""
    lost = Counter[str]()
    for name, purse in purses.items():
        spent, refunded, held = (sums.total() for sums in _add_up([purse]))
        credit, receivable, *apart = debts_of(name, registry.all_schemes())
        has_micro = balances[accounts.payer(name)] + sum(balances[each] for each in apart)
        has_micro -= balances[credit] + balances[receivable]
        lost[name] = topped_up_micro[name] - (spent - refunded) - held - has_micro
        if not any(registry.by_name(scheme).traits.drawn for scheme, _ in purse.states):
            assert not lost[name], f"{name} has lost {lost[name]}"
    assert sum(lost.values()) == gained_micro, lost


def audit(fleet: Fleet) -> Any:
    command = servers.python("-m", "farthing.cli", "broker", "audit", "--json")
    return _json(servers.run_once(command, env={"FARTHING_DATA": str(fleet.folder / "broker")}))


def _require_marks(fleet: Fleet, references: set[str], spent: Counter[str]) -> None:
    """What is confirmed is what was paid, each at its price, and no hold is within its lease."""
    db = apsw.Connection(str(fleet.folder / "gate" / "marks.db"))
    # What has a slash in its name is no payment: a list that was fetched, scrip that was burned.
    confirmed = db.execute(
        "SELECT kept, outcome FROM payments WHERE state = 2 AND INSTR(k, '/') = 0"
    ).fetchall()
    held = db.execute(
        "SELECT COUNT(*) FROM payments WHERE state = 1 AND lease_until_s > ?", (int(time.time()),)
    ).get
    db.close()
    named: set[str] = set()
    taken: Counter[str] = Counter()
    for kept, outcome in confirmed:
        scheme = read_kept(cast(bytes, kept)).scheme
        receipt = read_outcome(cast(bytes, outcome)).receipt
        if receipt.amount_micro or not registry.by_name(scheme).purse.releases:
            named.add(receipt.reference)  # and no second half of a payment
        taken[scheme] += receipt.amount_micro
    assert named == references, "the gate took what no wallet paid, or a wallet paid another"
    assert taken == spent
    assert held == 0
