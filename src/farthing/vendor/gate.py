"""One payment at the gate, as a generator: commands out, answers in, no I/O and no clock.

The walk: credential -> offer -> till -> hold -> origin -> confirm -> first byte. The life of the
payment in between is `holding.TABLE`. Which answers charge: the origin's 2xx and 304, nothing else.

A payment that is refused is looked up first: it may be one that was taken before, whose challenge
is over or whose mark it has used up itself. Its outcome stands, whatever became of the rest.
"""

import hashlib
from collections.abc import Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from farthing import codec, marks
from farthing.errors import (
    BadRequest,
    Busy,
    Conflict,
    Expired,
    Malformed,
    Refusal,
    Replayed,
    Reused,
    Undecided,
    Unfit,
    Unsolicited,
    Unsupported,
)
from farthing.schemes import registry
from farthing.schemes.contract import At, Binding, Json, Setting, Taken, Till
from farthing.vendor import idempotency, metering, resolving
from farthing.vendor.booking import (
    RECEIPT_KEY,
    hold_of,
    numbered,
    read_outcome,
    receipt_of,
    spared,
    take_of,
)
from farthing.vendor.commands import Answer, GateCommand, Look, Request, Walk, expect
from farthing.vendor.delivery import Delivery
from farthing.vendor.offering import CHALLENGE_KEY, HOST, Offering
from farthing.vendor.payments import NOT_CHARGED, Outcome, Paying, payment_digest, target_hash
from farthing.vendor.prices import Priced
from farthing.vendor.topping import Topping, on_stream
from farthing.wire import dialects, heads, mpp
from farthing.wire.offers import Credential, Receipt, target_of
from farthing.wire.sealed import matched, require_price

__all__ = ["CHALLENGE_KEY", "RECEIPT_KEY", "Gate"]

STALE_TRIES_MAX = 4  # a counter that moves this often under us is a race we lose


class Gate(Offering):
    """The gate of one vendor."""

    def __init__(self, setting: Setting, *, schemes: Sequence[str], realm: str = "") -> None:
        """As `Offering`."""
        super().__init__(setting, schemes=schemes, realm=realm)
        self._delivery = Delivery(self)
        self.resolving = resolving.Resolving(self, partial(self._verify, begun=True))
        self.topping = Topping(self, self.serve)

    def serve(self, request: Request, priced: Priced) -> Walk:
        """Serve one request to a priced route; returns the answer."""
        at = expect(At, (yield Look()))
        try:
            _require_askable(request, self.realm_of(request))
        except Refusal as refusal:
            return self.refuse(request, refusal, at)
        try:
            credential = yield from self._credential(request, priced, at)
            entered = yield from self._enter(request, priced, credential, at)
        except Refusal as refusal:
            return (yield from self._look_up(request, priced, refusal, at))
        paying, receipt, held = entered
        if isinstance(held, marks.Settled):
            return (yield from self._repeat(request, priced, read_outcome(held.outcome), at))
        if receipt is not None:
            return (yield from self._delivery.serve_taken(paying, receipt))
        return (yield from self._delivery.serve_held(paying, expect(marks.Held, held)))

    def serve_free(self, request: Request) -> Walk:
        """What is said beside a free page to whoever sent a payment for it: nothing was charged.

        Nothing is said where it may have been, because it had a price when the payment came first.
        """
        known = yield from self._known(request)
        is_charged = known is not None and known.state != "released"
        return Answer(status=200, headers=() if is_charged else NOT_CHARGED, body=None)

    def _credential(
        self, request: Request, priced: Priced, at: At
    ) -> Generator[GateCommand, object, Credential]:
        """The payment in a request; `Expired` unless it is the rest of one that was begun.

        `Busy` for what was begun where no offer is echoed: the price may be another one by now, so
        it is ended as it began before it may begin anew.
        """
        sealed = request.sealed
        if sealed is not None:
            tender = self.tender(request, priced, at)
            return matched(sealed.credential, tender, sealed.scheme)
        credential = dialects.credential(
            request.headers,
            realm=self.realm_of(request),
            keys=self.setting.ring.live(CHALLENGE_KEY),
            target=target_of(request.method, request.path_query),
            tender=partial(self.tender, request, priced, at),
        )
        if credential.body_digest != request.body_digest:
            raise Unsolicited("challenge_for_another_body", "this offer was made for another body")
        try:
            mpp.require_current(credential, now_s=at.now_s)
        except Expired:
            if not (yield from self._is_begun(credential)):
                raise
        if credential.dialect == "cashu" and (yield from self._is_begun(credential)):
            raise Busy("in_progress", "this payment was begun before; send it again")
        return credential

    def _is_begun(self, credential: Credential) -> Generator[GateCommand, object, bool]:
        """Whether a payment is held."""
        found = yield marks.Find(k=self._k_of(credential))
        return isinstance(found, marks.Payment) and found.state == "held"

    def _enter(
        self, request: Request, priced: Priced, credential: Credential, at: At
    ) -> Generator[GateCommand, object, tuple[Paying, Receipt | None, object]]:
        """Verify and hold; once more on the new memory where a counter moved meanwhile.

        With the receipt where no origin can fail: then the payment is confirmed already.
        """
        for number in range(STALE_TRIES_MAX):
            try:
                paying = yield from self._verify(request, priced, credential, at)
            except Malformed as wrong:  # the credential was read: it is its payload that is not
                raise _unfit(wrong) from None
            receipt: Receipt | None = None
            if paying.endorsed is not None:
                paying = resolving.sealed(paying, self.setting.ring.current(CHALLENGE_KEY))
            command: GateCommand = hold_of(paying)
            numbered_at = at
            if paying.endorsed is None and (not priced.route.hold or paying.taken.delivered):
                numbered_at = yield from numbered(paying)
                receipt = receipt_of(self.setting, paying, numbered_at)
                command = take_of(paying, receipt)
            try:
                held = yield command
            except marks.Stale as stale:
                yield from spared(paying, numbered_at)
                if isinstance(stale, marks.Unresolved):
                    yield from self._resolve(str(stale), at)
                continue
            except (Replayed, Busy, Reused) as wrong:
                yield from spared(paying, numbered_at)
                # Or another payment took the Idempotency-Key: its record tells.
                is_keyed = isinstance(wrong, Replayed) and idempotency.key_in(request.headers)
                if number or not is_keyed:
                    raise
                continue
            if isinstance(held, marks.Settled):
                yield from spared(paying, numbered_at)
            return paying, receipt, held
        raise Busy("mark_contended", "other payments race for this mark; send it again")

    def _resolve(self, k: str, at: At) -> Generator[GateCommand, object, None]:
        """Find out how the payment ended that has a mark of another one.

        `Undecided`, `Busy` where that cannot be said yet: the other one has to wait then.
        """
        known = yield marks.Find(k=k)
        if isinstance(known, marks.Payment) and known.state == "held":
            try:
                yield from self.resolving.end(known, at)
            except Undecided:
                raise Busy("mark_held", "another payment with this instrument is open") from None

    def _verify(
        self,
        request: Request,
        priced: Priced,
        credential: Credential,
        at: At,
        *,
        begun: bool = False,
    ) -> Generator[GateCommand, object, Paying]:
        """From credential to a payment that is right; any refusal.

        `begun`: it was right when it began, and what was revoked since does not count.
        """
        name = registry.registry_name(credential.wire_name, credential.variant)
        till, offer = self.tills.get(name), credential.offer
        if till is None or name not in priced.accept or offer is None:
            raise Unsupported("method_not_accepted", f"this page does not take {name}")
        key = idempotency.key_in(request.headers)
        payment = till.read(credential.payload)
        if own := till.own_k(payment):
            credential = msgspec.structs.replace(credential, k=own, named=False)
        stream = metering.name_of(till, payment, credential, priced.meter, priced.tops_up)
        keys = till.recall(payment)
        if stream:
            keys = metering.with_stream(keys, stream)
        found = marks.NOTHING
        if keys is not marks.NO_KEYS:
            found = expect(marks.Memory, (yield marks.Read(keys=keys)))
        memory = metering.without_stream(found, stream) if stream else found
        if begun:
            memory = _before_revocations(memory, registry.by_name(name).mint.published)
        binding = Binding(
            dialect=credential.dialect,
            k=credential.k,
            method=request.method,
            host=request.host,
            path_query=request.path_query,
            target=target_of(request.method, request.path_query),
            body_digest=request.body_digest,
            owner=request.sealed.owner if request.sealed is not None else b"",
        )
        taken = till.take(payment, offer, binding, memory, at)
        if priced.tops_up is not None:  # what it pays for is out, or comes by another request
            taken = msgspec.structs.replace(taken, delivered=True)
        if request.sealed is not None:
            require_price(request.sealed.amount_micro, taken.value_micro)
        payload_hash = hashlib.sha256(credential.payload).digest()
        digest = payment_digest(credential.k, payload_hash, target_hash(request))
        if key:
            taken = yield from idempotency.narrowed(taken, name, key, digest)
        endorsed: Json = None
        # What a till claims nothing for was paid up front, unless its payload is the claim.
        is_due = taken.claims or taken.moment == "before"
        if is_due and "before" in (priced.route.clearing, taken.moment):
            endorsed = yield from _endorsed(till, payment, taken, credential, at)
        paying = Paying(
            request=request,
            priced=priced,
            credential=credential,
            offer=offer,
            till=till,
            payment=payment,
            taken=taken,
            digest=digest,
            payload_hash=payload_hash,
            endorsed=endorsed,
            at=at,
        )
        return on_stream(paying, stream, found, begun=begun) if stream else paying

    def _look_up(self, request: Request, priced: Priced, refusal: Refusal, at: At) -> Walk:
        """The answer to a refused payment: its outcome, if this very payment came before."""
        try:
            known = yield from self._known(request)
            if known is not None and known.state == "held":
                if known.in_lease(at.now_s):
                    raise Busy("in_progress", "this payment is being served; send it again")
                ended = yield from self.resolving.end(known, at)
                if ended is not None:
                    return (yield from self._repeat(request, priced, ended, at))
            elif known is not None and known.state == "confirmed":
                outcome = read_outcome(known.outcome)
                return (yield from self._repeat(request, priced, outcome, at))
        except Refusal as other:
            return self.refuse(request, other, at, value_moved=True)
        if isinstance(refusal, Conflict) and refusal.evidence is not None:
            yield from _keep(refusal.evidence, at)
        return self.refuse(request, refusal, at, priced=priced)

    def _repeat(self, request: Request, priced: Priced, outcome: Outcome, at: At) -> Walk:
        """The same payment again: what it got, signed as the first time."""
        claimed = _claimed(request)
        assert claimed is not None, "it was found by what it claims"
        till = self._till_of(claimed)
        replier = till.replier(till.read(claimed.payload)) if till is not None else None
        return (yield from self._delivery.repeat(request, priced, outcome, at, replier))

    def _known(self, request: Request) -> Generator[GateCommand, object, marks.Payment | None]:
        """This very payment, if it came before; `Reused` where its K was used for another one."""
        claimed = _claimed(request)
        if claimed is None:
            return None
        k = self._k_of(claimed)
        payment = yield marks.Find(k=k)
        if not isinstance(payment, marks.Payment):
            return None
        payload_hash = hashlib.sha256(claimed.payload).digest()
        if payment.digest != payment_digest(k, payload_hash, target_hash(request)):
            raise Reused("idempotency_conflict", "this key was used for another payment or target")
        return payment

    def _k_of(self, claimed: Credential) -> str:
        """K of a payment that may not be right; its till's own where it has one."""
        try:
            till = self._till_of(claimed)
            return (till.own_k(till.read(claimed.payload)) if till else "") or claimed.k
        except Refusal:
            return claimed.k

    def _till_of(self, claimed: Credential) -> Till | None:
        try:
            return self.tills.get(registry.registry_name(claimed.wire_name, claimed.variant))
        except Refusal:
            return None


def _endorsed(
    till: Till, payment: Any, taken: Taken, credential: Credential, at: At
) -> Generator[GateCommand, object, Json]:
    """What the broker redeems of a payment that clears before the goods go out."""
    archive = till.archive(taken.claims)
    found = expect(marks.Memory, (yield marks.Read(keys=archive)))
    endorsed = till.endorse(payment, taken, found, at)
    return codec.read_json(credential.payload) if endorsed is None else endorsed


def _keep(evidence: marks.Put, at: At) -> Generator[GateCommand, object, None]:
    """Write what proves that a payer contradicts itself, once for each name; it is refused anyway.

    Nothing is written where the store refuses.
    """
    hold = marks.Hold(
        k=f"conflict/{codec.b64u(hashlib.sha256(evidence.key).digest())}",
        digest=hashlib.sha256(evidence.key).digest(),
        marks=(),
        kept=b"",
        now_s=at.now_s,
        lease_until_s=at.now_s,
        until_s=evidence.until_s,
    )
    with suppress(Refusal):
        yield marks.Take(hold=hold, outcome=b"", records=(evidence,))


def _unfit(wrong: Malformed) -> Malformed:
    """The same, as of a payload that does not fit its scheme."""
    return Unfit(wrong.code, wrong.detail, **wrong.facts) if type(wrong) is Malformed else wrong


def _before_revocations(memory: marks.Memory, published: bytes) -> marks.Memory:
    """What a till found, without the names on the list that its scheme publishes."""
    if not published or not memory.records:
        return memory
    kept = {key: value for key, value in memory.records.items() if not key.startswith(published)}
    return marks.Memory(counters=memory.counters, records=kept)


def _claimed(request: Request) -> Credential | None:
    """The payment in a request, nothing of it verified; None without a whole one."""
    sealed = request.sealed
    return sealed.credential if sealed is not None else dialects.claimed(request.headers)


def _require_askable(request: Request, realm: str) -> None:
    """`BadRequest` for a host that is none, or in the open; `HeaderTooLarge`.

    Challenges go out over https only, or on this very machine.
    """
    heads.require_size(len(request.path_query), request.headers)
    if not HOST.fullmatch(realm):
        raise BadRequest("host_malformed", "send the site's name as Host")
    require_private(request)


def require_readable(request: Request) -> None:
    """`Compressed` besides what `require_private` says: before the body of a message to us."""
    heads.require_plain(request.headers)
    require_private(request)


def require_private(request: Request) -> None:
    """`BadRequest` where others on the way can read along."""
    if not request.secure:
        raise BadRequest("https_required", "nothing is paid in the open; come back over https")
