"""Parsers of every registered scheme: what its mint, purse and till are told by somebody else.

The calls of a conversation are repeated with one argument exchanged, on fresh instances. There is
no line of a scheme of its own here: one that is registered later is in the table.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal, get_args

import msgspec

from farthing import codec
from farthing.errors import Malformed, Refusal, Unsupported
from farthing.lab.conformance.recording import MINT, PURSE, TILL, Call
from farthing.lab.conformance.room import START_S
from farthing.lab.conformance.stage import Stage
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes import conditions, registry, subscriptions
from farthing.schemes.contract import (
    Accepted,
    Account,
    At,
    Mint,
    Offer,
    Operation,
    Purse,
    Till,
)
from farthing.vendor.endpoints import OPERATIONS
from tests.fuzz.heard import conversations, fresh, names, resold
from tests.fuzz.parser import Honest, Parser

CONTEXTS = 3  # calls in whose place an input is tried
CONTRACT: dict[str, type] = {MINT: Mint, PURSE: Purse, TILL: Till}
HONEST = 6  # inputs of one kind to begin with

CONDITIONS = conditions.terms_of([("age=18", 100)], "age=18") | subscriptions.terms_of(
    ["month"], subscriptions.Plan(plan="month", days=30)
)
"""What offers may say besides, whatever their scheme."""

Told = Callable[[bytes], Any]
"""What the other side's bytes are before they come here."""


def strictly(raw: bytes) -> Any:
    """A message to a broker or vendor; `Malformed`."""
    return codec.read_json(raw)


def openly(raw: bytes) -> Any:
    """A member of another party's answer, in which more may stand; `Malformed`."""
    return codec.read_open(raw, object)


def parsers() -> list[Parser]:
    """The rows of all schemes."""
    return [row for name in names() for row in of_scheme(name)]


CALLS: tuple[tuple[str, str, int, Told], ...] = (
    (MINT, "resume", 1, strictly),
    (MINT, "judge", 0, strictly),
    (PURSE, "receive", 1, strictly),
    (PURSE, "learn", 1, strictly),
    (PURSE, "accept_refund", 1, openly),
    (PURSE, "reclaim", 0, strictly),
    (PURSE, "accept", 0, openly),
    (PURSE, "unseal_answer", 2, bytes),
)
"""Side, function, the argument that somebody else wrote, and how it was read before."""


def of_scheme(name: str) -> list[Parser]:
    """One scheme's rows: for what it can do, and nothing for what the contract refuses for it."""
    scheme = registry.by_name(name)
    rows = [
        Parser(f"{name}.mint.{operation}", _mint(name, operation), _messages(name, operation))
        for operation in get_args(Operation)
        if _takes(name, operation)
    ]
    if scheme.vendor_mint is not None:
        rows.append(Parser(f"{name}.vendor_mint", _vendor_mint(name), _to_vendor(name)))
    calls = [
        *CALLS,
        (PURSE, "conclude", 1, _accepted),
        (PURSE, "open", 1, _offer),
        (PURSE, "pay", 1, _offer),
        (TILL, "finish", 1, openly),
        (TILL, "answer", 0, openly),
    ]
    own = {MINT: scheme.mint, PURSE: scheme.purse, TILL: scheme.till}
    rows += [
        Parser(f"{name}.{side}.{function}", *_row(name, side, function, place, told))
        for side, function, place, told in calls
        if getattr(own[side], function) is not getattr(CONTRACT[side], function)
    ]
    return [*rows, Parser(f"{name}.till.take", _till(name), _payments(name))]


@cache
def _calls(scheme: str, side: str, name: str) -> tuple[Call, ...]:
    """Different ones first: of each conversation one, then the next of each."""
    heard = [one.calls for one in conversations(scheme)] + [resold(scheme)]
    found = [
        [call for call in calls if (call.side, call.name) == (side, name) and _is_taken(call)]
        for calls in heard
    ]
    longest = max(map(len, found), default=0)
    return tuple(calls[at] for at in range(longest) for calls in found if at < len(calls))


def _is_taken(call: Call) -> bool:
    """Whether it was answered, and no refusal."""
    result = call.result
    return not (isinstance(result, tuple) and result and isinstance(result[0], type))


def _row(scheme: str, side: str, name: str, place: int, told: Told) -> tuple[Told, Honest]:
    """What repeats these calls with another argument, and the arguments that there were."""

    def read(raw: bytes) -> Any:
        value = told(raw)
        found = None
        contexts = _contexts(_calls(scheme, side, name), place, raw)
        for call in contexts:
            made = call.kind(call.setting)
            exchanged = value(call.before[place]) if callable(value) else value
            arguments = (*call.before[:place], exchanged, *call.before[place + 1 :])
            try:
                found = getattr(made, name)(*arguments)
            except Refusal:  # of the first; others may have too little for this offer
                if call is contexts[0]:
                    raise
        return found

    def honest() -> tuple[bytes, ...]:
        told = [call.before[place] for call in _calls(scheme, side, name)]
        if told and isinstance(told[0], Offer):
            terms = told[0].terms | CONDITIONS
            told.insert(1, msgspec.structs.replace(told[0], terms=terms))
        return _first(map(_spelled, told))

    return read, honest


def _contexts(calls: tuple[Call, ...], place: int, raw: bytes) -> list[Call]:
    """The call that had this very argument, else some that differ in how they began."""
    same = [call for call in calls if _spelled(call.before[place]) == raw]
    return same[:1] or list(calls[:CONTEXTS])


def _first(inputs: Iterable[bytes]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(inputs))[:HONEST]


def _spelled(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, Accepted):
        value = {"change": value.change, "released": value.released}
    if isinstance(value, Offer):
        value = {"priceMicro": value.price_micro, "terms": value.terms}
    return b"null" if value is None else msgspec.json.encode(value, order="sorted")


def _accepted(raw: bytes) -> Any:
    """Change and keys of a receipt."""
    value = codec.read_json(raw)
    if not isinstance(value, dict):
        raise Malformed("receipt_malformed", "a receipt is an object")
    return Accepted(change=value.get("change"), released=value.get("released"))


def _offer(raw: bytes) -> Any:
    """The honest offer with other terms and another price: the wallet has looked at the rest."""
    value = codec.read_json(raw)
    if not isinstance(value, dict) or not isinstance(value.get("terms"), dict):
        raise Malformed("offer_malformed", "an offer has terms")
    micro = value.get("priceMicro")
    if type(micro) is not int or not 0 < micro <= PAYMENT_MICRO_MAX:
        raise Malformed("offer_malformed", "an offer has a price")
    return lambda offer: msgspec.structs.replace(offer, price_micro=micro, terms=value["terms"])


# --- mint ---------------------------------------------------------------------------------------

AT = At(now_s=START_S, entropy=bytes(range(256)) * 2)
_ROLES: dict[Operation, Literal["payer", "vendor"]] = {"grant": "vendor", "redeem": "vendor"}


def _mint(scheme: str, operation: Operation) -> Told:
    return lambda raw: _asked(conversations(scheme)[0].stage, operation, raw)


def _asked(stage: Stage, operation: Operation, raw: bytes) -> Any:
    """The operation's message, as the broker of a stage takes it."""
    message, scheme = strictly(raw), stage.scheme
    mint = registry.by_name(scheme).mint(stage.bank.books.mints[scheme].setting)
    role = _ROLES.get(operation, "payer")
    who = stage.shop.id if role == "vendor" else stage.payer.id
    mint.is_bearer(operation, message)
    account = Account(id=who, role=role, credit_limit_micro=10**8)
    checked = mint.check(operation, message, account, AT)
    mint.series(checked)
    return mint.recall(checked)


def _takes(scheme: str, operation: Operation) -> bool:
    """Whether its mint has this operation at all; no conversation is held to learn it."""
    try:
        _asked(fresh(scheme), operation, b"{}")
    except Unsupported as refusal:
        return refusal.code != "operation_unsupported"
    except Refusal:
        return True
    return True


def _messages(scheme: str, operation: Operation) -> Honest:
    kind = "claim" if operation == "redeem" else f"broker {operation}"
    return lambda: _first(
        raw for one in conversations(scheme)[:1] for raw in one.stage.line.heard(kind)
    )


def _vendor_mint(scheme: str) -> Told:
    def read(raw: bytes) -> Any:
        message, stage = strictly(raw), conversations(scheme)[0].stage
        kind = registry.by_name(scheme).vendor_mint
        assert kind is not None, "only schemes with one have this row"
        mint = kind(stage.shop.till.setting)
        for operation in OPERATIONS.values():
            try:
                checked = mint.check(operation, message, Account(id="", role="payer"), AT)
            except Malformed:
                continue
            mint.series(checked)
            return mint.recall(checked)
        raise Malformed("message_malformed", "for neither operation")

    return read


def _to_vendor(scheme: str) -> Honest:
    return lambda: _first(
        raw for one in conversations(scheme)[:1] for raw in one.stage.line.heard("vendor take_back")
    )


# --- till ---------------------------------------------------------------------------------------


def _till(scheme: str) -> Told:
    """Read, and taken in the place of a payment that was."""

    def read(raw: bytes) -> Any:
        found = None
        for call in _taken(scheme, raw):
            till = call.kind(call.setting)
            payment = till.read(raw)
            till.own_k(payment)
            till.recall(payment)
            till.replier(payment)
            found = till.take(payment, *call.before[1:])
        return found

    return read


@cache
def _payloads(scheme: str) -> dict[bytes, Call]:
    """Payloads, each with the call in which the payment was taken."""
    found: dict[bytes, Call] = {}
    for one in conversations(scheme):
        reads = [call for call in one.calls if (call.side, call.name) == (TILL, "read")]
        takes = [call for call in one.calls if (call.side, call.name) == (TILL, "take")]
        for call in reads:
            for taken in takes:
                if taken.before[0] == call.result:
                    found.setdefault(call.before[0], taken)
    return found


def _taken(scheme: str, raw: bytes) -> list[Call]:
    known = _payloads(scheme)
    return [known[raw]] if raw in known else list(known.values())[:CONTEXTS]


def _payments(scheme: str) -> Honest:
    return lambda: _first(_payloads(scheme))
