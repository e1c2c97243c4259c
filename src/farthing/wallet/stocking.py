"""Buying ahead, at quiet times and in round amounts, what the broker signs blindly.

    something is missing -> a time within the next half day is drawn -> one round amount is bought

A payment that has to buy its coins first shows the broker a withdrawal and a deposit side by side.
So a wallet holds a stock, and fills it up at times that payments have nothing to do with: never
while it pays, and not soon after it has. No payment does it; `restock` does, whoever calls it
(`farthing wallet restock`, by cron say). Never more is bought than is missing, nor on one day more
than the budget of a day. Source: ours.
"""

from typing import Literal

import msgspec

from farthing import ids
from farthing.errors import OutOfRange, Refusal, Unfunded, Unsupported
from farthing.money import show_micro
from farthing.schemes.contract import At, Need
from farthing.wallet import rounding
from farthing.wallet.choice import Guide
from farthing.wallet.commands import Ask, OpenAsk
from farthing.wallet.errand import ID_BYTES, Flow, look, look_for, run
from farthing.wallet.file import File
from farthing.wallet.policy import DAY_S
from farthing.wallet.stocks import Stock, Stocks

QUIET_S = 1_800  # after a payment: what comes half an hour later may be anybody's
SPREAD_S = 43_200  # over which a time is drawn: many others' payments lie in between
PUT_OFF_S = 7_200  # over which another time is drawn where the first was not quiet
PATIENCE_S = DAY_S  # who pays all day long has no quiet time: then any is as good
TURNS_MAX = 16  # amounts bought at once: few of each size, and some left open before
DRAWN_BYTES = 8  # of entropy for a time: all are as likely, as far as anybody can tell

State = Literal["full", "waiting", "bought", "spent_for_today", "elsewhere"]


class Restocked(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for one stock."""

    stock: Stock
    state: State
    """`waiting` until `stock.due_at_s`; `elsewhere`: another process is at it."""
    bought_micro: int = 0
    held_micro: int = 0


def set_level(guide: Guide, file: File, stock: Stock) -> Flow[Stock]:
    """Begin, change or end a stock; what is missing is bought at a time that is drawn now.

    `Unsupported` for a scheme that is not signed blindly, `Unfunded` without an account there,
    `OutOfRange` below the smallest round amount.
    """
    purse = guide.purse(stock.scheme, stock.broker_id)
    if not purse.blind:
        told = f"the broker knows whose {stock.scheme} is whose: it is loaded when it is needed"
        raise Unsupported("stock_unsupported", told)
    if not guide.brokers[stock.broker_id].account:
        raise Unfunded("broker_without_account", "there is no account that could pay for a stock")
    least_micro = rounding.SIZES_MICRO[0]
    if 0 < stock.level_micro < least_micro:
        least = show_micro(least_micro, purse.setting.currency)
        raise OutOfRange("stock_too_small", f"at least {least}; 0 ends it")
    at = yield from look()
    drawn = msgspec.structs.replace(stock, due_at_s=_time_after(at), since_s=at.now_s)
    Stocks(file).put(drawn)
    return drawn


def restock(guide: Guide, file: File, stock: Stock, *, at_once: bool = False) -> Flow[Restocked]:
    """Buy one round amount if something is missing and its time has come; `at_once`: all of it.

    Less where money is short. Any refusal of the mint: then it is tried at another time. Where no
    answer came (`Unavailable`), what was ordered is finished first.
    """
    stocks = Stocks(file)
    at = yield from look()
    taken = stocks.take(stock, at.now_s)
    if taken is None:
        return Restocked(stock=stock, state="elsewhere")
    try:
        done = yield from _restock(guide, stocks, taken, at_once=at_once)
    except Refusal:
        stocks.change(stock, busy_until_s=0)
        raise
    stocks.change(stock, busy_until_s=0)
    return done


def _restock(guide: Guide, stocks: Stocks, stock: Stock, *, at_once: bool) -> Flow[Restocked]:
    bought_micro = held_micro = 0
    state: State = "full"
    for _ in range(TURNS_MAX):
        at = yield from look()
        held_micro = stocks.held_micro(stock, at.now_s)
        missing_micro = stock.level_micro - held_micro
        if missing_micro < rounding.step_of(stock.level_micro):
            stock = stocks.change(stock, due_at_s=0, since_s=0)
            break
        stock = _scheduled(stocks, stock, at)
        if stock.due_at_s > at.now_s and not at_once:
            state = "waiting"
            break
        left_micro = guide.policy.limits.per_day_micro - stock.bought_on(at.now_s)
        sizes = rounding.below(min(missing_micro, left_micro))
        if not sizes:
            stock = stocks.change(stock, due_at_s=_time_after(at))  # not all wallets at midnight
            state = "spent_for_today"
            break
        try:
            stock = yield from _buy(guide, stocks, stock, sizes)
        except Unfunded:
            if not bought_micro:
                raise
            break  # what there was money for is here
        bought_micro += stocks.held_micro(stock, at.now_s) - held_micro
    return Restocked(
        stock=stock,
        state="bought" if bought_micro else state,
        bought_micro=bought_micro,
        held_micro=held_micro,
    )


def _scheduled(stocks: Stocks, stock: Stock, at: At) -> Stock:
    """With the time at which more is bought: another one, if that has come and is not quiet."""
    since_s = stock.since_s or at.now_s
    due_at_s = stock.due_at_s or _time_after(at)
    is_quiet = at.now_s - stocks.last_paid_s() >= QUIET_S
    if due_at_s <= at.now_s and not is_quiet and at.now_s - since_s < PATIENCE_S:
        due_at_s = _time_after(at, PUT_OFF_S)
    return stocks.change(stock, due_at_s=due_at_s, since_s=since_s)


def _time_after(at: At, spread_s: int = SPREAD_S) -> int:
    """A time within the next half day that nothing but chance decides, unix seconds."""
    return at.now_s + QUIET_S + int.from_bytes(at.entropy[:DRAWN_BYTES]) % spread_s


def _buy(guide: Guide, stocks: Stocks, stock: Stock, sizes: tuple[int, ...]) -> Flow[Stock]:
    """One of these amounts, the first that there is money for; the first refusal.

    Meanwhile the next time is drawn already: where this comes to nothing, it is tried then.
    """
    refusal: Refusal | None = None
    for size_micro in sizes:
        at = yield from look()
        before_micro = stock.bought_on(at.now_s)
        stock = stocks.change(
            stock,
            due_at_s=_time_after(at),
            day=at.now_s // DAY_S,
            bought_micro=before_micro + size_micro,
        )
        try:
            is_ours = yield from _order(guide, stock, size_micro)
        except (Unfunded, OutOfRange) as refused:
            stock = stocks.change(stock, bought_micro=before_micro)
            refusal = refusal or refused
            continue
        if not is_ours:  # what was ordered before, and added up then
            stock = stocks.change(stock, bought_micro=before_micro)
        return stocks.change(stock, due_at_s=0, since_s=0)
    assert refusal is not None, "there is at least one amount"
    raise refusal


def _order(guide: Guide, stock: Stock, size_micro: int) -> Flow[bool]:
    """Buy of the account: whether it was this, or what was left open before."""
    purse = guide.purse(stock.scheme, stock.broker_id)
    at = yield from look()
    need = Need(amount_micro=size_micro, currency=purse.setting.currency)
    numbered = yield from look_for(purse)
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=stock.broker_id,
        scheme=stock.scheme,
        vendor_id="",
        site="",
        amount_micro=size_micro,
        asked=purse.ask(need, numbered),
        number=numbered.number,
    )
    opened: Ask | None = yield OpenAsk(ask=ask, patient=False, now_s=at.now_s)
    assert opened is not None, "nobody is patient, and nothing pays for it"
    yield from run(guide, opened)
    return opened.id == ask.id
