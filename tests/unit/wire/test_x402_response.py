import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given

from farthing.errors import (
    Busy,
    HeaderTooLarge,
    Malformed,
    OtherNetwork,
    Overlimit,
    Refusal,
    Replayed,
    Undecided,
    Unpaid,
    Unsolicited,
    row_of,
)
from farthing.wire import x402, x402_response
from farthing.wire.offers import Receipt
from tests.unit.wire.examples import RECEIPT, RECEIPTS


def opened(value: str) -> Any:
    return json.loads(base64.b64decode(value, validate=True))


@given(RECEIPTS)
def test_response_reads_back(receipt: Receipt) -> None:
    value = x402_response.response(receipt)
    assume(len(value) <= x402.HEADER_BYTES_MAX)
    found = x402_response.read_response(value)
    assert found.receipt == msgspec.structs.replace(receipt, k="")
    assert found.transaction == receipt.reference


def test_response_of_the_worked_example_has_its_members() -> None:
    change = {"scrip": "x"}
    message = opened(x402_response.response(msgspec.structs.replace(RECEIPT, change=change)))
    assert message["extra"].pop("change") == change
    assert message["extra"]["receiptId"] == "rc_01JD5X"
    del message["extra"]
    assert message == {
        "success": True,
        "transaction": "pw:Ln0sA6lQeuJl7PW1NWiFpQ:42",
        "network": "farthing:demo-broker",
        "payer": "p_8d1f",
        "amount": "200",
    }


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (Malformed("word_malformed"), "invalid_payload"),
        (Unsolicited("no_matching_requirements"), "invalid_payment_requirements"),
        (OtherNetwork("network_unsupported"), "invalid_network"),
        (Overlimit("over_day"), "insufficient_funds"),
        (Undecided("outcome_unknown"), "settlement_pending"),
        (
            Replayed("chain_index_not_above_last"),
            "invalid_batch_settlement_farthing_chain_index_not_above_last",
        ),
        (Busy("in_progress"), "invalid_batch_settlement_farthing_in_progress"),
    ],
)
def test_refusal_reads_back_with_its_code(refusal: Refusal, reason: str) -> None:
    found = x402_response.read_response(
        x402_response.failure(refusal, network="farthing:demo-broker", transaction="pw:1")
    )
    assert found == x402_response.Response(
        receipt=None,
        transaction="pw:1",
        network="farthing:demo-broker",
        reason=reason,
        code=refusal.code,
        detail=refusal.detail,
    )


def test_reason_for_asking_is_that_of_the_row() -> None:
    assert x402_response.reason_of(Unpaid("x"), row_of(Unpaid("x"))) == "payment_required"


def test_response_over_its_limit_is_refused() -> None:
    with pytest.raises(HeaderTooLarge, match="too_large"):
        x402_response.read_response("A" * (x402.HEADER_BYTES_MAX + 4))
    with pytest.raises(Malformed, match="json"):
        x402_response.read_response("A" * x402.HEADER_BYTES_MAX)
