"""Fetch a page, and pay for it if that is what it takes.

unpaid request -> 402 -> offers that can be paid -> a purchase (`flow.py`) -> paid request
-> answer read (`settling.py`) -> purchase settled -> [page read -> second half: `releasing.py`]
"""

import msgspec

from farthing.errors import Refusal
from farthing.schemes.contract import Offer
from farthing.wallet.choice import (
    Guide,
    asking_for,
    choose,
    is_paid,
    payable_to,
    place_of,
    read_offers,
)
from farthing.wallet.commands import Purchase, Request, Response, SendRequest, Sent
from farthing.wallet.errand import Flow, look
from farthing.wallet.flow import obtain
from farthing.wallet.known import Recall, Remember
from farthing.wallet.patience import patiently
from farthing.wallet.peering import learn
from farthing.wallet.settling import Verdict, send
from farthing.wire import x402
from farthing.wire.offers import Received, target_of

ERRORS_FROM = 400  # what is below is an answer of the site
PAYMENTS_MAX = 2  # for one request: the payment, and one anew where nothing was charged


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """The last answer, and what was paid for it."""

    answer: Sent
    purchase: Purchase | None = None
    verdict: Verdict | None = None


def fetch(
    guide: Guide, request: Request, *, once: str = "", redirects: bool = False
) -> Flow[Fetched]:
    """Send `request`, paying if it is answered 402.

    A request that carries a payment already goes through untouched. `Denied`, `Overlimit`,
    `Unfunded`, `Unsupported` and whatever a mint says, all before anything is paid. `once`: what
    it is bought for, for which nothing but one purchase is ever made (`Reserve.once`). `redirects`:
    whoever sends it may follow redirects, on which a payment never goes.
    """
    if is_paid(request):
        return Fetched(answer=(yield SendRequest(request=request, leg="first")))
    ahead = yield from _pay_at_once(guide, request, once, exact=redirects)
    if ahead is not None and ahead.verdict is not Verdict.ANEW:
        return ahead
    answer: Sent = yield from _asked(request, ahead.answer if ahead is not None else None)
    fetched = Fetched(answer=answer)
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
            answer = yield from patiently(SendRequest(request=request, leg="first"))
            fetched = Fetched(answer=answer)
            if not isinstance(answer, Response) or answer.status != 402:
                return fetched
            request = answer.answers(request)
            offers = read_offers(answer, at.now_s, is_payable)
        guide = yield from learn(guide, offers)
        choices = choose(guide, request, offers, at.now_s)
        purchase = yield from obtain(guide, request, choices, is_repeatable=is_open, once=once)
        asking = answer
        answer, verdict = yield from send(guide, purchase, request)
        fetched = Fetched(answer=answer, purchase=purchase, verdict=verdict)
        if verdict is Verdict.DONE:
            yield from remember(guide, request, asking, purchase, at.now_s)
        if verdict is not Verdict.ANEW:
            return fetched
        answer = yield from _asked(request, answer)
    return fetched


def _asked(request: Request, refused: Sent | None) -> Flow[Sent]:
    """What an unpaid request is answered; a 402 to a payment says as much."""
    if isinstance(refused, Response) and refused.status == 402:
        return refused
    answer: Sent = yield from patiently(SendRequest(request=request, leg="first"))
    return answer


def _pay_at_once(guide: Guide, request: Request, once: str, *, exact: bool) -> Flow[Fetched | None]:
    """Send the request with a payment, where it is known how such a page is sold.

    None where it is not, or where anything is in the way: then whoever sells it is asked first,
    and the payer with that offer before it.
    """
    known: Received | None = yield Recall(request=request, exact=exact)
    if known is None:
        return None
    at = yield from look()
    try:
        offer = x402.readdressed(
            known, target_of(request.method, place_of(request.url).path_query), request.body_digest
        )
        purchase = yield from obtain(
            guide,
            request,
            choose(guide, request, (offer,), at.now_s),
            is_repeatable=is_open,
            once=once,
            asks=False,
        )
    except Refusal:
        return None
    answer, verdict = yield from send(guide, purchase, request)
    is_free = isinstance(answer, Response) and answer.status < ERRORS_FROM
    if verdict is Verdict.DONE:
        yield Remember(request=request, received=known)
    elif verdict is Verdict.ANEW or is_free:
        yield Remember(request=request, received=None)
    return Fetched(answer=answer, purchase=purchase, verdict=verdict)


def remember(
    guide: Guide, request: Request, asking: Response, purchase: Purchase, now_s: int
) -> Flow[None]:
    """How this page was sold, as x402 says it, for the next one of its kind.

    Nothing of a scheme that has its broker asked first: what is not as it was would cost that.
    """
    required = asking.value("payment-required")
    if not required or guide.schemes[purchase.scheme].traits.latest == "before":
        return
    try:
        found = x402.read_required(required, now_s=now_s)
    except Refusal:
        return
    for received in found:
        if _is_alike(received.offer, purchase.received.offer):
            yield Remember(request=request, received=received)
            return


def _is_alike(one: Offer, other: Offer) -> bool:
    """Whether two dialects' offers are one."""
    names = ("scheme", "broker_id", "vendor_id", "currency", "price_micro")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def is_open(purchase: Purchase) -> bool:
    """Whether its bytes go to the page's own address; those of the others go under a seal."""
    return purchase.received.dialect != "private"
