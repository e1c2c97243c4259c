"""What a private request and its answer say, before they are sealed and after."""

import msgspec
import pytest

from farthing import codec
from farthing.crypto.sealing import pad
from farthing.errors import BadRequest, Malformed, Refusal, TooLarge, Unsolicited
from farthing.schemes.contract import Offer
from farthing.wire.offers import Credential, Tender
from farthing.wire.sealed import (
    ENVELOPE_BYTES_MAX,
    HEADERS_BYTES_MAX,
    HEADERS_MAX,
    METHODS,
    PLAIN_BYTES_MAX,
    SEALED_BYTES_MAX,
    Asked,
    key_of,
    matched,
    read_answer,
    read_envelope,
    read_request,
    read_sealed,
    require_price,
    too_large,
    write_answer,
    write_envelope,
    write_request,
    write_sealed,
)
from tests.kit.parties import BROKER, VENDOR

PAYLOAD = {"nonce": "n", "scrip": {"valueMicro": 1000}}
REQUEST = {
    "method": "POST",
    "pathQuery": "/a%20b?q=1",
    "headers": [["accept", "*/*"], ["cookie", "a=1"], ["cookie", "b=2"]],
    "body": codec.b64u(b"\xff\0body"),
    "amount": "200",
    "payload": PAYLOAD,
}


def test_a_request_is_read_as_it_was_written() -> None:
    written = write_request(
        method="POST",
        path_query="/a%20b?q=1",
        headers=(("Accept", "*/*"), ("Cookie", "a=1"), ("cookie", "b=2")),
        body=b"\xff\0body",
        amount_micro=200,
        payload=PAYLOAD,
    )
    assert msgspec.json.decode(written) == REQUEST
    assert read_request(written) == Asked(
        method="POST",
        path_query="/a%20b?q=1",
        headers=(("accept", "*/*"), ("cookie", "a=1"), ("cookie", "b=2")),
        body=b"\xff\0body",
        amount_micro=200,
        payload=codec.canonical(PAYLOAD),
    )


def test_an_enquiry_has_no_payment() -> None:
    asked = read_request(write_request(method="POST", path_query="/o", body=b"{}"))
    assert (asked.payload, asked.amount_micro, asked.body) == (b"", 0, b"{}")


def test_a_body_may_be_as_long_as_a_seal_holds() -> None:
    body = b"x" * (PLAIN_BYTES_MAX * 3 // 4 - 300)
    written = write_request(
        method="PUT", path_query="/a", body=body, amount_micro=1, payload=PAYLOAD
    )
    assert len(pad(written)) == PLAIN_BYTES_MAX + 4
    assert read_request(written).body == body


@pytest.mark.parametrize(
    "change",
    [
        {"method": "get"},
        {"method": "CONNECT"},
        {"pathQuery": "articles/1"},
        {"pathQuery": "http://other.example/"},
        {"pathQuery": "/a b"},
        {"pathQuery": "/a#b"},
        {"pathQuery": "/a\r\nHost: other.example"},
        {"pathQuery": "/é"},
        {"headers": [["host", "other.example"]]},
        {"headers": [["Accept", "*/*"]]},
        {"headers": [["content-length", "1"]]},
        {"headers": [["transfer-encoding", "chunked"]]},
        {"headers": [["x-forwarded-for", "127.0.0.1"]]},
        {"headers": [["x-pay-payer", "mallory"]]},
        {"headers": [["payment-signature", "abc"]]},
        {"headers": [["accept", "a\r\nx: y"]]},
        {"headers": [["accept", "a\0"]]},
        {"headers": [["accept", "\u2028"]]},
        {"headers": [["accept"]]},
        {"headers": [["accept", "*/*"]] * (HEADERS_MAX + 1)},
        {"headers": [["cookie", "x" * 4096]] * 9},
        {"body": "AB"},
        {"body": "a+b/"},
        {"amount": "0200"},
        {"amount": ""},
        {"amount": 200},
        {"payload": [1]},
        {"payload": {"a": 1.5}},
        {"payload": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}},
        {"extra": 1},
    ],
)
def test_a_request_that_says_something_else_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match="private_"):
        read_request(codec.canonical(REQUEST | change))


@pytest.mark.parametrize("missing", ["method", "pathQuery", "headers", "amount"])
def test_a_request_is_whole(missing: str) -> None:
    part = {name: value for name, value in REQUEST.items() if name != missing}
    with pytest.raises(BadRequest, match="private_request_malformed"):
        read_request(codec.canonical(part))


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"\xff", b"[" * 10_000, codec.canonical(REQUEST)[:-1] + b',"method":"GET"}'],
)
def test_what_is_no_request_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest, match="private_request_malformed"):
        read_request(raw)


def test_a_wallet_does_not_write_what_a_gate_refuses() -> None:
    for header in (("X-Api-Key", "k"), ("accept", "a\nb")):
        with pytest.raises(BadRequest, match="private_header"):
            write_request(method="GET", path_query="/", headers=(header,))
    with pytest.raises(BadRequest):
        write_request(method="BREW", path_query="/")
    assert {"GET", "HEAD", "POST"} <= METHODS


# --- the envelope -------------------------------------------------------------------------------


def test_an_envelope_shows_a_name_and_a_length() -> None:
    raw = write_envelope(b"\0\1payer!", b"sealed")
    assert msgspec.json.decode(raw) == {"payerId": "0001706179657221", "sealed": "c2VhbGVk"}
    assert read_envelope(raw) == (b"\0\1payer!", b"sealed")


def test_the_longest_envelope_is_taken_and_a_longer_one_is_not() -> None:
    raw = write_envelope(bytes(8), bytes(SEALED_BYTES_MAX))
    assert len(raw) <= ENVELOPE_BYTES_MAX
    assert len(read_envelope(raw)[1]) == SEALED_BYTES_MAX
    with pytest.raises(TooLarge):
        read_envelope(raw.ljust(ENVELOPE_BYTES_MAX + 1))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"null", b'{"payerId":"00"}', b'{"payerId":"","sealed":"AA"}',
        b'{"payerId":"0","sealed":"AA"}', b'{"payerId":"0A","sealed":"AA"}',
        b'{"payerId":"00","sealed":"A"}', b'{"payerId":"00","sealed":"AA=="}',
        b'{"payerId":"00","sealed":"AA","more":1}', b'{"payerId":"' + b"0" * 66 + b'","sealed":""}',
        b'{"payerId":"01","payerId":"00","sealed":"AA"}',
    ],
)  # fmt: skip  # - short texts, side by side
def test_what_is_no_envelope_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_envelope(raw)


# --- answers ------------------------------------------------------------------------------------


def test_an_answer_is_read_as_it_was_written() -> None:
    headers = (("set-cookie", "a"), ("set-cookie", "b"))
    for body in (b"", b"\0\xff"):
        assert read_answer(write_answer(200, headers, body)) == (200, headers, body)
    assert read_sealed(write_sealed(b"\0sealed")) == b"\0sealed"


def test_an_answer_that_no_seal_holds_is_refused() -> None:
    with pytest.raises(TooLarge, match="private_answer_too_large"):
        write_answer(200, (), b"x" * PLAIN_BYTES_MAX)
    assert too_large().code == "private_answer_too_large"


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"sealed":1}', b'{"sealed":"A"}'])
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    with pytest.raises(Refusal):
        read_sealed(raw)
    with pytest.raises(Refusal):
        read_answer(raw)


# --- the price ----------------------------------------------------------------------------------


def offer(scheme: str, price_micro: int) -> Offer:
    return Offer(
        scheme=scheme,
        price_micro=price_micro,
        currency="eur",
        vendor_id=VENDOR,
        broker_id=BROKER,
        broker_url="",
        settlement="final",
    )


def test_a_payment_is_for_the_price_that_its_payer_saw() -> None:
    payload = codec.canonical(PAYLOAD)
    credential = Credential(
        dialect="private",
        k=key_of(payload),
        wire_name="millicent",
        variant="",
        payload=payload,
        offer=None,
        echo=None,
    )
    tender = Tender(
        offers=(offer("payword", 100), offer("millicent", 200)),
        realm="",
        url="",
        target="",
        expires_at_s=1,
    )
    assert matched(credential, tender, "millicent").offer == tender.offers[1]
    require_price(200, 200)
    for amount_micro in (0, 100, 199, 201):
        with pytest.raises(Unsolicited, match="price_changed"):
            require_price(amount_micro, 200)
    with pytest.raises(Unsolicited, match="scheme_not_listed"):
        matched(credential, tender, "netbill")


def test_every_payload_has_its_own_key() -> None:
    payloads = [PAYLOAD, PAYLOAD | {"nonce": "m"}, {}]
    keys = {key_of(codec.canonical(payload)) for payload in payloads}
    assert len(keys) == 3
    assert all(key.startswith("private:") for key in keys)


def test_what_a_request_may_say_ends_at_its_limit() -> None:
    def said(size: int, count: int = 1) -> bytes:
        headers = [("accept", "")] * (count - 1) + [("accept", "a" * size)]
        return write_request(method="GET", path_query="/", headers=tuple(headers))

    room = HEADERS_BYTES_MAX - len("/accept")
    assert said(room)
    with pytest.raises(BadRequest, match="private_headers_too_large"):
        said(room + 1)
    assert said(1, HEADERS_MAX)
    with pytest.raises(BadRequest, match="private_headers_too_large"):
        said(1, HEADERS_MAX + 1)


def test_an_answer_of_the_longest_size_is_sealed() -> None:
    empty = len(write_answer(200, (("a", ""),), b""))
    room = PLAIN_BYTES_MAX - empty
    assert len(write_answer(200, (("a", "x" * room),), b"")) == PLAIN_BYTES_MAX
    with pytest.raises(TooLarge):
        write_answer(200, (("a", "x" * (room + 1)),), b"")
