"""Payments by hand: the purse's own, sent as often, as late and as wrong as a case wants it.

The wallet's flow would never do most of this. What is made here is what a dishonest payer, or
somebody on the wire, can make out of honest parts.
"""

import base64
from collections.abc import Callable

import msgspec

from farthing import codec
from farthing.lab.conformance.cases import Inapplicable, require
from farthing.lab.conformance.payer import NO_PAGE, Payer
from farthing.lab.conformance.shop import Shop, Walking
from farthing.lab.conformance.stage import Stage
from farthing.schemes.contract import (
    Accepted,
    Asked,
    AskFirst,
    At,
    Binding,
    Instrument,
    Offer,
    Paid,
    Purse,
)
from farthing.vendor.commands import Answer
from farthing.wallet.asking import first_of
from farthing.wallet.choice import Guide, choose, place_of, read_offers
from farthing.wallet.commands import (
    OpenAsk,
    Purchase,
    Request,
    Response,
    SendRequest,
    Sent,
    Wish,
)
from farthing.wallet.errand import Flow, load, look, run
from farthing.wallet.fetching import Fetched, fetch
from farthing.wallet.private import fetch_private
from farthing.wallet.settling import is_delivered
from farthing.wire import mpp, x402
from farthing.wire.offers import Received, target_of


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A payment that is ready to be sent, as often as one likes."""

    request: Request
    """With the credential on it, or the envelope in it."""
    paid: Paid
    received: Received
    k: str


class Paused:
    """A purchase by the wallet's own flow, stopped before its payment goes out."""

    def __init__(self, payer: Payer, url: str) -> None:
        """Everything before the payment is done: offers, loading, the purchase is written."""
        self._payer = payer
        flow = fetch_private if payer.dialect == "private" else fetch
        self._flow: Flow[Fetched] = flow(payer.guide(), Request(method="GET", url=url))
        self.purchase: Purchase | None = None
        self._session = payer.driver().session()
        command = next(self._flow)
        while not (isinstance(command, SendRequest) and command.leg in {"paid", "private"}):
            answer = payer.answer(command, self._session)
            if isinstance(answer, Purchase):
                self.purchase = answer
            command = self._flow.send(answer)
        self.request = command.request

    def finish(self, answer: Sent) -> Fetched:
        """Go on with this answer to the payment."""
        try:
            command = self._flow.send(answer)
            while True:
                command = self._flow.send(self._payer.answer(command, self._session))
        except StopIteration as end:
            fetched: Fetched = end.value
            made, page = fetched.purchase, fetched.answer
            status = page.status if isinstance(page, Response) else NO_PAGE
            if made is not None and is_delivered(fetched.verdict, status):
                self._session.deliver(made)
                self._payer.run(self._session.after(made), self._session)
            self._session.__exit__()
            return fetched


class Hand:
    """One payer's hand at one stage."""

    def __init__(self, stage: Stage, payer: Payer | None = None) -> None:
        """Of the stage's first payer by default."""
        self._stage, self._payer = stage, payer or stage.payer

    @property
    def purse(self) -> Purse:
        """The payer's."""
        return self._payer.guide().purse(self._stage.scheme, self._stage.bank.id)

    def instrument(self, shop: Shop | None = None) -> Instrument:
        """What pays at this vendor next, loaded and opened if need be; the wallet still has it."""
        shop = shop or self._stage.shop
        offer = self.received(self._stage.page("x", shop=shop)).offer
        ready = self._fit(offer)
        if not ready:
            self._load(offer, shop)
            ready = self._fit(offer)
        require(bool(ready), "what is loaded pays for a page")
        chosen = ready[0]
        if chosen.vendor_id != offer.vendor_id:
            chosen = self.purse.open(chosen, offer, self._stage.room.at())[1]
        if chosen.vendor_id != offer.vendor_id:
            chosen = self._ordered(chosen, shop)
        return chosen

    def _ordered(self, general: Instrument, shop: Shop) -> Instrument:
        """What the mint gives for it, where it must be asked first; as a crash would leave it."""
        url, at = self._stage.page("x", shop=shop), self._stage.room.at()
        received = self.received(url)
        first = self.purse.pay(general, received.offer, self.binding(url, received), at)
        if not isinstance(first, AskFirst):
            return general
        guide = self._payer.guide()
        wish = choose(guide, Request(method="GET", url=url), (received,), at.now_s)[0].wish
        self._payer.run_alone(_answered(guide, first.asked, general, wish, shop.site))
        return self._fit(received.offer)[0]

    def _fit(self, offer: Offer) -> list[Instrument]:
        fit = [
            each
            for each in self._payer.instruments()
            if each.vendor_id in {"", offer.vendor_id} and each.worth_micro >= offer.price_micro
        ]
        return sorted(fit, key=lambda each: each.vendor_id == "")

    def _load(self, offer: Offer, shop: Shop) -> None:
        """As the flow loads where it finds nothing."""
        guide, url = self._payer.guide(), self._stage.page("x", shop=shop)
        received = self.received(url)
        asked = Request(method="GET", url=url)
        choices = choose(guide, asked, (received,), self._stage.room.now_s)
        self._payer.run_alone(load(guide, choices, shop.site, patient=False))

    def received(self, url: str) -> Received:
        """The offer for a page, as the wallet reads it."""
        answer = self.ask(url)
        found = read_offers(answer, self._stage.room.now_s)
        require(bool(found), "a page that is not paid is offered", answer.status)
        return found[0]

    def ask(self, url: str) -> Response:
        """The answer to a request that pays nothing."""
        answer = self._payer.send(Request(method="GET", url=url))
        assert isinstance(answer, Response), "nobody died"
        return answer

    def pay(
        self,
        url: str,
        instrument: Instrument,
        *,
        offer: Callable[[Offer], Offer] = lambda offer: offer,
        received: Received | None = None,
    ) -> Made:
        """A payment for `url` out of `instrument`; `offer` changes what the purse is told."""
        received = received or self.received(url)
        paid = self.purse_pays(instrument, offer(received.offer), self.binding(url, received))
        return self.dress(url, received, paid)

    def purse_pays(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At | None = None
    ) -> Paid:
        """What the purse makes; any refusal."""
        paid = self.purse.pay(instrument, offer, binding, at or self._stage.room.at())
        if not isinstance(paid, Paid):
            raise Inapplicable("its purse asks the broker before each payment")
        return paid

    def binding(self, url: str, received: Received) -> Binding:
        """What a payment for `url` is tied to."""
        place = place_of(url)
        return Binding(
            dialect=received.dialect,
            k=str(received.echo["id"]) if received.dialect == "mpp" else "k",
            method="GET",
            host=place.authority,
            path_query=place.path_query,
            target=received.target or target_of("GET", place.path_query),
            body_digest=received.body_digest,
        )

    def dress(self, url: str, received: Received, paid: Paid) -> Made:
        """The request that carries a payment."""
        if received.dialect == "mpp":
            k = str(received.echo["id"])
            name, value = mpp.authorization(received, paid.payload)
        else:
            k = "w_" + self._stage.room.entropy(16).hex()
            name, value = "PAYMENT-SIGNATURE", x402.payment(received, paid.payload, k)
        request = Request(method="GET", url=url).with_header(name, value)
        return Made(request=request, paid=paid, received=received, k=paid.k or k)

    def release(self, made: Made) -> None:
        """Send the second half of a payment that was taken, where it has one."""
        if not self.purse.releases:
            return
        concluded = self.purse.conclude(made.paid, Accepted(), self._stage.room.at())
        if concluded.release is not None:
            paid = msgspec.structs.replace(made.paid, payload=concluded.release)
            self._payer.send(self.dress(made.request.url, made.received, paid).request)


def _answered(guide: Guide, asked: Asked, general: Instrument, wish: Wish, site: str) -> Flow[None]:
    """An ask that comes before a payment, without the payment."""
    at = yield from look()
    ask = first_of(asked, general, wish, site, at)
    opened = yield OpenAsk(ask=ask, patient=False, now_s=at.now_s)
    assert opened is not None, "its instrument is ready"
    yield from run(guide, opened)


def with_price(offer: Offer, price_micro: int) -> Offer:
    """The offer at another price: what a purse is told that shall pay too little or too much."""
    return msgspec.structs.replace(offer, price_micro=price_micro)


def race(stage: Stage, shop: Shop, requests: list[Request]) -> list[Response]:
    """All requests at once: one command of one of them at a time, in an order of the seed's."""
    walks = [(request, shop.walk(request)) for request in requests]
    walkings = {
        number: Walking(shop, walk)
        for number, (_, walk) in enumerate(walks)
        if not isinstance(walk, Answer)
    }
    answers = {number: walk for number, (_, walk) in enumerate(walks) if isinstance(walk, Answer)}
    while walkings:
        number = sorted(walkings)[stage.room.number(len(walkings))]
        walkings[number].step()
        answer = walkings[number].answer
        if answer is not None:
            answers[number] = answer
            del walkings[number]
    return [shop.response(request, answers[number]) for number, request in enumerate(requests)]


def code_of(answer: Response) -> str:
    """The broken rule in a problem body; "" in any other answer."""
    try:
        return str(msgspec.json.decode(answer.body)["code"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return ""


def receipt_of(answer: Response) -> str:
    """The receipt's header, in either dialect; "" without."""
    return answer.value("payment-receipt") or answer.value("payment-response")


def credential_of(request: Request) -> tuple[str, bytes]:
    """Name of the header with the payment, and the JSON in it."""
    for name, value in request.headers:
        if name.lower() in {"authorization", "payment-authorization"}:
            return name, codec.unb64u(value.partition(" ")[2])
        if name.lower() == "payment-signature":
            return name, base64.b64decode(value)
    raise AssertionError("no payment on this request")


def with_credential(request: Request, name: str, raw: bytes) -> Request:
    """The same request with other bytes as its payment."""
    if name.lower() == "payment-signature":
        return request.with_header(name, base64.b64encode(raw).decode())
    return request.with_header(name, "Payment " + codec.b64u(raw))
