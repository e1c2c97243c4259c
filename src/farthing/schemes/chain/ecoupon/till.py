"""The vendor's side: a segment's first holder has it, one hash and one MAC a payment.

A holder's first payment has the commitment, the hops that lead to it and its start; later ones
name the commitment by its id. What is known of a commitment (its object, who started which
segments with what proof) is in records, for later starts and for the sweep; what a payment needs
is with the segment's counter. A counter is one above the highest index that was paid, so that a
segment that is started and not paid yet is no longer free.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from farthing import codec
from farthing.crypto import agreement, chain
from farthing.errors import Closed, Forged, Replayed, Revoked, Underpaid, WrongPayer
from farthing.marks import Advance, Claim, Keys, Memory, Put
from farthing.schemes.chain.counters import CHAINS_CACHED, WORD_BYTES, require_step, verify_next
from farthing.schemes.chain.credit.till import STEPS_MAX, CreditTill
from farthing.schemes.chain.ecoupon import tesla
from farthing.schemes.chain.ecoupon.commitment import (
    FAMILY,
    Commitment,
    counter_id,
)
from farthing.schemes.chain.ecoupon.delegation import reduce
from farthing.schemes.chain.ecoupon.demand import demand_of
from farthing.schemes.chain.ecoupon.payment import Payment
from farthing.schemes.chain.ecoupon.session import (
    MAC_BYTES,
    NO_KEY,
    SESSION_KEY,
    Bound,
    Start,
    bind,
    bound_of,
    payment_digest,
    session_key,
)
from farthing.schemes.chain.ecoupon.traits import TRAITS
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.contract import At, Binding, Json, Offer, Setting, Taken


class EcouponTill(CreditTill):
    """One vendor's till."""

    traits = TRAITS
    family = FAMILY
    sealing = (SESSION_KEY,)
    payments = codec.Reader(Payment)

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for options out of range."""
        super().__init__(setting)
        self.demand = demand_of(setting.options)
        self.unproved_micro = self.demand.unverified_micro_max if self.demand.is_asked else 0

    def offer(self, price_micro: int, at: At) -> Offer:
        """`OutOfRange` besides for a price above what may be unproved."""
        self.demand.require_price(price_micro)
        return super().offer(price_micro, at)

    def terms(self, at: At) -> dict[str, Json]:
        """The vendor's half of every session; with TESLA, when keys are shown."""
        if self.demand.is_asked:
            return self.demand.terms
        secret = self.setting.ring.current(SESSION_KEY).secret
        return {"vendorKey": codec.b64u(agreement.public_of(secret))}

    def read(self, payload: bytes) -> Payment:
        """The payment; `Malformed`, `Unfit`."""
        return self.payments.read(payload)

    def recall(self, payment: Payment) -> Keys:
        """The counter of every segment and the hot list; at a start what the commitment takes."""
        commitment = payment.commitment
        if payment.tesla is not None:
            keys = self.recall(msgspec.structs.replace(payment, tesla=None))
            counters = (*keys.counters, tesla.mark_id(payment.tesla.session))
            return msgspec.structs.replace(keys, counters=counters)
        if isinstance(commitment, str):
            links = payment.links
            if len(links) == 1:  # as nearly all payments have
                return _keys_of(commitment, links[0][0])
            named = [_keys_of(commitment, segment) for segment, _, _ in links]
            return Keys(
                counters=tuple(counter for keys in named for counter in keys.counters),
                records=tuple(record for keys in named for record in keys.records),
            )
        segments, commitment_id = _segments(payment), commitment.id
        return Keys(
            counters=(
                *(counter_id(commitment_id, segment) for segment in segments),
                *_taken_ids(commitment),
            ),
            records=(
                self.family.revoked_key(commitment.certificate.serial),
                _commitment_key(commitment_id),
                *(_revoked_key(commitment_id, segment) for segment in segments),
            ),
        )

    def take(
        self, payment: Payment, offer: Offer, binding: Binding, memory: Memory, at: At
    ) -> Taken:
        """Verify; `Closed`, `Expired`, `Replayed`, `OutOfRange`, `WrongPayer`, `Forged`, `Late`."""
        commitment = payment.commitment
        marks: list[Advance] = []
        records: tuple[Put, ...] = ()
        if isinstance(commitment, str):
            commitment_id, started = commitment, _NONE
        else:
            commitment_id, started = commitment.id, self._start(payment, commitment, memory, at)
            marks = self._rest(payment, commitment, started, memory)
            records = _records(payment, commitment)
        value_micro, reference, steps, session = 0, "", 0, b""
        claims: list[Claim] = []
        bound: Bound | None = None
        for segment, index, text in payment.links:
            mark_id = counter_id(commitment_id, segment)
            place = memory.counters.get(mark_id)
            if segment in started:
                record = started[segment]
            elif place is not None:
                record = place.link
            else:
                raise Closed("commitment_unknown", "send the commitment and a start")
            if memory.records and _revoked_key(commitment_id, segment) in memory.records:
                raise Revoked("segment_revoked", "its payer has withdrawn this segment")
            bound = bound_of(record[WORD_BYTES:])
            over = place.to if place is not None else 0
            last = over - 1 if over else 0
            steps = require_step(bound, index, last, at.now_s, SKEW_S, STEPS_MAX, steps)
            if not session:
                session = bound.session
                mac, shown = payment.mac, payment.tesla
                bound.verify_mac(commitment_id, binding, payment.links, mac, shown)
            elif session != bound.session:
                raise Forged("segment_of_another_session", "one session for all of a payment")
            word = verify_next(bound, record, last, index, text)
            unit_micro = bound.unit_micro
            first = f"{FAMILY.short}:{commitment_id}:{segment}.{index}"
            reference = f"{reference},{segment}.{index}" if reference else first
            value_micro += unit_micro * (index - last)
            link, until_s = word + bound.raw, bound.until_s
            marks.append(Advance(id=mark_id, over=over, to=index + 1, link=link, until_s=until_s))
            claims.append(
                Claim(
                    scheme="ecoupon",
                    key=mark_id,
                    order=index,
                    value_micro=unit_micro * index,
                    body=word + bound.span,
                    moment="batch",
                )
            )
        assert bound is not None, "a payment has a link"
        if value_micro < offer.price_micro:
            raise Underpaid("amount_below_price", f"the price is {offer.price_micro} micro-units")
        if payment.tesla is not None:
            marks.append(self._unproved(payment, bound, value_micro, binding, memory, at))
        return Taken(
            value_micro=value_micro,
            reference=reference,
            payer=bound.payer,
            owner=bound.public_key,
            marks=tuple(marks),
            until_s=bound.until_s,
            records=records,
            claims=tuple(claims),
            value_moved=True,
        )

    def _start(
        self, payment: Payment, commitment: Commitment, memory: Memory, at: At
    ) -> dict[int, bytes]:
        """Check a start and all that leads to it; the records of its segments.

        A commitment that another holder began with is known: its signatures are not checked again.
        """
        start = payment.start
        assert start is not None, "the payment has been read"
        self.require_unrevoked(commitment, memory)
        if memory.records.get(_commitment_key(commitment.id)) != codec.canonical(commitment):
            self.admit(commitment, at)
        own_id = commitment.id.encode()
        for taken_id in _taken_ids(commitment):
            place = memory.counters.get(taken_id)
            if place is not None and place.link != own_id:
                raise Replayed("credit_committed_before", "this part of the credit is committed")
        reduced = reduce(commitment, payment.hops)
        reduced.require_valid(at.now_s)
        reduced.require_segments(*start.segments)
        start.verify(commitment, reduced.subject)
        self.demand.require_met(None if start.tesla is None else start.tesla.times)
        session = self._session(start, commitment.id, reduced.subject)
        found: dict[int, bytes] = {}
        for segment in range(start.segments[0], start.segments[1] + 1):
            record = bind(
                commitment,
                start,
                segment,
                holder=reduced.subject,
                session=session,
                ends_at_s=reduced.until_s,
            )
            place = memory.counters.get(counter_id(commitment.id, segment))
            if place is not None:
                if bound_of(place.link[WORD_BYTES:]).public_key != reduced.subject:
                    raise WrongPayer("segment_of_another_holder", "another has started with it")
                record = place.link[:WORD_BYTES] + record[WORD_BYTES:]
            found[segment] = record
        return found

    def _unproved(
        self,
        payment: Payment,
        bound: Bound,
        value_micro: int,
        binding: Binding,
        memory: Memory,
        at: At,
    ) -> Advance:
        """Keep what proves a payment under TESLA once its key is shown; as `tesla.Known`."""
        shown, commitment = payment.tesla, payment.commitment
        assert shown is not None, "the caller has looked"
        if codec.unb64u(shown.session) + NO_KEY != bound.session:
            raise Forged("payment_of_another_session", "name the session of these segments")
        place = memory.counters.get(tesla.mark_id(shown.session))
        commitment_id = commitment if isinstance(commitment, str) else commitment.id
        if place is not None:
            known = tesla.Known.read(place.link)
        elif payment.start is not None and payment.start.tesla is not None:
            known = tesla.begin(payment.start.tesla, commitment_id)
        else:
            raise Closed("commitment_unknown", "send the commitment and a start")
        known.require_safe(shown.interval, at.now_s)
        code = codec.unb64u(payment.mac, size_bytes=MAC_BYTES)
        digest = payment_digest(commitment_id, binding, payment.links)
        now = tesla.Pending(shown.interval, code, digest, value_micro)
        known = known.after(shown, now, self.demand.unverified_micro_max)
        return tesla.advance(shown.session, place, known, bound.until_s)

    def _session(self, start: Start, commitment_id: str, holder: bytes) -> bytes:
        """The key that the holder shares with us; `Forged` for a key that is not ours.

        With TESLA there is none: the session's name, and no key.
        """
        if start.tesla is not None:
            return start.tesla.name(commitment_id, holder) + NO_KEY
        ephemeral = codec.unb64u(start.ephemeral, size_bytes=agreement.KEY_BYTES)
        for key in self.setting.ring.live(SESSION_KEY):
            if start.vendor_key == codec.b64u(agreement.public_of(key.secret)):
                return session_key(key.secret, ephemeral, ephemeral, commitment_id)
        raise Forged("vendor_key_unknown", "start anew with the key that the offer names")

    def _rest(
        self, payment: Payment, commitment: Commitment, started: dict[int, bytes], memory: Memory
    ) -> list[Advance]:
        """At a start: its other segments are taken too, and the commitment's part of the credit."""
        paid = {link[0] for link in payment.links}
        marks: list[Advance] = []
        for segment, record in started.items():
            if segment not in paid:
                mark_id = commitment.counter_id(segment)
                place = memory.counters.get(mark_id)
                over, to = (place.to, place.to) if place is not None else (0, 1)
                until_s = bound_of(record[WORD_BYTES:]).until_s
                marks.append(_advance(mark_id, over, to, record, until_s))
        own_id, until_s = commitment.id.encode(), commitment.marks_until_s
        marks += [
            _advance(taken_id, 0, 1, own_id, until_s)
            for taken_id in _taken_ids(commitment)
            if taken_id not in memory.counters
        ]
        return marks

    def endorse(self, payment: Payment, taken: Taken, memory: Memory, at: At) -> Json:
        """One claim message for every segment that this payment uses."""
        messages = [
            super(EcouponTill, self).endorse(
                payment, msgspec.structs.replace(taken, claims=(claim,)), memory, at
            )
            for claim in taken.claims
        ]
        parts = [part for message in messages for part in message["parts"]]
        return messages[0] | {"parts": parts}

    def archive(self, claims: tuple[Claim, ...]) -> Keys:
        """The commitments of these claims, and the starts of their segments."""
        keys = {key for claim in claims for key in _archived(claim)}
        return Keys(records=tuple(sorted(keys)))

    def sweep(self, claims: tuple[Claim, ...], memory: Memory, at: At) -> list[Json]:
        """One claim message per row: the commitment, and the last word of one segment.

        What is forgotten by now (no claim with it is paid any more) is named by the commitment's
        id: the broker refuses that claim for good, and the others are cleared.
        """
        messages: list[Json] = []
        for claim in claims:
            commitment, start = (memory.records.get(key) for key in _archived(claim))
            if commitment is None or start is None:
                messages.append({"commitment": claim.key[7:-1].decode(), "parts": []})
                continue
            word = codec.b64u(claim.body[: chain.WORD_BYTES])
            part: Json = codec.read_json(start)
            part["link"] = [claim.key[-1], claim.order, word]
            messages.append({"commitment": codec.read_json(commitment), "parts": [part]})
        return messages


_NONE: dict[int, bytes] = {}


def _segments(payment: Payment) -> Sequence[int]:
    """Those that a start takes, and those that are paid with."""
    assert payment.start is not None, "the payment has been read"
    first, last = payment.start.segments
    return sorted({*range(first, last + 1), *(link[0] for link in payment.links)})


def _taken_ids(commitment: Commitment) -> list[bytes]:
    """Counters that name the one commitment with these slots of the day's credit, and this root."""
    serial, day = commitment.certificate.serial, commitment.day
    slots = [b"ecoupon/slot" + codec.enc(serial, day, slot) for slot in commitment.taken_slots]
    return [*slots, b"ecoupon/root" + commitment.root.encode()]


@lru_cache(maxsize=CHAINS_CACHED)
def _keys_of(commitment_id: str, segment: int) -> Keys:
    """What a payment with one segment reads."""
    return Keys(
        counters=(counter_id(commitment_id, segment),),
        records=(_revoked_key(commitment_id, segment),),
    )


def _revoked_key(commitment_id: str, segment: int) -> bytes:
    return b"ecoupon/revoked/%b.%d" % (commitment_id.encode(), segment)


def _commitment_key(commitment_id: str) -> bytes:
    return b"ecoupon/commitment/" + commitment_id.encode()


def _start_key(commitment_id: bytes, first: int, last: int) -> bytes:
    return b"ecoupon/start/%b.%d.%d" % (commitment_id, first, last)


def _archived(claim: Claim) -> tuple[bytes, bytes]:
    """Where the commitment and the start of a claim's segment are."""
    commitment_id, first, last = claim.key[7:-1], claim.body[-2], claim.body[-1]
    return b"ecoupon/commitment/" + commitment_id, _start_key(commitment_id, first, last)


def _advance(mark_id: bytes, over: int, to: int, link: bytes, until_s: int) -> Advance:
    return Advance(id=mark_id, over=over, to=to, link=link, until_s=until_s)


def _records(payment: Payment, commitment: Commitment) -> tuple[Put, ...]:
    """What later starts and the sweep read."""
    start = payment.start
    assert start is not None, "the payment has been read"
    until_s = commitment.marks_until_s
    kept = {"proof": start.proof, "roots": start.roots, "segments": start.segments}
    start_key = _start_key(commitment.id.encode(), *start.segments)
    return (
        Put(key=_commitment_key(commitment.id), value=codec.canonical(commitment), until_s=until_s),
        Put(key=start_key, value=codec.canonical(kept), until_s=until_s),
    )
