"""What the gate reads of a body, and what the site then gets."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from farthing import codec
from farthing.errors import BadRequest, OriginFailed, Refusal, TooLarge
from farthing.schemes.contract import Dialect
from farthing.vendor import bodies
from farthing.vendor.asgi import Message
from tests.kit.folder import PRICE_MICRO, Folder
from tests.kit.page import scope_of
from tests.kit.shop import DIALECTS, ROUTE, SCHEMES, Buyer, Shop, code_of, received_in
from tests.kit.site import Site, with_site

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)
every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
GONE: Message = {"type": "http.disconnect"}


def coming(*parts: bytes, then: Message = GONE) -> Any:
    """A `receive` that gives these parts."""
    last = len(parts) - 1
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": number < last}
        for number, part in enumerate(parts)
    ]

    async def receive() -> Message:
        return messages.pop(0) if messages else then

    return receive


def read(parts: Sequence[bytes], bytes_max: int = 8, *headers: tuple[bytes, bytes]) -> bytes:
    return asyncio.run(bodies.read(scope_of(*headers), coming(*parts), bytes_max))


@pytest.mark.parametrize("parts", [[b""], [b"12345678"], [b"1234", b"", b"5678"]])
def test_a_body_is_its_parts(parts: list[bytes]) -> None:
    assert read(parts) == b"".join(parts)


def test_a_body_over_the_limit_is_refused_as_soon_as_it_is_known() -> None:
    with pytest.raises(TooLarge, match="too_large"):
        read([b"1234", b"56789"])
    for said in (b"9", b"9" * 40):
        with pytest.raises(TooLarge):
            read([], 8, (b"content-length", said))
    assert read([b"12"], 8, (b"content-length", b"8")) == b"12", "the server counts, not we"


def test_a_body_that_ends_early_or_never_is_a_bad_request(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cut() -> None:
        await bodies.read(scope_of(), coming(), 8)

    async def slow() -> None:
        async def receive() -> Message:
            await asyncio.sleep(60)
            return GONE

        await bodies.read(scope_of(), receive, 8)

    monkeypatch.setattr(bodies, "READ_TIMEOUT_S", 0.01)
    codes = []
    for talk in (cut, slow):
        with pytest.raises(BadRequest) as refused:
            asyncio.run(talk())
        codes.append(refused.value.code)
    assert codes == ["request_cut_short", "request_too_slow"]


def test_a_bound_body_goes_on_unchanged_and_then_the_connection() -> None:
    async def talk() -> None:
        digest, receive = await bodies.bind(scope_of(), coming(b"one ", b"body"))
        assert digest == hashlib.sha256(b"one body").digest()
        first = {"type": "http.request", "body": b"one body", "more_body": False}
        assert [await receive(), await receive()] == [first, GONE]

    asyncio.run(talk())


def test_no_body_binds_nothing() -> None:
    digest, _ = asyncio.run(bodies.bind(scope_of(), coming(b"")))
    assert digest == b""


def test_a_bound_body_has_a_limit() -> None:
    big = [b"x" * bodies.BOUND_BYTES_MAX]
    asyncio.run(bodies.bind(scope_of(), coming(*big)))
    with pytest.raises(Refusal, match="too_large"):
        asyncio.run(bodies.bind(scope_of(), coming(*big, b"y")))


def test_a_route_that_binds_sells_to_this_body_only(tmp_path: Any) -> None:
    folder, path = Folder(tmp_path / "vendor"), "/bound/echo"

    async def talk(site: Site) -> None:
        async with site.client() as opened:
            asked = await opened.post(path, content=b"one")
            assert "digest=" in asked.headers["www-authenticate"]
            header = folder.pay(asked.headers["www-authenticate"], path, "POST")
            other = await opened.post(path, content=b"two", headers=[header])
            assert (other.status_code, other.json()["code"]) == (402, "challenge_for_another_body")
            paid = await opened.post(path, content=b"one", headers=[header])
            assert paid.text == "the page"
            long = b"x" * (bodies.BOUND_BYTES_MAX + 1)
            over = await opened.post(path, content=long, headers=[header])
            assert (over.status_code, over.json()["code"]) == (413, "too_large")
            unbound = await opened.post("/sold/echo", content=b"one")
            assert "digest=" not in unbound.headers["www-authenticate"]

    with_site(folder, talk)
    assert folder.earned_micro() == PRICE_MICRO


BOUND = ROUTE + 'methods = ["POST"]\nbind_body = true\nreplay_body = true'


@every_scheme
@every_dialect
def test_a_payment_is_for_the_body_that_it_was_asked_for(scheme: str, dialect: Dialect) -> None:
    shop = Shop(BOUND)
    payment = Buyer(shop, scheme).pay(dialect, method="POST", body=b"one")
    for other in (b"two", b""):
        answer = shop.get(payment.header, method="POST", body=other)
        assert (answer.status, code_of(answer)) == (402, "challenge_for_another_body")
    assert shop.visits == []
    paid = shop.get(payment.header, method="POST", body=b"one")
    assert paid.status == 200
    assert shop.get(payment.header, method="POST", body=b"one") == paid
    again = shop.get(payment.header, method="POST", body=b"two")
    assert (again.status, code_of(again)) == (409, "idempotency_conflict")
    assert shop.earned_micro() == PRICE_MICRO


@every_scheme
@every_dialect
def test_an_offer_for_no_body_pays_for_no_body(scheme: str, dialect: Dialect) -> None:
    shop = Shop(BOUND)
    payment = Buyer(shop, scheme).pay(dialect, method="POST")
    answer = shop.get(payment.header, method="POST", body=b"smuggled in")
    assert (answer.status, code_of(answer)) == (402, "challenge_for_another_body")
    assert shop.get(payment.header, method="POST").status == 200


def test_a_scrip_payment_signs_the_body_whatever_its_header_says() -> None:
    """In x402 nothing proves the offer that a payer echoes: the signature in the payload does."""
    shop = Shop(BOUND)
    payment = Buyer(shop, "millicent").pay("x402", method="POST", body=b"one")
    message = codec.read_json(codec.unb64(payment.header[1]))
    assert isinstance(message, dict)
    other = received_in(shop.get(method="POST", body=b"two"), "x402")[0]
    message["accepted"] = other.echo["accepted"]
    forged = ("PAYMENT-SIGNATURE", codec.b64(codec.canonical(message)))
    answer = shop.get(forged, method="POST", body=b"two")
    assert (answer.status, code_of(answer)) == (402, "request_signature_wrong")
    assert shop.earned_micro() == 0


def test_who_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a free page; a paid stream pauses as long as its route says."""
    monkeypatch.setattr(bodies, "SEND_TIMEOUT_S", 0.05)
    sent: list[Message] = []

    async def reader(message: Message) -> None:
        if sent:
            await asyncio.Event().wait()
        sent.append(message)

    async def run() -> None:
        send = bodies.impatient(reader)
        await send({"type": "http.response.start"})
        with pytest.raises(OriginFailed, match="payer_gone"):
            await send({"type": "http.response.body"})

    asyncio.run(run())
    assert len(sent) == 1
