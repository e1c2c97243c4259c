import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import httpx
import msgspec
import pytest

from farthing import codec
from farthing.auditing import audit
from farthing.broker import app as apps
from farthing.broker import purposes
from farthing.broker.app import Broker, asgi_app
from farthing.broker.edge import REAL, Edge
from farthing.crypto import signing
from farthing.errors import Misconfigured, OutOfRange
from farthing.schemes.chain.payword import PAYWORD
from tests.kit.registered import registered


def make(path: Path) -> str:
    return Broker.init(path, broker_id="test-broker", currency="eur", url="http://127.0.0.1:8400")


@contextlib.asynccontextmanager
async def client(broker: Broker, token: str = "") -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(asgi_app(broker))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://broker.test", headers=headers
    ) as found:
        yield found


def test_init_shows_a_token_that_opens_accounts(tmp_path: Path) -> None:
    token = make(tmp_path)

    async def talk() -> None:
        broker = Broker.open(tmp_path)
        async with client(broker, token) as admin:
            answer = await admin.post(
                "/accounts", json={"id": "alice"}, headers={"idempotency-key": "k1"}
            )
        broker.close()
        assert answer.status_code == 201

    asyncio.run(talk())


def test_the_key_document_is_signed_by_its_root_key(tmp_path: Path) -> None:
    make(tmp_path)
    broker = Broker.open(tmp_path)
    document = msgspec.json.decode(broker.key_document())
    broker.close()
    sig = codec.unb64u(document.pop("sig").removeprefix("ed25519:"))
    (root,) = [key for key in document["keys"] if key["purpose"] == purposes.ROOT_KEY]
    signing.verify(codec.unb64u(root["public"]), codec.canonical(document), sig)
    assert document["broker"] == "test-broker"


def test_a_directory_holds_one_broker(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(Misconfigured, match="broker_exists"):
        make(tmp_path)


def test_nothing_is_made_of_a_wrong_name_currency_or_url(tmp_path: Path) -> None:
    with pytest.raises(OutOfRange):
        Broker.init(tmp_path, broker_id="no spaces", currency="eur", url="https://b.example")
    with pytest.raises(OutOfRange):
        Broker.init(tmp_path, broker_id="b", currency="EUR", url="https://b.example")
    with pytest.raises(Misconfigured, match="url_insecure"):
        Broker.init(tmp_path, broker_id="b", currency="eur", url="http://b.example")
    assert list(tmp_path.iterdir()) == []


def test_no_broker_is_made_whose_schemes_would_share_a_key(tmp_path: Path) -> None:
    traits = msgspec.structs.replace(PAYWORD.traits, name="second", variant="second")
    second = msgspec.structs.replace(
        PAYWORD, traits=traits, mint=type("Second", (PAYWORD.mint,), {})
    )
    with registered(second), pytest.raises(Misconfigured, match="purpose_taken"):
        make(tmp_path / "broker")
    assert not (tmp_path / "broker").exists()


def test_no_broker_opens_where_none_is(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="broker_missing"):
        Broker.open(tmp_path)


def test_a_clock_behind_the_books_is_noticed(tmp_path: Path) -> None:
    token = make(tmp_path)

    async def talk() -> None:
        broker = Broker.open(tmp_path)
        async with client(broker, token) as admin:
            for path, body in (
                ("/accounts", {"id": "alice"}),
                ("/topup", {"payer": "alice", "amountMicro": 5, "reference": "r"}),
            ):
                await admin.post(path, json=body, headers={"idempotency-key": path})
        broker.close()

    asyncio.run(talk())
    real = REAL.now_s()
    late = Edge(now_s=lambda: real - apps.SKEW_S - 10)
    with pytest.raises(Misconfigured, match="clock_behind"):
        Broker.open(tmp_path, edge=late)


def test_the_files_are_the_owners_alone_and_hold_no_token(tmp_path: Path) -> None:
    token = make(tmp_path)
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0
        assert token.encode() not in path.read_bytes()


def test_time_passes_beside_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path)
    ticks = 0

    async def talk() -> None:
        nonlocal ticks
        broker = Broker.open(tmp_path)

        async def tick() -> int:
            nonlocal ticks
            ticks += 1
            return 0

        def misplaced() -> None:
            raise Misconfigured("ring_exposed", "others may read it")

        monkeypatch.setattr(broker.engine, "tick", tick)
        monkeypatch.setattr(broker.ring, "refresh", misplaced)  # what is due is due all the same
        events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        answers: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        await events.put({"type": "lifespan.startup"})
        serving: asyncio.Task[None] = asyncio.create_task(
            asgi_app(broker)(
                {"type": "lifespan", "state": {}, "asgi": {}},
                events.get,
                answers.put,  # type: ignore[arg-type] # - narrower types
            )
        )
        assert (await answers.get())["type"] == "lifespan.startup.complete"
        await asyncio.sleep(0.05)
        await events.put({"type": "lifespan.shutdown"})
        assert (await answers.get())["type"] == "lifespan.shutdown.complete"
        await serving

    asyncio.run(talk())
    assert ticks == 1


def test_a_directory_whose_init_was_cut_short_says_so(tmp_path: Path) -> None:
    make(tmp_path)
    connection = apsw.Connection(str(tmp_path / apps.DATABASE))
    connection.execute("DELETE FROM settings")
    connection.close()
    with pytest.raises(Misconfigured, match="broker_incomplete"):
        Broker.open(tmp_path)


def test_the_registered_schemes_are_served_with_the_rings_keys(tmp_path: Path) -> None:
    """MilliCent and PayWord issue through HTTP, and a licence survives a restart."""
    token = make(tmp_path)
    secrets = [codec.b64u(bytes([number]) * 32) for number in range(3)]
    licence = {
        "kBurn": secrets[0],
        "kPayer": secrets[1],
        "kScrip": secrets[2],
        "notAfterS": REAL.now_s() + 90 * 86_400,
        "payerRange": "0001",
        "quotaMicro": 1_000_000,
        "series": "0000000001",
    }

    async def post(caller: httpx.AsyncClient, who: str, path: str, body: object) -> dict[str, Any]:
        headers = {"idempotency-key": path, "authorization": f"Bearer {who}"}
        answer = await caller.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def talk() -> None:
        broker = Broker.open(tmp_path)
        async with client(broker) as caller:
            vendor = await post(caller, token, "/accounts", {"id": "v7", "role": "vendor"})
            await post(caller, vendor["tokens"]["redeem"], "/grant/millicent", licence)
        broker.close()
        broker = Broker.open(tmp_path)
        async with client(broker) as caller:
            account = {"id": "alice", "creditLimitMicro": 5_000}
            headers = {"authorization": f"Bearer {token}", "idempotency-key": "alice"}
            made = (await caller.post("/accounts", json=account, headers=headers)).json()
            alice = made["tokens"]["pay"]
            topup = {"payer": "alice", "amountMicro": 5_000, "reference": "r1"}
            await post(caller, token, "/topup", topup)
            order = {"vendor": "v7", "valueMicro": 2_000}
            scrip = await post(caller, alice, "/issue/millicent", order)
            assert scrip["answer"]["scrip"]["valueMicro"] == 2_000
            application = {"publicKey": codec.b64u(bytes(32)), "limitMicro": 5_000}
            certified = await post(caller, alice, "/issue/payword", application)
            assert certified["answer"]["certificate"]["limitMicro"] == 5_000
        report = broker.engine.books.committer.read(audit)
        assert report.findings == []
        assert report.schemes["millicent"].outstanding_micro == 2_000
        broker.close()

    asyncio.run(talk())


def test_a_backup_is_the_books_of_one_moment_without_a_key(tmp_path: Path) -> None:
    data = tmp_path / "broker"
    make(data)
    broker = Broker.open(data)
    copy = tmp_path / "books.db"
    try:
        apps.backup(data, copy)
    finally:
        broker.close()
    assert copy.stat().st_mode & 0o077 == 0
    with pytest.raises(Misconfigured, match="file_exists"):
        apps.backup(data, copy)
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    copy.rename(other / apps.DATABASE)
    for name in (apps.RING, "keys.secret"):
        shutil.copy(data / name, other / name)
    restored = Broker.open(other)
    try:
        assert restored.engine.books.identity == broker.engine.books.identity
    finally:
        restored.close()


def test_every_key_that_a_registered_scheme_needs_is_made_and_the_signing_ones_are_public(
    tmp_path: Path,
) -> None:
    make(tmp_path)
    broker = Broker.open(tmp_path)
    try:
        document = msgspec.json.decode(broker.key_document())
        assert {key["purpose"] for key in document["keys"]} == set(purposes.SIGNING)
        for purpose in (*purposes.SIGNING, *purposes.SEALING):
            assert broker.ring.current(purpose).secret
    finally:
        broker.close()
