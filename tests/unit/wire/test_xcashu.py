"""What a Cashu wallet is asked for, what its token claims, and where its receipt and change are."""

import hashlib

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, HeaderTooLarge, Malformed, Unsupported
from farthing.schemes.coin.cashu import payment_request, tokens
from farthing.schemes.contract import Offer
from farthing.wire import dialects, mpp, receipts, xcashu
from farthing.wire.offers import CREDENTIAL_BYTES_MAX, Credential
from farthing.wire.xcashu import DESCRIPTION_CHARS_MAX, receipt_headers
from tests.kit.canaries import canary
from tests.unit.wire.examples import OFFER, RECEIPT, TENDER

COINS = msgspec.structs.replace(
    OFFER, scheme="cashu", terms={}, settlement="final", redeem_by_s=0, price_micro=20_000
)
TOKEN = "cashuBo2F0gqJhaUgA_9SLj17PgGFwgaNhYQFhc3hAYWNjMTI0"


def asked(**fields: object) -> payment_request.PaymentRequest:
    return payment_request.read(xcashu.required(msgspec.structs.replace(COINS, **fields)))


# --- 402 ----------------------------------------------------------------------------------------


def test_the_mint_the_unit_and_the_amount_are_named() -> None:
    found = asked()
    assert (found.a, found.u, found.m) == (2, "eur", ("https://broker.example/cashu/eur",))
    assert (found.s, found.d) == (True, "Article 1093, 0.02 cent")
    assert (found.i, found.t, found.nut10) == ("", (), None), "the repeated request brings it"


@pytest.mark.parametrize(
    ("price_micro", "cents"), [(1, 1), (200, 1), (10_000, 1), (10_001, 2), (10**9, 100_000)]
)
def test_whole_cents_are_asked_for_and_never_less_than_the_price(
    price_micro: int, cents: int
) -> None:
    assert asked(price_micro=price_micro).a == cents


def test_a_currency_without_cents_is_asked_for_in_micro_units() -> None:
    found = asked(currency="xau", price_micro=203)
    assert (found.a, found.u) == (203, "microxau")
    assert found.m == ("https://broker.example/cashu/microxau",)


def test_a_long_description_is_left_out() -> None:
    fits = "d" * DESCRIPTION_CHARS_MAX
    assert asked(description=fits).d == fits
    assert asked(description=fits + "d").d == ""


def test_no_stream_and_no_other_scheme_is_paid_with_a_token() -> None:
    stream = msgspec.structs.replace(COINS, intent="session")
    assert xcashu.payable([OFFER, stream]) is None
    assert xcashu.payable([OFFER, stream, COINS]) is COINS


# --- payments -----------------------------------------------------------------------------------


def read_for(*offers: Offer, digest: bytes = b"") -> Credential:
    tender = msgspec.structs.replace(TENDER, offers=offers, body_digest=digest)
    return xcashu.matched(xcashu.read_token(TOKEN), tender)


def test_a_token_is_its_own_key_and_pays_what_is_offered_now() -> None:
    found = read_for(OFFER, COINS, digest=b"d" * 32)
    assert (found.dialect, found.wire_name, found.variant) == ("cashu", "cashu", "")
    assert found.k == codec.b64u(hashlib.sha256(TOKEN.encode()).digest())
    assert found.k == codec.b64u(tokens.digest(TOKEN))
    assert found.payload == codec.canonical({"token": [TOKEN]})
    assert (found.offer, found.body_digest) == (COINS, b"d" * 32)
    assert (found.challenge_id, found.expires_at_s) == ("", 0), "no offer is echoed, and none ends"
    assert TOKEN not in repr(found)


def test_a_page_that_takes_no_token_says_so() -> None:
    with pytest.raises(Unsupported, match="method_not_accepted"):
        read_for(OFFER)


@pytest.mark.parametrize(
    "value",
    ["", "cashuB", "cashuC" + TOKEN[6:], "creqAo2F0", TOKEN + "\xe9", TOKEN + ", " + TOKEN, "x"],
)
def test_what_is_no_token_is_malformed(value: str) -> None:
    with pytest.raises(Malformed, match="credential_malformed"):
        xcashu.read_token(value)


def test_a_token_has_the_size_of_any_credential() -> None:
    longest = TOKEN.ljust(CREDENTIAL_BYTES_MAX, "A")
    texts = msgspec.json.decode(xcashu.read_token(longest).payload)["token"]
    assert "".join(texts) == longest
    assert {len(text) for text in texts} == {codec.JSON_STRING_MAX}
    with pytest.raises(HeaderTooLarge, match="too_large"):
        xcashu.read_token(longest + "A")


# --- paid ---------------------------------------------------------------------------------------


def test_change_is_apart_from_its_receipt_and_signed_with_it() -> None:
    secret, change = canary("receipt"), [TOKEN, TOKEN + "A"]
    receipt = msgspec.structs.replace(
        RECEIPT, wire_name="cashu", challenge_id="", payer="", change=change
    )
    receipt = receipts.sign(receipt, lambda body: signing.sign(secret, body))
    (shown, told), last = receipt_headers(receipt), dialects.receipt_headers(receipt, "cashu")[-1]
    assert (shown[0], told[0], last) == (b"payment-receipt", b"farthing-change", dialects.PRIVATE)
    plain = mpp.read_receipt(shown[1].decode())
    assert (plain.wire_name, plain.change) == ("cashu", None)

    public = signing.public_of(secret)
    with pytest.raises(Forged):
        receipts.verify(plain, public=public)
    found = told[1].decode().split(", ")
    receipts.verify(msgspec.structs.replace(plain, change=found), public=public)
    assert found == change


def test_exact_coins_have_a_receipt_only() -> None:
    names = [name for name, _ in dialects.receipt_headers(RECEIPT, "cashu")]
    assert names == [b"payment-receipt", b"cache-control"]
