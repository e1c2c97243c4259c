"""Broker scrip that pays for a foreign vendor's scrip: orders through a peer for nobody."""

from pathlib import Path

import pytest

from farthing.schemes.contract import Instrument, Need
from tests.integration.broker.test_peers import FAULTS, alice_has
from tests.kit.brokers import ALICE_MICRO, NORTH, Brokers, with_brokers
from tests.kit.parties import VENDOR


async def _float_piece(brokers: Brokers) -> Instrument:
    need = Need(amount_micro=10_000, currency="eur", vendor_id=NORTH)
    own = brokers.purse_with()
    asked = own.ask(need, brokers.clock.at())
    message = {name: asked.message[name] for name in ("valueMicro", "vendor")}
    answer = await brokers.ok(NORTH, f"{NORTH} alice", "/issue/millicent", message)
    found = own.receive(asked, answer["answer"], brokers.clock.at())
    assert isinstance(found, tuple)
    return found[0]


@pytest.mark.parametrize("fault", ["", *FAULTS])
def test_broker_scrip_buys_at_a_peer_without_an_account_too(tmp_path: Path, fault: str) -> None:
    async def talk(brokers: Brokers) -> None:
        piece = await _float_piece(brokers)
        asked = brokers.order(3_000, means=piece)
        assert asked.bearer
        if fault:
            brokers.wire.faults = [fault]
            assert (await brokers.ask(asked, "k")).status_code == 503
            brokers.require_sound(holding=True)
            other = await brokers.ask(asked, "k2")
            assert other.json()["code"] == "serial_already_used"
            await brokers.restart()
        bought, change = brokers.received(asked, await brokers.ask(asked, "k"))
        assert (bought.vendor_id, bought.worth_micro) == (VENDOR, 3_000)
        assert (change.vendor_id, change.worth_micro) == (NORTH, 7_000)
        assert alice_has(brokers) == ALICE_MICRO - 10_000
        receipt = brokers.burned(bought, brokers.purse_with(float=True))
        assert not receipt.bearer
        back = brokers.received(receipt, await brokers.ask(receipt, "back"))
        assert [(each.vendor_id, each.worth_micro) for each in back] == [(NORTH, 3_000)]
        again = await brokers.ask(receipt, "back2")
        assert again.json()["code"] == "serial_already_used"
        for each in (*back, change):
            home = brokers.purse.give_back(each, brokers.clock.at())
            assert (await brokers.ask(home, f"home {each.id}".replace(" ", "-"))).is_success
        assert alice_has(brokers) == ALICE_MICRO

    with_brokers(tmp_path, talk)


def test_a_refused_order_frees_the_broker_scrip(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        piece = await _float_piece(brokers)
        refused = await brokers.ask(brokers.order(3_000, "nobody", means=piece), "k")
        assert refused.json()["code"] == "vendor_unknown"
        assert brokers.at(NORTH, f"liability/outstanding/millicent/{NORTH}") == 10_000
        asked = brokers.order(3_000, means=piece)
        assert len(brokers.received(asked, await brokers.ask(asked, "k2"))) == 2

    with_brokers(tmp_path, talk)


def test_a_signed_order_names_the_vendors_broker(tmp_path: Path) -> None:
    async def talk(brokers: Brokers) -> None:
        asked = brokers.order(3_000, means=await _float_piece(brokers))
        for moved in ({"broker": ""}, {"broker": "west"}, {"vendor": "other"}):
            answer = await brokers.post(NORTH, "", "/issue/millicent", asked.message | moved)
            assert answer.json()["code"] == "request_signature_wrong"

    with_brokers(tmp_path, talk)
