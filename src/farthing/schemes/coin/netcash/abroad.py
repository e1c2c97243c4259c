"""Coins of another broker: bought there for a payer of ours, and given back.

A vendor takes coins of its own broker only. The payer's money is put on hold, the vendor's broker
is asked for the coins that are wanted, and they are sold on; a refusal undoes the hold. Coins that
a vendor did not take go the same way back: the other broker takes them off its list and credits us,
then we credit the payer. What we owe the other broker is what was bought less what was given back.

    issue      payer -> hold;  then hold -> peer, or hold -> payer
    take_back                  peer -> payer

Nothing is noted of coins that are shown: their own broker takes each of them once.
"""

import msgspec

from farthing import codec
from farthing.errors import Mismatch, Refusal
from farthing.schemes.coin.netcash.coin import Coin
from farthing.schemes.coin.netcash.orders import ANSWERS, Order, Return
from farthing.schemes.contract import (
    Abroad,
    Account,
    Applied,
    At,
    Checked,
    End,
    Flow,
    Issued,
    Json,
    Operation,
    Returned,
)

HOLD_BYTES = 16  # of entropy: the name of a hold


class Errand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is remembered while the other broker is asked: an order with its hold, or a return."""

    account: str
    back: Return | None = None
    hold: str = ""
    order: Order | None = None


class Sold(msgspec.Struct, frozen=True, kw_only=True):
    """The other broker's coins, for an order."""

    coins: tuple[Coin, ...]
    errand: Errand
    order: Order


class Credited(msgspec.Struct, frozen=True, kw_only=True):
    """The other broker has credited us for coins."""

    account: str
    back: Return


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """The other broker said no: undo."""

    errand: Errand


class _Credit(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    returned_micro: int


_ERRAND, _CREDIT = codec.Reader(Errand), codec.Reader(_Credit)


def order_abroad(order: Order, account: Account, at: At) -> Abroad:
    """Put the money on hold and ask for the coins."""
    errand = Errand(account=account.id, hold=at.entropy[:HOLD_BYTES].hex(), order=order)
    payer, hold = End(kind="payer", id=account.id), End(kind="hold", id=errand.hold)
    return Abroad(
        flows=(Flow(source=payer, target=hold, amount_micro=order.worth_micro),),
        peer=order.broker,
        operation="issue",
        message=msgspec.to_builtins(order),
        hold=errand.hold,
        kept=codec.canonical(errand),
    )


def return_abroad(back: Return, account: Account) -> Abroad:
    """Pass the coins on to who made them."""
    return Abroad(
        peer=back.broker,
        operation="take_back",
        message=msgspec.to_builtins(back),
        kept=codec.canonical(Errand(account=account.id, back=back)),
    )


def resume(kept: bytes, outcome: Json | Refusal, currency: str) -> Checked:
    """What the other broker's answer means; `Mismatch` if it is not what was asked for."""
    errand = _ERRAND.read(kept)
    account = Account(id=errand.account, role="payer")
    message: Sold | Credited | Turned
    if isinstance(outcome, Refusal):
        message = Turned(errand=errand)
    elif errand.order is not None:
        coins = _sold(errand.order, outcome, currency)
        message = Sold(coins=coins, errand=errand, order=errand.order)
    else:
        assert errand.back is not None, "an errand is one or the other"
        _require_credit(errand.back, outcome)
        message = Credited(account=errand.account, back=errand.back)
    operation: Operation = "issue" if errand.order is not None else "take_back"
    return Checked(operation=operation, message=message, account=account)


def _sold(order: Order, outcome: Json, currency: str) -> tuple[Coin, ...]:
    """The coins, each as it was wanted. Only their vendor can tell whether they are genuine."""
    try:
        coins = ANSWERS.convert(outcome).coins
    except Refusal as refusal:
        raise Mismatch("peer_answered_wrongly", refusal.detail) from None
    met = [
        want.is_met_by(coin, order.broker, currency)
        for want, coin in zip(order.wants, coins, strict=False)
    ]
    if len(coins) != len(order.wants) or not all(met):
        raise Mismatch("peer_answered_wrongly", "other coins were sold than were wanted")
    return coins


def _require_credit(back: Return, outcome: Json) -> None:
    try:
        returned_micro = _CREDIT.convert(outcome).returned_micro
    except Refusal as refusal:
        raise Mismatch("peer_answered_wrongly", refusal.detail) from None
    if returned_micro != back.worth_micro:
        raise Mismatch("peer_answered_wrongly", "another amount was credited than was returned")


def finish(message: Sold | Credited | Turned) -> Applied:
    """Sell the coins on, credit the payer, or undo what was begun."""
    match message:
        case Sold(coins=coins, errand=errand, order=order):
            hold, peer = End(kind="hold", id=errand.hold), End(kind="peer", id=order.broker)
            return Issued(
                flows=(Flow(source=hold, target=peer, amount_micro=order.worth_micro),),
                answer={"coins": [msgspec.to_builtins(coin) for coin in coins]},
            )
        case Credited(account=account, back=back):
            payer, peer = End(kind="payer", id=account), End(kind="peer", id=back.broker)
            return Returned(
                flows=(Flow(source=peer, target=payer, amount_micro=back.worth_micro),),
                answer={"returnedMicro": back.worth_micro},
            )
        case Turned(errand=Errand(order=Order() as order) as errand):
            hold, payer = End(kind="hold", id=errand.hold), End(kind="payer", id=errand.account)
            return Applied(flows=(Flow(source=hold, target=payer, amount_micro=order.worth_micro),))
        case Turned():
            return Applied()
