"""One payment at the gate, as a generator: commands out, answers in, no I/O and no clock.

The walk: credential -> offer -> till -> hold -> origin -> confirm -> first byte. The life of the
payment in between is `marks.TABLE`. Which answers charge: the origin's 2xx and 304, nothing else.
"""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from typing import TypeVar

import msgspec

from farthing import ids, marks
from farthing.crypto import signing
from farthing.errors import (
    Busy,
    Denied,
    OriginFailed,
    Refusal,
    Unavailable,
    Undecided,
    Unsupported,
)
from farthing.schemes import registry
from farthing.schemes.contract import At, Binding, Dialect, Json, Setting, Till
from farthing.vendor.commands import (
    Aborted,
    Answer,
    AskBroker,
    GateCommand,
    Headers,
    Look,
    OriginAnswered,
    Request,
    TakeSerial,
    Walk,
)
from farthing.vendor.payments import (
    NOT_CHARGED,
    Kept,
    Outcome,
    Paying,
    ask_origin,
    paid,
    passed_on,
    payment_digest,
    target_hash,
)
from farthing.vendor.prices import Priced
from farthing.wire import dialects, mpp, receipts
from farthing.wire.offers import CHALLENGE_LIFE_S, Credential, Receipt, Tender, target_of

LEASE_GRACE_S = 30  # a hold outlives the origin's time-out by this
STALE_TRIES_MAX = 4  # a counter that moves this often under us is a race we lose
STORED_BODY_BYTES_MAX = 64 * 1024  # of answers kept for `replay_body` and other methods
STORED_BODY_S = 3600
OUTCOME_KEPT_S_MIN = 30 * 86_400  # outcomes are replayable at least this long
CHALLENGE_KEY = "farthing/wire/challenge/1"
RECEIPT_KEY = "farthing/vendor/receipt/1"
REPEATABLE = frozenset({"GET", "HEAD"})

T = TypeVar("T")


_ENCODE = msgspec.msgpack.Encoder().encode
_READ_OUTCOME = msgspec.msgpack.Decoder(Outcome).decode
_READ_KEPT = msgspec.msgpack.Decoder(Kept).decode


def expect(kind: type[T], answer: object) -> T:
    """`answer` as `kind`: a driver that answers otherwise is our own mistake."""
    assert isinstance(answer, kind), f"driver answered {type(answer).__name__}"
    return answer


class Gate:
    """The gate of one vendor."""

    def __init__(self, setting: Setting, *, schemes: Sequence[str], realm: str = "") -> None:
        """`schemes`: registry names that this gate takes; `realm`: public host, else the Host.

        `setting.options` holds one object of options per scheme name.
        """
        self.setting = setting
        self._realm = realm
        self.tills: Mapping[str, Till] = {
            name: registry.by_name(name).till(setting_for(setting, name)) for name in schemes
        }

    def realm_of(self, request: Request) -> str:
        """The public host that challenges name."""
        return self._realm or request.host

    def tender(self, request: Request, priced: Priced, at: At) -> Tender:
        """The offers for this request, in the vendor's order."""
        offers = tuple(
            msgspec.structs.replace(
                self.tills[name].offer(priced.price_micro, at),
                description=priced.route.description,
                external_id=priced.route.external_id,
            )
            for name in priced.accept
        )
        realm = self.realm_of(request)
        return Tender(
            offers=offers,
            realm=realm,
            url=f"{request.scheme}://{realm}{request.path_query}",
            target=target_of(request.method, request.path_query),
            expires_at_s=at.now_s + CHALLENGE_LIFE_S,
            description=priced.route.description,
        )

    def refuse(
        self,
        request: Request,
        refusal: Refusal,
        at: At,
        *,
        priced: Priced | None = None,
        value_moved: bool = False,
        extra: Headers = (),
    ) -> Answer:
        """The answer to a refusal: fresh offers where its row is 402, a problem otherwise."""
        status, headers, body = dialects.refusal(
            refusal,
            tender=self.tender(request, priced, at) if priced is not None else None,
            key=self.setting.ring.current(CHALLENGE_KEY),
            nonce=at.entropy[:8],
            value_moved=value_moved,
            headers=request.headers,
        )
        shown = headers if not extra else tuple(p for p in headers if p[0] != b"cache-control")
        return Answer(status=status, headers=(*shown, *extra), body=body)

    def serve(self, request: Request, priced: Priced) -> Walk:
        """Serve one request to a priced route; returns the answer."""
        at = expect(At, (yield Look()))
        credential: Credential | None = None
        try:
            credential = dialects.credential(
                request.headers,
                realm=self.realm_of(request),
                keys=self.setting.ring.live(CHALLENGE_KEY),
                target=target_of(request.method, request.path_query),
                tender=lambda: self.tender(request, priced, at),
            )
            mpp.require_current(credential, now_s=at.now_s)
            if credential.body_digest:
                raise Unsupported("body_not_bound", "this gate binds no bodies; ask again")
            paying, held = yield from self._enter(request, priced, credential, at)
        except Refusal as refusal:
            if credential is not None:
                outcome = yield from self._stored(request, credential)
                if outcome is not None:
                    return (yield from self._repeat(request, priced, outcome, at))
            return self.refuse(request, refusal, at, priced=priced)
        if isinstance(held, marks.Settled):
            outcome = _READ_OUTCOME(held.outcome)
            return (yield from self._repeat(request, priced, outcome, at))
        if not priced.route.hold:
            receipt = self._receipt(paying, None)
            dialect = credential.dialect
            return (yield from self._serve_paid(request, priced, receipt, at, dialect))
        return (yield from self._serve_held(paying, expect(marks.Held, held)))

    def _enter(
        self, request: Request, priced: Priced, credential: Credential, at: At
    ) -> Generator[GateCommand, object, tuple[Paying, object]]:
        """Verify and hold; once more on the new memory where a counter moved meanwhile."""
        for _ in range(STALE_TRIES_MAX):
            paying = yield from self._verify(request, priced, credential, at)
            try:
                return paying, (yield self._entry(paying))
            except marks.Stale:
                continue
        raise Busy("mark_contended", "other payments race for this mark; send it again")

    def _stored(
        self, request: Request, credential: Credential
    ) -> Generator[GateCommand, object, Outcome | None]:
        """The outcome of this very payment, if it was taken before: its mark is used by itself."""
        payment = yield marks.Find(k=credential.k)
        if not isinstance(payment, marks.Payment) or payment.state is not marks.State.CONFIRMED:
            return None
        payload_hash = hashlib.sha256(credential.payload).digest()
        if payment.digest != payment_digest(credential.k, payload_hash, target_hash(request)):
            return None
        return _READ_OUTCOME(payment.outcome)

    def _verify(
        self, request: Request, priced: Priced, credential: Credential, at: At
    ) -> Generator[GateCommand, object, Paying]:
        """From credential to a payment that is right; any refusal."""
        name = registry.registry_name(credential.wire_name, credential.variant)
        till = self.tills.get(name)
        if till is None or name not in priced.accept or credential.offer is None:
            raise Unsupported("method_not_accepted", f"this page does not take {name}")
        payment = till.read(credential.payload)
        keys = till.recall(payment)
        memory = expect(marks.Memory, (yield marks.Read(keys=keys))) if keys else marks.NOTHING
        series = till.series()
        if series:
            serial = expect(int, (yield TakeSerial(series)))
            at = msgspec.structs.replace(at, serials=(serial,))
        binding = Binding(
            dialect=credential.dialect,
            k=credential.k,
            method=request.method,
            host=request.host,
            path_query=request.path_query,
            target=target_of(request.method, request.path_query),
        )
        taken = till.take(payment, credential.offer, binding, memory, at)
        payload_hash = hashlib.sha256(credential.payload).digest()
        return Paying(
            request=request,
            priced=priced,
            credential=credential,
            offer=credential.offer,
            till=till,
            taken=taken,
            digest=payment_digest(credential.k, payload_hash, target_hash(request)),
            payload_hash=payload_hash,
            at=at,
        )

    def _entry(self, paying: Paying) -> marks.Hold | marks.Take:
        """The first store command of a payment: a hold, or hold and confirm at once."""
        taken, now_s = paying.taken, paying.at.now_s
        kept = Kept(
            scheme=paying.offer.scheme,
            owner=taken.owner,
            payload_hash=paying.payload_hash,
            till=taken.kept,
        )
        lease_s = paying.priced.route.origin_timeout_s + LEASE_GRACE_S
        hold = marks.Hold(
            k=paying.credential.k,
            digest=paying.digest,
            marks=taken.marks,
            kept=_ENCODE(kept),
            now_s=now_s,
            lease_until_s=now_s + lease_s,
            until_s=max(taken.until_s, now_s + OUTCOME_KEPT_S_MIN),
        )
        if paying.priced.route.hold:
            return hold
        outcome = Outcome(
            status=200, dialect=paying.credential.dialect, receipt=self._receipt(paying, None)
        )
        return marks.Take(
            hold=hold,
            outcome=_ENCODE(outcome),
            records=taken.records,
            claims=self._claims(paying),
        )

    def _claims(self, paying: Paying) -> tuple[marks.Claim, ...]:
        clearing = paying.priced.route.clearing
        if clearing is None:
            return paying.taken.claims
        return tuple(
            msgspec.structs.replace(claim, moment=clearing) for claim in paying.taken.claims
        )

    def _receipt(self, paying: Paying, for_payer: Json) -> Receipt:
        """The signed receipt, with whatever the till adds."""
        finished = paying.till.finish(paying.taken, for_payer, paying.at)
        offer, taken, at = paying.offer, paying.taken, paying.at
        receipt = Receipt(
            receipt_id=ids.new_id("rc", paying.digest[:16]),
            wire_name=paying.credential.wire_name,
            reference=taken.reference,
            challenge_id=paying.credential.challenge_id,
            k=paying.credential.k,
            issued_at_s=at.now_s,
            amount_micro=taken.value_micro,
            currency=offer.currency,
            vendor_id=offer.vendor_id,
            broker_id=offer.broker_id,
            settlement=offer.settlement,
            guarantor=offer.guarantor,
            redeem_by_s=offer.redeem_by_s,
            external_id=offer.external_id,
            payer=taken.payer,
            change=finished.change,
            released=finished.released,
        )
        if taken.mac_key:
            return receipts.sign_mac(receipt, taken.mac_key)
        key = self.setting.ring.current(RECEIPT_KEY)
        return receipts.sign(receipt, lambda body: signing.sign(key.secret, body))

    def _serve_held(self, paying: Paying, held: marks.Held) -> Walk:
        """Origin, then confirm or release. Whatever happens, the hold does not stay."""
        k, fence = paying.credential.k, held.fence
        # After a crash the first attempt's change stands, not the one that was just made.
        taken = msgspec.structs.replace(paying.taken, kept=_READ_KEPT(held.kept).till)
        paying = msgspec.structs.replace(paying, taken=taken)
        reservation: Json = None
        try:
            if paying.priced.route.clearing == "before" or paying.taken.moment == "before":
                reservation = yield AskBroker(
                    call="settle", message=self._facilitator(paying) | {"reserve": {}}
                )
            origin = expect(OriginAnswered, (yield ask_origin(paying.priced, paying.taken)))
        except (Refusal, Aborted) as gone:
            yield from self._let_go(k, fence, reservation)
            if isinstance(gone, Aborted):
                raise
            return self.refuse(paying.request, gone, paying.at, value_moved=True, extra=NOT_CHARGED)
        if not (200 <= origin.status < 300 or origin.status == 304):
            yield from self._let_go(k, fence, reservation)
            return passed_on(origin)
        try:
            for_payer: Json = None
            if reservation is not None:
                captured = yield AskBroker(call="capture", message=reservation)
                for_payer = expect(dict, captured).get("forPayer")
            receipt = self._receipt(paying, for_payer)
            yield self._confirmation(paying, fence, origin, receipt)
        except Refusal as refusal:
            return self.refuse(paying.request, refusal, paying.at, value_moved=True)
        return paid(receipt, origin, paying.credential.dialect)

    def _facilitator(self, paying: Paying) -> dict[str, Json]:
        tender = self.tender(paying.request, paying.priced, paying.at)
        return dialects.settlement(paying.offer, paying.credential, tender)

    def _let_go(
        self, k: str, fence: int, reservation: Json
    ) -> Generator[GateCommand, object, None]:
        """Give marks and reservation back; a hold that somebody else took over is no loss."""
        try:
            yield marks.Release(k=k, fence=fence)
            if reservation is not None:
                yield AskBroker(call="void", message=reservation)
        except (Busy, Unavailable, Undecided):
            return

    def _confirmation(
        self, paying: Paying, fence: int, origin: OriginAnswered, receipt: Receipt
    ) -> marks.Confirm:
        route = paying.priced.route
        keep = route.replay_body or paying.request.method not in REPEATABLE
        small = origin.body is not None and len(origin.body) <= STORED_BODY_BYTES_MAX
        outcome = Outcome(
            status=origin.status,
            dialect=paying.credential.dialect,
            receipt=receipt,
            body=origin.body if keep and small else None,
            headers=origin.headers if keep and small else (),
        )
        return marks.Confirm(
            k=paying.credential.k,
            fence=fence,
            outcome=_ENCODE(outcome),
            records=paying.taken.records,
            claims=self._claims(paying),
        )

    def _serve_paid(
        self, request: Request, priced: Priced, receipt: Receipt, at: At, dialect: Dialect
    ) -> Walk:
        """The page after the money: for origins that cannot fail, and for repeats."""
        try:
            asked = ask_origin(priced, receipt, replay=True)
            origin = expect(OriginAnswered, (yield asked))
        except OriginFailed as failed:
            headers = dialects.receipt_headers(receipt, dialect)
            return self.refuse(request, failed, at, value_moved=True, extra=headers)
        return paid(receipt, origin, dialect)

    def _repeat(self, request: Request, priced: Priced, outcome: Outcome, at: At) -> Walk:
        """The same payment again: the stored outcome, within the route's window."""
        receipt, dialect = outcome.receipt, outcome.dialect
        age_s = at.now_s - receipt.issued_at_s
        if outcome.body is not None and age_s <= STORED_BODY_S:
            stored = OriginAnswered(
                status=outcome.status, headers=outcome.headers, body=outcome.body
            )
            return paid(receipt, stored, dialect)
        if request.method in REPEATABLE and age_s <= priced.route.repeat_s:
            return (yield from self._serve_paid(request, priced, receipt, at, dialect))
        over = Denied("repeat_window_over", "paid for, and the time to fetch it again is over")
        headers = dialects.receipt_headers(receipt, dialect)
        return self.refuse(request, over, at, value_moved=True, extra=headers)


def setting_for(setting: Setting, scheme: str) -> Setting:
    """A setting with the options of one scheme."""
    return msgspec.structs.replace(setting, options=setting.options.get(scheme, {}))
