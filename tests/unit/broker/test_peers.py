import asyncio
from pathlib import Path

import httpx
import pytest

from farthing.broker.courier import HttpCourier
from farthing.broker.peers import AddPeer, Peer, PeerPayment, Peers, find, names, take_share
from farthing.errors import Mismatch, OutOfRange, Unavailable, Unknown
from farthing.schemes.contract import End, Flow
from tests.unit.broker.desk import Desk, with_desk

TOKEN = "ft_our-account-in-the-south"


def south(request: httpx.Request) -> httpx.Response:
    """A broker that knows us."""
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    if request.url.path == "/health":
        return httpx.Response(200, json={"broker": "south", "state": "up"})
    return httpx.Response(200, json={"id": "n", "currency": "eur", "payerMicro": 700})


def peers_of(desk: Desk) -> Peers:
    return Peers(desk.books, HttpCourier(httpx.MockTransport(south)))


def adding(**changed: object) -> AddPeer:
    fields = {"id": "south", "url": "https://south.example", "token": TOKEN} | changed
    return AddPeer(**fields)  # type: ignore[arg-type]  # each test says what it changes


def test_a_peer_is_kept_with_its_token_sealed_and_named_in_no_repr(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await peers_of(desk).add(adding(), "k")
        vault = desk.books.vault
        found = desk.committer.read(lambda db: find(db, vault, "south"))
        assert found == Peer(
            id="south", url="https://south.example", token=TOKEN, commission_e4=0, carry_e4=0
        )
        assert TOKEN not in repr(found) + repr(adding())
        assert desk.committer.read(names) == ["south"]
        with pytest.raises(Unknown, match="peer_unknown"):
            desk.committer.read(lambda db: find(db, vault, "west"))
        for file in tmp_path.iterdir():
            assert TOKEN.encode() not in file.read_bytes()

    with_desk(tmp_path, talk)


def test_another_broker_or_currency_than_was_said_is_not_added(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        with pytest.raises(Mismatch, match="peer_is_another"):
            await peers_of(desk).add(adding(id="west"), "k")

        def usd(request: httpx.Request) -> httpx.Response:
            answer = south(request)
            return httpx.Response(200, content=answer.content.replace(b"eur", b"usd"))

        foreign = Peers(desk.books, HttpCourier(httpx.MockTransport(usd)))
        with pytest.raises(Mismatch, match="peer_in_another_currency"):
            await foreign.add(adding(), "k")
        with pytest.raises(Unavailable, match="peer_unreachable"):
            await desk.engine.peers.add(adding(), "k")
        assert desk.committer.read(names) == []

    with_desk(tmp_path, talk)


def test_a_peer_that_does_not_answer_is_listed_without_its_side(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await peers_of(desk).add(adding(), "k")
        assert b'"thereMicro":700' in await peers_of(desk).listed()
        assert b'"thereMicro":null' in await desk.engine.peers.listed()

    with_desk(tmp_path, talk)


def test_the_share_of_many_small_sales_is_that_of_their_sum(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await peers_of(desk).add(adding(commission_e4=333), "k")
        end = End(kind="peer", id="south")
        hold = End(kind="hold", id="h")
        for number in range(100):
            flows = (Flow(source=hold, target=end, amount_micro=7),)
            desk.committer.do_now(
                lambda db, flows=flows, number=number: take_share(  # type: ignore[misc]  # a lambda
                    desk.books, db, flows, ("sale", str(number))
                ),
                atomic=True,
            )
        assert -desk.balance("income/commission") == 700 * 333 // 10_000
        assert desk.balance("asset/peer/south") == 700 * 333 // 10_000

    with_desk(tmp_path, talk)


def test_numbers_out_of_range_are_refused() -> None:
    for wrong in ({"id": ""}, {"id": "_"}, {"commission_e4": -1}, {"commission_e4": 10_001}):
        with pytest.raises(OutOfRange):
            adding(**wrong)
    with pytest.raises(OutOfRange, match="amount_out_of_range"):
        PeerPayment(amount_micro=0, reference="r")


def test_a_payment_to_nobody_we_know_is_unknown(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        with pytest.raises(Unknown, match="peer_unknown"):
            await desk.engine.peers.pay("west", PeerPayment(amount_micro=5, reference="r"), "k")

    with_desk(tmp_path, talk)
    assert asyncio.iscoroutinefunction(Peers.pay)
