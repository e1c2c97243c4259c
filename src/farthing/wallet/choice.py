"""Which of a 402's offers the wallet can pay, in its own order of schemes.

The checks that keep a wallet honest towards its payer: a secure origin, a realm that is the site
that was asked, the very request that was made, an account at the broker in its currency, a price
within the limits, time left to pay. An offer that fails is passed over; where none is left the
refusal says why the first one failed. Source: wire format, sections 3 and 4; trust, "TLS".
"""

import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from farthing.errors import (
    BadRequest,
    Denied,
    Expired,
    HeaderTooLarge,
    Malformed,
    Mismatch,
    OutOfRange,
    Refusal,
    Unavailable,
    Unfunded,
    Unsupported,
)
from farthing.money import PAYMENT_MICRO_MAX, show_micro
from farthing.schemes import conditions, streams
from farthing.schemes.contract import Offer, Purse, Ring, Scheme, Setting
from farthing.wallet.commands import Broker, Request, Response, Wish
from farthing.wallet.messages import HEADERS_BYTES_MAX
from farthing.wallet.policy import Policy
from farthing.wire import accept, mpp, x402
from farthing.wire.offers import Received, target_of

NOT_SPENT = "scheme_not_spent_here"
ACCEPT = "accept-payment"
PAYMENT_SCHEME = "payment "  # the auth scheme of MPP credentials, RFC 9110 section 11.1
PLACES_CACHED = 1024  # addresses taken apart: a payment asks four times for its own
Wanted = Literal["page", "stream", "either"]
"""What an offer is to buy; either: whatever one ordinary payment buys."""
DEFAULT_PORTS = {"http": 80, "https": 443}


class Guide(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a flow works for: schemes, accounts, budgets."""

    schemes: Mapping[str, Scheme]
    """By registry name, in the order in which they are paid by where the payer names none."""
    brokers: Mapping[str, Broker]
    """By broker id."""
    policy: Policy
    ring: Ring
    load_micro: int
    """How much an instrument is loaded with, at least, where the balance allows."""
    floats: Mapping[str, int] = {}
    """By broker id: how much of the broker's own scrip is bought at once, where orders to this
    broker are to be paid with it."""

    @property
    def order(self) -> tuple[str, ...]:
        """What new payments are made by, the one the payer prefers first.

        What else there is of `schemes` in the wallet is still settled, given back and restored.
        """
        named = self.policy.limits.schemes
        return tuple(name for name in named or self.schemes if name in self.schemes)

    def purse(self, scheme: str, broker_id: str) -> Purse:
        """The purse of a scheme at a broker; `Unsupported` for one that is not registered."""
        found = self.schemes.get(scheme)
        broker = self.brokers.get(broker_id)
        if found is None or broker is None:
            raise Unsupported(
                "instrument_unusable", f"{scheme} at {broker_id}: no such scheme or account here"
            )
        return found.purse(
            Setting(
                broker_id=broker_id,
                currency=broker.currency,
                ring=self.ring,
                broker_url=broker.url,
                options={"float": broker.home in self.floats, "home": broker.home},
            )
        )


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """An offer that can be paid."""

    received: Received
    wish: Wish


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request goes."""

    site: str
    """Origin, default port left out."""
    host: str
    """Host name alone, lower case."""
    authority: str
    """Host and port as the Host header has them."""
    path_query: str


@lru_cache(maxsize=PLACES_CACHED)
def place_of(url: str) -> Place:
    """The parts of `url`; `Denied` unless it is https, or http to this machine; `BadRequest`."""
    try:
        parts = urlsplit(url)
        host, number = (parts.hostname or "").lower(), parts.port
        if not host:
            raise ValueError
    except ValueError:
        raise malformed_url() from None
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise Denied("site_not_secure", "the wallet pays over https, and over http on this machine")
    port = "" if number in {None, DEFAULT_PORTS[parts.scheme]} else f":{number}"
    named = f"[{host}]" if ":" in host else host
    return Place(
        site=f"{parts.scheme}://{named}{port}",
        host=host,
        authority=f"{named}{port}",
        path_query=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )


def malformed_url() -> BadRequest:
    """Refuses what is no address."""
    return BadRequest(
        "url_malformed",
        "an address begins with https:// or http://: write it as in https://news.example/page",
    )


def unreachable(url: str, why: str) -> Unavailable:
    """Refuses to go on with a site that does not answer."""
    return Unavailable(
        "site_unreachable",
        f"{urlsplit(url).netloc.rpartition('@')[2]} does not answer ({why}); nothing is lost, try"
        " again",
    )


def site_of(authority: str) -> str:
    """The origin of a host and port: https, except on this machine; `BadRequest`."""
    plain = f"http://{authority}"
    try:
        return place_of(plain).site
    except Denied:
        return place_of(f"https://{authority}").site


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_paid(request: Request) -> bool:
    """Whether the request carries a payment already; then it is nobody else's business."""
    return any(
        name.lower() in {"payment-authorization", "payment-signature"}
        or (name.lower() == "authorization" and value[:8].lower() == PAYMENT_SCHEME)
        for name, value in request.headers
    )


def read_offers(
    response: Response, now_s: int, is_enough: Callable[[Received], bool] | None = None
) -> tuple[Received, ...]:
    """Every offer of a 402, in both dialects, those of MPP first; `HeaderTooLarge`.

    Those of x402 are not read where one of MPP `is_enough`: gates offer the same in both.
    """
    size_bytes = sum(len(name) + len(value) + 4 for name, value in response.headers)
    if size_bytes > HEADERS_BYTES_MAX:
        raise HeaderTooLarge("answer_headers_too_large", f"over {HEADERS_BYTES_MAX} bytes")
    offers = mpp.read_challenges(response.values("www-authenticate"))
    required = response.value("payment-required")
    if required and not (is_enough and any(map(is_enough, offers))):
        with suppress(Malformed):  # the other dialect may be in order
            offers += x402.read_required(required, now_s=now_s)
    return offers


def payable_to(guide: Guide, request: Request, now_s: int) -> Callable[[Received], bool]:
    """Whether an offer can be paid for this request, as `choose` asks it of a page's."""

    def is_payable(received: Received) -> bool:
        try:
            place = place_of(request.url)
            _require_usable(guide, request, place, received, now_s, "page")
        except Refusal:
            return False
        return True

    return is_payable


def asking_for(guide: Guide, request: Request, offers: tuple[Received, ...]) -> Request | None:
    """The request with what this wallet spends named in it, if the offers are all of others.

    A vendor that takes many schemes offers the first of them, unless it hears which are wanted. It
    is not told before that: to whom nothing is owed need not know what a wallet holds.
    """
    has_asked = any(name.lower() == ACCEPT for name, _ in request.headers)
    order = guide.order
    if has_asked or any(received.offer.scheme in order for received in offers):
        return None
    header = (ACCEPT, accept.wanted(order))
    return msgspec.structs.replace(request, headers=(*request.headers, header))


def choose(
    guide: Guide,
    request: Request,
    offers: tuple[Received, ...],
    now_s: int,
    *,
    wanted: Wanted = "page",
) -> tuple[Choice, ...]:
    """The offers that can be paid, best first; a refusal where there is none.

    It is the first of an offer in a scheme that this wallet spends, if there is such an offer.
    `wanted`: whether it is a page, or a stream that is paid while it runs: there vouchers come
    before what takes a purchase each time, whichever the payer prefers.
    """
    place = place_of(request.url)
    guide.policy.require_site(place.host)
    order = guide.order
    usable: list[Choice] = []
    refusal: Refusal | None = None
    for received in offers:
        try:
            usable.append(_require_usable(guide, request, place, received, now_s, wanted))
        except Refusal as refused:
            if refusal is None or refusal.code == NOT_SPENT:
                refusal = refused
    if not usable and refusal is not None:
        if refusal.code == NOT_SPENT:
            taken = ", ".join(dict.fromkeys(received.offer.scheme for received in offers))
            refusal = _not_spent(guide, taken)
        raise refusal
    usable.sort(
        key=lambda choice: (
            choice.received.offer.intent == "charge",
            order.index(choice.wish.scheme),
        )
    )
    return tuple(usable)


def _require_kind(offer: Offer, wanted: Wanted) -> None:
    """`Unsupported` for a stream where a page is wanted, and the reverse; `Malformed`."""
    if offer.intent == "charge" and not streams.is_metered(offer):
        if wanted == "stream":
            raise Unsupported("page_is_no_stream", "it has one price: fetch it without --stream")
        return
    streams.meter_in(offer)
    if wanted == "page" or (wanted == "either" and offer.intent == "session"):
        raise Unsupported("page_is_a_stream", "it is paid while it runs: fetch it with --stream")


def _require_usable(
    guide: Guide, request: Request, place: Place, received: Received, now_s: int, wanted: Wanted
) -> Choice:
    """The choice; `Unsupported`, `Mismatch`, `Expired`, `OutOfRange`, `Unfunded`."""
    if received.realm not in {place.host, place.authority}:
        raise Mismatch("offer_for_another_site", f"the offer is for {received.realm}")
    if received.target and received.target != target_of(request.method, place.path_query):
        raise Mismatch("offer_for_another_page", "the offer is for another request")
    if received.body_digest and received.body_digest != request.body_digest:
        raise Mismatch("offer_for_another_body", "the offer is for another request body")
    if received.dialect == "mpp" and _has_login(request) and _header_of(received) == "":
        raise Unsupported(
            "authorization_in_use", "the site's own login and the payment need one header"
        )
    return require_payable(guide, received, now_s, wanted=wanted)


def require_payable(
    guide: Guide, received: Received, now_s: int, *, wanted: Wanted = "page"
) -> Choice:
    """The choice, whatever the request; `Unsupported`, `Expired`, `OutOfRange`, `Unfunded`.

    `Denied` in a currency that is not to be paid in.
    """
    offer = received.offer
    _require_kind(offer, wanted)
    if offer.scheme not in guide.order:
        raise _not_spent(guide, offer.scheme)
    if received.expires_at_s <= now_s:
        raise Expired("offer_expired", "the offer had ended when it came; is the clock right?")
    if not 0 < offer.price_micro <= PAYMENT_MICRO_MAX:
        raise OutOfRange("price_out_of_range", f"prices are 1 to {PAYMENT_MICRO_MAX} micro-units")
    if offer.vendor_id == offer.broker_id:
        raise Unsupported("offer_of_a_broker", "brokers sell no pages; this is no offer of one")
    broker = guide.brokers.get(offer.broker_id)
    if broker is None:
        raise Unfunded(
            "broker_without_account", f"this wallet has no account at broker {offer.broker_id}"
        )
    if broker.via and not guide.schemes[offer.scheme].traits.resold:
        raise Unsupported(
            "scheme_not_resold",
            f"{offer.scheme} is paid at {broker.id} itself; {broker.via} sells none of it",
        )
    if broker.currency != offer.currency:
        raise Mismatch(
            "offer_in_another_currency", f"the account at {broker.id} is in {broker.currency}"
        )
    guide.policy.require_currency(offer.currency)
    return Choice(
        received=received,
        wish=Wish(
            scheme=offer.scheme,
            broker_id=offer.broker_id,
            vendor_id=offer.vendor_id,
            currency=offer.currency,
            price_micro=offer.price_micro,
            least_micro=conditions.least_micro(offer),
        ),
    )


def _not_spent(guide: Guide, taken: str) -> Unsupported:
    said = ", ".join(guide.order) or "nothing that this program has"
    return Unsupported(
        NOT_SPENT,
        f"it is paid by {taken}, and what may be paid by here is {said}: name another with"
        " --scheme, for this time or in farthing wallet budget",
    )


def in_words(guide: Guide, wish: Wish, refusal: Refusal) -> Refusal:
    """Why nothing was bought for `wish`: an account that is too empty, with what to do."""
    if refusal.code != "balance_too_low":
        return refusal
    home, price = guide.brokers[wish.broker_id].home, show_micro(wish.price_micro, wish.currency)
    return Unfunded(
        refusal.code,
        f"it costs {price}, which the account at {home} does not cover: put money in with"
        " farthing wallet topup, or ask the broker's operator",
    )


def _has_login(request: Request) -> bool:
    return any(name.lower() == "authorization" for name, _ in request.headers)


def _header_of(received: Received) -> str:
    """The header that an MPP challenge wants its credential in, "" for Authorization."""
    echo = received.echo
    return str(echo.get("header", "")) if isinstance(echo, dict) else ""
