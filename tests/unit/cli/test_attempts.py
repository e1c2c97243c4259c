"""The man in the middle of the demo."""

import httpx
import msgspec

from farthing import codec
from farthing.cli import attempts


def tampered(payload: object) -> object:
    token = codec.b64u(codec.canonical({"challenge": {}, "payload": payload}))
    request = httpx.Request("GET", "http://x/", headers={"authorization": f"Payment {token}"})
    attempts._tamper(request)
    after = request.headers["authorization"].partition(" ")[2]
    return msgspec.json.decode(codec.unb64u(after))["payload"]


def test_scrip_is_made_worth_more() -> None:
    assert tampered({"scrip": {"valueMicro": 200}}) == {"scrip": {"valueMicro": 201}}


def test_a_word_is_changed() -> None:
    assert tampered({"links": [[100, 2, "AAAA"]]}) == {"links": [[100, 2, "BAAA"]]}
    assert tampered({"links": [[100, 2, "BAAA"]]}) == {"links": [[100, 2, "AAAA"]]}


def test_an_unpaid_request_goes_through_untouched() -> None:
    request = httpx.Request("GET", "http://x/")
    attempts._tamper(request)
    assert "authorization" not in request.headers
