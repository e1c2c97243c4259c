"""Give back what a payment cost: it is found by a name, and its payer fetches what is given.

| the payment is | what happens |
|---|---|
| confirmed | refunded, once: the new piece and its claim are written in one transaction |
| refunded before | `Replayed`: that refund stands, whether its answer was seen or not |
| held | `Busy`: it may still come to nothing |
| released | `Closed`: nothing was charged |
| not there, or older than its outcome | `Unknown` |

The payer sees the refund at the outcome door as soon as the broker has acknowledged its claim, and
not before: then the value that it stands for is where the piece will be claimed. Source: ours.
"""

import hashlib
import re
from collections.abc import Generator, Mapping
from typing import Any

import msgspec

from farthing import codec, marks
from farthing.errors import Busy, Closed, OutOfRange, Replayed, Unknown, Unsupported
from farthing.schemes.contract import At, Charged, Json, Till
from farthing.vendor.booking import read_kept, read_outcome
from farthing.vendor.commands import GateCommand, expect
from farthing.vendor.driver import MarkStore

TAG = "farthing/vendor/refund/1"
PREFIX = "refund/"  # of the K of a refund; no payer can choose one with a slash
_RECEIPT_ID = re.compile(r"rc_[A-Za-z0-9_-]{22}")
SEARCHED_MAX = 100  # outcomes read for one name: pages that are kept may speak of other payments


class Refunded(msgspec.Struct, frozen=True, kw_only=True):
    """What was given back."""

    k: str
    """Of the payment."""
    scheme: str
    reference: str
    amount_micro: int
    currency: str
    waits: bool
    """Whether the broker has still to acknowledge it; then the payer cannot see it yet."""


class _Stored(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a refund."""

    scheme: str
    answer: Json
    claims: tuple[bytes, ...]
    """Keys of its rows in the outbox."""


_ENCODE = msgspec.msgpack.Encoder().encode
_read_stored = msgspec.msgpack.Decoder(_Stored).decode


async def refund(name: str, tills: Mapping[str, Till], store: MarkStore, at: At) -> Refunded:
    """Give back the payment with this K, receipt id or reference; refusals as in the table.

    `Unsupported` for a scheme that has no refunds, or one that the vendor has given up.
    """
    payment, till, charged = await find_charged(name, tills, store)
    receipt = read_outcome(payment.outcome).receipt
    series = till.refund_series(charged)
    if await store.do(marks.Find(k=PREFIX + payment.k)) is not None:
        raise _refunded_before()
    serial: int = await store.do(marks.LeaseSerials(series=series, count=1))
    given = till.refund(charged, msgspec.structs.replace(at, serials=(serial,)))
    stored = _Stored(
        scheme=till.traits.name,
        answer=given.answer,
        claims=tuple(claim.key for claim in given.claims),
    )
    hold = marks.Hold(
        k=PREFIX + payment.k,
        digest=hashlib.sha256(codec.enc(TAG, payment.k)).digest(),
        marks=(),
        kept=payment.kept,
        now_s=at.now_s,
        lease_until_s=at.now_s,
        until_s=max(given.until_s, payment.until_s),
    )
    done = await store.do(marks.Take(hold=hold, outcome=_ENCODE(stored), claims=given.claims))
    if isinstance(done, marks.Settled):
        raise _refunded_before()
    return Refunded(
        k=payment.k,
        scheme=till.traits.name,
        reference=receipt.reference,
        amount_micro=receipt.amount_micro,
        currency=receipt.currency,
        waits=bool(given.claims),
    )


async def find_charged(
    name: str, tills: Mapping[str, Till], store: MarkStore
) -> tuple[marks.Payment, Till, Charged]:
    """A payment that was charged, by K, receipt id or reference; refusals as in the table.

    `Unsupported` for a scheme that the vendor has given up.
    """
    payment = await _find(name, store)
    if payment.state == "held":
        raise Busy("payment_held", "it is being served; wait until that has come to an end")
    if payment.state != "confirmed":
        raise Closed("payment_released", "nothing was charged for it")
    kept, receipt = read_kept(payment.kept), read_outcome(payment.outcome).receipt
    till = tills.get(kept.scheme)
    if till is None:
        raise Unsupported("scheme_gone", f"this vendor no longer takes {kept.scheme}")
    if not receipt.amount_micro:
        raise OutOfRange("nothing_charged", "this payment cost nothing")
    charged = Charged(
        reference=receipt.reference,
        payer=receipt.payer,
        value_micro=receipt.amount_micro,
        kept=kept.till,
    )
    return payment, till, charged


async def is_waiting(k: str, store: MarkStore) -> bool:
    """Whether the broker has still to acknowledge the refund of payment `k`."""
    found = await store.do(marks.Find(k=PREFIX + k))
    assert isinstance(found, marks.Payment), "a refund that was made"
    return any([await store.do(command) for command in _pending(_read_stored(found.outcome))])


async def _find(name: str, store: MarkStore) -> marks.Payment:
    """`Unknown`, also for what is stored under a K but is no payment.

    A receipt id is nothing else: in x402 a payer makes up K, and could spell that of a dear page
    like the receipt of a cheap one.
    """
    if not _RECEIPT_ID.fullmatch(name):
        found: Any = await store.do(marks.Find(k=name))
        if _is_payment(found):
            return expect(marks.Payment, found)
    search = marks.Search(text=name.encode(), count=SEARCHED_MAX)
    for payment in await store.do(search):
        if not _is_payment(payment):
            continue
        receipt = read_outcome(payment.outcome).receipt
        if name in {receipt.receipt_id, receipt.reference}:
            return expect(marks.Payment, payment)
    raise Unknown("payment_unknown", "no such payment, or its outcome is no longer kept")


def _is_payment(found: object) -> bool:
    """Whether it is one: not a refund, and not what the vendor's mint has done."""
    return isinstance(found, marks.Payment) and bool(found.kept) and not found.k.startswith(PREFIX)


def _refunded_before() -> Replayed:
    return Replayed("already_refunded", "a payment is refunded once, and this one was")


def _pending(stored: _Stored) -> list[marks.Pending]:
    return [marks.Pending(scheme=stored.scheme, count=1, key=key) for key in stored.claims]


def seen(k: str) -> Generator[GateCommand, object, tuple[bytes, Json]]:
    """The owner's record and the answer of the refund of payment `k`, as its payer may see them.

    Empty and None where there is none, or none yet.
    """
    found = yield marks.Find(k=PREFIX + k)
    if not isinstance(found, marks.Payment):
        return b"", None
    stored = _read_stored(found.outcome)
    for command in _pending(stored):
        if (yield command):
            return b"", None
    return found.kept, stored.answer
