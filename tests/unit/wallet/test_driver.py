import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from farthing import codec
from farthing.errors import Busy, Denied, Forged, Unfunded
from farthing.wallet.commands import (
    Answered,
    AskMint,
    Failed,
    Look,
    OpenAsk,
    Refused,
    Request,
    Response,
    SendRequest,
    Wait,
)
from farthing.wallet.driver import ENTROPY_BYTES, Driver, drive, heard, read_mint
from farthing.wallet.errand import Flow, look
from farthing.wallet.fetching import fetch
from farthing.wallet.known import Recall, Remember
from farthing.wallet.messages import JSON_BYTES_MAX
from farthing.wire.offers import CHALLENGE_LIFE_S
from tests.kit.shop import Buyer, Shop
from tests.unit.wallet.servers import served
from tests.unit.wallet.world import World, get, purchase_on


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def driver(world: World) -> Iterator[Driver]:
    with httpx.Client(follow_redirects=False) as client:
        yield Driver(world.guide(), world.store, client, clock=world.now_s)


def test_every_look_brings_the_time_and_fresh_entropy(driver: Driver, world: World) -> None:
    with driver.session() as session:
        first, second = session.answer(Look()), session.answer(Look())
    assert first.now_s == world.now_s()
    assert len(first.entropy) == ENTROPY_BYTES
    assert first.entropy != second.entropy


def test_a_wait_takes_its_time(driver: Driver) -> None:
    begun_s = time.monotonic()
    with driver.session() as session:
        session.answer(Wait(delay_ms=20))
    assert time.monotonic() - begun_s >= 0.02


def test_a_wait_that_others_asked_for_is_told(world: World) -> None:
    told: list[int] = []
    with httpx.Client() as client:
        driver = Driver(world.guide(), world.store, client, clock=world.now_s, told=told.append)
        with driver.session() as session:
            session.tell(Wait(delay_ms=5_000))
            session.tell(Wait(delay_ms=5_000, throttled=True))
    assert told == [5]


def test_a_refusal_of_the_store_is_thrown_into_the_flow(driver: Driver) -> None:
    def flow() -> Flow[str]:
        try:
            yield from look()
        except Busy as refusal:
            return refusal.code
        return "none"

    def locked(command: object) -> object:
        raise Busy("wallet_locked")

    assert drive(flow(), locked) == "wallet_locked"


def test_what_a_dropped_session_held_is_let_go(world: World, driver: Driver) -> None:
    with driver.session() as session:
        flow = fetch(world.guide(), get("/a"))
        command = next(flow)
        while not (isinstance(command, SendRequest) and command.leg == "paid"):
            if isinstance(command, SendRequest | AskMint):
                answer = world.answer(command)
            else:
                answer = session.answer(command)
            command = flow.send(answer)
        flow.close()
        owners = world.store.file.rows("SELECT owner FROM purchases")
        assert owners != [(0,)]
    assert world.store.file.rows("SELECT owner FROM purchases") == [(0,)]
    assert world.fetch("/a").purchase is not None
    assert world.bank.sold_micro == 2_000


def test_a_key_document_is_read_once_in_five_minutes(world: World, driver: Driver) -> None:
    seen: list[Request] = []

    def handle(request: Request) -> Response:
        seen.append(request)
        return Response(status=200, url=request.url, body=b"{}")

    with served(lambda _: handle) as origin, driver.session() as session:
        command = SendRequest(request=Request(method="GET", url=origin + "/keys"), leg="keys")
        for _ in range(3):
            assert session.answer(command).status == 200
        assert len(seen) == 1
        world.now_ms += 300_000
        session.answer(command)
        assert len(seen) == 2


def test_how_pages_are_sold_is_known_to_every_session_until_it_ends(
    world: World, driver: Driver
) -> None:
    request, received = get("/a"), purchase_on(world).received
    with driver.session() as session:
        session.answer(Remember(request=request, received=received))
    with driver.session() as session:
        assert session.answer(Recall(request=get("/b"))) == received
        world.now_ms += 1_000 * CHALLENGE_LIFE_S
        assert session.answer(Recall(request=get("/b"))) is None


def test_a_dead_address_is_a_failure_and_no_exception(driver: Driver) -> None:
    request = Request(method="GET", url="http://127.0.0.1:9/outcome")
    with driver.session() as session:
        assert isinstance(session.answer(SendRequest(request=request, leg="outcome")), Failed)


def test_a_body_over_the_limit_is_cut(driver: Driver) -> None:
    big = b"[" + b"1," * JSON_BYTES_MAX + b"1]"

    def handle(request: Request) -> Response:
        return Response(status=200, url=request.url, body=big)

    with served(lambda _: handle) as origin, driver.session() as session:
        command = SendRequest(request=Request(method="GET", url=origin), leg="outcome")
        assert len(session.answer(command).body) == JSON_BYTES_MAX


def test_a_redirect_of_an_enquiry_is_not_followed(driver: Driver) -> None:
    seen: list[str] = []

    def handle(request: Request) -> Response:
        seen.append(request.url)
        return Response(status=302, url=request.url, headers=(("location", "/elsewhere"),))

    with served(lambda _: handle) as origin, driver.session() as session:
        request = Request(method="POST", url=origin + "/outcome", body=b"{}")
        answer = session.answer(SendRequest(request=request, leg="outcome"))
    assert answer.status == 302
    assert seen == [origin + "/outcome"]


def test_an_ask_carries_its_key_and_the_token_to_the_broker_alone(
    world: World, driver: Driver
) -> None:
    seen: list[Request] = []

    def handle(request: Request) -> Response:
        seen.append(request)
        return Response(status=200, url=request.url, body=b'{"answer":{}}')

    opened: list[OpenAsk] = []
    flow = fetch(world.guide(), get("/a"))
    command = next(flow)
    while not opened:
        if isinstance(command, OpenAsk):
            opened.append(command)
        command = flow.send(world.answer(command))
    flow.close()
    ask = opened[0].ask
    with served(lambda _: handle) as origin, driver.session() as session:
        broker = driver.guide.brokers[ask.broker_id]
        moved = type(broker)(
            id=broker.id,
            url=origin,
            account=broker.account,
            token=broker.token,
            currency=broker.currency,
        )
        driver.guide = type(driver.guide)(
            schemes=driver.guide.schemes,
            brokers={broker.id: moved},
            policy=driver.guide.policy,
            ring=driver.guide.ring,
            load_micro=0,
        )
        assert session.answer(AskMint(ask=ask)) == Answered(value={})
        paid = msgspec.structs.replace(ask.asked, bearer=True)
        session.answer(AskMint(ask=msgspec.structs.replace(ask, asked=paid)))
    request, bearers = seen
    assert "authorization" not in {name.lower() for name, _ in bearers.headers}
    headers = {name.lower(): value for name, value in request.headers}
    assert request.url == origin + "/issue/millicent"
    assert headers["idempotency-key"] == ask.id
    assert headers["authorization"] == "Bearer tok-alice"
    assert request.body == codec.canonical(ask.asked.message)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"answer":{"a":1}}', "Answered"),
        (200, b'{"answer":null}', "Answered"),
        (200, b'{"answer":{"a":1.5}}', "Failed"),
        (200, b'{"a":1}', "Failed"),
        (200, b"[]", "Failed"),
        (502, b"<html>", "Failed"),
        (403, b'{"code":"token_unknown","refusal":"Denied","retry":"never"}', "later"),
        (403, b'{"code":"balance_too_low","refusal":"Unfunded","retry":"new"}', "new"),
        (403, b'{"code":"props_not_vouched","refusal":"Denied","retry":"never"}', "never"),
        (503, b'{"code":"broker_busy","refusal":"Broken","retry":"same"}', "same"),
        (500, b'{"code":"x"}', "same"),
    ],
)
def test_a_mints_answer_is_read_by_status_and_problem(
    status: int, body: bytes, expected: str
) -> None:
    answer = read_mint(status, body)
    found = answer.retry if isinstance(answer, Refused) else type(answer).__name__
    assert found == expected


def test_a_mints_refusal_comes_back_as_its_class() -> None:
    answer = read_mint(403, b'{"code":"balance_too_low","refusal":"Unfunded","retry":"new"}')
    assert isinstance(answer, Refused)
    assert isinstance(answer.refusal, Unfunded)
    denied = read_mint(403, b'{"code":"token_unknown","refusal":"Denied"}')
    assert isinstance(denied, Refused)
    assert isinstance(denied.refusal, Denied)


@pytest.mark.parametrize("value", ["é".encode(), "é".encode("latin-1"), "€".encode(), b"\xff"])
def test_a_header_is_heard_byte_by_byte_whatever_else_stands_beside_it(value: bytes) -> None:
    """A page whose signed head holds them is no forgery."""
    request = httpx.Request("GET", "https://news.example/")
    for others in ([], [(b"other", "€".encode())]):
        answer = httpx.Response(200, headers=[(b"Title", value), *others], request=request)
        name, found = heard(answer).headers[0]
        assert (name, found.encode("latin-1")) == ("title", value)


def test_what_a_vendors_mint_refuses_is_known_by_its_class() -> None:
    """Else every refusal of a vendor's looks like a fault of its program."""
    shop = Shop()
    buyer = Buyer(shop, "millicent")
    order = buyer.purse.give_back(buyer.instrument(), shop.clock.at()).message
    forged = codec.canonical(order | {"sig": "0" * 32})
    answer = shop.run(shop.doors.mint("millicent", "take-back", forged))
    said = read_mint(answer.status, answer.body or b"")
    assert isinstance(said, Refused)
    assert isinstance(said.refusal, Forged)
    assert (said.refusal.code, said.retry) == ("burn_signature_wrong", "new")
