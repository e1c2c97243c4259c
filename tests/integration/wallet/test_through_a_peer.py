"""A wallet at one broker, a site of another: real gate, real brokers, killed at every command."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from farthing.broker.edge import Edge
from farthing.errors import Refusal, Unsupported
from farthing.schemes import registry
from farthing.wallet.book import Book
from farthing.wallet.commands import Answered, Ask, Failed, Refused, Request, Response, Sent
from farthing.wallet.driver import OPERATION_PATHS, read_mint
from farthing.wallet.errand import give_back, load_float
from farthing.wallet.fetching import fetch
from farthing.wallet.flow import recover
from farthing.wallet.settling import Verdict
from tests.kit.brokers import ALICE_MICRO, NORTH, SOUTH, Brokers
from tests.unit.wallet.farside import VENDOR
from tests.unit.wallet.gate_town import LICENCE, PRICE_MICRO, STEPS_MAX, GateSite
from tests.unit.wallet.world import World, get

FLOAT_MICRO = 5_000


class Town(World):
    """A wallet with an account in the north, before a site of the south."""

    def __init__(self, folder: Path, *, accept: str) -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder)
        self.home = NORTH
        self.schemes = {accept: registry.by_name(accept)}
        self.gate = GateSite(self.now_s, accept=accept, broker_id=SOUTH)
        self.brokers = Brokers(folder, Edge(now_s=self.now_s))
        self.brokers.clock.now_s = self.now_s()
        self.loop = asyncio.new_event_loop()
        self.site = self
        self.bank = self
        self.asked: list[Ask] = []
        self.brokers.open()
        self.wait(self._found())

    def wait(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def _found(self) -> None:
        await self.brokers.found()
        await self.brokers.made(SOUTH, VENDOR, "vendor")
        await self.brokers.ok(SOUTH, f"{SOUTH} {VENDOR}", "/grant/millicent", LICENCE)

    def handle(self, what: Ask | Request) -> Any:
        return self._mint(what) if isinstance(what, Ask) else self._page(what)

    def _page(self, request: Request) -> Sent:
        if not request.url.startswith("https://broker.example"):
            return self.gate.handle(request)
        path = request.url.removeprefix("https://broker.example")
        answer = self.wait(self.brokers.clients[NORTH].get(path))
        return Response(status=answer.status_code, url=request.url, body=answer.content)

    def _mint(self, ask: Ask) -> Answered | Refused | Failed:
        if ask.asked.to == "vendor":
            return self.gate.mint(ask)
        self.asked.append(ask)
        headers = {"idempotency-key": ask.id}
        if not ask.asked.bearer:
            headers["authorization"] = f"Bearer {self.brokers.tokens[f'{NORTH} alice']}"
        path = f"/{OPERATION_PATHS[ask.asked.operation]}/{ask.scheme}"
        post = self.brokers.clients[NORTH].post(path, json=ask.asked.message, headers=headers)
        answer: httpx.Response = self.wait(post)
        return read_mint(answer.status_code, answer.content)

    def alice_micro(self) -> int:
        return self.brokers.at(NORTH, "liability/payer/alice")

    def require_sound(self) -> None:
        """Both books are in order, and what alice has paid is held or earned."""
        self.brokers.require_sound()
        held_micro = self.held_micro()
        assert self.alice_micro() + held_micro + self.gate.earned_micro() == ALICE_MICRO
        assert self.held_micro("offered", "aside") == 0

    def close(self) -> None:
        self.wait(self.brokers.close())
        self.loop.close()
        self.store.file.close()


@contextmanager
def town(folder: Path, accept: str = "millicent") -> Iterator[Town]:
    found = Town(folder, accept=accept)
    try:
        yield found
    finally:
        found.close()


def test_pages_of_another_brokers_vendor_are_paid_and_the_rest_comes_back(tmp_path: Path) -> None:
    with town(tmp_path) as world:
        for number in range(12):
            assert world.fetch(f"/{number}").verdict is Verdict.DONE
        assert Book(world.store.file).peers() == {SOUTH: NORTH}
        assert {ask.asked.message["broker"] for ask in world.asked} == {SOUTH}
        world.require_sound()
        for held in Book(world.store.file).held():
            assert held.broker_id == SOUTH
            assert world.run(give_back(world.guide(), SOUTH, held.site, held.instrument))
        world.require_sound()
        assert world.alice_micro() == ALICE_MICRO - 12 * PRICE_MICRO


@pytest.mark.parametrize("floating", [False, True], ids=["account", "float"])
def test_a_wallet_killed_at_any_command_pays_once_and_loses_nothing(
    tmp_path: Path, *, floating: bool
) -> None:
    for count in range(1, STEPS_MAX):
        with town(tmp_path / str(count)) as world:
            if floating:
                world.floats = {NORTH: FLOAT_MICRO}
                world.run(load_float(world.guide(), NORTH, FLOAT_MICRO))
            world.brokers.wire.faults = ["reply lost"]
            if not world.run_until(fetch(world.guide(), get("/a")), count):
                assert world.gate.earned_micro() == PRICE_MICRO
                return
            world.crash()
            assert world.fetch("/a").verdict is Verdict.DONE, count
            assert world.gate.earned_micro() == PRICE_MICRO, count
            world.run(recover(world.guide()))
            world.require_sound()
    pytest.fail("the flow does not end")


def test_with_a_float_the_account_names_neither_vendor_nor_peer(tmp_path: Path) -> None:
    with town(tmp_path) as world:
        world.floats = {NORTH: FLOAT_MICRO}
        for number in range(30):
            assert world.fetch(f"/{number}").verdict is Verdict.DONE
        for ask in world.asked:
            assert ask.asked.bearer is (ask.broker_id == SOUTH)
            assert ask.asked.bearer is (ask.vendor_id == VENDOR)
        world.require_sound()
        for vendors in (True, False):
            for held in Book(world.store.file).held():
                if (held.instrument.vendor_id == VENDOR) is vendors:
                    flow = give_back(world.guide(), held.broker_id, held.site, held.instrument)
                    assert world.run(flow)
        assert world.alice_micro() == ALICE_MICRO - 30 * PRICE_MICRO
        world.require_sound()


def test_a_give_back_killed_at_any_command_is_credited_once(tmp_path: Path) -> None:
    for count in range(1, STEPS_MAX):
        with town(tmp_path / str(count)) as world:
            world.fetch("/a")
            (held,) = Book(world.store.file).held()
            world.brokers.wire.faults = ["reply lost"]
            flow = give_back(world.guide(), SOUTH, held.site, held.instrument)
            if not world.run_until(flow, count):
                world.require_sound()
                assert world.alice_micro() == ALICE_MICRO - PRICE_MICRO
                return
            world.crash()
            world.run(recover(world.guide()))
            world.require_sound()
    pytest.fail("the errand does not end")


def test_payword_of_another_broker_is_refused_with_what_is_wrong(tmp_path: Path) -> None:
    refused = pytest.raises(Unsupported, match="scheme_not_resold")
    with town(tmp_path, accept="payword") as world, refused:
        world.fetch("/a")


def test_a_peer_that_has_no_money_of_ours_left_is_said_to_be_the_brokers_fault(
    tmp_path: Path,
) -> None:
    with town(tmp_path) as world:
        brokers = world.brokers
        spent = {"amountMicro": 100_000, "to": "payer/hoard", "id": "0" * 32}
        world.wait(brokers.made(SOUTH, "hoard", "payer"))
        world.wait(brokers.ok(SOUTH, f"{SOUTH} broker-north", "/transfer", spent))
        with pytest.raises(Refusal, match="peer_balance_used_up") as caught:
            world.fetch("/a")
        assert caught.value.fault == "broker"
        assert world.alice_micro() == ALICE_MICRO
        assert world.held_micro() == 0
