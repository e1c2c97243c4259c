"""The auditor's reader beside the ledger's writer: they share a format and no line of code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.auditing.entries import Line, Unreadable, read
from farthing.errors import Refusal
from farthing.ledger import transfers
from farthing.ledger.transfers import Entry, Posting

amounts = st.integers(1, 2**58)
refs = st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]), max_size=20)
notes = st.lists(st.text("abc 123", min_size=1, max_size=20), max_size=3).map(tuple)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    micro, noted = draw(amounts), draw(notes)
    postings = (Posting("asset/bank/manual", micro), Posting("liability/payer/alice", -micro))
    return Entry(
        id=draw(st.binary(min_size=16, max_size=16)),
        postings=postings if draw(st.booleans()) or not noted else (),
        kind=draw(st.sampled_from(["topup", "take_back"])),
        ref=draw(refs),
        at_s=draw(st.integers(0, 2**40)),
        notes=noted,
    )


@given(entries())
def test_what_the_ledger_writes_the_auditor_reads(entry: Entry) -> None:
    line = read(7, transfers.write(entry))
    assert line == Line(
        seq=7,
        id=entry.id.hex(),
        kind=entry.kind,
        ref=entry.ref,
        at_s=entry.at_s,
        postings=tuple((one.account, one.amount_micro) for one in entry.postings),
        notes=entry.notes,
    )


@given(entries(), st.data())
def test_what_one_of_them_refuses_the_other_does_not_take_for_the_same(
    entry: Entry, data: st.DataObject
) -> None:
    body = bytearray(transfers.write(entry))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = transfers.read(bytes(body))
    except Refusal:
        return
    assert read(1, bytes(body)).id == found.id.hex()


GOOD = transfers.write(
    Entry(
        id=bytes(16),
        postings=(Posting("asset/bank/manual", 5), Posting("liability/payer/alice", -5)),
        kind="topup",
        ref="r",
        at_s=1,
    )
)
WRONG = {
    "nothing": b"",
    "no json": b"{",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "a blank": GOOD.replace(b'"ref"', b' "ref"'),
    "a key twice": GOOD.replace(b'{"at_s":1', b'{"at_s":1,"at_s":1'),
    "another field": GOOD.replace(b'"kind"', b'"kind2"'),
    "a fraction": GOOD.replace(b",5]", b",5.0]"),
    "no number": GOOD.replace(b",5]", b",NaN]"),
    "true for a number": GOOD.replace(b",5]", b",true]"),
    "a number as text": GOOD.replace(b'"at_s":1', b'"at_s":"1"'),
    "too large": GOOD.replace(b",5]", b",1152921504606846977]"),
    "a short id": GOOD.replace(b'"id":"00', b'"id":"'),
    "a kind with a blank": GOOD.replace(b"topup", b"top up"),
    "before all time": GOOD.replace(b'"at_s":1', b'"at_s":-1'),
    "one posting": GOOD.replace(b',["liability/payer/alice",-5]', b""),
    "empty notes": GOOD.replace(b'"postings"', b'"notes":[],"postings"'),
    "one field more": GOOD.replace(b'"kind":', b'"jot":1,"kind":'),
    "half a character": GOOD.replace(b'"ref":"r"', b'"ref":"\\ud800"'),
    "another order": GOOD.replace(b'"at_s":1,', b"").replace(b"}", b',"at_s":1}'),
    "a number for text": GOOD.replace(b'"ref":"r"', b'"ref":7'),
    "brackets": GOOD.replace(b'"ref":"r"', b'"ref":"' + b"[" * 497 + b'"'),
    "braces": GOOD.replace(b'"ref":"r"', b'"ref":"' + b"{" * 497 + b'"'),
    "no ref": GOOD.replace(b',"ref":"r"', b""),
}


@pytest.mark.parametrize("name", WRONG)
def test_anything_else_is_unreadable(name: str) -> None:
    assert read(1, GOOD).ref == "r"
    with pytest.raises(Unreadable):
        read(1, WRONG[name])


def test_as_much_as_an_entry_may_hold_is_read() -> None:
    largest = GOOD.replace(b"5]", b"1152921504606846976]")
    assert read(1, largest).changes["asset/bank/manual"] == 2**60
    nested = GOOD.replace(b'"ref":"r"', b'"ref":"' + b"[" * 496 + b'"')
    assert read(7, nested).where == "entry 7"
