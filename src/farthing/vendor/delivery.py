"""From a hold to an answer: the origin, the broker where it pays first, confirm or release.

held -> [broker reserves] -> origin -> 2xx, 304: [broker pays] -> confirm -> page and receipt
                                    -> else:     [broker voids] -> release -> "not charged"
"""

from collections.abc import Generator
from functools import partial

import msgspec

from farthing import marks
from farthing.errors import (
    Broken,
    Busy,
    Denied,
    HoldLost,
    OriginFailed,
    Refusal,
    TooLarge,
    Unavailable,
    Undecided,
)
from farthing.schemes.contract import At, Dialect, Json, Replier
from farthing.vendor import metering, reserving
from farthing.vendor.booking import (
    REPEATABLE,
    STORED_BODY_S,
    closing_of,
    confirm_of,
    numbered,
    read_kept,
    read_page,
    receipt_of,
)
from farthing.vendor.commands import (
    Aborted,
    Answer,
    GateCommand,
    OriginAnswered,
    Request,
    Walk,
    expect,
)
from farthing.vendor.offering import Offering
from farthing.vendor.payments import (
    NO_PAGE,
    NOT_CHARGED,
    Outcome,
    Paying,
    ask_origin,
    page_key,
    paid,
    passed_on,
)
from farthing.vendor.prices import Priced
from farthing.vendor.reserving import Reserved
from farthing.wire import dialects, published
from farthing.wire.offers import Receipt

NOBODY = Answer(status=500, headers=(), body=b"")  # stands where a receipt says it all


class Delivery:
    """The second half of every walk."""

    def __init__(self, offering: Offering) -> None:
        """Refuses with the offers of `offering`."""
        self._offering = offering

    def serve_held(self, paying: Paying, held: marks.Held) -> Walk:
        """Origin, then confirm or release. Whatever happens, the hold does not stay."""
        fence = held.fence
        if held.resumed:  # after a crash what the first attempt had kept stands
            taken = msgspec.structs.replace(paying.taken, kept=read_kept(held.kept).till)
            paying = msgspec.structs.replace(paying, taken=taken)
        reserved: Reserved | None = None
        asked = False
        try:
            if paying.endorsed is not None:
                reserved = yield from self._reserve(paying, resumed=held.resumed)
                if reserved.number == 0:
                    return (yield from self._serve_settled(paying, fence, reserved))
            origin = yield from _origin(paying)
            if not (200 <= origin.status < 300 or origin.status == 304):
                return (yield from self._let_go(paying, fence, reserved, passed_on(origin)))
            if reserved is not None:
                lost = yield from self._lost(paying, fence)
                if lost is not None:
                    return lost
                asked = True
                reserved = yield from reserving.capture(reserved)
        except (Undecided, Broken) as unknown:
            return self._offering.refuse(paying.request, unknown, paying.at, value_moved=True)
        except (Refusal, Aborted) as gone:
            refused = self._not_charged(paying, gone)
            answer = yield from self._let_go(paying, fence, reserved, refused, asked=asked)
            if isinstance(gone, Aborted):
                raise
            return answer
        return (yield from self._confirm(paying, fence, origin, reserved))

    def _reserve(self, paying: Paying, *, resumed: bool) -> reserving.Calls:
        """As `reserving.reserve`; `Undecided` where an earlier attempt may have been paid."""
        try:
            return (yield from reserving.reserve(self._settlement(paying)))
        except (Unavailable, Busy):
            if resumed:
                raise Undecided("outcome_unknown", "the broker does not say yet") from None
            raise

    def _lost(self, paying: Paying, fence: int) -> Generator[GateCommand, object, Answer | None]:
        """What is said where somebody else has ended this hold meanwhile: it is not to be paid.

        The broker's answer may have been so late that its payer was told of a release already.
        The reservation stays: another attempt with these bytes may have it, or it ends by itself.
        """
        found = yield marks.Find(k=paying.credential.k)
        if isinstance(found, marks.Payment) and (found.state, found.fence) == (
            "held",
            fence,
        ):
            return None
        lost = HoldLost("hold_lost", "this payment was ended meanwhile; ask for its outcome")
        return self._offering.refuse(paying.request, lost, paying.at, value_moved=True)

    def _settlement(self, paying: Paying) -> dict[str, Json]:
        tender = self._offering.tender(paying.request, paying.priced, paying.at)
        return dialects.settlement(paying.offer, paying.endorsed, tender)

    def _not_charged(self, paying: Paying, gone: Refusal | Aborted) -> Answer:
        """What the payer hears once the hold is released."""
        refusal = gone if isinstance(gone, Refusal) else OriginFailed("payer_gone", "nobody waits")
        return self._offering.refuse(
            paying.request, refusal, paying.at, value_moved=True, extra=NOT_CHARGED
        )

    def _let_go(
        self,
        paying: Paying,
        fence: int,
        reserved: Reserved | None,
        answer: Answer,
        *,
        asked: bool = False,
    ) -> Walk:
        """Give reservation and marks back; then `answer`, which says that nothing was charged.

        Where the hold is not ours any more, the store fails, or the reservation may have been
        captured, nobody can say so yet. `asked`: whether we asked for that ourselves, and someone
        who read along may have been heard instead.
        """
        try:
            is_void = reserved is None or (yield from reserving.void(reserved))
        except Refusal:
            is_void = not asked  # it ends by itself
        try:
            if not is_void:
                raise Undecided("outcome_unknown", "the broker may have paid it")
            yield marks.Release(k=paying.credential.k, fence=fence)
        except Refusal as lost:
            return self._offering.refuse(paying.request, lost, paying.at, value_moved=True)
        return answer

    def _confirm(
        self, paying: Paying, fence: int, origin: OriginAnswered, reserved: Reserved | None
    ) -> Walk:
        """The origin's answer with the receipt, once that is durable."""
        receipt, refused = yield from self._settle(paying, fence, origin, reserved)
        if receipt is None:
            return refused
        replier = paying.till.replier(paying.payment)
        dialect, method = paying.credential.dialect, paying.request.method
        answer = paid(receipt, origin, dialect, replier, method=method)
        return self._opened(paying, receipt, _told(paying, answer))

    def _opened(self, paying: Paying, receipt: Receipt, answer: Answer) -> Answer:
        """The answer with the stream that the payment opens, and where more is paid on it."""
        if paying.stream is None or not 200 <= answer.status < 300:
            return answer
        closing = partial(closing_of, self._offering.setting, receipt)
        stream = msgspec.structs.replace(paying.stream, closing=closing)
        link = b'<%s>; rel="payment"' % published.top_up_path(stream.name).encode()
        headers = (*answer.headers, (b"link", link))
        return msgspec.structs.replace(answer, headers=headers, stream=stream)

    def _settle(
        self, paying: Paying, fence: int, origin: OriginAnswered, reserved: Reserved | None
    ) -> Generator[GateCommand, object, tuple[Receipt | None, Answer]]:
        """Durable before the first byte goes out: the receipt, or None and what is said instead."""
        for_payer = reserved.for_payer if reserved is not None else None
        try:
            at = yield from numbered(paying)
            receipt = receipt_of(self._offering.setting, paying, at, for_payer)
            yield confirm_of(paying, fence, origin, receipt)
        except Busy as lost:
            return None, self._offering.refuse(paying.request, lost, paying.at, value_moved=True)
        except Refusal as failed:
            if reserved is not None:  # paid at the broker: the same bytes go on from here
                said = self._offering.refuse(paying.request, failed, paying.at, value_moved=True)
                return None, said
            refused = self._not_charged(paying, failed)
            return None, (yield from self._let_go(paying, fence, None, refused))
        return receipt, NOBODY

    def _serve_settled(self, paying: Paying, fence: int, reserved: Reserved) -> Walk:
        """After a crash between the broker's payment and our confirm: confirm first."""
        nothing = OriginAnswered(status=200, headers=(), body=None)
        receipt, refused = yield from self._settle(paying, fence, nothing, reserved)
        if receipt is None:
            return refused
        return (yield from self.serve_taken(paying, receipt))

    def serve_taken(self, paying: Paying, receipt: Receipt) -> Walk:
        """The page after the money, for origins that cannot fail; the receipt alone without one."""
        if paying.taken.delivered:
            replier = paying.till.replier(paying.payment)
            dialect, method = paying.credential.dialect, paying.request.method
            answer = paid(receipt, NO_PAGE, dialect, replier, method=method)
            return _told(paying, answer)
        answer = yield from self._serve_paid(
            paying.request,
            paying.priced,
            receipt,
            paying.at,
            paying.credential.dialect,
            paying.till.replier(paying.payment),
        )
        return self._opened(paying, receipt, answer)

    def _serve_paid(
        self,
        request: Request,
        priced: Priced,
        receipt: Receipt,
        at: At,
        dialect: Dialect,
        replier: Replier | None,
        *,
        replay: bool = False,
    ) -> Walk:
        try:
            asked = ask_origin(priced, receipt, receipt.currency, replay=replay)
            origin = expect(OriginAnswered, (yield asked))
            if priced.meter is not None and 200 <= origin.status < 300:
                metering.require_metered(priced.meter, origin.headers)
        except (OriginFailed, TooLarge) as failed:
            headers = dialects.receipt_headers(receipt, dialect)
            return self._offering.refuse(request, failed, at, value_moved=True, extra=headers)
        return paid(receipt, origin, dialect, replier, method=request.method)

    def repeat(
        self,
        request: Request,
        priced: Priced,
        outcome: Outcome,
        at: At,
        replier: Replier | None,
    ) -> Walk:
        """The same payment again: the stored outcome, within the route's window."""
        receipt, dialect = outcome.receipt, outcome.dialect
        if outcome.delivered:
            return paid(receipt, NO_PAGE, dialect, replier, method=request.method)
        if outcome.streamed:
            opened = Denied("stream_opened_before", "open the stream anew, with the next tick")
            headers = dialects.receipt_headers(receipt, dialect)
            return self._offering.refuse(request, opened, at, value_moved=True, extra=headers)
        age_s = at.now_s - receipt.issued_at_s
        if outcome.stored and age_s <= STORED_BODY_S:
            key = page_key(receipt)
            found = expect(marks.Memory, (yield marks.Read(keys=marks.Keys(records=(key,)))))
            if key in found.records:
                page = read_page(found.records[key])
                return paid(receipt, page, dialect, replier, method=request.method)
        if request.method in REPEATABLE and age_s <= priced.route.repeat_s:
            again = self._serve_paid(request, priced, receipt, at, dialect, replier, replay=True)
            return (yield from again)
        why = "the time to fetch it again is over"
        if request.method not in REPEATABLE:
            why = "its answer is not kept; its vendor can give the price back"
        over = Denied("repeat_window_over", f"paid for, and {why}")
        headers = dialects.receipt_headers(receipt, dialect)
        return self._offering.refuse(request, over, at, value_moved=True, extra=headers)


def _told(paying: Paying, answer: Answer) -> Answer:
    """The answer to a voucher, with what whoever passes its stream on wants to hear."""
    if not paying.voucher_for:
        return answer
    return msgspec.structs.replace(
        answer, voucher_for=paying.voucher_for, stream_paid_micro=paying.stream_paid_micro
    )


def _origin(paying: Paying) -> Generator[GateCommand, object, OriginAnswered]:
    """What the site answers; nobody asks it for what is out already."""
    if paying.taken.delivered:
        return NO_PAGE
    asked = ask_origin(paying.priced, paying.taken, paying.offer.currency)
    origin = expect(OriginAnswered, (yield asked))
    if paying.stream is not None and 200 <= origin.status < 300:
        metering.require_metered(paying.stream.meter, origin.headers)
    return origin
