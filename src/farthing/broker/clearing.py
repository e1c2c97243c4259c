"""From flows to postings, and the broker's share.

A scheme says "from these ends to those"; this table says which accounts they are. Debit-positive:
what value leaves is debited, what it reaches is credited, whichever side the account is on.

| end | account |
|---|---|
| payer, vendor | `liability/payer/<id>`, `liability/vendor/<id>` |
| credit | the payer's balance first, then `asset/credit/<id>` up to the limit |
| guarantee | as credit, and what is above the limit is `asset/receivable/<id>` |
| outstanding, disputed | `liability/outstanding/<scheme>[/<series>]`, `liability/disputed/…` |
| stock | `asset/stock/<scheme>[/<series>]` |
| breakage, commission | `income/breakage`, `income/commission` |
| unclaimed | `liability/unclaimed` |
| lottery, bank | `equity/lottery`, `asset/bank/<id, or manual>` |
| hold, peer | `liability/hold/<id>`, `asset/peer/<id>` |

The commission is a vendor's parts per 10,000 of what a clearing batch brought it from payers'
money. It is rounded down once per batch, and the rest, in 1/10,000 of a micro-unit, is carried to
the vendor's next batch, so no order or size of batches changes the sum. Source: ours.
"""

from collections.abc import Callable, Iterable

from farthing.broker import risk
from farthing.errors import OutOfRange
from farthing.ledger import accounts
from farthing.ledger.transfers import Posting
from farthing.money import require_micro
from farthing.schemes.contract import End, Flow

COMMISSION_E4_MAX = 10_000  # everything
RAIL = "manual"
_OF_THE_BROKER = {
    "breakage": accounts.BREAKAGE,
    "commission": accounts.COMMISSION,
    "lottery": accounts.LOTTERY,
    "unclaimed": accounts.UNCLAIMED,
}

# Commission is due on money that payers spent, not on what the broker bought or moved itself.
_EARNED_FROM = {"payer", "credit", "guarantee", "outstanding", "disputed", "lottery"}

_CREDIT = accounts.credit("")

Balance = Callable[[str], int]  # signed balance of an account, or the upper bound of its credit


class Purses:
    """Balances of payers while the postings of one decision are made."""

    def __init__(self, balance: Balance, limit: Balance) -> None:
        """`balance` and `limit` read the store."""
        self._read = balance
        self._limit = limit
        self._changed: dict[str, int] = {}

    def balance(self, name: str) -> int:
        """The signed balance after what was posted so far."""
        return self._read(name) + self._changed.get(name, 0)

    def note(self, posting: Posting) -> Posting:
        """Remember a posting."""
        change_micro = self._changed.get(posting.account, 0) + posting.amount_micro
        self._changed[posting.account] = change_micro
        return posting

    def limit(self, name: str) -> int:
        """The upper bound of a credit account."""
        return self._limit(name)


def postings_of(flows: Iterable[Flow], scheme: str, purses: Purses) -> tuple[Posting, ...]:
    """All postings of these flows; `Overlimit`, and `OutOfRange` for an amount."""
    flows = tuple(flows)
    return debits_of(flows, scheme, purses) + credits_of(flows, scheme, purses)


def debits_of(flows: Iterable[Flow], scheme: str, purses: Purses) -> tuple[Posting, ...]:
    """Only what leaves the sources: what a reservation takes away beforehand."""
    return tuple(
        purses.note(Posting(name, part_micro))
        for flow in flows
        for name, part_micro in _parts(flow.source, flow.amount_micro, scheme, purses, sign=1)
    )


def credits_of(flows: Iterable[Flow], scheme: str, purses: Purses) -> tuple[Posting, ...]:
    """Only what reaches the targets."""
    return tuple(
        purses.note(Posting(name, -part_micro))
        for flow in flows
        for name, part_micro in _parts(flow.target, flow.amount_micro, scheme, purses, sign=-1)
    )


def backs_of(debits: Iterable[Posting], purses: Purses) -> tuple[Posting, ...]:
    """What gives debits back, the last one first: they are booked in the order money is used.

    What was borrowed may have been repaid since; then it goes to the payer's own balance.
    """
    backs: list[Posting] = []
    for debit in reversed(tuple(debits)):
        own, owed_micro = debit.account, 0
        if own.startswith(_CREDIT):
            own = accounts.payer(debit.account.removeprefix(_CREDIT))
            debt_micro = purses.balance(debit.account)
            _, owed_micro = risk.repay(debit.amount_micro, debt_micro=debt_micro)
        for name, micro in ((debit.account, owed_micro), (own, debit.amount_micro - owed_micro)):
            if micro:
                backs.append(purses.note(Posting(name, -micro)))
    return tuple(backs)


def _parts(
    end: End, amount_micro: int, scheme: str, purses: Purses, *, sign: int
) -> list[tuple[str, int]]:
    require_micro(amount_micro)
    if end.kind not in {"credit", "guarantee"}:
        return [(account_of(end, scheme), amount_micro)] if amount_micro else []
    own, owed = accounts.payer(end.id), accounts.credit(end.id)
    debt_micro = purses.balance(owed)
    borne_micro = 0
    if sign < 0:
        own_micro, owed_micro = risk.repay(amount_micro, debt_micro=debt_micro)
    else:
        balance_micro, limit_micro = -purses.balance(own), purses.limit(owed)
        if end.kind == "guarantee":
            own_micro, owed_micro, borne_micro = risk.cover(
                amount_micro,
                balance_micro=balance_micro,
                debt_micro=debt_micro,
                limit_micro=limit_micro,
            )
        else:
            own_micro, owed_micro = risk.draw(
                amount_micro,
                balance_micro=balance_micro,
                debt_micro=debt_micro,
                limit_micro=limit_micro,
            )
    parts = ((own, own_micro), (owed, owed_micro), (accounts.receivable(end.id), borne_micro))
    return [(name, micro) for name, micro in parts if micro]


def reduced(
    flows: Iterable[Flow],
    debits: tuple[Posting, ...],
    amount_micro: int,
    purses: Purses,
) -> tuple[tuple[Posting, ...], dict[str, int]]:
    """Credits and earnings of a capture below what was reserved.

    `OutOfRange` above it, where the money came from coins, which are not cut, and where some of it
    is kept apart for later.
    """
    flows = tuple(flows)
    vendors = {flow.target.id for flow in flows}
    from_account = all(
        flow.source.kind in {"payer", "credit"} and flow.target.kind == "vendor" for flow in flows
    )
    reserved_micro = sum(posting.amount_micro for posting in debits)
    if not 0 < amount_micro < reserved_micro or not from_account or len(vendors) != 1:
        raise OutOfRange("capture_amount_fixed", "capture what was reserved, or void it")
    (vendor_id,) = vendors
    rest: list[Posting] = []
    rest_micro = reserved_micro - amount_micro
    for debit in reversed(debits):  # what was borrowed goes back first
        back_micro = min(rest_micro, debit.amount_micro)
        rest_micro -= back_micro
        if back_micro:
            rest.insert(0, Posting(debit.account, back_micro))
    paid = Posting(accounts.vendor(vendor_id), -amount_micro)
    return (paid, *backs_of(rest, purses)), {vendor_id: amount_micro}


def account_of(end: End, scheme: str) -> str:
    """The one account that an end without credit is."""
    below = f"{scheme}/{end.id}" if end.id else scheme
    match end.kind:
        case "payer" | "vendor" | "hold":
            return f"liability/{end.kind}/{end.id}"
        case "outstanding" | "disputed":
            return f"liability/{end.kind}/{below}"
        case "stock":
            return f"asset/stock/{below}"
        case "peer":
            return accounts.peer(end.id)
        case "bank":
            return accounts.bank(end.id or RAIL)
        case "breakage" | "commission" | "lottery" | "unclaimed":
            return _OF_THE_BROKER[end.kind]
        case "credit" | "guarantee":
            raise AssertionError("credit is several accounts")


def earned(flows: Iterable[Flow]) -> dict[str, int]:
    """What each vendor earned by these flows, in micro-units; what it gave back counts down."""
    found: dict[str, int] = {}
    for flow in flows:
        if flow.target.kind == "vendor" and flow.source.kind in _EARNED_FROM:
            vendor_id = flow.target.id
            found[vendor_id] = found.get(vendor_id, 0) + flow.amount_micro
        if flow.source.kind == "vendor" and flow.target.kind in _EARNED_FROM:
            vendor_id = flow.source.id
            found[vendor_id] = found.get(vendor_id, 0) - flow.amount_micro
    return found


def commission(earned_micro: int, commission_e4: int, carry_e4: int) -> tuple[int, int]:
    """(commission in micro-units, what is carried) of one clearing batch.

    The sum over any batches is the share of the sum, rounded down once.
    """
    return divmod(earned_micro * commission_e4 + carry_e4, COMMISSION_E4_MAX)
