"""Fetch a page, and pay for it if that is what it takes.

unpaid request -> 402 -> offers that can be paid -> a purchase (`flow.py`) -> paid request
-> answer read (`settling.py`) -> purchase settled -> [page read -> second half: `releasing.py`]
"""

import msgspec

from farthing.wallet.choice import (
    Guide,
    asking_for,
    choose,
    is_paid,
    payable_to,
    read_offers,
)
from farthing.wallet.commands import Purchase, Request, Response, SendRequest, Sent
from farthing.wallet.errand import Flow, look
from farthing.wallet.flow import obtain
from farthing.wallet.peering import learn
from farthing.wallet.settling import Verdict, send

PAYMENTS_MAX = 2  # for one request: the payment, and one anew where nothing was charged


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """The last answer, and what was paid for it."""

    answer: Sent
    purchase: Purchase | None = None
    verdict: Verdict | None = None


def fetch(guide: Guide, request: Request, *, once: str = "") -> Flow[Fetched]:
    """Send `request`, paying if it is answered 402.

    A request that carries a payment already goes through untouched. `Denied`, `Overlimit`,
    `Unfunded`, `Unsupported` and whatever a mint says, all before anything is paid. `once`: what
    it is bought for, for which nothing but one purchase is ever made (`Reserve.once`).
    """
    answer: Sent = yield SendRequest(request=request, leg="first")
    fetched = Fetched(answer=answer)
    if is_paid(request):
        return fetched
    for _ in range(PAYMENTS_MAX):
        if not isinstance(answer, Response) or answer.status != 402:
            return fetched
        request = answer.answers(request)
        at = yield from look()
        is_payable = payable_to(guide, request, at.now_s)
        offers = read_offers(answer, at.now_s, is_payable)
        if not offers:
            return fetched
        wanting = asking_for(guide, request, offers)
        if wanting is not None:
            request = wanting
            answer = yield SendRequest(request=request, leg="first")
            fetched = Fetched(answer=answer)
            if not isinstance(answer, Response) or answer.status != 402:
                return fetched
            request = answer.answers(request)
            offers = read_offers(answer, at.now_s, is_payable)
        guide = yield from learn(guide, offers)
        choices = choose(guide, request, offers, at.now_s)
        purchase = yield from obtain(guide, request, choices, is_repeatable=is_open, once=once)
        answer, verdict = yield from send(guide, purchase, request)
        fetched = Fetched(answer=answer, purchase=purchase, verdict=verdict)
        if verdict is not Verdict.ANEW:
            return fetched
        if not isinstance(answer, Response) or answer.status != 402:
            answer = yield SendRequest(request=request, leg="first")
    return fetched


def is_open(purchase: Purchase) -> bool:
    """Whether its bytes go to the page's own address; those of the others go under a seal."""
    return purchase.received.dialect != "private"
