import contextlib
import hashlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import Malformed, OutOfRange, Refusal
from farthing.ledger.accounts import LEDGER_MICRO_MAX
from farthing.ledger.transfers import (
    GENESIS,
    NOTE_BYTES_MAX,
    NOTES_MAX,
    POSTINGS_MAX,
    REF_BYTES_MAX,
    Entry,
    Posting,
    link,
    read,
    write,
)

FIELDS: dict[str, Any] = {"id": bytes(16), "kind": "transfer", "ref": "", "at_s": 0}
PAIR = (Posting("liability/payer/a", 5), Posting("liability/payer/b", -5))


@given(amounts=st.lists(st.integers(-10, 10), max_size=6))
def test_an_entry_exists_only_if_it_sums_to_zero(amounts: list[int]) -> None:
    postings = tuple(Posting("liability/payer/a", micro) for micro in amounts)
    is_right = len(amounts) >= 2 and sum(amounts) == 0 and all(amounts)
    try:
        Entry(postings=postings, **FIELDS)
    except OutOfRange:
        assert not is_right
    else:
        assert is_right


@pytest.mark.parametrize(
    ("changes", "refusals"),
    [
        ({"id": bytes(15)}, 1),
        ({"kind": ""}, 1),
        ({"kind": "Transfer"}, 1),
        ({"ref": "x" * REF_BYTES_MAX}, 0),
        ({"ref": "x" * (REF_BYTES_MAX + 1)}, 1),
        ({"ref": "a\nb"}, 1),
        ({"at_s": -1}, 1),
        ({"postings": PAIR * (POSTINGS_MAX // 2)}, 0),
        ({"postings": PAIR * (POSTINGS_MAX // 2 + 1)}, 1),
        ({"postings": (Posting("a", LEDGER_MICRO_MAX), Posting("b", -LEDGER_MICRO_MAX))}, 0),
        (
            {"postings": (Posting("a", LEDGER_MICRO_MAX + 1), Posting("b", -LEDGER_MICRO_MAX - 1))},
            1,
        ),
    ],
)
def test_limits_hold_at_the_value_and_one_above(changes: dict[str, Any], refusals: int) -> None:
    fields = {"postings": PAIR} | FIELDS | changes
    if refusals == 0:
        Entry(**fields)
    else:
        with pytest.raises(OutOfRange):
            Entry(**fields)


def test_writing_is_canonical_json_and_reading_gives_it_back() -> None:
    entry = Entry(postings=PAIR, **FIELDS | {"ref": 'a "page"', "at_s": 7})
    body = write(entry)
    assert read(body) == entry
    assert body == msgspec.json.encode(msgspec.json.decode(body), order="sorted")


@given(index=st.integers(0, 200), flip=st.integers(1, 255))
def test_a_changed_byte_is_another_entry_or_none(index: int, flip: int) -> None:
    entry = Entry(postings=PAIR, **FIELDS)
    raw = bytearray(write(entry))
    raw[index % len(raw)] ^= flip
    with contextlib.suppress(Refusal):
        assert read(bytes(raw)) != entry


def test_another_spelling_is_refused() -> None:
    body = write(Entry(postings=PAIR, **FIELDS))
    for other in (body.replace(b":", b": "), body.replace(b'"id":"00', b'"id":"\\u00300'), b"{}"):
        with pytest.raises(Malformed):
            read(other)


def test_each_hash_covers_the_one_before() -> None:
    assert link(GENESIS, b"x") == hashlib.sha256(bytes(32) + b"x").digest()
    assert link(link(GENESIS, b"a"), b"b") != link(link(GENESIS, b"b"), b"b")


def test_notes_are_part_of_an_entry_and_of_its_one_spelling() -> None:
    noted = Entry(
        id=bytes(16), postings=(), kind="limit", ref="alice", at_s=1, notes=("limit a 7",)
    )
    assert read(write(noted)) == noted
    assert b'"kind":"limit","notes":["limit a 7"],"postings":[]' in write(noted)
    with pytest.raises(OutOfRange):
        read(write(noted).replace(b'["limit a 7"]', b"[]"))


@pytest.mark.parametrize("notes", [("x" * 513,), ("x",) * 257, ("line\nbreak",), ("ü",)])
def test_notes_out_of_bounds_are_refused(notes: tuple[str, ...]) -> None:
    with pytest.raises(OutOfRange, match="notes"):
        Entry(id=bytes(16), postings=(), kind="limit", ref="", at_s=1, notes=notes)


@pytest.mark.parametrize("notes", [("x" * NOTE_BYTES_MAX,), ("x",) * NOTES_MAX])
def test_notes_at_their_bounds_are_taken(notes: tuple[str, ...]) -> None:
    made = Entry(id=bytes(16), postings=(), kind="limit", ref="", at_s=1, notes=notes)
    assert read(write(made)).notes == notes
