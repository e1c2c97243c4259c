"""Buying in private: the price from the vendor's list, the purchase in one sealed exchange.

    keys and price list -> the route's price -> budgets -> an instrument, loaded if need be
    -> purchase written -> envelope -> sealed answer read (`settling.py`) -> purchase settled

The list is fetched whole, so it does not tell which page is wanted. Where the vendor says that the
price is another one by now, the list is fetched anew and the page is paid once more, within the
budgets. There is no way back into the open: what cannot be bought so is refused. Source: wire
format, section 17.
"""

from urllib.parse import unquote

from farthing.errors import Forged, Mismatch, Unavailable, Unsupported
from farthing.schemes import conditions, subscriptions
from farthing.schemes.contract import Offer
from farthing.wallet.choice import Guide, Place, choose, place_of
from farthing.wallet.commands import Purchase, Request, Response, SendRequest, Sent
from farthing.wallet.envelope import require_sealable
from farthing.wallet.errand import Flow, look
from farthing.wallet.fetching import PAYMENTS_MAX, Fetched, is_open
from farthing.wallet.flow import obtain
from farthing.wallet.patience import patiently
from farthing.wallet.peering import learn
from farthing.wallet.settling import FRESH, Verdict, send
from farthing.wire import published
from farthing.wire.offers import CHALLENGE_LIFE_S, Received, target_of
from farthing.wire.published import Listed, PriceList


def fetch_private(guide: Guide, request: Request) -> Flow[Fetched]:
    """Buy what `request` asks for under a seal; the answer is the one inside.

    `Unsupported` for a page that is free, or is not sold so, besides the refusals of `fetch`;
    `Unavailable` where the vendor publishes no prices.
    """
    require_sealable(request)
    fetched: Fetched | None = None
    for number in range(PAYMENTS_MAX):
        offers = yield from _offers(request, fresh=number > 0)
        guide = yield from learn(guide, offers)
        choices = choose(guide, request, offers, (yield from look()).now_s)
        purchase = yield from obtain(guide, request, choices, is_repeatable=_is_private)
        answer, verdict = yield from send(guide, purchase, request)
        fetched = Fetched(answer=answer, purchase=purchase, verdict=verdict)
        if verdict is not Verdict.ANEW:
            break
    assert fetched is not None, "at least one payment is tried"
    return fetched


def _is_private(purchase: Purchase) -> bool:
    return not is_open(purchase)


def _offers(request: Request, *, fresh: bool) -> Flow[tuple[Received, ...]]:
    """How the vendor sells the page in private; `Unsupported` where it does not."""
    place = place_of(request.url)
    listed = yield from _price_list(place.site, fresh=fresh)
    route = listed.find(request.method, unquote(place.path_query.partition("?")[0]))
    if route is None:
        raise Unsupported("page_is_free", "this page is free: fetch it in the open")
    if route.per:
        raise Unsupported("private_unsupported", "a stream is not sold in private")
    names = [name for name in route.accept if name in listed.private]
    if not names:
        raise Unsupported("private_unsupported", f"{place.host} does not sell this in private")
    at = yield from look()
    return tuple(_offered(request, place, listed, route, name, at.now_s) for name in names)


def _offered(
    request: Request, place: Place, listed: PriceList, route: Listed, name: str, now_s: int
) -> Received:
    """A line of the list as the offer that it is."""
    return Received(
        dialect="private",
        offer=Offer(
            scheme=name,
            price_micro=route.price_micro,
            currency=listed.currency,
            vendor_id=listed.vendor,
            broker_id=listed.broker,
            broker_url="",
            settlement="final",
            terms=conditions.terms_of(route.reductions, route.requires)
            | subscriptions.terms_of(route.plans, route.subscription),
            description=route.description,
        ),
        realm=place.authority,
        target=target_of(request.method, place.path_query),
        expires_at_s=now_s + CHALLENGE_LIFE_S,
        echo=None,
    )


def _price_list(site: str, *, fresh: bool) -> Flow[PriceList]:
    """The list that the vendor has signed; `Unavailable`, `Forged`, `Mismatch`."""
    vendor_id, publics = published.read_keys(
        (yield from _document(site + published.KEYS_PATH, fresh=fresh))
    )
    raw = yield from _document(site + published.PRICES_PATH, fresh=fresh)
    try:
        listed = published.read_prices(raw, publics)
    except Forged:
        if fresh:
            raise
        return (yield from _price_list(site, fresh=True))  # signed with a key that is newer
    if listed.vendor != vendor_id:
        raise Mismatch("price_list_of_another", f"{site} shows the prices of another vendor")
    return listed


def _document(url: str, *, fresh: bool) -> Flow[bytes]:
    request = Request(method="GET", url=url, headers=FRESH if fresh else ())
    answer: Sent = yield from patiently(SendRequest(request=request, leg="keys"))
    if not isinstance(answer, Response) or answer.status != 200:
        raise Unavailable("prices_unreachable", f"{url} does not answer as a vendor's gate does")
    return answer.body
