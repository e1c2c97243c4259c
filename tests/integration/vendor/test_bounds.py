"""What a gate says to input that is too long, too deep or no credential at all; and writes."""

from pathlib import Path

import pytest

from farthing import codec
from farthing.schemes.contract import Dialect
from farthing.stores.sqlite import SqliteMarks
from farthing.wire.heads import HEADERS_BYTES_MAX
from farthing.wire.offers import CREDENTIAL_BYTES_MAX
from tests.kit.shop import (
    DIALECTS,
    PATH,
    SCHEMES,
    Buyer,
    Shop,
    asking,
    code_of,
    received_in,
    value_of,
)

every_dialect = pytest.mark.parametrize("dialect", DIALECTS)


@pytest.mark.parametrize("name", ["Authorization", "PAYMENT-SIGNATURE"])
@pytest.mark.parametrize(
    ("size_bytes", "code"),
    [(CREDENTIAL_BYTES_MAX, "credential_malformed"), (CREDENTIAL_BYTES_MAX + 1, "too_large")],
)
def test_a_credential_has_at_most_sixteen_kibibytes(name: str, size_bytes: int, code: str) -> None:
    value = "A" * size_bytes
    answer = Shop().get((name, f"Payment {value}" if name == "Authorization" else value))
    assert code_of(answer) == code
    assert answer.status == (402 if code == "credential_malformed" else 431)


def test_headers_have_at_most_thirty_two_kibibytes_in_all() -> None:
    shop = Shop()
    name, room = "X-Long", HEADERS_BYTES_MAX - len("x-long") - len(PATH)
    assert shop.get((name, "a" * room)).status == 402
    for size_bytes in (room + 1, 64 * 1024):
        answer = shop.get((name, "a" * size_bytes))
        assert (answer.status, code_of(answer)) == (431, "too_large")


def test_a_long_request_line_is_bound_by_its_hash() -> None:
    shop = Shop()
    path = PATH + "?" + "q=" + "x" * 8000
    payment = Buyer(shop, "millicent").pay(path=path)
    assert shop.get(payment.header, path=path).status == 200
    assert shop.get(payment.header, path=path + "y").status in {402, 409}


TWO = [
    [("Authorization", "Payment aaaa"), ("Authorization", "Payment bbbb")],
    [("Authorization", "Payment aaaa, Payment bbbb")],
    [("Authorization", "Payment aaaa"), ("Payment-Authorization", "Payment aaaa")],
    [("Authorization", "Payment aaaa"), ("PAYMENT-SIGNATURE", "aaaa")],
    [("PAYMENT-SIGNATURE", "aaaa"), ("PAYMENT-SIGNATURE", "aaaa")],
]


@pytest.mark.parametrize("headers", TWO)
def test_two_credentials_are_a_bad_request(headers: list[tuple[str, str]]) -> None:
    answer = Shop().get(*headers)
    assert (answer.status, code_of(answer)) == (400, "two_credentials")


BOMBS = {
    "nested": b'{"challenge":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "wide": b'{"challenge":{' + b",".join(b'"a%d":1' % n for n in range(900)) + b"}}",
    "number": b'{"challenge":1e999999}',
    "digits": b'{"challenge":' + b"9" * 9000 + b"}",
    "text": b'{"challenge":"\xff\xfe"}',
    "repeated": b'{"challenge":{},"challenge":{}}',
    "nothing": b"",
    "null": b"null",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
@every_dialect
def test_a_bomb_is_malformed_and_nothing_else(bomb: bytes, dialect: Dialect) -> None:
    header = ("PAYMENT-SIGNATURE", codec.b64(bomb))
    if dialect == "mpp":
        header = ("Authorization", "Payment " + codec.b64u(bomb))
    answer = Shop().get(header)
    assert (answer.status, code_of(answer)) == (402, "credential_malformed")


@pytest.mark.parametrize("token", ["", "====", "a b", "a,b", "\xe9", "a" * 5 + "=", "%00", "A"])
@every_dialect
def test_what_is_no_base64_is_malformed(token: str, dialect: Dialect) -> None:
    header = (
        ("PAYMENT-SIGNATURE", token) if dialect == "x402" else ("Authorization", "Payment " + token)
    )
    answer = Shop().get(header)
    assert (answer.status, code_of(answer)) == (402, "credential_malformed")


@pytest.mark.parametrize("host", ["", "a|b", "n\xe9ws.example", "a b", "a" * 256, 'a"b', "a/b"])
def test_a_host_that_is_none_is_a_bad_request(host: str) -> None:
    shop = Shop()
    payment = Buyer(shop, "millicent").pay()
    for headers in ([], [payment.header], [("PAYMENT-SIGNATURE", "aaaa")]):
        answer = shop.run(shop.walk(asking(*headers, host=host)))
        assert (answer.status, code_of(answer)) == (400, "host_malformed")


def test_a_realm_of_the_vendors_own_stands_for_any_host() -> None:
    shop = Shop(realm="shop.example")
    answer = shop.run(shop.walk(asking(host="a|b")))
    assert received_in(answer, "mpp")[0].realm == "shop.example"


@pytest.mark.parametrize(
    "wish", ["", ",", "x" * 60_000, "a/b;q=9", "*/*;q=0", "\xe9", "millicent/charge;q=0.0001"]
)
def test_an_absurd_wish_for_schemes_gets_every_offer(wish: str) -> None:
    shop = Shop()
    if len(wish) > HEADERS_BYTES_MAX:
        assert shop.get(("Accept-Payment", wish)).status == 431
        return
    assert len(received_in(shop.get(("Accept-Payment", wish)), "mpp")) == len(SCHEMES)


def test_nothing_is_asked_or_taken_in_the_open() -> None:
    shop = Shop()
    payment = Buyer(shop, "millicent").pay()
    assert shop.get(payment.header).status == 200
    for headers in ([], [payment.header]):
        answer = shop.run(shop.walk(asking(*headers, secure=False)))
        assert (answer.status, code_of(answer)) == (400, "https_required")
        assert not value_of(answer, b"www-authenticate")
        assert answer.body is not None
        assert b"the page" not in answer.body


def test_a_flood_of_unpaid_requests_writes_nothing(tmp_path: Path) -> None:
    store = SqliteMarks(tmp_path / "marks.db")
    shop = Shop(store=store)
    name, token = Buyer(Shop(), "millicent").pay().header  # under a key of another process's
    forged = (name, token[:-8] + "AAAAAAAA")
    junk = [
        (),
        (("Authorization", "Payment " + "A" * 40),),
        (("PAYMENT-SIGNATURE", "A" * 40),),
        (forged,),
        (forged, ("Idempotency-Key", "order-1")),
    ]
    before = [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    for headers in junk * 50:
        assert shop.get(*headers).status == 402
    assert before == [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())]
    assert set(shop.said) <= {"Look", "Find", "Read"}
    store.close()
