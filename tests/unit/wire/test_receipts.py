import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, Malformed
from farthing.wire import receipts
from farthing.wire.offers import Receipt
from tests.unit.wire.examples import CHALLENGE_ID, RECEIPT, RECEIPTS

SECRET = bytes(range(32))
PUBLIC = signing.public_of(SECRET)
SIGNED = receipts.sign(RECEIPT, lambda body: signing.sign(SECRET, body))
MACED = receipts.sign_mac(RECEIPT, SECRET)


def test_worked_example_has_exactly_these_members() -> None:
    assert receipts.to_json(RECEIPT) == {
        "status": "success",
        "method": "payword",
        "timestamp": "2026-11-20T12:00:01Z",
        "reference": "pw:Ln0sA6lQeuJl7PW1NWiFpQ:42",
        "challengeId": CHALLENGE_ID,
        "amount": "200",
        "currency": "microeur",
        "decimals": 6,
        "recipient": "vendor-7",
        "settlement": "deferred",
        "guarantor": "broker",
        "redeemByS": 1_795_305_600,
        "externalId": "art-1093",
        "receiptId": "rc_01JD5X",
    }


@given(RECEIPTS)
def test_what_is_written_reads_back(receipt: Receipt) -> None:
    form = json.loads(json.dumps(receipts.to_json(receipt)))
    assert receipts.from_json(form) == msgspec.structs.replace(
        receipt, k=receipt.challenge_id, payer="", broker_id=""
    )


@given(RECEIPTS)
def test_body_survives_the_wire_and_leaves_out_the_signature(receipt: Receipt) -> None:
    body = receipts.body(receipt)
    assert receipts.body(receipts.from_json(receipts.to_json(receipt))) == body
    unsigned = msgspec.structs.replace(receipt, sig="")
    assert body == codec.canonical(receipts.to_json(unsigned))


def test_both_kinds_of_signature_verify() -> None:
    assert SIGNED.sig.startswith("ed25519:")
    assert MACED.sig.startswith("mac:")
    receipts.verify(SIGNED, public=PUBLIC)
    receipts.verify(MACED, mac_key=SECRET)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount_micro": 201},
        {"currency": "usd"},
        {"reference": "pw:other:42"},
        {"challenge_id": ""},
        {"issued_at_s": RECEIPT.issued_at_s + 1},
        {"vendor_id": "vendor-8"},
        {"settlement": "final"},
        {"guarantor": "none"},
        {"redeem_by_s": 0},
        {"external_id": "art-1094"},
        {"receipt_id": "rc_01JD5Y"},
        {"wire_name": "millicent"},
        {"change": {"scrip": "x"}},
        {"released": {"key": "x"}},
    ],
)
def test_changed_member_is_forged(changed: dict[str, Any]) -> None:
    with pytest.raises(Forged, match="receipt_forged"):
        receipts.verify(msgspec.structs.replace(SIGNED, **changed), public=PUBLIC)
    with pytest.raises(Forged, match="receipt_forged"):
        receipts.verify(msgspec.structs.replace(MACED, **changed), mac_key=SECRET)


def test_signature_of_the_other_kind_is_forged() -> None:
    with pytest.raises(Forged, match="receipt_forged"):
        receipts.verify(SIGNED, mac_key=SECRET)
    with pytest.raises(Forged, match="receipt_forged"):
        receipts.verify(MACED, public=PUBLIC)
    with pytest.raises(Forged, match="receipt_forged"):
        receipts.verify(RECEIPT, public=PUBLIC)


def test_wrong_key_is_forged() -> None:
    with pytest.raises(Forged, match="receipt_forged"):
        receipts.verify(SIGNED, public=signing.public_of(bytes(32)))
    with pytest.raises(Forged, match="receipt_forged"):
        receipts.verify(MACED, mac_key=bytes(32))


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "failed"},
        {"decimals": 2},
        {"settlement": "soon"},
        {"guarantor": "nobody"},
        {"amount": 200},
        {"extra": 1},
        {"timestamp": "yesterday"},
    ],
)
def test_form_out_of_order_is_malformed(changed: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        receipts.from_json({**receipts.to_json(RECEIPT), **changed})


@pytest.mark.parametrize("member", ["status", "amount", "receiptId", "guarantor", "settlement"])
def test_missing_member_is_malformed(member: str) -> None:
    form = receipts.to_json(RECEIPT)
    del form[member]
    with pytest.raises(Malformed, match="payload_malformed"):
        receipts.from_json(form)
