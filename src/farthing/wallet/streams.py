"""The wallet's flows of a stream: one payment opens it, vouchers and top-ups pay on.

Either is a purchase like any other: written before it is sent, within the budgets, settled by its
receipt. A voucher goes to the page's own address, under the challenge that opened the stream while
that lasts, and then under a fresh one. What was opened by a scheme without vouchers is paid on by
top-ups: so many ticks are asked for at the stream's address, and bought as a page is. No payment
opens a stream twice, so what opened it counts as delivered at once; what breaks off is opened anew,
with the next tick.
"""

from typing import Literal

import msgspec

from farthing.errors import (
    Closed,
    OutOfRange,
    Refusal,
    Unavailable,
    Undecided,
    Unfunded,
    Unsupported,
)
from farthing.schemes.streams import Meter, meter_in, tick_micro
from farthing.wallet.choice import (
    Choice,
    Guide,
    Wanted,
    asking_for,
    choose,
    place_of,
    read_offers,
)
from farthing.wallet.commands import Purchase, Request, Response, SendRequest, Sent
from farthing.wallet.errand import Flow, look
from farthing.wallet.fetching import remember
from farthing.wallet.flow import obtain, reservation
from farthing.wallet.known import Recall, Remember
from farthing.wallet.patience import patiently, problem_of
from farthing.wallet.peering import learn
from farthing.wallet.policy import Cap
from farthing.wallet.settling import Verdict, send
from farthing.wire import published, x402
from farthing.wire.offers import Received, target_of

TRIES_MAX = 3  # of one opening: a lost reply, and a payment to be made anew
NOT_TAKEN = "voucher_not_taken"
OVER = "stream_over"  # what the vendor says, too
FRESH_S = 30  # a challenge that is over sooner is not used any more


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that was asked for."""

    answer: Sent
    choice: Choice | None = None
    """How it is paid; None for an answer that was not paid."""
    purchase: Purchase | None = None
    """What opened it."""
    paid_micro: int = 0
    """What it cost to open it, payments whose answers were lost included."""

    @property
    def name(self) -> str:
        """K of what opened it."""
        return self.purchase.k if self.purchase is not None else ""

    @property
    def meter(self) -> Meter | None:
        """What a tick is."""
        return meter_in(self.choice.received.offer) if self.choice is not None else None

    @property
    def has_vouchers(self) -> bool:
        """Whether it is paid on by them; else by top-ups."""
        return self.choice is not None and self.choice.received.offer.intent == "session"


def open_stream(guide: Guide, request: Request, cap: Cap | None = None) -> Flow[Opened]:
    """Ask for a stream, and pay its first tick. Refusals as of `fetching.fetch`.

    `Unsupported` for a page that has one price; `Overlimit` for a tick that costs more than `cap`.
    """
    paid_for: tuple[Choice, Purchase] | None = None
    paid_micro = 0
    for _ in range(TRIES_MAX):
        answer: Sent = yield from patiently(SendRequest(request=request, leg="first"))
        if not isinstance(answer, Response) or answer.status != 402:
            return Opened(answer=answer, paid_micro=paid_micro)
        asked = msgspec.structs.replace(request, url=answer.url)
        asked, answer = yield from _named(guide, asked, answer, "first")
        if not isinstance(answer, Response) or answer.status != 402:
            return Opened(answer=answer, paid_micro=paid_micro)
        guide, choices = yield from _choices(guide, asked, answer)
        left = cap.less(paid_micro) if cap is not None else None
        within = msgspec.structs.replace(guide, policy=guide.policy.within(left))
        purchase = yield from obtain(within, asked, choices, is_repeatable=_never, stream="")
        choice = next(one for one in choices if one.received == purchase.received)
        paid_for = choice, purchase
        answer, verdict = yield from send(guide, purchase, asked)
        paid_micro += purchase.price_micro if verdict is Verdict.DONE else 0
        if isinstance(answer, Response) and verdict is Verdict.DONE and answer.status < 300:
            return Opened(answer=answer, choice=choice, purchase=purchase, paid_micro=paid_micro)
        if verdict is Verdict.UNDECIDED:
            raise Undecided("stream_undecided", "the site does not say whether it was paid")
        if isinstance(answer, Response) and answer.status not in {402, 403, 409, 410}:
            return Opened(answer=answer, paid_micro=paid_micro)  # the site itself failed
    assert paid_for is not None, "at least one payment is tried"
    raise Unavailable("stream_not_opened", "the site takes no payment for this stream now")


def pay_on(guide: Guide, request: Request, opened: Opened, ticks: int) -> Flow[Purchase]:
    """Write a voucher and hand it in. Refusals as of `write` and `hand_in`."""
    purchase = yield from write(guide, request, opened, ticks)
    yield from hand_in(guide, request, purchase)
    return purchase


def write(guide: Guide, request: Request, opened: Opened, ticks: int) -> Flow[Purchase]:
    """A payment for so many ticks, or for the fewest where so many cannot be paid at once.

    Any refusal of budgets, mints and purses; `Unavailable`, `Unsupported` where the stream is not
    offered any more.
    """
    if not opened.has_vouchers:
        return (yield from _write_top_up(guide, opened, ticks))
    choice = yield from _current(guide, request, opened)
    try:
        return (yield from _voucher(guide, request, opened, _for_ticks(choice, ticks)))
    except (Unfunded, OutOfRange):
        if ticks == 1:
            raise
    return (yield from _voucher(guide, request, opened, choice))


def write_beside(
    guide: Guide, request: Request, opened: Opened, ticks: int
) -> Flow[Purchase | None]:
    """As `write`, while another voucher is on its way: out of another chain.

    None where the wallet has no other at hand, or anything else is in the way: whoever waits for
    the first may go on with its chain. So no two payments in doubt ever share a chain. None for a
    top-up, too.
    """
    if not opened.has_vouchers:
        return None
    choice = _for_ticks((yield from _current(guide, request, opened)), ticks)
    at = yield from look()
    got = yield reservation(guide, request, (choice,), at, stream=opened.name)
    return got if isinstance(got, Purchase) else None


def hand_in(guide: Guide, request: Request, purchase: Purchase) -> Flow[None]:
    """Have a payment taken; `Undecided`, `Unavailable` where the vendor does not take it.

    `Closed` where the stream is over, and all of it is paid.
    """
    if purchase.page:
        request = Request(method=purchase.method, url=purchase.url, page=purchase.page)
    answer, verdict = yield from send(guide, purchase, request)
    if purchase.page and purchase.received.dialect == "x402":
        if verdict is Verdict.DONE:
            yield Remember(request=request, received=purchase.received)
        elif verdict is Verdict.ANEW:
            yield Remember(request=request, received=None)
    if verdict is Verdict.UNDECIDED:
        raise Undecided("voucher_undecided", "the site does not say whether it took a payment")
    if verdict is not Verdict.DONE and _is_over(answer):
        raise Closed(OVER, "the stream has ended, and all of it is paid")
    if verdict is not Verdict.DONE:
        raise Unavailable(NOT_TAKEN, "the site takes no more payment for this stream")


def _is_over(answer: Sent) -> bool:
    return isinstance(answer, Response) and problem_of(answer).code == OVER


def _current(guide: Guide, request: Request, opened: Opened) -> Flow[Choice]:
    """How the stream is paid, under a challenge that lasts."""
    assert opened.choice is not None, "a stream that is paid for"
    at = yield from look()
    if opened.choice.received.expires_at_s < at.now_s + FRESH_S:
        return (yield from _afresh(guide, request, opened.choice))
    return opened.choice


def _write_top_up(guide: Guide, opened: Opened, ticks: int) -> Flow[Purchase]:
    """As `write`, of a stream that is topped up."""
    assert opened.meter is not None, "a stream that is paid for"
    fewest = opened.meter.ticks
    try:
        return (yield from _top_up(guide, opened, ticks))
    except (Unfunded, OutOfRange, Unsupported, Unavailable):
        if ticks <= fewest:
            raise
    return (yield from _top_up(guide, opened, fewest))


def _top_up(guide: Guide, opened: Opened, ticks: int) -> Flow[Purchase]:
    """A purchase of so many ticks, at the price of those that opened the stream."""
    assert opened.purchase is not None, "a stream that is paid for"
    assert opened.choice is not None, "likewise"
    due_micro = tick_micro(opened.choice.received.offer) * ticks
    url = opened.purchase.site + published.top_up_path(opened.name, ticks)
    request = Request(method="POST", url=url, page=opened.purchase.url)
    purchase = yield from _as_before(guide, request, due_micro)
    if purchase is not None:
        return purchase
    request, answer = yield from _named(guide, request, (yield from _asked(request)), "outcome")
    if not isinstance(answer, Response) or answer.status != 402:
        raise _not_offered()
    guide, choices = yield from _choices(guide, request, answer, "page")
    choices = tuple(choice for choice in choices if choice.wish.price_micro == due_micro)
    if not choices:
        raise _sold_otherwise()
    purchase = yield from obtain(guide, request, choices, is_repeatable=_never, stream="")
    at = yield from look()
    yield from remember(guide, request, answer, purchase, at.now_s)
    return purchase


def _as_before(guide: Guide, request: Request, due_micro: int) -> Flow[Purchase | None]:
    """A top-up by the offer of the one before it, so that nobody is asked for another (`known.py`).

    None where there is none, or anything is in the way: then the vendor is asked.
    """
    known: Received | None = yield Recall(request=request, exact=True)
    if known is None:
        return None
    at = yield from look()
    target = target_of(request.method, place_of(request.url).path_query)
    offer = x402.repriced(x402.readdressed(known, target, request.body_digest), due_micro)
    try:
        choices = choose(guide, request, (offer,), at.now_s)
        return (
            yield from obtain(guide, request, choices, is_repeatable=_never, stream="", asks=False)
        )
    except Refusal:
        return None


def _asked(request: Request) -> Flow[Response]:
    """The 402 for this request; `Unavailable`."""
    answer: Sent = yield from patiently(SendRequest(request=request, leg="outcome"))
    if _is_over(answer):
        raise Closed(OVER, "the stream has ended, and all of it is paid")
    if not isinstance(answer, Response) or answer.status != 402:
        raise _not_offered()
    return answer


def _named(
    guide: Guide, request: Request, answer: Response, leg: Literal["first", "outcome"]
) -> Flow[tuple[Request, Sent]]:
    """The request with the wallet's schemes named in it, and its answer, where that is needed."""
    at = yield from look()
    wanting = asking_for(guide, request, read_offers(answer, at.now_s))
    if wanting is None:
        return request, answer
    again: Sent = yield from patiently(SendRequest(request=wanting, leg=leg))
    return wanting, again


def _not_offered() -> Unavailable:
    return Unavailable("stream_not_offered", "the site does not offer this stream any more")


def _sold_otherwise() -> Unsupported:
    return Unsupported("stream_sold_otherwise", "the site sells this stream in another way now")


def _choices(
    guide: Guide, request: Request, answer: Response, wanted: Wanted = "stream"
) -> Flow[tuple[Guide, tuple[Choice, ...]]]:
    """How the stream may be paid, and the guide that knows whoever is paid."""
    at = yield from look()
    offers = read_offers(answer, at.now_s)
    if not offers:
        raise Unsupported("offer_unreadable", "the site asks for a payment in no way known here")
    guide = yield from learn(guide, offers)
    return guide, choose(guide, request, offers, at.now_s, wanted=wanted)


def _afresh(guide: Guide, request: Request, before: Choice) -> Flow[Choice]:
    """The same way to pay under a challenge that lasts; the stream's own price stays."""
    answer = yield from _asked(request)
    way = (before.wish.scheme, before.wish.broker_id, before.wish.vendor_id)
    _, choices = yield from _choices(guide, request, answer)
    for choice in choices:
        if (choice.wish.scheme, choice.wish.broker_id, choice.wish.vendor_id) == way:
            offer = msgspec.structs.replace(
                choice.received.offer, price_micro=before.wish.price_micro
            )
            received = msgspec.structs.replace(choice.received, offer=offer)
            return msgspec.structs.replace(before, received=received)
    raise _sold_otherwise()


def _voucher(guide: Guide, request: Request, opened: Opened, choice: Choice) -> Flow[Purchase]:
    stream = opened.name
    return (yield from obtain(guide, request, (choice,), is_repeatable=_never, stream=stream))


def _for_ticks(choice: Choice, count: int) -> Choice:
    """The same for so many ticks at once."""
    price_micro = choice.wish.price_micro * count
    offer = msgspec.structs.replace(choice.received.offer, price_micro=price_micro)
    return Choice(
        received=msgspec.structs.replace(choice.received, offer=offer),
        wish=msgspec.structs.replace(choice.wish, price_micro=price_micro, least_micro=price_micro),
    )


def _never(purchase: Purchase) -> bool:
    """No payment of a stream is sent for another one."""
    return False
