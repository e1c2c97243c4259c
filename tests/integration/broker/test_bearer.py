"""Orders that pay for themselves, at a real broker: no account named, none needed, no rubbish kept.

MilliCent's broker scrip buys a vendor's scrip without a token.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec

from farthing import codec
from farthing.auditing import audit
from farthing.broker.app import Broker, asgi_app
from farthing.broker.edge import REAL
from farthing.schemes.contract import Asked, At, Instrument, Need, Setting
from farthing.schemes.mac.millicent.purse import MillicentPurse
from tests.kit.parties import Ring

BROKER, VENDOR = "test-broker", "v7"
LICENCE = {
    "kBurn": codec.b64u(b"b" * 32),
    "kPayer": codec.b64u(b"p" * 32),
    "kScrip": codec.b64u(b"s" * 32),
    "payerRange": "00aa",
    "quotaMicro": 1_000_000,
    "series": "00000000aa",
}


class Counter:
    """A broker's HTTP side, its operator, and a purse of alice's."""

    def __init__(self, broker: Broker, client: httpx.AsyncClient, admin: str) -> None:
        self.broker, self.client = broker, client
        self.tokens = {"operator": admin}
        setting = Setting(broker_id=BROKER, currency="eur", ring=Ring())
        self.purse = MillicentPurse(setting)
        self._drawn = 0

    def at(self) -> At:
        self._drawn += 1
        return At(now_s=REAL.now_s(), entropy=self._drawn.to_bytes(64, "big"))

    async def post(self, who: str, path: str, body: Any, key: str) -> httpx.Response:
        headers = {"idempotency-key": key}
        if who:
            headers["authorization"] = f"Bearer {self.tokens[who]}"
        return await self.client.post(path, json=body, headers=headers)

    async def open(self, name: str, role: str) -> None:
        made = await self.post("operator", "/accounts", {"id": name, "role": role}, name)
        self.tokens[name] = made.json()["tokens"]["redeem" if role == "vendor" else "pay"]

    async def float_piece(self) -> Instrument:
        """Broker scrip of alice's."""
        need = Need(amount_micro=10_000, currency="eur", vendor_id=BROKER)
        asked = self.purse.ask(need, self.at())
        answer = await self.post("alice", "/issue/millicent", asked.message, f"own{self._drawn}")
        bought = self.purse.receive(asked, answer.json()["answer"], self.at())
        assert not isinstance(bought, Asked)
        return bought[0]

    def order(self, piece: Instrument, micro: int = 3_000, vendor: str = VENDOR) -> Asked:
        need = Need(amount_micro=micro, currency="eur", vendor_id=vendor, means=piece)
        return self.purse.ask(need, self.at())

    def stored_answers(self) -> int:
        count = self.broker.engine.books.committer.read(
            lambda db: db.execute("SELECT count(*) FROM answers").fetchone()
        )
        assert count is not None
        return int(count[0])


def with_counter(path: Path, talk: Callable[[Counter], Awaitable[None]]) -> None:
    admin = Broker.init(path, broker_id=BROKER, currency="eur", url="http://127.0.0.1:8400")

    async def run() -> None:
        broker = Broker.open(path)
        transport = httpx.ASGITransport(asgi_app(broker))
        async with httpx.AsyncClient(transport=transport, base_url="http://b.test") as client:
            counter = Counter(broker, client, admin)
            await counter.open("alice", "payer")
            await counter.open(VENDOR, "vendor")
            licence = LICENCE | {"notAfterS": REAL.now_s() + 90 * 86_400}
            granted = await counter.post(VENDOR, "/grant/millicent", licence, "licence")
            topup = {"payer": "alice", "amountMicro": 50_000, "reference": "r1"}
            assert (await counter.post("operator", "/topup", topup, "t1")).is_success
            assert granted.is_success
            await talk(counter)
        report = broker.engine.books.committer.read(audit)
        assert report.findings == []
        assert report.ledger_sum_micro == 0
        broker.close()

    asyncio.run(run())


def test_an_order_paid_with_broker_scrip_needs_no_token(tmp_path: Path) -> None:
    async def talk(counter: Counter) -> None:
        asked = counter.order(await counter.float_piece())
        first = await counter.post("", "/issue/millicent", asked.message, "ask_1")
        assert first.status_code == 200
        bought = counter.purse.receive(asked, first.json()["answer"], counter.at())
        assert not isinstance(bought, Asked)
        assert [(each.vendor_id, each.worth_micro) for each in bought] == [
            (VENDOR, 3_000),
            (BROKER, 7_000),
        ]
        again = await counter.post("", "/issue/millicent", asked.message, "ask_1")
        assert again.content == first.content
        other = await counter.post("", "/issue/millicent", asked.message, "ask_2")
        assert (other.status_code, other.json()["code"]) == (403, "serial_already_used")
        statement = await counter.client.get(
            "/statement", headers={"authorization": f"Bearer {counter.tokens['alice']}"}
        )
        assert VENDOR.encode() not in statement.content
        assert [line["changeMicro"] for line in statement.json()["lines"]] == [50_000, -10_000]

    with_counter(tmp_path, talk)


def test_what_does_not_pay_for_itself_needs_a_token_as_ever(tmp_path: Path) -> None:
    async def talk(counter: Counter) -> None:
        for path, body in (
            ("/issue/millicent", {"valueMicro": 5, "vendor": VENDOR}),
            ("/issue/payword", {"pay": {}}),
            ("/take-back/millicent", {"burn": {}}),
            ("/grant/millicent", {"inScrip": True}),
        ):
            answer = await counter.post("", path, body, "k")
            assert (answer.status_code, answer.json()["code"]) == (403, "token_missing")

    with_counter(tmp_path, talk)


def test_a_wrong_token_is_not_made_good_by_scrip(tmp_path: Path) -> None:
    async def talk(counter: Counter) -> None:
        asked = counter.order(await counter.float_piece())
        counter.tokens["mallory"] = "ft_nobody"
        answer = await counter.post("mallory", "/issue/millicent", asked.message, "k")
        assert (answer.status_code, answer.json()["code"]) == (403, "token_unknown")

    with_counter(tmp_path, talk)


def test_rubbish_of_nobody_leaves_nothing_behind(tmp_path: Path) -> None:
    async def talk(counter: Counter) -> None:
        asked = counter.order(await counter.float_piece())
        forged = msgspec.json.decode(codec.canonical(asked.message))
        forged["pay"]["sig"] = "0" * 32
        before = counter.stored_answers()
        for number, body in enumerate((forged, {"pay": {}}, forged | {"vendor": BROKER})):
            answer = await counter.post("", "/issue/millicent", body, f"k{number}")
            assert answer.status_code in {400, 403}
        assert counter.stored_answers() == before
        refused = await counter.post(
            "", "/issue/millicent", counter.order(await counter.float_piece(), 5, "v8").message, "x"
        )
        assert refused.json()["code"] == "vendor_unknown"
        fine = await counter.post("", "/issue/millicent", asked.message, "k0")
        assert fine.status_code == 200

    with_counter(tmp_path, talk)


def test_no_account_takes_the_brokers_own_name(tmp_path: Path) -> None:
    async def talk(counter: Counter) -> None:
        made = await counter.post("operator", "/accounts", {"id": BROKER, "role": "vendor"}, "b")
        assert (made.status_code, made.json()["code"]) == (400, "name_reserved")

    with_counter(tmp_path, talk)
