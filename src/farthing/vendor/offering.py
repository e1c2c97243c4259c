"""What a gate offers, and how it says no: tenders and refusals, for one vendor's tills."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache

import msgspec

from farthing.errors import Misconfigured, OutOfRange, Refusal, row_of
from farthing.ids import network
from farthing.schemes import conditions, registry, streams, subscriptions
from farthing.schemes.contract import At, Offer, Setting, Till
from farthing.vendor.booking import earlier
from farthing.vendor.commands import Answer, Headers, Request
from farthing.vendor.prices import Priced
from farthing.vendor.reserving import ORIGIN_TIMEOUT_S_MAX
from farthing.wire import dialects
from farthing.wire.offers import CHALLENGE_LIFE_S, Tender, target_of

URL_CHARS_MAX = 1024  # of the 7 KiB that all offers of a 402 have together
CHALLENGE_KEY = "farthing/wire/challenge/1"
LEAST_CACHED = 1024  # scheme and price of a tick: what a 402 for a stream asks each time
HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")  # names, addresses, a port; no bar, no space


class Offering:
    """The tills of one vendor."""

    def __init__(self, setting: Setting, *, schemes: Sequence[str], realm: str = "") -> None:
        """`schemes`: registry names that this gate takes; `realm`: public host, else the Host.

        `setting.options` holds one object of options per scheme name. `Misconfigured`.
        """
        if realm and not HOST.fullmatch(realm):
            raise Misconfigured("realm_malformed", "a realm is a host, as in news.example")
        self.setting = setting
        self._realm = realm
        self.tills: Mapping[str, Till] = {
            name: registry.by_name(name).till(setting_for(setting, name)) for name in schemes
        }
        self._least_ticks = lru_cache(maxsize=LEAST_CACHED)(self._find_least_ticks)

    def realm_of(self, request: Request) -> str:
        """The public host that challenges name."""
        return self._realm or request.host

    def verify_route(self, scheme: str, priced: Priced) -> None:
        """`OutOfRange` unless the scheme can express the prices: nothing is ever rounded.

        `Misconfigured` unless its payments can be cleared when the route wants them.
        """
        till, route = self.tills[scheme], priced.route
        if priced.meter is not None and (till.traits.sealed or till.authorizes):
            raise OutOfRange("streams_not_paid", "what it pays for is there as a whole, no stream")
        till.offer(priced.price_micro * self._ticks(scheme, priced), At(now_s=0))
        if till.traits.props:
            for _, reduced_micro in priced.reduced:
                till.offer(reduced_micro, At(now_s=0))
        elif priced.requires:
            raise OutOfRange("props_not_shown", "its payments show no properties of the payer")
        if priced.sold is not None and not till.subscribes:
            raise OutOfRange("plan_not_carried", "nothing that it leaves can carry a subscription")
        moment = earlier(route.clearing or "batch", till.soonest)
        if moment not in till.traits.moments:
            raise Misconfigured("clearing_unsupported", f"{scheme} is never cleared {moment!r}")
        if moment == "before" and priced.sold is not None:
            raise Misconfigured("plan_clears_later", "what sells a plan is cleared in batches")
        if moment == "before" and not route.hold:
            raise Misconfigured("hold_needed", "what clears before the goods go out is held")
        if moment == "before" and route.origin_timeout_s > ORIGIN_TIMEOUT_S_MAX:
            raise Misconfigured(
                "origin_timeout_too_long",
                f"the broker reserves for a minute; give the site {ORIGIN_TIMEOUT_S_MAX} s",
            )

    def tender(self, request: Request, priced: Priced, at: At) -> Tender:
        """The offers for this request, in the vendor's order."""
        realm = self.realm_of(request)
        return Tender(
            offers=tuple(self._offer(name, priced, at) for name in priced.accept),
            realm=realm,
            url=_url(request, realm),
            target=target_of(request.method, request.path_query),
            expires_at_s=at.now_s + CHALLENGE_LIFE_S,
            body_digest=request.body_digest,
            description=priced.route.description,
        )

    def _ticks(self, name: str, priced: Priced) -> int:
        """How many ticks an offer sells; 1 for a page, which has one price."""
        if priced.meter is None or self.tills[name].streams:
            return 1
        return self._least_ticks(name, priced.price_micro)

    def _find_least_ticks(self, name: str, tick_micro: int) -> int:
        """The fewest whose price a scheme can express; `OutOfRange` for more than a voucher pays.

        One as a rule. Where units are larger than a tick, so many as make one.
        """
        for ticks in range(1, streams.TICKS_MAX + 1):
            with suppress(OutOfRange):
                self.tills[name].offer(tick_micro * ticks, At(now_s=0))
                return ticks
        raise OutOfRange(
            "ticks_not_payable", f"it expresses the price of no 1 to {streams.TICKS_MAX} ticks"
        )

    def _offer(self, name: str, priced: Priced, at: At) -> Offer:
        till, route = self.tills[name], priced.route
        ticks = self._ticks(name, priced)
        offer = till.offer(priced.price_micro * ticks, at)
        offer = msgspec.structs.replace(
            offer, description=route.description, external_id=route.external_id
        )
        if priced.is_conditional and till.traits.props:
            terms = conditions.terms_of(priced.reduced, priced.requires)
            offer = msgspec.structs.replace(offer, terms=offer.terms | terms)
        if (priced.plans or priced.sold) and till.subscribes:
            terms = subscriptions.terms_of(priced.plans, priced.sold)
            offer = msgspec.structs.replace(offer, terms=offer.terms | terms)
        if priced.meter is not None:
            meter = msgspec.structs.replace(priced.meter, ticks=ticks)
            intent = "session" if till.streams else "charge"
            terms = offer.terms | streams.terms_of(meter)
            offer = msgspec.structs.replace(offer, intent=intent, terms=terms)
        if earlier(route.clearing or "batch", till.traits.latest) == "before":
            return msgspec.structs.replace(offer, settlement="final", redeem_by_s=0)
        return offer

    def refuse(
        self,
        request: Request,
        refusal: Refusal,
        at: At,
        *,
        priced: Priced | None = None,
        value_moved: bool = False,
        extra: Headers = (),
    ) -> Answer:
        """The answer to a refusal: fresh offers where its row is 402, a problem otherwise.

        Nothing is offered inside a seal: there the price list is the offer. A header in `extra`
        stands instead of the refusal's own of that name: a receipt, of what was paid before.
        """
        is_sold = row_of(refusal, value_moved=value_moved).status == 402 and request.sealed is None
        status, headers, body = dialects.refusal(
            refusal,
            tender=self.tender(request, priced, at) if is_sold and priced is not None else None,
            key=self.setting.ring.current(CHALLENGE_KEY),
            nonce=at.entropy[:8],
            value_moved=value_moved,
            network=network(self.setting.broker_id),
            headers=request.headers,
        )
        if extra:
            instead = {name for name, _ in extra}
            headers = (*(pair for pair in headers if pair[0] not in instead), *extra)
        return Answer(status=status, headers=headers, body=body)


def _url(request: Request, realm: str) -> str:
    """What is bought, for display; cut where it would not fit the headers of a 402."""
    site = f"{request.scheme}://{realm}"
    path = request.path_query.partition("?")[0]
    whole = (site + request.path_query, site + path)
    return next((url for url in whole if len(url) <= URL_CHARS_MAX), site + "/")


def setting_for(setting: Setting, scheme: str) -> Setting:
    """A setting with the options of one scheme; `Misconfigured` for one that it does not have."""
    options = setting.options.get(scheme, {})
    known = registry.by_name(scheme).options
    for name in options:
        if name not in known:
            reason = f"{scheme} has no option {name!r}; known: {', '.join(known) or 'none'}"
            raise Misconfigured("option_unknown", reason, option=name)
    return msgspec.structs.replace(setting, options=options)
