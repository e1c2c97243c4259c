"""What a gate fetches from its broker: keys under the pinned root, revocations that stay."""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import codec, marks
from farthing.broker.app import Broker
from farthing.crypto import signing
from farthing.errors import Expired, Forged, Malformed
from farthing.lab.world import World
from farthing.schemes.chain.payword import FAMILY, PAYWORD
from farthing.schemes.contract import Json, Key
from farthing.schemes.revocations import state_key
from farthing.stores.keys import KeyRing
from farthing.stores.memory import MemoryMarks
from farthing.vendor import lists
from farthing.vendor.app import LISTS_EVERY_S

NOW_S = 1_795_176_000
ROOT_SECRET = bytes(31) + b"r"
ROOT = signing.public_of(ROOT_SECRET)


class RealBroker:
    """The documents of a broker that was just made."""

    def __init__(self, folder: Path) -> None:
        Broker.init(folder, broker_id="b", currency="eur", url="http://127.0.0.1:9")
        self.broker = Broker.open(folder)

    async def get(self, path: str) -> Json:
        if path == lists.KEYS_PATH:
            return msgspec.json.decode(self.broker.key_document())
        scheme, _, since = path.rpartition("/")[2].partition("?since=")
        return msgspec.json.decode(self.broker.list_document(scheme, int(since or 0)))


class Written:
    """A broker that answers what the test has signed."""

    def __init__(self, **documents: dict[str, Any]) -> None:
        self.documents = documents
        self.asked: list[str] = []

    async def get(self, path: str) -> Json:
        self.asked.append(path)
        return self.documents[path.rpartition("/")[2].partition("?")[0].replace("-", "_")]


def signed(document: dict[str, Any], secret: bytes = ROOT_SECRET) -> dict[str, Any]:
    sig = signing.sign(secret, codec.canonical(document))
    return {**document, "sig": f"ed25519:{codec.b64u(sig)}"}


def revoked(*names: str, **changed: Any) -> dict[str, Any]:
    document = {
        "broker": "b",
        "issuedAtS": NOW_S,
        "nextUpdateS": NOW_S + 300,
        "revoked": list(names),
        "scheme": "payword",
    }
    return signed(document | changed)


async def refresh(store: MemoryMarks, document: dict[str, Any], now_s: int = NOW_S) -> int:
    return await lists.refresh_list(
        Written(payword=document),
        store,
        "payword",
        FAMILY.revoked_prefix,
        ROOT,
        now_s,
    )


def known(store: MemoryMarks, serial: str) -> bool:
    found = store.do_now(marks.Read(keys=marks.Keys(records=(FAMILY.revoked_key(serial),))))
    return bool(found.records)


def test_a_new_broker_key_joins_the_ring_once(tmp_path: Path) -> None:
    broker = RealBroker(tmp_path / "broker")
    ring = KeyRing.create(tmp_path / "ring")

    async def talk() -> None:
        document, keys = await lists.fetch_keys(broker)
        assert (document.broker, document.currency) == ("b", "eur")
        for key in keys:
            ring.add(key)
        root = next(key for key in keys if key.purpose == lists.BROKER_ROOT_KEY)
        assert await lists.refresh_keys(broker, ring, root.id) == 0
        fresh = broker.broker.ring.rotate(FAMILY.certificate_key, bytes(32))
        assert await lists.refresh_keys(broker, ring, root.id) == 1
        assert await lists.refresh_keys(broker, ring, root.id) == 0
        added = ring.find(FAMILY.certificate_key, fresh.id)
        assert added is not None
        assert (added.public, added.secret) == (fresh.public, b"")

    try:
        asyncio.run(talk())
    finally:
        broker.broker.close()


def test_a_broker_with_another_root_is_refused(tmp_path: Path) -> None:
    one, other = RealBroker(tmp_path / "one"), RealBroker(tmp_path / "other")

    async def talk() -> None:
        _, keys = await lists.fetch_keys(one)
        root = next(key for key in keys if key.purpose == lists.BROKER_ROOT_KEY)
        with pytest.raises(Forged, match="broker_root_changed"):
            await lists.fetch_keys(other, root.public)

    try:
        asyncio.run(talk())
    finally:
        one.broker.close()
        other.broker.close()


def test_a_key_document_that_was_changed_is_forged(tmp_path: Path) -> None:
    broker = RealBroker(tmp_path / "broker")

    async def talk() -> None:
        document = await broker.get(lists.KEYS_PATH)
        with pytest.raises(Forged):
            await lists.fetch_keys(Written(farthing_keys=document | {"currency": "usd"}))
        for wrong in ({}, {"sig": "none"}, document | {"keys": []}):
            with pytest.raises(Malformed):
                await lists.fetch_keys(Written(farthing_keys=wrong))

    try:
        asyncio.run(talk())
    finally:
        broker.broker.close()


def test_a_ring_that_lost_the_root_asks_nobody(tmp_path: Path) -> None:
    ring = KeyRing.create(tmp_path / "ring")
    ring.add(Key(id="1", purpose="other", secret=bytes(32)))
    with pytest.raises(Forged, match="broker_root_missing"):
        asyncio.run(lists.refresh_keys(Written(), ring, "1"))


def test_revoked_names_become_records_and_stay() -> None:
    async def talk() -> None:
        store = MemoryMarks()
        assert await refresh(store, revoked("p_1", "p_2")) == 2
        assert await refresh(store, revoked("p_1", "p_2")) == 2
        assert await refresh(store, revoked("p_3")) == 1
        assert all(known(store, name) for name in ("p_1", "p_2", "p_3"))
        assert not known(store, "p_4")

    asyncio.run(talk())


def test_a_list_that_is_forged_or_of_another_scheme_changes_nothing() -> None:
    async def talk() -> None:
        store = MemoryMarks()
        with pytest.raises(Forged, match="list_of_another_scheme"):
            await refresh(store, revoked("p_1", scheme="ecash"))
        with pytest.raises(Malformed, match="document_malformed"):
            await refresh(store, revoked("p_1", nextUpdateS="soon"))
        with pytest.raises(Forged, match="signature_wrong"):
            await refresh(store, revoked("p_1") | {"revoked": ["p_2"]})
        assert not known(store, "p_1")

    asyncio.run(talk())


@pytest.mark.parametrize("document", [[], None, "text", {}, {"sig": None}, {"sig": "mac:AAAA"}])
def test_a_document_without_a_signature_is_malformed(document: Json) -> None:
    with pytest.raises(Malformed, match=r"document_(malformed|unsigned)"):
        lists.verify_document(document, ROOT)


def test_a_list_is_taken_until_the_skew_after_its_next_update_and_kept_for_long() -> None:
    store = MemoryMarks()
    late_s = NOW_S + 300 + lists.SKEW_S
    assert asyncio.run(refresh(store, revoked("p_1"), late_s)) == 1
    store.do_now(marks.Forget(now_s=late_s + lists.KEPT_S - 1, count=1000))
    assert known(store, "p_1")
    with pytest.raises(Expired, match="list_stale"):
        asyncio.run(refresh(store, revoked("p_1"), late_s + 1))


def test_names_of_an_old_list_count_and_the_list_itself_does_not() -> None:
    """What was revoked stays so, whosever clock is wrong; tills ask how new the list is."""
    store, document = MemoryMarks(), revoked("p_1")
    keys = marks.Keys(records=(state_key("payword"),))
    with pytest.raises(Expired, match="list_stale"):
        asyncio.run(refresh(store, document, NOW_S + 86_400))
    assert known(store, "p_1")
    assert store.do_now(marks.Read(keys=keys)).records == {}
    assert asyncio.run(refresh(store, document)) == 1, "our clock is right again"
    assert store.do_now(marks.Read(keys=keys)).records


def test_a_list_that_is_refused_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    keys = [{"id": "r", "public": codec.b64u(ROOT), "purpose": lists.BROKER_ROOT_KEY}]
    document = signed({"broker": "b", "currency": "eur", "keys": keys})
    old = revoked("p_1", scheme="tick", issuedAtS=1, nextUpdateS=2)
    broker = Written(farthing_keys=document, tick=old, payword=revoked("p_2"))
    ring, store = KeyRing.create(tmp_path / "keys"), MemoryMarks()
    ring.add(Key(id="r", purpose=lists.BROKER_ROOT_KEY, public=ROOT))
    prefixes = {"tick": b"tick/", "payword": FAMILY.revoked_prefix}
    with pytest.raises(Expired, match="list_stale"):
        asyncio.run(lists.refresh_all(broker, store, ring, "r", prefixes, NOW_S))
    assert known(store, "p_2")
    broker.documents["tick"] = revoked("p_1", scheme="tick")
    assert asyncio.run(lists.refresh_all(broker, store, ring, "r", prefixes, NOW_S)) == 2


def test_after_the_first_list_a_gate_asks_for_what_is_new(tmp_path: Path) -> None:
    broker, store = RealBroker(tmp_path / "broker"), MemoryMarks()
    root = broker.broker.ring.current(lists.BROKER_ROOT_KEY).public
    now_s, prefix, counts = int(time.time()), PAYWORD.mint.published, list[int]()

    async def revoke_and_fetch(*names: str) -> int:
        for name in names:
            key = f"{len(counts)}-{name}"
            await broker.broker.engine.operations.revoke("payword", name, key)
        return await lists.refresh_list(broker, store, "payword", prefix, root, now_s)

    for names in (("p_1", "p_2"), ("p_3",), ("p_3",), ()):
        counts.append(asyncio.run(revoke_and_fetch(*names)))
    broker.broker.close()
    assert counts == [2, 1, 0, 0], "a name that is listed again is not new"
    assert all(known(store, name) for name in ("p_1", "p_2", "p_3"))


def test_a_list_of_another_time_line_comes_whole(tmp_path: Path) -> None:
    broker = RealBroker(tmp_path / "broker").broker
    asyncio.run(broker.engine.operations.revoke("payword", "p_1", "key"))
    document = msgspec.json.decode(broker.list_document("payword", 7))
    broker.close()
    assert (document["since"], document["number"], document["revoked"]) == (0, 1, ["p_1"])


def test_what_is_new_since_a_list_that_the_gate_never_had_is_refused() -> None:
    with pytest.raises(Forged, match="list_has_a_gap"):
        asyncio.run(refresh(MemoryMarks(), revoked("p_1", number=9, since=5)))


@pytest.mark.parametrize("number", [-1, 2**53])
def test_a_list_whose_number_cannot_be_kept_is_malformed(number: int) -> None:
    with pytest.raises(Malformed, match="document_malformed"):
        asyncio.run(refresh(MemoryMarks(), revoked("p_1", number=number)))


def test_lists_are_fetched_of_what_is_taken_here_and_at_once_of_what_is_new() -> None:
    def asked() -> set[str]:
        lines = [line.split() for line in world.ground.trace.lines]
        return {line[5].rpartition("/")[2] for line in lines if "/lists/" in " ".join(line[5:])}

    with World(3, ["payword"]) as world:
        vendor, payer = world.vendors[0], world.payers[0]
        world.run(asyncio.sleep(LISTS_EVERY_S + 1))
        assert asked() == {"payword"}
        prices = vendor.folder / "prices.toml"
        text = prices.read_text()
        more = text.replace('"payword"', '"payword", "upayword"')
        assert more != text
        prices.write_text(more)
        world.run(payer.buy(f"{vendor.url}{vendor.pages[0].path}/1"))
        world.run(asyncio.sleep(LISTS_EVERY_S / 2))
        assert asked() == {"payword", "upayword"}
