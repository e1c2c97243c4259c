"""What payers paid is what vendors earned, with fees, and what is under way: after every commit.

Four records of the same money are held against each other as each of them is written: what wallets
hold and have offered, what gates have taken and claim, what brokers have paid to vendors, and what
they owe to whoever holds instruments. Nothing is read twice: a commit says what it has changed. In
between something is always on its way, so that most of it are inequalities, by vendor and scheme::

    taken by a gate       = offered by a wallet, payment by payment
    claimed by a gate     = taken + fees of its mint
    acknowledged by it   <= paid by its broker <= claimed + offered and not taken
    in wallets + claimed and not paid <= owed by the broker + expired in wallets

`recount.py` has the equations, when nothing is under way any more.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import apsw
import msgspec

from farthing import marks
from farthing.lab.faults import JUMP_S
from farthing.schemes import registry
from farthing.wallet.commands import KeepRefund, Purchase, Settle

WAITING = frozenset(
    scheme.traits.name for scheme in registry.all_schemes() if scheme.purse.returns_after_s
)  # what is given back is owed a while longer
PREPAID = frozenset(
    scheme.traits.name for scheme in registry.all_schemes() if not scheme.traits.credit
)
WATCHED = frozenset({"asks", "grants", "instruments"})  # of a wallet's tables
Place = tuple[str, str, str]
"""Broker, scheme and id of an instrument."""


class Held(NamedTuple):
    """One instrument in a wallet."""

    worth_micro: int
    expires_at_s: int
    is_shown: bool
    """Whether a payment or an ask has it."""


class Written:
    """What one transaction of a wallet's file has changed."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.instruments: dict[Place, Held | None] = {}
        self.asks: dict[str, tuple[str, bool]] = {}
        """The scheme of each message to a mint, and whether it is open."""
        self.handed: set[str] = set()
        """Schemes of which something was handed over."""

    def changed(self, change: apsw.PreUpdate) -> None:
        """One row."""
        table = change.table_name
        if table not in WATCHED:
            return
        new = change.new
        row: Any = new or change.old
        if table == "instruments":
            is_held = new is not None and row[9] != "spent"
            held = Held(row[6], row[7], row[9] == "offered") if is_held else None
            self.instruments[row[0], row[1], row[2]] = held
        elif table == "grants":
            self.handed.add(row[4])
        elif row[5] != "release":
            self.asks[row[0]] = row[3], new is not None and row[8] == "open"

    def clear(self) -> None:
        """It is over."""
        self.instruments.clear()
        self.asks.clear()
        self.handed.clear()


class Trade(msgspec.Struct):
    """What one vendor sells in one scheme, in micro-units."""

    claimed_micro: int = 0
    """In its gate's outbox, whether the broker has paid it or not."""
    acknowledged_micro: int = 0
    """Of that, what the gate takes for paid."""
    paid_micro: int = 0
    """What its broker has paid."""
    given_back_micro: int = 0
    """What its gate has given back, by its outbox, as it was not charged for it yet."""
    returned_micro: int = 0
    """Of that, what its broker has taken from it."""
    half_micro: int = 0
    """What its gate has taken, and claims with the second half of the payment."""
    offered_micro: int = 0
    """What wallets have offered, and the gate has not taken."""
    worths: dict[bytes, dict[int, int]] = {}
    """What was claimed under each key, by order."""
    tops: dict[bytes, int] = {}
    """What was claimed with the highest, whatever the broker has refused of it."""
    last: dict[bytes, int] = {}
    """The highest of these orders."""
    heard: dict[bytes, int] = {}
    """Up to which order that is acknowledged."""

    @property
    def due_micro(self) -> int:
        """What the broker is still to pay for what was claimed, less what was given back."""
        due_micro = max(self.claimed_micro - self.paid_micro, 0)
        return due_micro - max(self.given_back_micro - self.returned_micro, 0)

    def claim(self, claim: marks.Claim) -> int:
        """A gate writes a claim; how much more it claims by that."""
        worths, last = self.worths.setdefault(claim.key, {0: 0}), self.last.get(claim.key, 0)
        if claim.order <= last:
            return 0
        worth_micro, more_micro = claim.value_micro, claim.value_micro - self.tops.get(claim.key, 0)
        if worth_micro < 0:
            self.given_back_micro -= worth_micro
            worth_micro, more_micro = worths[last], 0
        worths[claim.order], self.last[claim.key] = worth_micro, claim.order
        self.tops[claim.key] = self.tops.get(claim.key, 0) + more_micro
        self.claimed_micro += worth_micro - worths[last]
        if claim.moment == "before":
            self.acknowledge(claim.key, claim.order)
        return more_micro

    def acknowledge(self, key: bytes, order: int) -> None:
        """A gate takes a claim for paid, up to here."""
        worths, heard = self.worths[key], self.heard.get(key, 0)
        if order > heard:
            self.acknowledged_micro += worths[order] - worths[heard]
            self.heard[key] = order

    def refuse(self, key: bytes, order: int) -> None:
        """A gate has heard that nothing more will ever be paid of a claim."""
        worths, heard = self.worths[key], self.heard.get(key, 0)
        if heard < order == self.last[key]:
            self.claimed_micro -= worths[order] - worths[heard]
            worths[order] = worths[heard]


class Conserved:
    """The running account of one world."""

    def __init__(
        self,
        find: Callable[[str], None],
        owed_micro: Callable[[str, str], int],
        expired_micro: Callable[[str, str], int],
        wall_s: Callable[[], int],
    ) -> None:
        """`owed_micro`, `expired_micro`: by broker and scheme what is out, and what has lapsed."""
        self._find = find
        self._owed_micro = owed_micro
        self._expired_micro = expired_micro
        self._wall_s = wall_s
        self.crooks: set[str] | None = None
        """Who has cheated so far; None where nobody ever does."""
        self.prepaid = PREPAID
        """Schemes of which somebody holds something that a broker owes."""
        self.homes: dict[str, str] = {}
        """The broker of each vendor."""
        self.trades: dict[tuple[str, str], Trade] = defaultdict(Trade)
        """By vendor and scheme."""
        self._offers: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
        """What wallets have offered, by vendor and K: the scheme and the price."""
        self._taken: dict[str, dict[str, int]] = defaultdict(dict)
        self.purses: dict[str, dict[Place, Held]] = defaultdict(dict)
        """What each wallet holds."""
        self._held_micro: dict[tuple[str, str], int] = defaultdict(int)
        """Of that, what nobody has been shown, by broker and scheme."""
        self._shown_micro: dict[tuple[str, str], int] = defaultdict(int)
        """The rest."""
        self._asks: dict[str, set[tuple[str, str]]] = defaultdict(set)
        """What wallets ask mints, by scheme."""
        self._refunded_micro: dict[str, int] = defaultdict(int)
        """What vendors have given back, and wallets have not fetched, by scheme."""
        self._undone: dict[str, tuple[tuple[str, str], int]] = {}
        """What wallets take as never paid, by purchase: broker and scheme, and the price."""
        self._undone_micro: dict[tuple[str, str], int] = defaultdict(int)
        """The same in all: it may be taken after all, which its wallet hears later."""
        self._unseen: set[str] = set()
        """Schemes of which something is in no wallet: handed over in a text, or lost."""

    # --- wallets --------------------------------------------------------------------------------

    def wallet_did(self, payer: str, command: object, answer: object) -> None:
        """What a wallet has written: a payment that it offers, or how one has ended."""
        if isinstance(answer, Purchase):
            self._offer(answer)
        elif isinstance(command, KeepRefund) and answer:
            self._refunded_micro[command.purchase.scheme] -= command.purchase.price_micro
        elif isinstance(command, Settle) and command.state == "released":
            made = command.purchase
            if made.id not in self._undone:
                place = made.broker_id, made.scheme
                self._undone[made.id] = place, made.price_micro
                self._undone_micro[place] += made.price_micro
        elif isinstance(command, Settle) and command.state == "done":
            made = command.purchase
            if made.id in self._undone:
                place, micro = self._undone.pop(made.id)
                self._undone_micro[place] -= micro
            taken_micro = self._taken[made.vendor_id].get(made.k)
            if taken_micro != made.price_micro and self._is_honest(payer, made.vendor_id):
                self._find(
                    f"{payer} has paid {made.price_micro} with {made.k},"
                    f" and {made.vendor_id} has taken {taken_micro}"
                )

    def _offer(self, made: Purchase) -> None:
        """A voucher that was never sent gives its place in the chain to one of other ticks."""
        offers, trade = self._offers[made.vendor_id], self.trades[made.vendor_id, made.scheme]
        _, before_micro = offers.get(made.k, ("", 0))
        offers[made.k] = made.scheme, made.price_micro
        if made.k not in self._taken[made.vendor_id]:
            trade.offered_micro += made.price_micro - before_micro

    def watch(self, payer: str, connection: apsw.Connection) -> None:
        """Look at every commit of a wallet's file from now on, if a broker owes what it holds."""
        if not self.prepaid:
            return
        written = Written()

        def committed() -> bool:
            for name, (scheme, is_open) in written.asks.items():
                (self._asks[scheme].add if is_open else self._asks[scheme].discard)((payer, name))
            self._unseen |= written.handed
            self._hold(payer, written.instruments)
            for scheme in {scheme for scheme, _ in written.asks.values()}:
                for broker in set(self.homes.values()):
                    self.require_owed(broker, scheme)
            written.clear()
            return False

        connection.preupdate_hook(written.changed)
        connection.set_commit_hook(committed)
        connection.set_rollback_hook(written.clear)

    def _hold(self, payer: str, changes: Mapping[Place, Held | None]) -> None:
        purse, touched = self.purses[payer], dict[tuple[str, str], None]()
        for place, held in changes.items():
            for one, sign in ((purse.pop(place, None), -1), (held, 1)):
                if one is not None:
                    sums = self._shown_micro if one.is_shown else self._held_micro
                    sums[place[:2]] += sign * one.worth_micro
            if held is not None:
                purse[place] = held
            touched[place[:2]] = None
        for broker, scheme in touched:
            self.require_owed(broker, scheme)

    def lose(self, payer: str) -> None:
        """A payer has lost its wallet; of some schemes it gets back what was in it."""
        back = [place for place in self.purses[payer] if _comes_back(place[1])]
        self._unseen |= {place[1] for place in back}
        self._hold(payer, dict.fromkeys(back))
        self.purses[f"{payer}, lost {len(self.purses)}"] = self.purses.pop(payer)

    # --- gates ----------------------------------------------------------------------------------

    def taken(self, vendor: str, k: str, scheme: str, micro: int) -> None:
        """A gate has taken a payment."""
        self._taken[vendor][k] = micro
        offer = self._offers[vendor].get(k)
        if offer is not None:
            self.trades[vendor, offer[0]].offered_micro -= offer[1]
        if offer != (scheme, micro) and self._is_honest(vendor):
            if offer is None and (not micro or self.crooks is not None):
                return  # the second half of a payment; or of who cheats
            self._find(f"{vendor} took {micro} of {scheme} as {k}, offered were {offer}")

    def refunded(self, vendor: str, k: str) -> None:
        """A gate has given a payment back."""
        scheme, micro = self._offers[vendor].get(k, ("", 0))
        self._refunded_micro[scheme] += micro

    def claimed(
        self,
        vendor: str,
        k: str,
        scheme: str,
        micro: int | None,
        command: marks.Take | marks.Confirm,
    ) -> None:
        """What a gate claims for a payment of so much; None where it was for none, or is drawn."""
        more_micro = 0
        for claim in command.claims:
            more_micro += self.trades[vendor, claim.scheme].claim(claim)
        if micro is not None and more_micro != micro:
            self._require_claimed(vendor, k, scheme, micro - more_micro)
        for claim in command.claims:
            self._require_paid(vendor, claim.scheme)
            self.require_owed(self.homes.get(vendor, ""), claim.scheme)

    def _require_claimed(self, vendor: str, k: str, scheme: str, half_micro: int) -> None:
        trade = self.trades[vendor, scheme]
        if registry.by_name(scheme).purse.releases:
            trade.half_micro += half_micro
            half_micro = min(trade.half_micro, 0)
        if half_micro and self._is_honest(vendor):
            self._find(f"{vendor} claims {-half_micro} more than it took with {k}, or less")

    def acknowledged(self, vendor: str, told: marks.Acknowledge) -> None:
        """What a gate has heard of its broker."""
        trade = self.trades[vendor, told.scheme]
        for key, order in told.refused:
            trade.refuse(key, order)
        for key, order in told.done:
            trade.acknowledge(key, order)
        self._require_paid(vendor, told.scheme)

    # --- brokers --------------------------------------------------------------------------------

    def paid(self, vendor: str, scheme: str, micro: int) -> None:
        """A broker has paid something to a vendor; below zero: it took it back."""
        if micro > 0:
            self.trades[vendor, scheme].paid_micro += micro
        else:
            self.trades[vendor, scheme].returned_micro -= micro

    def require_of(self, broker: str, scheme: str) -> None:
        """What must hold after a commit of a broker's that was about a scheme."""
        for vendor, home in self.homes.items():
            if home == broker and (vendor, scheme) in self.trades:
                self._require_paid(vendor, scheme)
        self.require_owed(broker, scheme)

    def _require_paid(self, vendor: str, scheme: str) -> None:
        trade = self.trades[vendor, scheme]
        if not self._is_honest(vendor):
            return
        if trade.acknowledged_micro > trade.paid_micro:
            self._find(
                f"{vendor} takes {trade.acknowledged_micro} of {scheme} for paid,"
                f" its broker has paid {trade.paid_micro}"
            )
        under_way_micro = trade.offered_micro + trade.half_micro
        if trade.paid_micro > trade.claimed_micro + under_way_micro:
            self._find(
                f"{vendor} was paid {trade.paid_micro} of {scheme}, it claims"
                f" {trade.claimed_micro}, and {under_way_micro} is under way"
            )

    def require_owed(self, broker: str, scheme: str) -> None:
        """A broker owes what wallets hold of a prepaid scheme, and what gates claim."""
        if self.crooks is not None or scheme not in self.prepaid:
            return
        held_micro = self._held_micro[broker, scheme]
        due_micro = sum(
            self.trades[vendor, scheme].due_micro
            for vendor, home in self.homes.items()
            if home == broker and (vendor, scheme) in self.trades
        )
        owed_micro = self._owed_micro(broker, scheme)
        over_micro = held_micro + due_micro - owed_micro
        unsound_micro = over_micro - self._undone_micro[broker, scheme]
        if unsound_micro > 0 and unsound_micro > self._ended_micro(broker, scheme):
            self._find(
                f"{broker} owes {owed_micro} of {scheme}, wallets hold"
                f" {held_micro} of it, and gates claim {due_micro}"
            )
        if self._asks[scheme] or scheme in self._unseen or scheme in WAITING:
            return
        under_way_micro = self._shown_micro[broker, scheme] + self._refunded_micro[scheme]
        if over_micro + under_way_micro < 0:
            self._find(
                f"{broker} owes {owed_micro} of {scheme}, wallets hold {held_micro}, gates claim"
                f" {due_micro}, and {under_way_micro} is under way"
            )

    def _ended_micro(self, broker: str, scheme: str) -> int:
        """What wallets hold of what has ended, or by some clock, and the broker has booked so."""
        now_s, place = self._wall_s() + JUMP_S, (broker, scheme)
        ended_micro = sum(
            held.worth_micro
            for purse in self.purses.values()
            for at, held in purse.items()
            if at[:2] == place and held.expires_at_s < now_s
        )
        return min(ended_micro, self._expired_micro(broker, scheme))

    def _is_honest(self, *names: str) -> bool:
        return self.crooks is None or self.crooks.isdisjoint(names)


def _comes_back(scheme: str) -> bool:
    purse = registry.by_name(scheme).purse
    return purse.numbers or purse.reissues
