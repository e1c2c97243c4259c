"""All dialects at once: which payment a request carries, and what others may see of it."""

from itertools import combinations_with_replacement

import msgspec
import pytest

from farthing import codec
from farthing.errors import BadRequest, Expired, Malformed, Unpaid
from farthing.schemes.contract import Dialect
from farthing.wire import dialects
from farthing.wire.offers import Tender
from tests.kit.shop import DIALECTS, SCHEMES, Buyer, Shop, asking, value_of

every_dialect = pytest.mark.parametrize("dialect", DIALECTS)
TOKEN = "Payment eyJhIjoxfQ"
COINS = "cashuBo2F0gqJh"


@every_dialect
def test_a_payment_is_read_in_its_dialect(dialect: Dialect) -> None:
    shop = Shop()
    payment = Buyer(shop, "millicent").pay(dialect)
    request, at = asking(payment.header), shop.clock.at()
    priced = shop.book.find("GET", request.path)
    assert priced is not None
    found = dialects.credential(
        request.headers,
        realm=request.host,
        keys=shop.ring.live("farthing/wire/challenge/1"),
        target="GET /articles/1",
        tender=lambda: shop.gate.tender(request, priced, at),
    )
    assert (found.dialect, found.k, found.wire_name) == (dialect, payment.k, "millicent")
    assert found.payload == codec.canonical(payment.payload)
    assert found.offer is not None


def test_no_credential_is_unpaid() -> None:
    for headers in ([], [(b"authorization", b"Basic eA==")], [(b"x-payment", b"old")]):
        with pytest.raises(Unpaid):
            dialects.credential(headers, realm="", keys=(), target="", tender=_never)
        assert dialects.claimed(headers) is None


def _never() -> Tender:
    raise AssertionError("nobody asked for offers")


@every_dialect
@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_claimed_is_what_is_read(scheme: str, dialect: Dialect) -> None:
    payment = Buyer(Shop(), scheme).pay(dialect)
    claimed = dialects.claimed(asking(payment.header).headers)
    assert claimed is not None
    found = (claimed.dialect, claimed.k, claimed.wire_name, claimed.payload)
    assert found == (dialect, payment.k, scheme, codec.canonical(payment.payload))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Payment !")],
        [(b"authorization", b"Payment " + b"A" * 20_000)],
        [(b"payment-signature", b"!")],
        [(b"authorization", TOKEN.encode()), (b"payment-signature", b"a")],
        [(b"authorization", b"Payment \xff")],
        [(b"x-cashu", b"cashuB")],
        [(b"x-cashu", COINS.encode()), (b"x-cashu", COINS.encode())],
    ],
)
def test_what_does_not_parse_claims_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    assert dialects.claimed(headers) is None


ONE_OF_EACH = (
    (b"authorization", TOKEN.encode()),
    (b"payment-authorization", TOKEN.encode()),
    (b"payment-signature", b"a"),
    (b"x-cashu", COINS.encode()),
)


@pytest.mark.parametrize("headers", list(combinations_with_replacement(ONE_OF_EACH, 2)))
def test_two_payments_are_a_bad_request(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(BadRequest, match="two_credentials"):
        dialects.credential(headers, realm="", keys=(), target="", tender=_never)


LINES = [
    ("Basic eDp5", "Basic eDp5"),
    ("Bearer payment", "Bearer payment"),
    (TOKEN, ""),
    ("payment abc", ""),
    ("PAYMENT abc", ""),
    ("  Payment abc", ""),
    ("Payment\tabc", ""),
    ("Payment", ""),
    ("Payment !!!", ""),
    ("Payment abc, Basic eDp5", "basic eDp5"),
    ("Basic eDp5, Payment abc", "basic eDp5"),
    ('Digest username="payment", uri="/a,b", Payment abc', 'digest username="payment", uri="/a,b"'),
    ("Payment id=1, Basic eDp5", "basic eDp5"),
    ("Payment abc,, =", ""),
    ('Digest a="b, c', 'Digest a="b, c'),
]


@pytest.mark.parametrize(("line", "kept"), LINES)
def test_the_site_sees_its_own_logins_only(line: str, kept: str) -> None:
    headers = [(b"authorization", line.encode()), (b"cookie", b"payment")]
    expected = [(b"authorization", kept.encode())] if kept else []
    assert dialects.without_credentials(headers) == [*expected, (b"cookie", b"payment")]


def test_our_own_headers_are_for_nobody_else() -> None:
    headers = [(name, b"x") for name in dialects.CREDENTIAL_HEADERS]
    assert dialects.without_credentials(headers) == []


def test_the_header_that_is_asked_for_is_read() -> None:
    headers = ((b"a", b"1"), (b"b", b"2"), (b"a", b"3"))
    assert dialects.header(headers, b"a") == "1"
    assert dialects.header(headers, b"c") is None


def test_a_refusal_without_offers_is_a_problem_whatever_its_row() -> None:
    shop = Shop()
    status, headers, body = dialects.refusal(
        Expired("challenge_expired"),
        headers=[(b"payment-signature", b"x")],
        tender=None,
        key=shop.ring.current("farthing/wire/challenge/1"),
        nonce=bytes(8),
        value_moved=True,
        network="farthing:b",
    )
    assert status == 403
    names = [name for name, _ in headers]
    assert b"payment-response" in names
    assert msgspec.json.decode(body)["code"] == "challenge_expired"


def test_a_token_claims_itself() -> None:
    claimed = dialects.claimed([(b"x-cashu", COINS.encode())])
    assert claimed is not None
    assert (claimed.dialect, claimed.payload) == ("cashu", codec.canonical({"token": [COINS]}))


@pytest.mark.parametrize(("token", "status"), [(b"payment-signature", 402), (b"x-cashu", 400)])
def test_fresh_offers_answer_no_token(token: bytes, status: int) -> None:
    shop = Shop()
    request, at = asking((token.decode(), "x")), shop.clock.at()
    answer = shop.gate.refuse(
        request, Malformed("credential_malformed"), at, priced=shop.book.find("GET", request.path)
    )
    assert answer.status == status
    assert bool(value_of(answer, b"www-authenticate")) is (status == 402)


def test_a_settlement_names_offer_and_payload_in_x402s_words() -> None:
    shop = Shop()
    request, at = asking(), shop.clock.at()
    priced = shop.book.find("GET", request.path)
    assert priced is not None
    tender = shop.gate.tender(request, priced, at)
    message = dialects.settlement(tender.offers[0], {"scrip": 1}, tender)
    assert message["x402Version"] == 2
    assert message["paymentPayload"]["payload"] == {"scrip": 1}
    assert message["paymentPayload"]["accepted"] == message["paymentRequirements"]
    assert message["paymentRequirements"]["extra"]["method"] == "millicent"
    assert not {"site", "target", "digest"} & message["paymentRequirements"]["extra"].keys()
