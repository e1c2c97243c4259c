"""Payments for clients that send them by themselves, and tell nobody what came of them.

The plug-ins of stock clients use it. A purchase is written and its instrument reserved before its
payload is handed out. What became of it is asked at the vendor's outcome endpoint before the next
payment to that vendor, and at `settle`; that brings the change back. Whether the page arrived is
never known: a purchase that the vendor confirms counts as delivered, and the same request made
again is another purchase. While one is undecided, the same request gets the same bytes.

Only the vendor says which site and which request an offer is for. A vendor that lies about them
can dodge the budget per site; the budgets per payment and per day hold whatever it says.
"""

from collections.abc import Callable
from functools import partial

from farthing.errors import Mismatch, Unsupported
from farthing.wallet.choice import Choice, Guide, place_of, require_payable, site_of
from farthing.wallet.commands import Purchase, Request, TakeOver
from farthing.wallet.driver import Driver, Session, drive
from farthing.wallet.errand import Flow, look
from farthing.wallet.flow import obtain
from farthing.wallet.peering import learn
from farthing.wallet.settling import Verdict, look_up
from farthing.wire.offers import Received

Settled = tuple[tuple[Purchase, Verdict], ...]


class Cashier:
    """Pays offers of one wallet. Its methods block, and may be called from several threads."""

    def __init__(self, driver: Driver) -> None:
        """On one wallet."""
        self._driver = driver

    @property
    def schemes(self) -> tuple[str, ...]:
        """Registry names of what the wallet spends, the one the payer prefers first."""
        return self._driver.guide.order

    @property
    def clock(self) -> Callable[[], int]:
        """Unix seconds."""
        return self._driver.clock

    def pay(self, received: Received) -> Purchase:
        """A purchase that answers `received`, durable and ready to be sent.

        `Overlimit`, `Unfunded`, `Unsupported`, `Mismatch`, `Expired`, `Denied` and whatever a mint
        says, all before anything is paid.
        """
        driver, offer = self._driver, received.offer
        with driver.session() as session:
            guide = drive(learn(driver.guide, (received,)), session.answer)
            choice = require_payable(guide, received, driver.clock(), wanted="either")
            request = request_of(received)
            self._settle(session, offer.broker_id, offer.vendor_id)
            made = drive(_pay(driver.guide, request, choice), session.answer)
            driver.store.deliver(made)  # if it was confirmed before: now its page is fetched again
        return made

    def settle(self) -> int:
        """Look up every purchase that is open; how many are still undecided."""
        with self._driver.session() as session:
            settled = self._settle(session, "", "")
        return sum(verdict is Verdict.UNDECIDED for _, verdict in settled)

    def _settle(self, session: Session, broker_id: str, vendor_id: str) -> Settled:
        flow = _settle(self._driver.guide, broker_id, vendor_id)
        settled = drive(flow, session.answer)
        for purchase, verdict in settled:
            if verdict is Verdict.DONE:
                session.deliver(purchase)
                drive(session.after(purchase), session.answer)
        return settled


def request_of(received: Received) -> Request:
    """The request that an offer is for, as far as the offer says; `Mismatch`, `BadRequest`.

    A long target is known by its hash only, which then stands for the path.
    """
    method, _, path_query = received.target.partition(" ")
    if not method or not path_query or not received.realm:
        raise Mismatch("offer_without_request", "the offer does not say which request it is for")
    site = received.site if received.site.startswith("https://") else site_of(received.realm)
    separator = "" if path_query.startswith("/") else "/"
    return Request(method=method, url=site + separator + path_query)


def _settle(guide: Guide, broker_id: str, vendor_id: str) -> Flow[Settled]:
    """Look up open purchases, each once: those under way are asked about the next time."""
    at = yield from look()
    found: tuple[Purchase, ...] = yield TakeOver(
        broker_id=broker_id, vendor_id=vendor_id, now_s=at.now_s
    )
    settled: list[tuple[Purchase, Verdict]] = []
    for purchase in found:
        try:
            verdict = yield from look_up(guide, purchase, unseen=True)
        except Unsupported:  # made with a scheme or an account that this wallet is opened without
            verdict = Verdict.UNDECIDED
        settled.append((purchase, verdict))
    return tuple(settled)


def _pay(guide: Guide, request: Request, choice: Choice) -> Flow[Purchase]:
    guide.policy.require_site(place_of(request.url).host)
    repeatable = partial(_is_repeatable, choice)
    return (yield from obtain(guide, request, (choice,), is_repeatable=repeatable))


def _is_repeatable(choice: Choice, purchase: Purchase) -> bool:
    """Whether an earlier purchase of the same request answers this offer too.

    An MPP credential holds its own challenge; an x402 payload is sent with the offer of now.
    """
    if purchase.received.dialect != choice.received.dialect:
        return False
    if purchase.received.body_digest != choice.received.body_digest:
        return False
    if purchase.received.dialect == "mpp":
        return True
    wish = choice.wish
    return (
        purchase.k == purchase.id  # and no hash, which an identifier would hide
        and purchase.price_micro == wish.price_micro
        and (purchase.scheme, purchase.broker_id) == (wish.scheme, wish.broker_id)
        and (purchase.vendor_id, purchase.currency) == (wish.vendor_id, wish.currency)
    )
