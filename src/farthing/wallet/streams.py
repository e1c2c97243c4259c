"""The wallet's flows of a stream: one payment opens it, vouchers pay on.

A voucher is a purchase like any other: written before it is sent, within the budgets, settled by
its receipt. It goes to the stream's own address, under the challenge that opened it while that
lasts, and then under a fresh one. No payment opens a stream twice, so what opened it counts as
delivered at once; what breaks off is opened anew, with the next tick.
"""

import msgspec

from farthing.errors import (
    OutOfRange,
    Unavailable,
    Undecided,
    Unfunded,
    Unsupported,
)
from farthing.schemes.streams import Meter, meter_in
from farthing.wallet.choice import Choice, Guide, choose, read_offers
from farthing.wallet.commands import Purchase, Request, Response, SendRequest, Sent
from farthing.wallet.errand import Flow, look
from farthing.wallet.flow import obtain, reservation
from farthing.wallet.peering import learn
from farthing.wallet.policy import Cap
from farthing.wallet.settling import Verdict, send

TRIES_MAX = 3  # of one opening: a lost reply, and a payment to be made anew
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


def open_stream(guide: Guide, request: Request, cap: Cap | None = None) -> Flow[Opened]:
    """Ask for a stream, and pay its first tick. Refusals as of `fetching.fetch`.

    `Unsupported` for a page that has one price; `Overlimit` for a tick that costs more than `cap`.
    """
    paid_for: tuple[Choice, Purchase] | None = None
    paid_micro = 0
    for _ in range(TRIES_MAX):
        answer: Sent = yield SendRequest(request=request, leg="first")
        if not isinstance(answer, Response) or answer.status != 402:
            return Opened(answer=answer)
        asked = msgspec.structs.replace(request, url=answer.url)
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
            return Opened(answer=answer)  # the site itself failed, and took nothing
    assert paid_for is not None, "at least one payment is tried"
    raise Unavailable("stream_not_opened", "the site takes no payment for this stream now")


def pay_on(guide: Guide, request: Request, opened: Opened, ticks: int) -> Flow[Purchase]:
    """Write a voucher and hand it in. Refusals as of `write` and `hand_in`."""
    purchase = yield from write(guide, request, opened, ticks)
    yield from hand_in(guide, request, purchase)
    return purchase


def write(guide: Guide, request: Request, opened: Opened, ticks: int) -> Flow[Purchase]:
    """A voucher for so many ticks, or for one where so many cannot be paid at once.

    Any refusal of budgets, mints and purses; `Unavailable`, `Unsupported` where the stream is not
    offered any more.
    """
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
    the first may go on with its chain. So no two payments in doubt ever share a chain.
    """
    choice = _for_ticks((yield from _current(guide, request, opened)), ticks)
    at = yield from look()
    got = yield reservation(guide, request, (choice,), at, stream=opened.name)
    return got if isinstance(got, Purchase) else None


def hand_in(guide: Guide, request: Request, purchase: Purchase) -> Flow[None]:
    """Have a voucher taken; `Undecided`, `Unavailable` where the vendor does not take it."""
    _, verdict = yield from send(guide, purchase, request, later=True)
    if verdict is Verdict.UNDECIDED:
        raise Undecided("voucher_undecided", "the site does not say whether it took a payment")
    if verdict is not Verdict.DONE:
        raise Unavailable("voucher_not_taken", "the site takes no more payment for this stream")


def _current(guide: Guide, request: Request, opened: Opened) -> Flow[Choice]:
    """How the stream is paid, under a challenge that lasts."""
    assert opened.choice is not None, "a stream that is paid for"
    at = yield from look()
    if opened.choice.received.expires_at_s < at.now_s + FRESH_S:
        return (yield from _afresh(guide, request, opened.choice))
    return opened.choice


def _choices(
    guide: Guide, request: Request, answer: Response
) -> Flow[tuple[Guide, tuple[Choice, ...]]]:
    """How the stream may be paid, and the guide that knows whoever is paid."""
    at = yield from look()
    offers = read_offers(answer, at.now_s)
    if not offers:
        raise Unsupported("offer_unreadable", "the site asks for a payment in no way known here")
    guide = yield from learn(guide, offers)
    return guide, choose(guide, request, offers, at.now_s, intent="session")


def _afresh(guide: Guide, request: Request, before: Choice) -> Flow[Choice]:
    """The same way to pay under a challenge that lasts; the stream's own price stays."""
    answer: Sent = yield SendRequest(request=request, leg="outcome")
    if not isinstance(answer, Response) or answer.status != 402:
        raise Unavailable("stream_not_offered", "the site does not offer this stream any more")
    way = (before.wish.scheme, before.wish.broker_id, before.wish.vendor_id)
    _, choices = yield from _choices(guide, request, answer)
    for choice in choices:
        if (choice.wish.scheme, choice.wish.broker_id, choice.wish.vendor_id) == way:
            offer = msgspec.structs.replace(
                choice.received.offer, price_micro=before.wish.price_micro
            )
            received = msgspec.structs.replace(choice.received, offer=offer)
            return msgspec.structs.replace(before, received=received)
    raise Unsupported("stream_sold_otherwise", "the site sells this stream in another way now")


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
