"""Scrip of a vendor that another broker has: bought there for a payer of ours, and given back.

The payer's money (or broker scrip) is put on hold, the other broker is asked for a piece of exactly
that value, and its answer is sold on. A refusal undoes the hold. A burn receipt goes the same way:
only its maker's broker can check it, and the payer is credited once that broker has credited us.

    issue      payer, or broker scrip -> hold;  then hold -> peer, or hold -> where it came from
    take_back  the receipt is noted;            then peer -> payer, or the note is dropped

Record (key, then JSON)::

    millicent/abroad/<broker>/<digest of the receipt>   who showed it, and whether it was credited

Source: "broker 1 buys from broker 2", from the paper's authors [recalled]; the messages are ours.
"""

from typing import TypeVar

import msgspec

from farthing import codec
from farthing.errors import Busy, Mismatch, Refusal, Replayed
from farthing.marks import Delete, Keys, Memory, Put
from farthing.schemes.contract import (
    Abroad,
    Account,
    Applied,
    At,
    Checked,
    End,
    Issued,
    Json,
    Operation,
    Returned,
)
from farthing.schemes.mac.millicent import own_scrip
from farthing.schemes.mac.millicent.draft import Draft
from farthing.schemes.mac.millicent.orders import (
    CashOut,
    Order,
    kept_until_s,
    licence_prefix,
    pool_key,
    used_key,
)
from farthing.schemes.mac.millicent.scrip import Scrip, fresh_expiry_s

T = TypeVar("T")

HOLD_BYTES = 16  # of entropy: the name of a hold


class Errand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is remembered while the other broker is asked: an order with its hold, or a receipt."""

    account: str
    cash_out: CashOut | None = None
    hold: str = ""
    order: Order | None = None


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """The other broker's piece, for an order."""

    errand: Errand
    order: Order
    scrip: Scrip
    secret: str

    def __repr__(self) -> str:
        """The scrip only."""
        return f"Bought({self.scrip!r})"


class Credited(msgspec.Struct, frozen=True, kw_only=True):
    """The other broker has credited us for a receipt."""

    errand: Errand
    cash_out: CashOut
    expires_at_s: int
    """Of the broker scrip that it may become."""


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """The other broker said no: undo."""

    errand: Errand


class _Piece(msgspec.Struct, frozen=True, kw_only=True):
    scrip: Scrip
    secret: str


class _Credit(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    credited_micro: int


class _Shown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str
    credited: bool


_ERRAND, _SHOWN = codec.Reader(Errand), codec.Reader(_Shown)
_PIECE, _CREDIT = codec.Reader(_Piece), codec.Reader(_Credit)


def receipt_key(cash_out: CashOut) -> bytes:
    """Where it is recorded what became of a receipt of another broker's vendor."""
    digest = codec.b64u(codec.digest(cash_out.burn))  # with its MAC: a forged one is another
    return f"millicent/abroad/{cash_out.broker}/{digest}".encode()


def order_abroad(order: Order, account: Account, draft: Draft, own: str, at: At) -> Abroad:
    """Put the price on hold and ask for the piece; `Replayed` for broker scrip that is used."""
    errand = Errand(account=account.id, hold=at.entropy[:HOLD_BYTES].hex(), order=order)
    if order.pay is not None:
        own_scrip.use_up(order.pay, draft)
    hold = End(kind="hold", id=errand.hold)
    draft.flow(_source_of(errand, own), hold, order.value_micro)
    message: dict[str, Json] = {
        "exact": True,
        "valueMicro": order.value_micro,
        "vendor": order.vendor,
    }
    if order.props:
        message["props"] = order.props
    return Abroad(
        flows=tuple(draft.flows),
        records=draft.records,
        peer=order.broker,
        operation="issue",
        message=message,
        hold=errand.hold,
        kept=codec.canonical(errand),
    )


def show_abroad(cash_out: CashOut, account: Account, memory: Memory) -> Applied:
    """Note the receipt and pass it on; the answer again if it was credited.

    `Replayed` for a receipt that another account has shown, or that became broker scrip; `Busy`
    while it is under way.
    """
    key, burn = receipt_key(cash_out), cash_out.burn
    found = memory.records.get(key)
    if found is not None:
        shown = _SHOWN.read(found)
        if shown.account != account.id or cash_out.in_scrip:
            raise Replayed("serial_already_used", "this receipt was shown before")
        if not shown.credited:
            raise Busy("receipt_under_way", "the other broker is being asked about it")
        return Returned(answer={"creditedMicro": burn.value_micro})
    errand = Errand(account=account.id, cash_out=cash_out)
    return Abroad(
        records=(_note(errand, cash_out, credited=False),),
        peer=cash_out.broker,
        operation="take_back",
        message=msgspec.to_builtins(burn),
        kept=codec.canonical(errand),
    )


def _note(errand: Errand, cash_out: CashOut, *, credited: bool) -> Put:
    shown = _Shown(account=errand.account, credited=credited)
    until_s = kept_until_s(cash_out.burn.expires_at_s)
    return Put(
        key=receipt_key(cash_out), value=codec.canonical(shown), until_s=until_s, once=credited
    )


def resume(kept: bytes, outcome: Json | Refusal, currency: str, at: At) -> Checked:
    """What the other broker's answer means; `Mismatch` if it is not what was asked for."""
    errand = _ERRAND.read(kept)
    account = Account(id=errand.account, role="payer")
    if isinstance(outcome, Refusal):
        operation: Operation = "issue" if errand.order is not None else "take_back"
        return Checked(operation=operation, message=Turned(errand=errand), account=account)
    if errand.order is not None:
        bought = _bought(errand, errand.order, outcome, currency, at)
        return Checked(operation="issue", message=bought, account=account)
    assert errand.cash_out is not None, "an errand is one or the other"
    if _read(_CREDIT, outcome).credited_micro != errand.cash_out.burn.value_micro:
        raise Mismatch("peer_answered_wrongly", "another amount was credited than was burned")
    credited = Credited(
        errand=errand, cash_out=errand.cash_out, expires_at_s=fresh_expiry_s(at.now_s)
    )
    return Checked(operation="take_back", message=credited, account=account)


def _bought(errand: Errand, order: Order, outcome: Json, currency: str, at: At) -> Bought:
    piece = _read(_PIECE, outcome)
    scrip = piece.scrip
    found = (scrip.vendor, scrip.currency, scrip.value_micro, scrip.props)
    if found != (order.vendor, currency, order.value_micro, order.props):
        raise Mismatch("peer_answered_wrongly", "another piece was sold than was ordered")
    if scrip.expires_at_s <= at.now_s:
        raise Mismatch("peer_answered_wrongly", "the piece is past its end")
    try:
        codec.unb64u(piece.secret, size_bytes=32)
    except Refusal:
        raise Mismatch("peer_answered_wrongly", "the secret is none") from None
    return Bought(errand=errand, order=order, scrip=scrip, secret=piece.secret)


def _read(reader: codec.Reader[T], outcome: Json) -> T:
    try:
        return reader.convert(outcome)
    except Refusal as refusal:
        raise Mismatch("peer_answered_wrongly", refusal.detail) from None


def recall(message: Bought | Credited | Turned, own: str) -> Keys:
    """What `finish` reads: the pool and the licence of broker scrip, where it is part of this."""
    match message:
        case Bought(order=Order(pay=pay)) if pay is not None:
            pools, prefixes = (pool_key(own, pay.scrip.expires_at_s),), (licence_prefix(own),)
            return Keys(records=pools, prefixes=prefixes)
        case Credited(cash_out=CashOut(in_scrip=True)):
            return Keys(
                records=(pool_key(own, message.expires_at_s),), prefixes=(licence_prefix(own),)
            )
        case _:
            return Keys()


def finish(message: Bought | Credited | Turned, draft: Draft, own: str, at: At) -> Applied:
    """Sell the piece on, credit the payer, or undo what was begun."""
    match message:
        case Bought():
            return _sell_on(message, draft, own)
        case Credited():
            return _credit(message, draft, own, at)
        case Turned():
            return _undo(message.errand, draft, own)


def _sell_on(bought: Bought, draft: Draft, own: str) -> Issued:
    order = bought.order
    hold, peer = End(kind="hold", id=bought.errand.hold), End(kind="peer", id=order.broker)
    draft.flow(hold, peer, order.value_micro)
    answer: dict[str, Json] = {
        "scrip": msgspec.to_builtins(bought.scrip),
        "secret": bought.secret,
    }
    if order.pay is not None:
        answer |= own_scrip.change_of(order.pay, draft, order.value_micro)
    return Issued(
        flows=tuple(draft.flows), records=draft.records, due=tuple(draft.due), answer=answer
    )


def _credit(credited: Credited, draft: Draft, own: str, at: At) -> Returned:
    asked, errand = credited.cash_out, credited.errand
    value_micro = asked.burn.value_micro
    target = End(kind="payer", id=errand.account)
    answer: dict[str, Json] = {"creditedMicro": value_micro}
    if asked.in_scrip:
        target = End(kind="outstanding", id=own)
        answer |= draft.mint_own(own, value_micro, credited.expires_at_s, at.entropy)
    draft.flow(End(kind="peer", id=asked.broker), target, value_micro)
    draft.write(_note(errand, asked, credited=True))
    return Returned(
        flows=tuple(draft.flows), records=draft.records, due=tuple(draft.due), answer=answer
    )


def _undo(errand: Errand, draft: Draft, own: str) -> Applied:
    if errand.cash_out is not None:
        return Applied(records=(Delete(key=receipt_key(errand.cash_out)),))
    assert errand.order is not None, "an errand is one or the other"
    order = errand.order
    hold = End(kind="hold", id=errand.hold)
    draft.flow(hold, _source_of(errand, own), order.value_micro)
    if order.pay is not None:
        draft.write(Delete(key=used_key(own, order.pay.scrip.serial), once=True))
    return Applied(flows=tuple(draft.flows), records=draft.records)


def _source_of(errand: Errand, own: str) -> End:
    assert errand.order is not None, "only an order has money in it"
    if errand.order.pay is not None:
        return End(kind="outstanding", id=own)
    return End(kind="payer", id=errand.account)
