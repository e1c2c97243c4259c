"""What one payment writes at the gate: its hold, its confirm with receipt and claims, its end."""

from collections.abc import Generator

import msgspec

from farthing import marks
from farthing.crypto import signing
from farthing.marks import Moment
from farthing.schemes.contract import At, Json, Setting
from farthing.vendor.commands import GateCommand, OriginAnswered, SpareSerial, TakeSerial, expect
from farthing.vendor.payments import Kept, Outcome, Paying, page_key
from farthing.wire import receipts
from farthing.wire.offers import Receipt

LEASE_GRACE_S = 30  # a hold outlives the origin's time-out by this
STORED_BODY_BYTES_MAX = 64 * 1024  # of answers kept for `replay_body` and other methods
STORED_BODY_S = 3600  # how long they are given out again
OUTCOME_KEPT_S_MIN = 30 * 86_400  # outcomes are replayable at least this long
RECEIPT_KEY = "farthing/vendor/receipt/1"
CLOSED = "-closed"  # at the end of the receipt id of a whole stream
REPEATABLE = frozenset({"GET", "HEAD"})
MOMENTS: tuple[Moment, ...] = ("before", "during", "batch")

_ENCODE = msgspec.msgpack.Encoder().encode
read_outcome = msgspec.msgpack.Decoder(Outcome).decode
read_page = msgspec.msgpack.Decoder(OriginAnswered).decode
read_kept = msgspec.msgpack.Decoder(Kept).decode


def earlier(one: Moment, other: Moment) -> Moment:
    """Of two clearing moments the one that comes first."""
    return min(one, other, key=MOMENTS.index)


def hold_of(paying: Paying) -> marks.Hold:
    """The hold of a payment while its origin works."""
    taken, now_s = paying.taken, paying.at.now_s
    kept = Kept(
        scheme=paying.offer.scheme,
        owner=taken.owner,
        payload_hash=paying.payload_hash,
        till=taken.kept,
        begun=paying.begun,
    )
    lease_s = paying.priced.route.origin_timeout_s + LEASE_GRACE_S
    return marks.Hold(
        k=paying.credential.k,
        digest=paying.digest,
        marks=taken.marks,
        kept=_ENCODE(kept),
        now_s=now_s,
        lease_until_s=now_s + lease_s,
        until_s=max(taken.until_s, now_s + OUTCOME_KEPT_S_MIN),
        outcome=marks.BEGUN if paying.begun else b"",
        again=not paying.credential.named,
    )


def numbered(paying: Paying) -> Generator[GateCommand, object, At]:
    """The moment of the payment, with the serial that its receipt needs, if it needs one."""
    series, at = paying.till.series(paying.taken), paying.at
    if not series:
        return at
    serial = expect(int, (yield TakeSerial(series)))
    return At(now_s=at.now_s, entropy=at.entropy, serials=(serial,))


def spared(paying: Paying, at: At) -> Generator[GateCommand, object, None]:
    """Give back the serial of a payment that was not taken: repeats and replays cost none."""
    for index in at.serials:
        yield SpareSerial(paying.till.series(paying.taken), index)


def take_of(paying: Paying, receipt: Receipt) -> marks.Take:
    """Hold and confirm at once, where no origin can fail."""
    outcome = Outcome(
        status=200,
        dialect=paying.credential.dialect,
        receipt=receipt,
        delivered=paying.taken.delivered,
    )
    return marks.Take(
        hold=hold_of(paying),
        outcome=_ENCODE(outcome),
        records=paying.taken.records,
        claims=claims_of(paying),
    )


def confirm_of(
    paying: Paying, fence: int, origin: OriginAnswered, receipt: Receipt
) -> marks.Confirm:
    """The confirm of a hold, with the origin's answer where it is kept."""
    keep = paying.priced.route.replay_body or paying.request.method not in REPEATABLE
    keep = keep and not paying.taken.delivered  # whose repeat is answered with the receipt alone
    small = origin.body is not None and len(origin.body) <= STORED_BODY_BYTES_MAX
    stored: tuple[marks.Put, ...] = ()
    if keep and small:
        until_s = paying.at.now_s + STORED_BODY_S
        stored = (marks.Put(key=page_key(receipt), value=_ENCODE(origin), until_s=until_s),)
    outcome = Outcome(
        status=origin.status,
        dialect=paying.credential.dialect,
        receipt=receipt,
        stored=bool(stored),
        delivered=paying.taken.delivered,
        streamed=paying.stream is not None,
    )
    return marks.Confirm(
        k=paying.credential.k,
        fence=fence,
        outcome=_ENCODE(outcome),
        records=paying.taken.records + stored,
        claims=claims_of(paying),
    )


def claims_of(paying: Paying) -> tuple[marks.Claim, ...]:
    """What the vendor will show the broker, at the moment that the route asks for.

    What the broker has paid before the goods went out is a claim `before`: in the report only.
    """
    wanted = "before" if paying.endorsed is not None else paying.priced.route.clearing
    if wanted is None:
        return paying.taken.claims
    return tuple(
        msgspec.structs.replace(claim, moment=earlier(claim.moment, wanted))
        for claim in paying.taken.claims
    )


def receipt_of(setting: Setting, paying: Paying, at: At, for_payer: Json = None) -> Receipt:
    """The signed receipt, with whatever the till adds; `at` is `numbered`."""
    finished = paying.till.finish(paying.taken, for_payer, at)
    offer, taken = paying.offer, paying.taken
    receipt = Receipt(
        receipt_id=receipts.id_of(paying.credential.k),
        wire_name=paying.credential.wire_name,
        reference=taken.reference,
        challenge_id=paying.credential.challenge_id,
        k=paying.credential.k,
        issued_at_s=at.now_s,
        amount_micro=taken.value_micro,
        currency=offer.currency,
        vendor_id=offer.vendor_id,
        broker_id=offer.broker_id,
        settlement="final" if paying.endorsed is not None else offer.settlement,
        guarantor=offer.guarantor,
        redeem_by_s=offer.redeem_by_s,
        external_id=offer.external_id,
        payer=taken.payer,
        change=finished.change,
        released=finished.released,
    )
    if taken.mac_key:
        return receipts.sign_mac(receipt, taken.mac_key)
    key = setting.ring.current(RECEIPT_KEY)
    return receipts.sign(receipt, lambda body: signing.sign(key.secret, body))


def closing_of(setting: Setting, opening: Receipt, paid_micro: int) -> bytes:
    """The receipt for a whole stream, signed, as JSON: that of its opening for all that was paid.

    By its nature it comes when everything is paid, and proves only the sum.
    """
    receipt = msgspec.structs.replace(
        opening,
        receipt_id=opening.receipt_id + CLOSED,
        amount_micro=paid_micro,
        sig="",
    )
    key = setting.ring.current(RECEIPT_KEY)
    return receipts.written(receipts.sign(receipt, lambda body: signing.sign(key.secret, body)))
