"""The gate's own doors under `/.well-known/`: outcomes, the vendor's mint, keys and prices.

- `outcome`: what became of a payment, for its owner only (wire format, 8.11), and what the vendor
  gave back for it. It moves nothing.
- `mint`: the vendor's half of a scheme that it issues itself, such as burning MilliCent scrip.
- `keys`: the public keys that receipts are checked with. `price_list`: every route and its price.
"""

import hashlib
from collections.abc import Generator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from farthing import codec, marks
from farthing.crypto import signing
from farthing.errors import (
    BadRequest,
    Broken,
    Busy,
    Expired,
    Forged,
    Malformed,
    Refusal,
    Unknown,
    Unsupported,
)
from farthing.money import to_wire
from farthing.schemes import registry
from farthing.schemes.contract import Account, Applied, At, Json, Mint, Operation
from farthing.vendor import refunding
from farthing.vendor.booking import RECEIPT_KEY, read_kept, read_outcome
from farthing.vendor.commands import (
    Answer,
    GateCommand,
    Headers,
    Look,
    SpareSerial,
    TakeSerial,
    Walk,
    expect,
    refuse,
)
from farthing.vendor.gate import Gate
from farthing.vendor.offering import setting_for
from farthing.vendor.payments import Kept, Outcome
from farthing.vendor.prices import Priced, Prices
from farthing.wire import published, receipts

OUTCOME_TAG = "farthing/wire/outcome/1"
PREFIX = published.WELL_KNOWN + "/"
BODY_BYTES_MAX = 64 * 1024  # of a message to one of these doors
SKEW_S = 120  # a question's `atS` may differ by this from our clock
LIST_KEPT_S = 60  # a price list by HTTP caches: a price that changed costs a payer one question
BURN_OUTCOME_S = 400 * 86_400  # longer than any scrip can live, grace included
OPERATIONS: Mapping[str, Operation] = {"take-back": "take_back", "issue": "issue"}

_JSON: Headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
_KEPT_A_WHILE: Headers = (_JSON[0], (b"cache-control", b"max-age=%d" % LIST_KEPT_S))


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a wallet asks of a payment; `payload` replaces hash and proof where there is no key."""

    k: str
    payload: Any = None
    payload_hash: str = msgspec.field(default="", name="payloadHash")
    at_s: int = msgspec.field(default=0, name="atS")
    proof: str = ""


def _answer(value: Json, status: int = 200) -> Answer:
    return Answer(status=status, headers=_JSON, body=codec.canonical(value))


def _confirmed(outcome: Outcome, refund: Json = None) -> Answer:
    receipt = receipts.to_json(outcome.receipt)
    said: dict[str, Json] = {"state": "confirmed", "status": outcome.status, "receipt": receipt}
    return _answer(said if refund is None else said | {"refund": refund})


class Doors:
    """The doors of one gate."""

    def __init__(self, gate: Gate) -> None:
        """The vendor's mints are those of the gate's schemes that have one."""
        self._gate = gate
        self._list = lru_cache(maxsize=1)(self._make_list)
        self._mints: dict[str, Mint] = {}
        for name in gate.tills:
            kind = registry.by_name(name).vendor_mint
            if kind is not None:
                self._mints[name] = kind(setting_for(gate.setting, name))

    def outcome(self, body: bytes) -> Walk:
        """200 confirmed or released, 404 absent, 409 running; the rest as in the table."""
        at = expect(At, (yield Look()))
        try:
            return (yield from self._outcome(body, at))
        except Refusal as refusal:
            return refuse(refusal)

    def _outcome(self, body: bytes, at: At) -> Walk:
        try:
            question = msgspec.convert(codec.read_json(body), Question, strict=True)
        except (msgspec.ValidationError, Malformed):
            raise BadRequest("question_malformed", "expected k, payloadHash, atS, proof") from None
        # A refund is asked for by the name of its payment, never by its own.
        is_refund = question.k.startswith(refunding.PREFIX)
        payment = None if is_refund else (yield marks.Find(k=question.k))
        owner, refund = yield from refunding.seen(question.k)
        # What a vendor's mint has burned is no payment, and has no owner to ask for it.
        if not isinstance(payment, marks.Payment) or not payment.kept:
            if refund is None:
                raise Unknown("outcome_absent", "no such payment came; repeat its bytes")
            self._require_owner(question, read_kept(owner), at.now_s)
            return _answer({"state": "confirmed", "refund": refund})  # the receipt is forgotten
        self._require_owner(question, read_kept(payment.kept), at.now_s)
        if payment.state == "confirmed":
            return _confirmed(read_outcome(payment.outcome), refund)
        if payment.state == "held":
            if payment.in_lease(at.now_s):
                raise Busy("in_progress", "this payment is being served")
            ended = yield from self._gate.resolving.end(payment, at)
            if ended is not None:
                return _confirmed(ended)
        return _answer({"state": "released"})

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
        till = self._gate.tills.get(kept.scheme)
        if till is None:
            raise Unsupported("scheme_gone", "this vendor no longer takes the scheme")
        try:
            till.verify_owner(kept.owner, statement, question.proof)
        except (Malformed, Forged):
            raise Forged("outcome_proof_wrong", "this is not the owner's proof") from None

    def mint(self, scheme: str, operation: str, body: bytes) -> Walk:
        """One operation of the vendor's own mint; the same message twice has one effect."""
        at = expect(At, (yield Look()))
        try:
            answer = yield from self._mint(scheme, operation, body, at)
        except Refusal as refusal:
            refusal.facts["refusal"] = type(refusal).__name__  # as brokers say it: wallets ask both
            return refuse(refusal)
        return Answer(status=200, headers=_JSON, body=answer)

    def _mint(
        self, scheme: str, operation: str, body: bytes, at: At
    ) -> Generator[GateCommand, object, bytes]:
        mint = self._mints.get(scheme)
        if mint is None or operation not in OPERATIONS:
            raise Unsupported("operation_unsupported", "this vendor has no such operation here")
        message = codec.read_json(body)
        digest = codec.digest(message)
        k = f"{operation}/{scheme}/{codec.b64u(digest)}"
        known = yield marks.Find(k=k)
        if isinstance(known, marks.Payment) and known.state == "confirmed":
            return known.outcome
        checked = mint.check(OPERATIONS[operation], message, Account(id="", role="payer"), at)
        keys = mint.recall(checked)
        memory = expect(marks.Memory, (yield marks.Read(keys=keys))) if keys else marks.NOTHING
        series = mint.series(checked)
        if series:
            serial = expect(int, (yield TakeSerial(series)))
            at = msgspec.structs.replace(at, serials=(serial,))
        try:
            applied = mint.apply(checked, memory, at)
            done, answer = yield from _taken(applied, k, digest, at)
        except (marks.Stale, Refusal) as wrong:
            if series and not isinstance(wrong, Broken):
                yield SpareSerial(series, at.serials[0])
            if isinstance(wrong, marks.Stale):
                reason = "others race for this mark; send it again"
                raise Busy("mark_contended", reason) from None
            raise
        if not isinstance(done, marks.Settled):
            return answer
        if series:
            yield SpareSerial(series, at.serials[0])
        return done.outcome

    def keys(self) -> Answer:
        """The vendor's public receipt keys, newest first, signed with the newest.

        All that are not revoked: a receipt is checked for years, however often keys change.
        """
        document: dict[str, Json] = {
            "vendor": self._gate.setting.vendor_id,
            "broker": self._gate.setting.broker_id,
            "keys": [
                {"purpose": RECEIPT_KEY, "id": key.id, "ed25519": codec.b64u(key.public)}
                for key in self._gate.setting.ring.known(RECEIPT_KEY)
            ],
        }
        return self._signed(published.KEYS_TAG, document)

    def price_list(self, prices: Prices) -> Answer:
        """Every route with its price, what is free, what may be bought in private; signed.

        Whoever asks in vain because a price changed asks past caches, so these may keep it.
        """
        return self._list(prices, self._gate.setting.ring.current(RECEIPT_KEY).id)

    def _make_list(self, prices: Prices, key_id: str) -> Answer:
        """Under the key with this id, the current one; made once, since everybody may ask."""
        setting = self._gate.setting
        answer = self._signed(
            published.PRICES_TAG,
            published.PriceList(
                vendor=setting.vendor_id,
                broker=setting.broker_id,
                currency=prices.currency,
                free=prices.free,
                private=tuple(name for name, till in self._gate.tills.items() if till.is_private),
                routes=tuple(_listed(priced) for priced in prices.routes),
            ),
        )
        return msgspec.structs.replace(answer, headers=_KEPT_A_WHILE)

    def _signed(self, tag: str, document: object) -> Answer:
        key = self._gate.setting.ring.current(RECEIPT_KEY)
        return _answer(published.sign(tag, document, lambda body: signing.sign(key.secret, body)))


def _listed(priced: Priced) -> published.Listed:
    return published.Listed(
        path=priced.route.path,
        methods=priced.route.methods or (published.EVERY,),
        amount=to_wire(priced.price_micro),
        accept=priced.accept,
        description=priced.route.description,
        reduced=tuple((wanted, to_wire(micro)) for wanted, micro in priced.reduced),
        requires=priced.requires,
        plans=priced.plans,
        subscription=priced.sold,
        per=priced.route.per,
    )


def _taken(
    applied: Applied, k: str, digest: bytes, at: At
) -> Generator[GateCommand, object, tuple[object, bytes]]:
    """The store's answer to what a mint has decided, and the mint's own; any refusal."""
    answer = codec.canonical({"answer": applied.answer})
    hold = marks.Hold(
        k=k,
        digest=digest,
        marks=applied.marks,
        kept=b"",
        now_s=at.now_s,
        lease_until_s=at.now_s,
        until_s=at.now_s + BURN_OUTCOME_S,
    )
    take = marks.Take(hold=hold, outcome=answer, records=applied.records, claims=applied.claims)
    return (yield take), answer
