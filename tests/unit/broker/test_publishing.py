import base64
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.auditing import Finding, audit
from farthing.broker import publishing
from farthing.broker.app import Broker
from farthing.broker.purposes import ROOT_KEY
from farthing.crypto import signing
from farthing.errors import Misconfigured
from tests.kit.brokers import ALICE_MICRO, NORTH, Brokers, with_brokers
from tests.unit.broker.desk import Desk, with_desk
from tests.unit.broker.test_app import make


def of(desk: Desk, day: str = "2026-11-21") -> Any:
    return publishing.document(
        desk.audit(), broker_id="b", currency="eur", now_s=desk.now_s, day=day
    )


def test_what_stands_between_brokers_is_published_too(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        await brokers.buy(2_000)
        found = publishing.document(
            brokers.audits()[0], broker_id=NORTH, currency="eur", now_s=1, day="2026-11-21"
        )
        assert (found["bankMicro"], found["owedMicro"]) == (ALICE_MICRO, ALICE_MICRO - 2_000)
        assert found["bankMicro"] + found["peersMicro"] == found["owedMicro"]

    with_brokers(tmp_path, talk)


def test_what_is_published_is_what_the_books_add_up_to(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        await desk.coupon("alice", 300, "k1")
        found = of(desk)
        assert (found["entries"], found["bankMicro"], found["owedMicro"]) == (2, 1_000, 1_000)
        assert found["lentMicro"] == 0
        assert found["schemes"]["coupon"]["issuedMicro"] == 300
        assert found["head"] == desk.audit().head
        assert "alice" not in str(found)

    with_desk(tmp_path, talk)


def test_the_newest_days_are_shown_first_and_a_day_once(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        for number in range(40):
            signed = msgspec.json.encode(
                {"broker": "b", "issuedAtS": number, "entries": number, "head": f"{number:x}"}
            )
            desk.expected = {"journal_truncated"}
            day = f"2026-{1 + number // 28:02}-{1 + number % 28:02}"
            for _ in range(2):
                desk.committer.do_now(partial(publishing.keep, day=day, signed=signed))
        shown = desk.committer.read(publishing.shown)
        heads = publishing.read(shown)
        assert list(heads) == list(range(39, 39 - publishing.SHOWN_MAX, -1))
        assert desk.committer.read(publishing.last_s) == 39

    with_desk(tmp_path, talk)


def test_a_journal_is_held_against_what_was_published(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.top_up("alice", 1_000, "bank-1")
        early = desk.audit()
        await desk.top_up("alice", 1_000, "bank-2")
        late = desk.audit()
        read = desk.committer.read
        heads = {early.entries: early.head, late.entries: late.head}
        assert read(lambda db: audit(db, heads)).findings == []
        (forked,) = read(lambda db: audit(db, {1: "ff" * 32})).findings
        assert (forked.code, forked.where) == ("journal_forked", "entry 1")
        (cut,) = read(lambda db: audit(db, {3: late.head})).findings
        assert (cut.code, cut.where) == ("journal_truncated", "entry 3")

    with_desk(tmp_path, talk)


def test_a_broker_publishes_signed_and_shows_it_to_anybody(tmp_path: Path) -> None:
    make(tmp_path)
    broker = Broker.open(tmp_path)
    try:
        assert broker.books_document() == b'{"books":[]}'
        document = msgspec.json.decode(broker.publish())
        (shown,) = msgspec.json.decode(broker.books_document())["books"]
        root = broker.ring.current(ROOT_KEY)
    finally:
        broker.close()
    assert shown == document
    sig = codec.unb64u(document.pop("sig").removeprefix("ed25519:"))
    signing.verify(root.public, codec.canonical(document), sig)


def test_what_is_not_published_is_not_read() -> None:
    for raw in (b"", b"[]", b'{"books":[{}]}', base64.b64encode(b"x")):
        with pytest.raises(Misconfigured, match="published_unreadable"):
            publishing.read(raw)


def test_books_that_do_not_add_up_are_not_published(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        report = replace(desk.audit(), findings=[Finding("chain_broken", "entry 1")])
        with pytest.raises(Misconfigured, match="books_do_not_add_up"):
            publishing.document(report, broker_id="b", currency="eur", now_s=1, day="d")

    with_desk(tmp_path, talk)
