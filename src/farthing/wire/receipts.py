"""Receipts: their JSON form, and the signature of the vendor over it.

Source: the project's wire format, section 3.4. `sig` covers the RFC 8785 form without `sig`, change
included: `ed25519:` under the vendor's receipt key, or `mac:` (keyed BLAKE2b, 16 bytes) under the
key that a scheme derives for the payer and the vendor. `receiptId` follows from K, so that in every
dialect a receipt is that of one payment.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from farthing import codec, ids, money
from farthing.crypto import signing
from farthing.crypto.mac import mac, require_equal
from farthing.errors import Forged
from farthing.schemes.contract import Json, Settlement
from farthing.wire.offers import Receipt
from farthing.wire.shapes import DECIMALS, currency_of
from farthing.wire.timestamps import from_timestamp, to_timestamp

MAC_BYTES = 16
ID_TAG = "farthing/wire/receipt/1"
ID_BYTES = 16
_MAC = "mac:"
_ED25519 = "ed25519:"


class _Form(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    rename="camel",
    gc=False,
):
    status: Literal["success"]
    method: str
    timestamp: str
    reference: str
    challenge_id: str = ""
    amount: str
    currency: str
    decimals: Literal[6]
    recipient: str
    settlement: Settlement
    guarantor: Literal["broker", "vendor", "none"]
    redeem_by_s: int = 0
    external_id: str = ""
    receipt_id: str
    change: Any = None
    released: Any = None
    sig: str = ""


_FORMS = codec.Reader(_Form)


def id_of(k: str) -> str:
    """The receipt id of the payment with this K: `rc_` and 22 characters."""
    return ids.new_id("rc", hashlib.sha256(codec.enc(ID_TAG, k)).digest()[:ID_BYTES])


def to_json(receipt: Receipt) -> dict[str, Json]:
    """The members of a receipt, as `Payment-Receipt` carries them.

    `released` (keys that the payer bought) is ours, beside `change`. Payer, broker and K are not
    part of it.
    """
    form: dict[str, Json] = msgspec.to_builtins(_form(receipt, receipt.sig))
    return form


def from_json(value: Json) -> Receipt:
    """The receipt in a JSON object; `Malformed`, `OutOfRange`. Its `k` is the challenge id."""
    form = _FORMS.convert(value)
    return Receipt(
        receipt_id=form.receipt_id,
        wire_name=form.method,
        reference=form.reference,
        challenge_id=form.challenge_id,
        k=form.challenge_id,
        issued_at_s=from_timestamp(form.timestamp),
        amount_micro=money.from_wire(form.amount),
        currency=currency_of(form.currency),
        vendor_id=form.recipient,
        broker_id="",
        settlement=form.settlement,
        guarantor=form.guarantor,
        redeem_by_s=form.redeem_by_s,
        external_id=form.external_id,
        change=form.change,
        released=form.released,
        sig=form.sig,
    )


def written(receipt: Receipt) -> bytes:
    """`to_json` in RFC 8785 bytes."""
    return codec.canonical(_form(receipt, receipt.sig))


def body(receipt: Receipt) -> bytes:
    """What `sig` is over."""
    return codec.canonical(_form(receipt, ""))


def sign(receipt: Receipt, signer: Callable[[bytes], bytes]) -> Receipt:
    """`receipt` with the Ed25519 signature (64 bytes) that `signer` makes of its body."""
    return msgspec.structs.replace(receipt, sig=_ED25519 + codec.b64u(signer(body(receipt))))


def sign_mac(receipt: Receipt, key: bytes) -> Receipt:
    """`receipt` with a MAC under the 32-byte receipt key of payer and vendor."""
    code = mac(MAC_BYTES, key, body(receipt))
    return msgspec.structs.replace(receipt, sig=_MAC + codec.b64u(code))


def verify(receipt: Receipt, *, public: bytes = b"", mac_key: bytes = b"") -> None:
    """`Forged` unless `sig` is right under the key that the payer knows for it; `Malformed`.

    `mac_key` where the scheme shares one, else the vendor's `public` key. A signature of the other
    kind is `Forged`: whoever shares a MAC key expects nothing weaker and nothing else.
    """
    if mac_key:
        found = _proof(receipt, _MAC, MAC_BYTES)
        require_equal("receipt_forged", found, mac(MAC_BYTES, mac_key, body(receipt)))
    else:
        signature = _proof(receipt, _ED25519, signing.SIGNATURE_BYTES)
        try:
            signing.verify(public, body(receipt), signature)
        except Forged:
            raise Forged("receipt_forged", "the receipt is not the vendor's") from None


def _proof(receipt: Receipt, kind: str, size_bytes: int) -> bytes:
    if not receipt.sig.startswith(kind):
        raise Forged("receipt_forged", f"expected a receipt signed {kind}")
    return codec.unb64u(receipt.sig[len(kind) :], size_bytes=size_bytes)


def _form(receipt: Receipt, sig: str) -> _Form:
    return _Form(
        status="success",
        method=receipt.wire_name,
        timestamp=to_timestamp(receipt.issued_at_s),
        reference=receipt.reference,
        challenge_id=receipt.challenge_id,
        amount=money.to_wire(receipt.amount_micro),
        currency=money.asset_label(receipt.currency),
        decimals=DECIMALS,
        recipient=receipt.vendor_id,
        settlement=receipt.settlement,
        guarantor=receipt.guarantor,
        redeem_by_s=receipt.redeem_by_s,
        external_id=receipt.external_id,
        receipt_id=receipt.receipt_id,
        change=receipt.change,
        released=receipt.released,
        sig=sig,
    )
