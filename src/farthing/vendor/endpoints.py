"""The gate's own doors under `/.well-known/`: outcomes, the vendor's mint, keys and prices.

- `outcome`: what became of a payment, for its owner only (wire format, 8.11). It moves nothing.
- `mint`: the vendor's half of a scheme that it issues itself, such as burning MilliCent scrip.
- `keys`: the public keys that receipts are checked with. `price_list`: every route and its price.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import (
    BadRequest,
    Busy,
    Expired,
    Forged,
    Refusal,
    Unknown,
    Unsupported,
)
from farthing.money import to_wire
from farthing.schemes import registry
from farthing.schemes.contract import Account, At, Json, Mint, Operation
from farthing.vendor.commands import Answer, Headers, Look, Walk
from farthing.vendor.gate import RECEIPT_KEY, Gate, expect, setting_for
from farthing.vendor.payments import Kept, Outcome
from farthing.vendor.prices import Prices
from farthing.wire import problems, receipts

OUTCOME_TAG = "farthing/wire/outcome/1"
KEYS_TAG = "farthing/vendor/keys/1"
PREFIX = "/.well-known/farthing/"
OUTCOME_PATH = PREFIX + "outcome"
KEYS_PATH = "/.well-known/farthing-keys"
PRICES_PATH = "/.well-known/farthing-prices"
BODY_BYTES_MAX = 64 * 1024  # of a message to one of these doors
SKEW_S = 120  # a question's `atS` may differ by this from our clock
BURN_OUTCOME_S = 400 * 86_400  # longer than any scrip can live, grace included
OPERATIONS: Mapping[str, Operation] = {"take-back": "take_back", "issue": "issue"}

_JSON: Headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_READ_KEPT = msgspec.msgpack.Decoder(Kept).decode
_READ_OUTCOME = msgspec.msgpack.Decoder(Outcome).decode


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a wallet asks of a payment; `payload` replaces hash and proof where there is no key."""

    k: str
    payload: Any = None
    payload_hash: str = msgspec.field(default="", name="payloadHash")
    at_s: int = msgspec.field(default=0, name="atS")
    proof: str = ""


def _answer(value: Json, status: int = 200) -> Answer:
    return Answer(status=status, headers=_JSON, body=codec.canonical(value))


def refuse(refusal: Refusal) -> Answer:
    """A problem, without offers: nothing is sold at these doors."""
    status, headers, body = problems.problem(refusal)
    if status == 402:
        status = 403
    return Answer(status=status, headers=headers, body=body)


class Doors:
    """The doors of one gate."""

    def __init__(self, gate: Gate) -> None:
        """The vendor's mints are those of the gate's schemes that have one."""
        self._gate = gate
        self._mints: dict[str, Mint] = {}
        for name in gate.tills:
            kind = registry.by_name(name).vendor_mint
            if kind is not None:
                self._mints[name] = kind(setting_for(gate.setting, name))

    def outcome(self, body: bytes) -> Walk:
        """200 confirmed or released, 404 absent, 409 running; the rest as in the table."""
        at = expect(At, (yield Look()))
        try:
            question = msgspec.convert(codec.read_json(body), Question, strict=True)
        except (msgspec.ValidationError, Refusal):
            return refuse(BadRequest("question_malformed", "expected k, payloadHash, atS, proof"))
        payment = yield marks.Find(k=question.k)
        if payment is None:
            return refuse(Unknown("outcome_absent", "no such payment came; repeat its bytes"))
        found = expect(marks.Payment, payment)
        try:
            self._require_owner(question, _READ_KEPT(found.kept), at.now_s)
        except Refusal as refusal:
            return refuse(refusal)
        if found.state is marks.State.CONFIRMED:
            stored = _READ_OUTCOME(found.outcome)
            return _answer(
                {
                    "state": "confirmed",
                    "status": stored.status,
                    "receipt": receipts.to_json(stored.receipt),
                }
            )
        if found.state is marks.State.RELEASED or at.now_s >= found.lease_until_s:
            return _answer({"state": "released"})
        return refuse(Busy("in_progress", "this payment is being served"))

    def _require_owner(self, question: Question, kept: Kept, now_s: int) -> None:
        """`Forged`, `Expired` unless the asker made the payment."""
        if question.payload is not None:
            shown = hashlib.sha256(codec.canonical(question.payload)).digest()
            if shown != kept.payload_hash:
                raise Forged("outcome_proof_wrong", "this is not the payment's payload")
            return
        if abs(question.at_s - now_s) > SKEW_S:
            raise Expired("question_too_old", "ask with the present time")
        if question.payload_hash != "sha256:" + codec.b64u(kept.payload_hash):
            raise Forged("outcome_proof_wrong", "another payload was sent under this key")
        vendor_id = self._gate.setting.vendor_id
        statement = codec.enc(OUTCOME_TAG, vendor_id, question.k, kept.payload_hash, question.at_s)
        self._gate.tills[kept.scheme].verify_owner(kept.owner, statement, question.proof)

    def mint(self, scheme: str, operation: str, body: bytes) -> Walk:
        """One operation of the vendor's own mint; the same message twice has one effect."""
        at = expect(At, (yield Look()))
        try:
            mint = self._mints.get(scheme)
            if mint is None or operation not in OPERATIONS:
                raise Unsupported("operation_unsupported", f"this vendor has no {operation} here")
            message = codec.read_json(body)
            account = Account(id="", role="payer")
            checked = mint.check(OPERATIONS[operation], message, account, at)
            keys = mint.recall(checked)
            memory = expect(marks.Memory, (yield marks.Read(keys=keys))) if keys else marks.NOTHING
            applied = mint.apply(checked, memory, at)
            digest = codec.digest(message)
            answer = codec.canonical({"answer": applied.answer})
            hold = marks.Hold(
                k=f"{operation}/{scheme}/{codec.b64u(digest)}",
                digest=digest,
                marks=applied.marks,
                kept=b"",
                now_s=at.now_s,
                lease_until_s=at.now_s,
                until_s=at.now_s + BURN_OUTCOME_S,
            )
            done = yield marks.Take(hold=hold, outcome=answer, records=applied.records)
        except Refusal as refusal:
            return refuse(refusal)
        stored = done.outcome if isinstance(done, marks.Settled) else answer
        return Answer(status=200, headers=_JSON, body=stored)

    def keys(self) -> Answer:
        """The vendor's public receipt key, signed by itself."""
        key = self._gate.setting.ring.current(RECEIPT_KEY)
        document: dict[str, Json] = {
            "vendor": self._gate.setting.vendor_id,
            "broker": self._gate.setting.broker_id,
            "keys": [{"purpose": RECEIPT_KEY, "id": key.id, "ed25519": codec.b64u(key.public)}],
        }
        return _answer(self._signed(document))

    def price_list(self, prices: Prices) -> Answer:
        """Every route with its price, signed by the vendor."""
        document: dict[str, Json] = {
            "vendor": self._gate.setting.vendor_id,
            "currency": prices.currency,
            "routes": [
                {
                    "path": priced.route.path,
                    "methods": list(priced.route.methods),
                    "amount": to_wire(priced.price_micro),
                    "accept": list(priced.accept),
                    "description": priced.route.description,
                }
                for priced in prices.routes
            ],
        }
        return _answer(self._signed(document))

    def _signed(self, document: dict[str, Json]) -> dict[str, Json]:
        key = self._gate.setting.ring.current(RECEIPT_KEY)
        sig = signing.sign(key.secret, codec.enc(KEYS_TAG, codec.canonical(document)))
        return {**document, "sig": "ed25519:" + codec.b64u(sig)}
