"""Everything counted again, from the disks alone: what is open, and whether the sums are right.

A wallet's file, a gate's store and the books are three records of the same payments, made by
programs that could not trust each other. Where all is finished they agree to the last micro-unit.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, cast

import apsw

from farthing.auditing import audit
from farthing.lab.genesis import DEPOSIT_MICRO
from farthing.ledger import accounts
from farthing.schemes import registry
from farthing.schemes.contract import Scheme
from farthing.wallet.book import Book
from farthing.wallet.commands import Purchase
from farthing.wallet.file import File
from farthing.wallet.rows import Rows

if TYPE_CHECKING:
    from farthing.lab.parties import BrokerParty, VendorParty
    from farthing.lab.payer import PayerParty
    from farthing.lab.world import World

# What must be empty once everybody has finished, by whose disk.
OPEN_AT_WALLET = {
    "undecided purchases": "SELECT id FROM purchases WHERE state IN ('sent', 'undecided')",
    "open asks": "SELECT id FROM asks WHERE state = 'open'",
    "offered instruments": "SELECT id FROM instruments WHERE state = 'offered'",
}
CLAIMS = {
    "claims not cleared": "SELECT scheme || ' ' || value_micro FROM outbox WHERE ord > acked_ord",
}
OPEN_AT_GATE = {"held payments": "SELECT k FROM payments WHERE state = 1"} | CLAIMS
OPEN_AT_BROKER = {
    "holds": "SELECT tx FROM holds",
    "reservations": "SELECT tx FROM reservations WHERE state NOT IN ('captured', 'void')",
    "errands": "SELECT id FROM errands",
}


def open_matters(world: "World") -> list[str]:
    """What has not come to an end, by whom."""
    found: list[str] = []
    for payer in world.payers:
        found += _open(payer.name, payer.connection, OPEN_AT_WALLET)
    for vendor in world.vendors:
        found += _open(vendor.name, vendor.connection, OPEN_AT_GATE)
    for broker in world.brokers:
        found += _open(broker.name, broker.connection, OPEN_AT_BROKER)
    return found


def open_to_honest(
    world: "World",
    payers: Iterable["PayerParty"],
    vendors: Iterable["VendorParty"],
    crooks: Collection[str],
) -> list[str]:
    """As `open_matters`, of who is honest; not what a gate holds: who cheats may never end it.

    Nor a second half for who does not take it: the vendor that withheld its page.
    """
    names = ", ".join(f"'{name}'" for name in sorted(crooks))
    halves = f" AND NOT (operation = 'release' AND vendor IN ({names}))"
    at_wallet = OPEN_AT_WALLET | {"open asks": OPEN_AT_WALLET["open asks"] + halves}
    found: list[str] = []
    for payer in payers:
        found += _open(payer.name, payer.connection, at_wallet)
    for vendor in vendors:
        found += _open(vendor.name, vendor.connection, CLAIMS)
    for broker in world.brokers:
        found += _open(broker.name, broker.connection, OPEN_AT_BROKER)
    return found


def _open(name: str, connection: apsw.Connection, queries: dict[str, str]) -> list[str]:
    return [
        f"{what} of {name}: {row[0]}"
        for what, query in queries.items()
        for row in connection.execute(query)
    ]


def require_sums(world: "World") -> None:
    """Note every account and every payment of which the three records disagree."""
    find, twice_micro = world.ground.checks.find, 0
    bought = _bought(world, world.payers)
    for broker in world.brokers:
        _audit(world, broker)
        for one in world.schemes:
            twice_micro += _twice_micro(world, broker, one)
    for other in world.brokers[1:]:
        _between(world, other)
    _paid_out(world)
    for vendor in world.vendors:
        _compare(world, vendor, bought[vendor.name])
        _remembered(world, vendor)
    lost_micro = sum(_lost_micro(world, payer) for payer in world.payers) + twice_micro
    fees_micro = sum(world.ground.checks.fees.values())
    if lost_micro != fees_micro:
        find(f"payers lost {lost_micro}, and vendors' mints charged {fees_micro}")


def require_honest_sums(world: "World", crooks: Collection[str]) -> None:
    """As `require_sums` where somebody has cheated: the books, and what honest records say.

    What the honest lost by others is no matter of these sums: `bounds.py` measures it.
    """
    payers = [payer for payer in world.payers if payer.name not in crooks]
    vendors = [vendor for vendor in world.vendors if vendor.name not in crooks]
    for matter in open_to_honest(world, payers, vendors, crooks):
        world.ground.checks.find(f"frozen: {matter}")
    bought = _bought(world, payers)
    for broker in world.brokers:
        _audit(world, broker)
    for vendor in vendors:
        _compare_paid(world, vendor, bought[vendor.name])
        _remembered(world, vendor)
    for payer in payers:
        _lost_micro(world, payer, crooks)


def _bought(world: "World", payers: Iterable["PayerParty"]) -> dict[str, dict[str, int]]:
    """What wallets say that they have paid, by vendor and K."""
    bought: dict[str, dict[str, int]] = defaultdict(dict)
    for payer in payers:
        for purchase in done_by(payer):
            if purchase.k in bought[purchase.vendor_id]:
                find = world.ground.checks.find
                find(f"{purchase.vendor_id} was paid {purchase.k} by two wallets")
            bought[purchase.vendor_id][purchase.k] = purchase.price_micro
    return bought


def _audit(world: "World", broker: "BrokerParty") -> None:
    """What the independent auditor says of a broker's books."""
    find = world.ground.checks.find
    report = audit(broker.connection, now_s=broker.forgotten_s)
    for finding in report.findings:
        # A broker whose clock was set back writes what the auditor rightly finds strange.
        if not (finding.code == "entry_back_dated" and broker.was_wrong):
            find(f"audit: {finding}")
    for name, scheme in report.schemes.items():
        if not scheme.is_conserved:
            find(f"audit: {name} is not conserved: {scheme}")


def done_by(payer: "PayerParty") -> list[Purchase]:
    """What its wallets say that it has paid, those that it has lost among them."""
    query = "SELECT id, sealed FROM purchases WHERE state = 'done'"
    return [
        Rows(file).unseal(Purchase, "purchases", str(row_id), cast(bytes, sealed))
        for file in payer.files
        for row_id, sealed in file.connection.execute(query).fetchall()
    ]


def comes_back(scheme: Scheme) -> bool:
    """Whether what a lost wallet held comes back."""
    return scheme.purse.numbers or scheme.purse.reissues


def _holding(payer: "PayerParty", scheme: Scheme) -> list[File]:
    """The files that say what a payer holds; lost ones do of what does not come back."""
    return [payer.file] if comes_back(scheme) else payer.files


def _compare(world: "World", party: "VendorParty", bought: dict[str, int]) -> None:
    """What wallets say they paid this vendor, what its gate took, and what its account got."""
    checks = world.ground.checks
    sold, refunded = checks.sold[party.name], checks.refunded[party.name]
    for k in sold.keys() - bought.keys():
        if not sold[k]:  # the second half of a payment, which wallets keep with the first
            continue
        checks.find(f"{party.name} took {k} ({sold[k]}), and no wallet knows that it paid it")
    _compare_paid(world, party, bought)
    expected_micro = sum(sold.values()) - sum(refunded.values()) + checks.fees[party.name]
    expected_micro += sum(checks.drawn[party.name].values())
    earned_micro = checks.earned[party.name]
    if earned_micro != expected_micro:
        checks.find(f"{party.name} earned {earned_micro}, its gate took {expected_micro}")


def _compare_paid(world: "World", party: "VendorParty", bought: dict[str, int]) -> None:
    """Whether this vendor's gate took what wallets say they paid it."""
    checks = world.ground.checks
    sold = checks.sold[party.name]
    for k in bought.keys() - sold.keys():
        checks.find(f"a wallet paid {party.name} {k} ({bought[k]}), and it never took it")
    for k in sold.keys() & bought.keys():
        if sold[k] != bought[k]:
            checks.find(f"{party.name} took {sold[k]} of {k}, its payer paid {bought[k]}")


def _between(world: "World", other: "BrokerParty") -> None:
    """What the payers' broker has at another, by the books of both, but for its share of sales."""
    checks = world.ground.checks
    here_micro = checks.books[world.broker.name][accounts.peer(other.name)]
    here_micro -= checks.shares[other.name]
    there_micro = -checks.books[other.name][accounts.payer(world.broker.name)]
    if here_micro != there_micro - DEPOSIT_MICRO:
        checks.find(
            f"{other.name} has {there_micro} of {world.broker.name}'s {DEPOSIT_MICRO},"
            f" whose books say {here_micro}"
        )


def _paid_out(world: "World") -> None:
    """Whether as much went to each party's bank as its broker told it."""
    told, booked = world.paid_out, world.ground.checks.paid_out
    for account in sorted(told.keys() | booked.keys()):
        if told[account] != booked[account]:
            world.ground.checks.find(
                f"{booked[account]} went from {account} to its bank, and {told[account]} was told"
            )


def _twice_micro(world: "World", broker: "BrokerParty", scheme: Scheme) -> int:
    """What a broker owes to whoever holds a prepaid scheme's instruments, and who holds them.

    What was held for too long stays in the wallet, and is the broker's by now, or came back by
    itself: how much of that wallets have twice, as they do not know it yet.
    """
    if scheme.traits.credit:
        return 0
    name, checks = scheme.traits.name, world.ground.checks
    held_micro = expired_held_micro = 0
    for file in [file for payer in world.payers for file in _holding(payer, scheme)]:
        for worth, expires_at_s in file.connection.execute(
            "SELECT worth_micro, expires_at_s FROM instruments WHERE scheme = ? AND broker = ?"
            " AND state <> 'spent'",
            (name, broker.name),
        ):
            held_micro += int(worth)
            expired_held_micro += int(worth) if int(expires_at_s) < world.ground.wall_s() else 0
    prefix = accounts.outstanding(name)
    owed_micro = -sum(
        micro for account, micro in checks.books[broker.name].items() if account.startswith(prefix)
    )
    expired_micro = checks.lapsed[broker.name, name]
    twice_micro = held_micro - owed_micro - expired_micro
    if not 0 <= twice_micro <= min(expired_held_micro, checks.came_back[broker.name, name]):
        checks.find(
            f"{name} at {broker.name}: {owed_micro} is outstanding and {expired_micro} has expired,"
            f" and wallets hold {held_micro}"
        )
        return 0
    return twice_micro


def _remembered(world: "World", vendor: "VendorParty") -> None:
    """Every mark that is used up is in the store, and every counter where it was, until then."""
    checks, now_s = world.ground.checks, vendor.forgotten_s
    stored = {row[0] for row in vendor.connection.execute("SELECT id FROM onces")}
    used = checks.used[vendor.name]
    lost = sum(until_s > now_s and mark not in stored for mark, until_s in used.items())
    if lost:
        checks.find(f"{vendor.name} has forgotten {lost} marks too early")
    rows = vendor.connection.execute("SELECT id, place FROM counters")
    places = {row[0]: row[1] for row in rows}
    for mark, place in checks.places[vendor.name].items():
        if place.until_s > now_s and places.get(mark) != place.to:
            checks.find(f"{vendor.name} has a counter at {places.get(mark)}, it was at {place.to}")


def debts_of(payer: str, schemes: Iterable[Scheme]) -> tuple[str, ...]:
    """The accounts of what a payer owes; below zero is what credit schemes keep apart for it."""
    apart = [accounts.outstanding(one.traits.name, payer) for one in schemes if one.traits.credit]
    return accounts.credit(payer), accounts.receivable(payer), *apart


def _lost_micro(world: "World", payer: "PayerParty", crooks: Collection[str] = ()) -> int:
    """What came in for a payer and went to none of the things it did: fees of vendors' mints.

    Vendors among the `crooks` may never have claimed, or too late, what it has paid them.
    """
    checks = world.ground.checks
    balances = checks.books[world.broker.name]
    spent_micro = sum(
        purchase.price_micro + checks.drawn[purchase.vendor_id].get(purchase.k, 0)
        for purchase in done_by(payer)
    )
    returned_micro = sum(p.price_micro for p in done_by(payer) if p.refund)
    held_micro = sum(
        held.instrument.worth_micro
        for file in payer.files
        for held in Book(file).held()
        if file in _holding(payer, scheme := registry.by_name(held.instrument.scheme))
        and not scheme.traits.credit  # which is paid later
    )
    has_micro = -balances[accounts.payer(payer.name)]
    owes_micro = sum(balances[name] for name in debts_of(payer.name, world.schemes))
    came_in_micro = world.topped_up[payer.name] + world.came_micro[payer.name]
    came_in_micro -= checks.paid_out[accounts.payer(payer.name)]
    expected_micro = came_in_micro - spent_micro + returned_micro - held_micro
    late_micro = sum(checks.came_back.values())
    may_micro = expected_micro + min(late_micro, held_micro)
    may_micro += sum(p.price_micro for p in done_by(payer) if p.vendor_id in crooks)
    if has_micro - owes_micro > may_micro:
        checks.find(
            f"{payer.name} has {has_micro} and owes {owes_micro}; of"
            f" {came_in_micro} it spent {spent_micro}, got back {returned_micro}"
            f" and holds {held_micro}: {has_micro - owes_micro - expected_micro} too much"
        )
    return expected_micro - (has_micro - owes_micro)
