"""x402 version 2: what a gate answers to a payment, the `PAYMENT-RESPONSE` header.

Source: the project's wire format, section 4. `transaction` is the commitment id; `extra` holds what
our receipt says beyond the members of the dialect, or our code of the broken rule.
"""

from typing import Any

import msgspec

from farthing import codec, ids
from farthing.errors import Refusal, Row, row_of
from farthing.wire import x402
from farthing.wire.offers import Receipt
from farthing.wire.receipts import from_json, to_json

OUR_REASON = "invalid_batch_settlement_farthing_"
_RECEIPT_OWN = ("status", "reference", "amount")  # which SettlementResponse has under its own names


class _Settled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    success: bool
    transaction: str
    network: str
    payer: str = ""
    amount: str = ""
    error_reason: str = ""
    error_message: str = ""
    extra: dict[str, Any] = {}


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A `PAYMENT-RESPONSE` as a wallet reads it."""

    receipt: Receipt | None
    """What the vendor answered to a payment that it took; None for a refusal."""
    transaction: str
    """The commitment id; empty where nothing was begun."""
    network: str
    reason: str = ""
    """`errorReason` of a refusal."""
    code: str = ""
    """Our code of the broken rule; empty where the gate is not one of ours."""
    detail: str = ""


_SETTLED = codec.Reader(_Settled)


def response(receipt: Receipt) -> str:
    """The `PAYMENT-RESPONSE` value of a payment that was taken.

    `extra` holds what the receipt says beyond the members of the dialect, `sig` included.
    """
    form = to_json(receipt)
    message = _Settled(
        success=True,
        transaction=receipt.reference,
        network=ids.network(receipt.broker_id),
        payer=receipt.payer,
        amount=form["amount"],
        extra={name: value for name, value in form.items() if name not in _RECEIPT_OWN},
    )
    return codec.b64(codec.canonical(message))


def reason_of(refusal: Refusal, row: Row) -> str:
    """`errorReason` of a refusal: the dialect's own string, or our prefixed code."""
    return row.x402 or OUR_REASON + refusal.code


def failure(
    refusal: Refusal, *, network: str, transaction: str = "", value_moved: bool = False
) -> str:
    """The `PAYMENT-RESPONSE` value of a refused payment; `transaction` where one is pending."""
    row = row_of(refusal, value_moved=value_moved)
    message = _Settled(
        success=False,
        transaction=transaction,
        network=network,
        error_reason=reason_of(refusal, row),
        error_message=refusal.detail,
        extra={"code": refusal.code},
    )
    return codec.b64(codec.canonical(message))


def read_response(value: str) -> Response:
    """What a gate answered; `HeaderTooLarge`, `Malformed`, `OutOfRange`.

    The receipt's K comes back empty: whoever paid knows it.
    """
    message = _SETTLED.convert(x402.read_header(value))
    extra = message.extra
    if not message.success:
        code = extra.get("code")
        return Response(
            receipt=None,
            transaction=message.transaction,
            network=message.network,
            reason=message.error_reason,
            code=code if isinstance(code, str) else "",
            detail=message.error_message,
        )
    own = {"status": "success", "reference": message.transaction, "amount": message.amount}
    broker_id = message.network.removeprefix(ids.NETWORK_PREFIX)
    receipt = msgspec.structs.replace(
        from_json({**extra, **own}), payer=message.payer, broker_id=broker_id, k=""
    )
    return Response(receipt=receipt, transaction=message.transaction, network=message.network)
