import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from farthing import codec
from farthing.errors import (
    BadRequest,
    Expired,
    HeaderTooLarge,
    Malformed,
    Misconfigured,
    Refusal,
    by_name,
)
from farthing.schemes.contract import Key
from farthing.wire import mpp
from farthing.wire.offers import CREDENTIAL_BYTES_MAX, Credential, Receipt, Received, Tender
from tests.unit.wire.examples import (
    CHALLENGE_ID,
    CHALLENGE_ID_WITH_HEADER,
    KEY,
    NONCE,
    NOW_S,
    OBJECTS,
    OFFER,
    OLD_KEY,
    PAYLOAD,
    RECEIPT,
    RECEIPTS,
    REQUEST_SHA256,
    TENDER,
    TENDERS,
    TEXTS,
)
from tests.vectors.wire_mpp import FILE, built

VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
HEADER = mpp.challenge(TENDER, OFFER, key=KEY, nonce=NONCE)


def of_kind(kind: str) -> list[Any]:
    return [
        pytest.param(vector, id=vector["name"].replace(" ", "-"))
        for vector in VECTORS["vectors"]
        if vector["kind"] == kind
    ]


def read(token: str, **changed: Any) -> Credential:
    given: dict[str, Any] = {"realm": "news.example", "keys": (KEY,), "target": TENDER.target}
    return mpp.read_credential(token, **{**given, **changed})


def received(header: str = HEADER) -> Received:
    [found] = mpp.read_challenges([header])
    return found


def token_of(payload: object = PAYLOAD, header: str = HEADER) -> str:
    return mpp.authorization(received(header), payload)[1].removeprefix("Payment ")


# --- challenges ---------------------------------------------------------------------------------


def test_worked_example_has_the_ids_of_the_wire_format() -> None:
    assert mpp.challenge_id(HEADER) == CHALLENGE_ID
    assert len(HEADER) == 666
    other = mpp.challenge(TENDER, OFFER, key=KEY, nonce=NONCE, use_header=True)
    assert mpp.challenge_id(other) == CHALLENGE_ID_WITH_HEADER


def test_request_of_the_worked_example_has_its_hash() -> None:
    request = codec.unb64u(received().echo["request"])
    assert len(request) == 336
    assert hashlib.sha256(request).hexdigest() == REQUEST_SHA256


def test_vector_file_is_not_stale() -> None:
    assert built() == VECTORS


@pytest.mark.parametrize("vector", of_kind("challenge"))
def test_vector_challenge_reads_as_its_offer(vector: dict[str, Any]) -> None:
    found = received(vector["header"])
    assert found.offer == OFFER
    assert json.loads(codec.unb64u(found.echo["request"])) == vector["request"]
    assert found.echo["id"] == vector["id"]
    assert found.expires_at_s == vector["expiresAtS"]
    assert found.body_digest.hex() == vector["bodyDigest"]
    assert (found.realm, found.target) == (VECTORS["realm"], VECTORS["target"])


@given(tender=TENDERS, nonce=st.binary(min_size=8, max_size=8), use_header=st.booleans())
def test_challenge_reads_back(tender: Tender, nonce: bytes, *, use_header: bool) -> None:
    header = mpp.challenge(tender, tender.offers[0], key=KEY, nonce=nonce, use_header=use_header)
    found = received(header)
    assert found.offer == tender.offers[0]
    assert (found.realm, found.target) == (tender.realm, tender.target)
    assert (found.expires_at_s, found.body_digest) == (tender.expires_at_s, tender.body_digest)


@given(TENDERS, OBJECTS, TEXTS)
def test_credential_reads_back(tender: Tender, payload: dict[str, Any], source: str) -> None:
    header = mpp.challenge(tender, tender.offers[0], key=KEY, nonce=NONCE)
    name, value = mpp.authorization(received(header), payload, source)
    assert name == "Authorization"
    found = read(value.removeprefix("Payment "), realm=tender.realm, target=tender.target)
    assert found.offer == tender.offers[0]
    assert found.payload == codec.canonical(payload)
    assert (found.source, found.body_digest) == (source, tender.body_digest)
    assert found.k == found.challenge_id == mpp.challenge_id(header)
    assert found.expires_at_s == tender.expires_at_s


def test_two_nonces_make_two_challenges() -> None:
    other = mpp.challenge(TENDER, OFFER, key=KEY, nonce=bytes(8))
    assert mpp.challenge_id(other) != CHALLENGE_ID


def test_offer_or_realm_out_of_bounds_is_not_written() -> None:
    long_terms = msgspec.structs.replace(OFFER, terms={"x": "y" * 3000})
    with pytest.raises(Misconfigured, match="offer_too_large"):
        mpp.challenge(TENDER, long_terms, key=KEY, nonce=NONCE)
    bar = msgspec.structs.replace(TENDER, realm="news.example|payword")
    with pytest.raises(Misconfigured, match="realm_malformed"):
        mpp.challenge(bar, OFFER, key=KEY, nonce=NONCE)
    method = msgspec.structs.replace(TENDER, target="X" * 400)
    with pytest.raises(HeaderTooLarge, match="too_large"):
        mpp.challenge(method, OFFER, key=KEY, nonce=NONCE)


# --- the payer's side ---------------------------------------------------------------------------


def test_other_schemes_and_methods_are_skipped() -> None:
    foreign = HEADER.replace('method="payword"', 'method="tempo"')
    lines = ['Basic realm="x", ' + HEADER + ", Negotiate", "Bearer", foreign, "Payment", '"broken']
    assert [found.offer for found in mpp.read_challenges(lines)] == [OFFER]


def test_several_challenges_in_one_line_are_read_in_order() -> None:
    dearer = msgspec.structs.replace(OFFER, price_micro=300)
    other = mpp.challenge(TENDER, dearer, key=KEY, nonce=NONCE)
    assert [found.offer for found in mpp.read_challenges([f"{HEADER}, {other}"])] == [OFFER, dearer]


def test_unknown_parameters_are_ignored_and_names_may_be_in_any_case() -> None:
    assert received(HEADER.replace('id="', 'ID="').replace("realm", "Realm") + ", new=1").echo == (
        received().echo
    )


def edited(**members: object) -> str:
    request = json.loads(codec.unb64u(received().echo["request"]))
    request.update(members)
    return HEADER.replace(received().echo["request"], codec.b64u(codec.canonical(request)))


@pytest.mark.parametrize(
    "header",
    [
        HEADER + ', id="x"',
        HEADER + ', x="1", X="2"',
        HEADER.replace(CHALLENGE_ID, ""),
        HEADER.replace("expires=", "expired="),
        HEADER.replace("12:05:00Z", "12:05:00"),
        HEADER.replace('intent="charge"', 'intent="subscribe"'),
        HEADER.replace('request="', 'request="e30'),
        HEADER + ', header="X-Other"',
        HEADER + ', digest="md5=:AA==:"',
        edited(amount="0200"),
        edited(amount=200),
        edited(currency="eur"),
        edited(description="x" * 257),
        edited(externalId="x" * 129),
        edited(methodDetails={}),
    ],
)
def test_challenge_out_of_order_is_left_out(header: str) -> None:
    assert mpp.read_challenges([header]) == ()


def test_limits_of_challenges_are_exact() -> None:
    room = mpp.CHALLENGE_BYTES_MAX - sum(len(n) + len(v) for n, v in received().echo.items())
    fits = HEADER + f', x="{"y" * (room - 1)}"'
    assert len(mpp.read_challenges([fits])) == 1
    assert mpp.read_challenges([fits[:-1] + 'y"']) == ()
    assert len(mpp.read_challenges([HEADER] * 9)) == 8
    spaces = HEADER + ", " + " " * (mpp.LINE_BYTES_MAX - len(HEADER) - 2)
    assert len(mpp.read_challenges([spaces])) == 1
    assert mpp.read_challenges([spaces + " "]) == ()


@given(st.text(max_size=100))
def test_any_header_line_can_be_read(line: str) -> None:
    assert mpp.read_challenges([line, "Payment " + line]) == ()


# --- finding the credential ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], None),
        ([(b"host", b"Payment e30")], None),
        ([(b"authorization", b"Basic dXNlcg==")], None),
        ([(b"authorization", b'Digest username="payment", uri="/"')], None),
        ([(b"authorization", b"Bearer payment")], None),
        ([(b"authorization", b"something payment \xff\xff")], None),
        ([(b"authorization", b"Payment e30")], ("authorization", "e30")),
        ([(b"authorization", b" pAYMENT   e30 ")], ("authorization", "e30")),
        ([(b"authorization", b"Payment\te30")], ("authorization", "e30")),
        ([(b"payment-authorization", b"Payment e30")], ("payment-authorization", "e30")),
        ([(b"authorization", b"Basic dXNlcg==, Payment e30")], ("authorization", "e30")),
        ([(b"authorization", b"Payment e30, Basic dXNlcg==")], ("authorization", "e30")),
        (
            [(b"authorization", b"Bearer abc"), (b"payment-authorization", b"Payment e30")],
            ("payment-authorization", "e30"),
        ),
        ([(b"authorization", b"Payment")], ("authorization", "")),
        ([(b"authorization", b"Payment e30, \xff")], ("authorization", "")),
        ([(b"authorization", b"Payment id=x, realm=y")], ("authorization", "")),
    ],
)
def test_the_payment_credential_is_found(
    headers: list[tuple[bytes, bytes]], found: tuple[str, str] | None
) -> None:
    assert mpp.find_authorization(headers) == found


@pytest.mark.parametrize(
    "headers",
    [
        [(b"authorization", b"Payment e30"), (b"authorization", b"Payment e30")],
        [(b"authorization", b"Payment e30"), (b"payment-authorization", b"Payment e30")],
        [(b"authorization", b"Payment e30, Payment e30")],
        [(b"authorization", b"Payment e30, Basic dXNlcg==, payment e31")],
    ],
)
def test_two_payment_credentials_are_a_bad_request(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(BadRequest, match="two_credentials"):
        mpp.find_authorization(headers)


# --- the gate's side ----------------------------------------------------------------------------


@pytest.mark.parametrize("vector", of_kind("taken"))
def test_vector_credential_is_read(vector: dict[str, Any]) -> None:
    found = read(vector["token"], keys=(KEY, OLD_KEY), header=vector["in"])
    assert found.offer == OFFER
    assert found.payload == codec.canonical(PAYLOAD)
    assert (found.wire_name, found.variant, found.dialect) == ("payword", "", "mpp")


@pytest.mark.parametrize("vector", of_kind("refused"))
def test_vector_credential_is_refused(vector: dict[str, Any]) -> None:
    kind = type(by_name(vector["class"], ""))
    with pytest.raises(Refusal) as refused:
        read(vector["token"], keys=(KEY, OLD_KEY), header=vector["in"])
    assert (type(refused.value), refused.value.code) == (kind, vector["code"])


def test_key_before_the_last_one_no_longer_verifies() -> None:
    older = mpp.challenge(TENDER, OFFER, key=OLD_KEY, nonce=NONCE)
    assert read(token_of(header=older), keys=(KEY, OLD_KEY)).offer == OFFER
    with pytest.raises(Refusal, match="challenge_unknown"):
        read(token_of(header=older), keys=(KEY, Key(id="2", purpose=KEY.purpose, secret=bytes(32))))


def test_challenge_is_over_at_its_very_second() -> None:
    found = read(token_of())
    mpp.require_current(found, now_s=NOW_S + 299)
    with pytest.raises(Expired, match="challenge_expired"):
        mpp.require_current(found, now_s=NOW_S + 300)


def test_credential_of_the_largest_size_is_read() -> None:
    token = token_of()
    raw = codec.unb64u(token)
    room = CREDENTIAL_BYTES_MAX * 3 // 4 - len(raw)
    padded = codec.b64u(raw[:1] + b" " * room + raw[1:])
    assert len(padded) == CREDENTIAL_BYTES_MAX
    assert read(padded) == read(token)
    with pytest.raises(HeaderTooLarge, match="too_large"):
        read(padded + "A")


def test_every_flipped_bit_is_refused_or_changes_only_the_payload() -> None:
    token = token_of()
    good = read(token)
    for index in range(len(token)):
        for bit in range(8):
            flipped = token[:index] + chr(ord(token[index]) ^ 1 << bit) + token[index + 1 :]
            try:
                found = read(flipped)
            except Refusal:
                continue
            assert found.payload != good.payload
            assert msgspec.structs.replace(found, payload=good.payload) == good


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_as_malformed(raw: bytes) -> None:
    for token in (codec.b64u(raw), raw.decode("latin-1")):
        with pytest.raises(Malformed, match="credential_malformed"):
            read(token)


@pytest.mark.parametrize("raw", [b"[" * 12_000, b'{"payload":' + b"[" * 12_000])
def test_parser_bomb_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match="credential_malformed"):
        read(codec.b64u(raw))


def test_credential_shows_no_payload() -> None:
    assert "UOch5JwBPwDGLPWfIWNUKg" not in repr(read(token_of()))


# --- receipts -----------------------------------------------------------------------------------


@given(RECEIPTS)
def test_receipt_reads_back(receipt: Receipt) -> None:
    header = mpp.receipt_header(receipt)
    assume(len(header) <= mpp.RECEIPT_BYTES_MAX)
    assert mpp.read_receipt(header) == msgspec.structs.replace(
        receipt, k=receipt.challenge_id, payer="", broker_id=""
    )


def test_limits_of_receipts_are_exact() -> None:
    def sized(count: int) -> str:
        change = ["x" * 4096, "x" * 4096, "x" * count]
        return mpp.receipt_header(msgspec.structs.replace(RECEIPT, change=change))

    count = next(n for n in range(4096) if len(sized(n)) == mpp.RECEIPT_BYTES_MAX)
    assert mpp.read_receipt(sized(count)).reference == RECEIPT.reference
    with pytest.raises(HeaderTooLarge, match="too_large"):
        mpp.read_receipt(sized(count) + "A")
    with pytest.raises(Malformed):
        mpp.read_receipt(sized(count)[:-4])
