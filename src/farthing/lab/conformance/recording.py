"""What mint, purse and till were asked in a conversation, and whether they would say it again.

A recorded side answers as it always does; its calls are kept with copies of their arguments.
`repeated` asks a fresh instance the same, where neither clock nor randomness can be had.
"""

import copy
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from farthing.errors import Refusal
from farthing.lab.conformance.cases import Violated
from farthing.lab.conformance.stage import Stage
from farthing.schemes.contract import Traits

MINT, PURSE, TILL = "mint", "purse", "till"
PURE = {
    MINT: frozenset(
        {"is_bearer", "check", "series", "recall", "apply", "put_back", "resume", "lapse", "judge"}
    ),
    PURSE: frozenset(
        {
            "ask", "receive", "open", "pay", "conclude", "inquire", "learn", "prove",
            "seal_request", "unseal_answer", "receipt_key", "give_back", "accept_refund", "reclaim",
            "give_way", "disclose",
        }
    ),
    TILL: frozenset(
        {
            "offer", "seal", "read", "own_k", "recall", "take", "endorse", "series", "finish",
            "refund_series", "refund", "unseal", "seal_answer", "archive", "sweep", "evidence",
            "answer", "waive", "disclosing", "disclose",
        }
    ),
}  # fmt: skip  # - one side a block
"""The functions of each side; `replier` gives a function, and `found` is asked before anything."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call, and what came of it."""

    side: str
    kind: Any
    """The class that was asked."""
    setting: Any
    name: str
    before: tuple[Any, ...]
    """Its arguments, as they were."""
    after: tuple[Any, ...]
    """And as they were left."""
    result: Any
    """What came back, or a refusal as (class, code, facts)."""


class Recording:
    """A mint, purse or till whose calls are written down."""

    def __init__(self, side: str, made: Any, calls: list[Call]) -> None:
        """Of `made`, into `calls`."""
        self._side, self._made, self._calls = side, made, calls

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._made, name)
        return self._recorded(name, found) if name in PURE[self._side] else found

    def _recorded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            before = copy.deepcopy(arguments)
            wrong: Refusal | None = None
            result: Any = None
            try:
                result = function(*arguments)
            except Refusal as refusal:
                wrong = refusal
            self._calls.append(
                Call(
                    side=self._side,
                    kind=type(self._made),
                    setting=self._made.setting,
                    name=name,
                    before=before,
                    after=copy.deepcopy(arguments),
                    result=copy.deepcopy(result if wrong is None else _plain(wrong)),
                )
            )
            if wrong is not None:
                raise wrong
            return result

        return call


def _plain(refusal: Refusal) -> tuple[Any, ...]:
    return (type(refusal), refusal.code, tuple(sorted(refusal.facts.items())))


@contextmanager
def recorded(stage: Stage) -> Iterator[list[Call]]:
    """The calls of everybody on the stage, as they come."""
    calls: list[Call] = []
    name = stage.scheme
    scheme = stage.payer.known

    mints, tills = stage.bank.books.mints, stage.shop.gate.tills
    mints[name] = Recording(MINT, mints[name], calls)  # type: ignore[index]  # - a dictionary
    tills[name] = Recording(TILL, tills[name], calls)  # type: ignore[index]  # - likewise a dict
    stage.payer.known = _Known(scheme.traits, _Purses(scheme, calls))
    yield calls


class _Purses:
    """Makes purses whose calls are written down."""

    def __init__(self, scheme: Any, calls: list[Call]) -> None:
        self._scheme, self._calls = scheme, calls
        self.refunds = scheme.purse.refunds

    def __call__(self, setting: Any) -> Any:
        return Recording(PURSE, self._scheme.purse(setting), self._calls)


class _Known:
    """As much of a scheme as a wallet asks for."""

    def __init__(self, traits: Traits, purse: _Purses) -> None:
        self.traits, self.purse = traits, purse


def repeated(call: Call) -> Any:
    """What a fresh instance says; `Violated` where it wants the time or randomness of its own."""
    made = call.kind(call.setting)
    with _without_clock_or_luck(f"{call.name} of the {call.side}"):
        try:
            return getattr(made, call.name)(*copy.deepcopy(call.before))
        except Refusal as refusal:
            return _plain(refusal)


@contextmanager
def _without_clock_or_luck(who: str) -> Iterator[None]:
    """Where whoever asks the clock, or for randomness, has broken the rule."""

    def impure(*_: Any, **__: Any) -> Any:
        raise Violated(f"{who} asks for time or randomness that it was not given")

    kept: list[tuple[Any, str, Any]] = []
    for module, names in _IMPURE:
        for name in names:
            kept.append((module, name, getattr(module, name)))
            setattr(module, name, impure)
    try:
        yield
    finally:
        for module, name, found in kept:
            setattr(module, name, found)


_IMPURE: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (time, ("time", "time_ns", "monotonic", "monotonic_ns")),
    (os, ("urandom",)),
    (random, ("_urandom", "random", "randrange", "randint", "getrandbits", "randbytes")),
)
