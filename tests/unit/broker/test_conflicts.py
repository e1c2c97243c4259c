"""A payer that spends the same at two vendors is found by the operator, with both signatures."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from farthing.broker import conflicts
from farthing.broker.app import Broker, asgi_app
from farthing.broker.edge import Edge
from farthing.cli import build
from farthing.errors import Forged
from farthing.schemes import registry
from farthing.schemes.chain.agent import AGENT
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.payword import FAMILY, PAYWORD
from farthing.schemes.contract import Asked, AskFirst, At, Instrument, Mint, Need, Offer, Setting
from tests.kit.parties import Clock, Ring, binding_of
from tests.kit.payword import Hand

FUNDS_MICRO = 100_000


class Desk:
    """A broker over HTTP, with ann's tokens of 0.01 cent and two vendors."""

    def __init__(self, broker: Broker, client: httpx.AsyncClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        setting = Setting(broker_id="b", currency="eur", ring=Ring())
        self.purse = AGENT.purse(setting)
        self._tills = {
            name: AGENT.till(msgspec.structs.replace(setting, vendor_id=name))
            for name in ("news", "daily")
        }
        self._calls = 0
        self._broker = broker

    async def call(self, token: str, path: str, body: object) -> Any:
        self._calls += 1
        headers = {"authorization": f"Bearer {token}", "idempotency-key": f"k{self._calls}"}
        answer = await self._client.post(path, json=body, headers=headers)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    def offer(self, name: str) -> Offer:
        return self._tills[name].offer(100, self._clock.at())

    async def buy(self, token: str) -> Instrument:
        need = Need(amount_micro=4_000, currency="eur", vendor_id="news", offer=self.offer("news"))
        asked = self.purse.ask(need, self._clock.at())
        sold = await self.call(token, "/issue/agent", asked.message)
        received = self.purse.receive(asked, sold["answer"], self._clock.at())
        assert not isinstance(received, Asked)
        return received[0]

    async def claim(self, token: str, instrument: Instrument, name: str) -> str:
        """The first payment out of a wallet with these tokens, at a vendor; what it is told."""
        at: At = self._clock.at()
        paid = self.purse.pay(instrument, self.offer(name), binding_of(), at)
        assert not isinstance(paid, AskFirst)
        shown = {"openings": [paid.payload["opening"]], "tokens": paid.payload["tokens"]}
        told = await self.call(token, "/redeem/agent", {"claims": [shown]})
        result = told["results"][0]
        return str(result.get("code", result["state"]))


async def spend_twice(broker: Broker, admin: str, clock: Clock) -> None:
    transport = httpx.ASGITransport(asgi_app(broker))
    async with httpx.AsyncClient(transport=transport, base_url="http://b") as client:
        desk = Desk(broker, client, clock)
        tokens = {}
        for name, role in (("ann", "payer"), ("news", "vendor"), ("daily", "vendor")):
            opened = await desk.call(admin, "/accounts", {"id": name, "role": role})
            tokens[name] = opened["tokens"]
        booked = {"payer": "ann", "amountMicro": FUNDS_MICRO, "reference": "r"}
        await desk.call(admin, "/topup", booked)
        instrument = await desk.buy(tokens["ann"]["pay"])
        assert await desk.claim(tokens["news"]["redeem"], instrument, "news") == "paid"
        assert conflicts.found(broker.engine.books) == []
        told = await desk.claim(tokens["daily"]["redeem"], instrument, "daily")
        assert told == "segment_opened_twice"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder, clock = tmp_path / "broker", Clock()
    admin = Broker.init(folder, broker_id="b", currency="eur", url="http://127.0.0.1:1")
    broker = Broker.open(folder, edge=Edge(now_s=lambda: clock.now_s))
    asyncio.run(spend_twice(broker, admin, clock))
    broker.close()
    return folder


def run(*command: str) -> str:
    done = CliRunner().invoke(build(["broker"]), ["broker", *command])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_who_spends_the_same_at_two_vendors_is_named_with_a_proof_that_anybody_can_judge(
    data: Path, tmp_path: Path
) -> None:
    assert "ann" in run("conflicts", "--data", str(data))
    (found,) = msgspec.json.decode(run("conflicts", "--json", "--data", str(data)))
    assert (found["account"], found["scheme"], found["vendors"]) == (
        "ann",
        "agent",
        ["news", "daily"],
    )
    proof = tmp_path / "proof.json"
    proof.write_bytes(msgspec.json.encode(found["proof"]))
    told = msgspec.json.decode(run("judge", str(proof), "--json", "--data", str(data)))
    assert (told["payer"], told["vendors"]) == (found["payer"], ["news", "daily"])
    found["proof"]["shown"][2]["vendor"] = "weekly"
    proof.write_bytes(msgspec.json.encode(found["proof"]))
    with pytest.raises(Forged):
        run("judge", str(proof), "--data", str(data))


async def pledge_twice(broker: Broker, admin: str, clock: Clock) -> None:
    """Two commitments of ann to one vendor for one part of her credit; the second is refused."""
    transport = httpx.ASGITransport(asgi_app(broker))
    async with httpx.AsyncClient(transport=transport, base_url="http://b") as client:
        desk = Desk(broker, client, clock)
        ann = {"id": "ann", "creditLimitMicro": FUNDS_MICRO}
        ann = await desk.call(admin, "/accounts", ann)
        news = await desk.call(admin, "/accounts", {"id": "news", "role": "vendor"})
        keys = broker.ring.known(FAMILY.certificate_key)
        purse = PAYWORD.purse(Setting(broker_id="b", currency="eur", ring=Ring(*keys)))
        need = Need(amount_micro=FUNDS_MICRO // SLOTS, currency="eur", vendor_id="")
        asked = purse.ask(need, clock.at())
        sold = await desk.call(ann["tokens"]["pay"], "/issue/payword", asked.message)
        received = purse.receive(asked, sold["answer"], clock.at())
        assert not isinstance(received, Asked)
        told = []
        for seed in (b"one", b"two"):
            hand = Hand(received[0], seed=hashlib.sha256(seed).digest()[:16])
            claims = {"claims": [hand.first(hand.link(3))]}
            done = await desk.call(news["tokens"]["redeem"], "/redeem/payword", claims)
            told.append(done["results"][0])
        assert told[0]["state"] == "paid"
        assert told[1]["code"] == "slot_committed_twice"


def test_who_has_pledged_one_credit_twice_is_named_with_both_pledges(tmp_path: Path) -> None:
    folder, clock = tmp_path / "broker", Clock()
    admin = Broker.init(folder, broker_id="b", currency="eur", url="http://127.0.0.1:1")
    broker = Broker.open(folder, edge=Edge(now_s=lambda: clock.now_s))
    asyncio.run(pledge_twice(broker, admin, clock))
    broker.close()
    assert "ann" in run("conflicts", "--data", str(folder))
    (found,) = msgspec.json.decode(run("conflicts", "--json", "--data", str(folder)))
    assert (found["account"], found["scheme"], found["vendors"]) == ("ann", "payword", ["news"])
    proof = tmp_path / "proof.json"
    proof.write_bytes(msgspec.json.encode(found["proof"]))
    told = msgspec.json.decode(run("judge", str(proof), "--json", "--data", str(folder)))
    assert (told["payer"], len(told["pledges"])) == (found["payer"], 2)


def test_where_nobody_has_there_is_nothing_to_show(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    Broker.init(folder, broker_id="b", currency="eur", url="http://127.0.0.1:1")
    assert msgspec.json.decode(run("conflicts", "--json", "--data", str(folder))) == []


@pytest.mark.parametrize("scheme", [one.traits.name for one in registry.all_schemes()])
def test_what_a_mint_keeps_as_a_contradiction_it_names_the_payer_of(scheme: str) -> None:
    mint = registry.by_name(scheme).mint
    assert not mint.contradicted or mint.pseudonym_key is not Mint.pseudonym_key
