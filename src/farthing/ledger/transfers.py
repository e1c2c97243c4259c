"""Postings and entries: the only way money moves, and how the journal writes it down.

An entry is canonical JSON in the journal, and its hash covers the hash of the entry before it::

    body = RFC 8785 of {"at_s", "id": 32 hex, "kind", "notes": [text, …]?,
                        "postings": [[account, micro], …], "ref"}
    hash = SHA-256(hash before ‖ body)            the first one follows 32 zero bytes

Notes say what else was decided with the money, so that an auditor needs no table but this one.
They are left out where there are none; an entry with notes may be without postings::

    once <id, hex> <until_s>                      a mark that was set
    advance <id, hex> <over> <to> <until_s>       a counter that went on
    share <account> <earned micro> <parts per 10,000> <carried before> <carried after>
    limit <account> <micro>                       how far this account may go from now on

Source: ours.
"""

import hashlib
import re

import msgspec

from farthing.errors import Malformed, OutOfRange
from farthing.ledger.accounts import LEDGER_MICRO_MAX

ID_BYTES = 16  # 128 bits: made by whoever asks, so that a repeated request finds its first effect
POSTINGS_MAX = 128  # a redemption of 64 flows, the most that one message can carry
NOTES_MAX = 256  # as many marks as one decision sets, and room
NOTE_BYTES_MAX = 512  # a mark's id, in hex, with three numbers
REF_BYTES_MAX = 128  # the limit of every reference
GENESIS = bytes(32)

_KIND = re.compile(r"[a-z][a-z_]{0,31}")


class Posting(msgspec.Struct, frozen=True, array_like=True):
    """One side of an entry: this account changes by so much, debit-positive."""

    account: str
    amount_micro: int


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Postings that sum to zero, with the reason. `OutOfRange` for anything else."""

    id: bytes
    """128 bits, unique in the journal."""
    postings: tuple[Posting, ...]
    """At least two, or none beside notes; an account may occur more than once."""
    kind: str
    """What happened: `topup`, `transfer`, `issue`, `redeem` ..."""
    ref: str
    """What it belongs to: a scheme and a batch, a bank reference. Never a secret."""
    at_s: int
    """Unix seconds."""
    notes: tuple[str, ...] = ()
    """What else was decided, as the module says."""

    def __post_init__(self) -> None:
        """The checks that make a wrong entry impossible."""
        total_micro = 0
        for posting in self.postings:
            total_micro += posting.amount_micro
            if not 0 < abs(posting.amount_micro) <= LEDGER_MICRO_MAX:
                raise OutOfRange("posting_out_of_range", "a posting moves 1 micro-unit or more")
        if total_micro:
            raise OutOfRange("entry_unbalanced", "the postings of an entry sum to zero")
        if not (2 <= len(self.postings) <= POSTINGS_MAX or (self.notes and not self.postings)):
            raise OutOfRange("entry_size_wrong", f"an entry has 2 to {POSTINGS_MAX} postings")
        if len(self.id) != ID_BYTES or not _KIND.fullmatch(self.kind) or self.at_s < 0:
            raise OutOfRange("entry_malformed", "an entry has a 128-bit id, a kind and a time")
        if len(self.ref.encode()) > REF_BYTES_MAX or not self.ref.isprintable():
            raise OutOfRange("ref_malformed", f"a reference is {REF_BYTES_MAX} printable bytes")
        if self.notes:
            _require_notes(self.notes)


def _require_notes(notes: tuple[str, ...]) -> None:
    longest = max(len(note.encode()) for note in notes)
    if len(notes) > NOTES_MAX or longest > NOTE_BYTES_MAX:
        raise OutOfRange("notes_too_long", f"an entry has up to {NOTES_MAX} notes")
    if not all(note.isascii() and note.isprintable() for note in notes):
        raise OutOfRange("notes_malformed", "a note is printable ASCII")


class _Body(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An entry as the journal spells it; the fields stand in RFC 8785 order."""

    at_s: int
    id: str
    kind: str
    notes: tuple[str, ...] = ()
    postings: tuple[Posting, ...]
    ref: str


_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(_Body).decode


def write(entry: Entry) -> bytes:
    """The canonical JSON of an entry."""
    return _ENCODE(
        _Body(
            at_s=entry.at_s,
            id=entry.id.hex(),
            kind=entry.kind,
            notes=entry.notes,
            postings=entry.postings,
            ref=entry.ref,
        )
    )


def read(body: bytes) -> Entry:
    """The entry in `body`; `Malformed` unless spelled canonically, `OutOfRange` as `Entry`."""
    try:
        found = _DECODE(body)
        raw_id = bytes.fromhex(found.id)
    except (msgspec.MsgspecError, ValueError):
        raise Malformed("entry_malformed", "expected an entry of the journal") from None
    entry = Entry(
        id=raw_id,
        postings=found.postings,
        kind=found.kind,
        ref=found.ref,
        at_s=found.at_s,
        notes=found.notes,
    )
    if write(entry) != body:
        raise Malformed("entry_not_canonical", "an entry has one spelling")
    return entry


def link(before: bytes, body: bytes) -> bytes:
    """The hash of an entry, over the hash of the one before it; 32 bytes."""
    return hashlib.sha256(before + body).digest()
