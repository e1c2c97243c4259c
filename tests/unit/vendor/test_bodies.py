"""What the gate reads of a body, and what the site then gets."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from farthing.errors import BadRequest, Refusal, TooLarge
from farthing.vendor import bodies
from farthing.vendor.asgi import Message
from tests.kit.folder import PRICE_MICRO, Folder
from tests.kit.page import scope_of
from tests.kit.site import Site, with_site

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
