"""The stock packages pympp and x402 read what we write, and we read what they write."""

import datetime
from typing import Any

import mpp as stock_mpp
import msgspec
import pytest
from x402.client import x402ClientSync
from x402.http import utils as stock_http
from x402.schemas import PaymentPayload, PaymentRequired, PaymentRequirements, SettleResponse

from farthing import codec
from farthing.errors import Replayed, Unpaid
from farthing.wire import mpp, problems, x402, x402_response
from farthing.wire.offers import Tender
from tests.unit.wire.examples import (
    CHALLENGE_ID,
    KEY,
    NONCE,
    NOW_S,
    OFFER,
    PAYLOAD,
    PAYMENT_ID,
    RECEIPT,
    TENDER,
)

SECRET = KEY.secret.decode()
WITH_BODY = msgspec.structs.replace(TENDER, body_digest=bytes(range(32)))
REQUIRED = x402.required(TENDER, error="payment_required", key=KEY)
CHANGED = msgspec.structs.replace(RECEIPT, change={"scrip": "x"}, sig="mac:AAAA")


@pytest.mark.parametrize("tender", [TENDER, WITH_BODY], ids=["plain", "with body"])
@pytest.mark.parametrize("use_header", [False, True])
def test_pympp_verifies_our_challenge_and_we_read_its_credential(
    tender: Tender, *, use_header: bool
) -> None:
    header = mpp.challenge(tender, OFFER, key=KEY, nonce=NONCE, use_header=use_header)
    challenge = stock_mpp.Challenge.from_www_authenticate(header)
    assert challenge.verify(SECRET, TENDER.realm)
    credential = stock_mpp.Credential(
        challenge=challenge.to_echo(), payload=PAYLOAD, source="did:key:z6Mk"
    )
    name = challenge.credential_header.lower()
    found = mpp.find_authorization([(name.encode(), credential.to_authorization().encode())])
    assert found is not None
    read = mpp.read_credential(
        found[1], realm=TENDER.realm, keys=(KEY,), target=TENDER.target, header=found[0]
    )
    assert read.offer == OFFER
    assert read.payload == codec.canonical(PAYLOAD)
    assert (read.source, read.body_digest) == ("did:key:z6Mk", tender.body_digest)


def test_pympp_and_we_write_the_same_challenge() -> None:
    ours = mpp.challenge(TENDER, OFFER, key=KEY, nonce=NONCE)
    read = stock_mpp.Challenge.from_www_authenticate(ours)
    theirs = stock_mpp.Challenge.create(
        secret_key=SECRET,
        realm=TENDER.realm,
        method=read.method,
        intent=read.intent,
        request=read.request,
        expires=read.expires,
        meta=read.opaque,
    )
    assert theirs.id == CHALLENGE_ID
    written = theirs.to_www_authenticate(TENDER.realm)
    assert mpp.read_challenges([written]) == mpp.read_challenges([ours])


def test_pympp_reads_our_credential_and_our_receipt() -> None:
    [received] = mpp.read_challenges([mpp.challenge(TENDER, OFFER, key=KEY, nonce=NONCE)])
    _, value = mpp.authorization(received, PAYLOAD, "did:key:z6Mk")
    credential = stock_mpp.Credential.from_authorization(value)
    assert (credential.challenge.id, credential.payload) == (CHALLENGE_ID, PAYLOAD)
    receipt = stock_mpp.Receipt.from_payment_receipt(mpp.receipt_header(CHANGED))
    assert (receipt.method, receipt.reference) == ("payword", RECEIPT.reference)
    assert receipt.timestamp == datetime.datetime.fromtimestamp(NOW_S + 1, datetime.UTC)
    assert receipt.extensions is not None
    assert receipt.extensions["change"] == {"scrip": "x"}
    assert mpp.read_receipt(receipt.to_payment_receipt()) == mpp.read_receipt(
        mpp.receipt_header(CHANGED)
    )


class BatchSettlement:
    """A payer's scheme as the stock client wants one: it makes the inner payload only."""

    scheme = "batch-settlement"

    def create_payment_payload(self, requirements: PaymentRequirements) -> dict[str, Any]:
        assert requirements.extra["target"] == TENDER.target
        return PAYLOAD


def test_x402_client_pays_our_offer() -> None:
    client = x402ClientSync()
    client.set_spend_controls(
        {
            "allowed_assets": [
                {
                    "network": "farthing:demo-broker",
                    "asset": "microeur",
                    "max_amount_per_payment": "200",
                }
            ]
        }
    )
    client.register("farthing:*", BatchSettlement())
    required = stock_http.decode_payment_required_header(REQUIRED)
    assert isinstance(required, PaymentRequired)
    paid = client.create_payment_payload(required)
    read = x402.read_payment(stock_http.encode_payment_signature_header(paid))
    assert read.payload == codec.canonical(PAYLOAD)
    assert x402.matched(read, TENDER, [KEY]).offer is OFFER


def test_x402_identifier_is_our_key() -> None:
    required = stock_http.decode_payment_required_header(REQUIRED)
    assert isinstance(required, PaymentRequired)
    assert required.extensions is not None
    required.extensions["payment-identifier"]["info"]["id"] = PAYMENT_ID  # as its extension does
    payment = PaymentPayload(
        accepted=required.accepts[0],
        payload=PAYLOAD,
        resource=required.resource,
        extensions=required.extensions,
    )
    assert x402.read_payment(stock_http.encode_payment_signature_header(payment)).k == PAYMENT_ID


def test_x402_reads_our_payment() -> None:
    [received] = x402.read_required(REQUIRED, now_s=NOW_S)
    value = x402.payment(received, PAYLOAD, PAYMENT_ID)
    payment = stock_http.decode_payment_signature_header(value)
    assert isinstance(payment, PaymentPayload)
    assert payment.payload == PAYLOAD
    assert payment.accepted.extra["method"] == "payword"


def test_x402_reads_our_responses() -> None:
    settled = stock_http.decode_payment_response_header(x402_response.response(CHANGED))
    assert (settled.success, settled.transaction) == (True, RECEIPT.reference)
    assert settled.extra is not None
    assert settled.extra["change"] == {"scrip": "x"}
    refused = stock_http.decode_payment_response_header(
        x402_response.failure(Replayed("coin_spent"), network="farthing:demo-broker")
    )
    assert not refused.success
    assert refused.error_reason == "invalid_batch_settlement_farthing_coin_spent"


def test_we_read_a_response_that_x402_wrote() -> None:
    ours = stock_http.decode_payment_response_header(x402_response.response(CHANGED))
    assert isinstance(ours, SettleResponse)
    written = stock_http.encode_payment_response_header(ours)
    assert x402_response.read_response(written) == x402_response.read_response(
        x402_response.response(CHANGED)
    )


def test_both_packages_read_one_402() -> None:
    headers, body = problems.payment_required(
        TENDER, Unpaid("payment_required"), key=KEY, nonce=NONCE
    )
    found = {name: value.decode() for name, value in headers}
    challenge = stock_mpp.Challenge.from_www_authenticate(found[b"www-authenticate"])
    required = stock_http.decode_payment_required_header(found[b"payment-required"])
    assert isinstance(required, PaymentRequired)
    assert required.error == "payment_required"
    assert challenge.request["amount"] == required.accepts[0].amount == "200"
    assert msgspec.json.decode(body)["challengeId"] == challenge.id
