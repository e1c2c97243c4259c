"""Handing a part of an instrument to another wallet, taking one, and ending one before its time.

The owner learns vendor and unit from the offer for a page of the site, as for a payment; budgets
are asked as for a payment, of the amount. Grant and what is left are written before the token is
shown to anybody. The receiver needs no account: it learns the broker from the token, and can buy
nothing of it.

The flows yield what the others do, and work on the file themselves (`grants.py`): nobody else
needs these transactions.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from farthing import codec, ids, money
from farthing.errors import (
    Denied,
    Malformed,
    Overlimit,
    Refusal,
    Unfunded,
    Unknown,
    Unsupported,
)
from farthing.schemes.contract import Instrument, Json, Portion
from farthing.wallet import errand
from farthing.wallet.address import Address, seal, unseal
from farthing.wallet.book import Book
from farthing.wallet.choice import Choice, Guide, choose, place_of, read_offers
from farthing.wallet.commands import (
    Ask,
    AskPayer,
    Broker,
    Question,
    Request,
    Response,
    SendRequest,
    Sent,
)
from farthing.wallet.errand import ID_BYTES, Flow, look
from farthing.wallet.file import File
from farthing.wallet.grants import Grant, Grants, Made
from farthing.wallet.patience import patiently
from farthing.wallet.policy import question_of
from farthing.wallet.spending import Spending

LOADS_MAX = 2  # of one hand-over: a certificate that is loaded may be taken by another flow
ID_ENTROPY = 12  # random bytes of a grant's id
SEAL_FROM, OPEN_FROM = 16, 128  # of one look's entropy: sealing has what is between


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be handed over."""

    url: str
    """A page of the site."""
    amount_micro: int
    to: Address
    lasts_s: int
    passes_on: bool = False


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """The broker behind a grant."""

    currency: str
    id: str
    url: str


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a token."""

    broker: Home
    grant: Json
    scheme: str
    site: str

    def __repr__(self) -> str:
        """Scheme and site only: a grant is worth money."""
        return f"Handed({self.scheme}, {self.site})"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a wallet has by a token."""

    instrument: Instrument
    site: str
    is_new: bool
    """Whether it was not there before."""


def hand_over(guide: Guide, file: File, wanted: Wanted) -> Flow[Grant]:
    """A part of the payer's credit or money at a site for another wallet.

    `Unsupported` where the site takes nothing that can be handed over, `Overlimit` above a budget
    that nobody raised; refusals of the site's offer, the purse and the broker.
    """
    choice, site = yield from _chosen(guide, wanted)
    allow = yield from _within_budget(guide, file, choice, site)
    grants, refusal = Grants(file), None
    for loads in range(LOADS_MAX + 1):
        at = yield from look()
        maker = _Maker(guide, choice, wanted, at, site)
        grant = grants.hand_over(choice.wish, at.now_s, maker, allow)
        if grant is not None:
            return grant
        refusal = maker.refusal
        if loads < LOADS_MAX:
            yield from _load(guide, choice, site, wanted.amount_micro, refusal)
    raise refusal or Unsupported("portion_not_made", "nothing here can be parted so")


def _load(
    guide: Guide, choice: Choice, site: str, amount_micro: int, refusal: Refusal | None
) -> Flow[None]:
    """More to hand a part of; where there is no account, what kept the wallet from parting."""
    try:
        yield from errand.load(
            guide, (choice,), site, patient=False, amounts=_amounts(amount_micro)
        )
    except Unfunded as unfunded:
        if refusal is None or unfunded.code != "broker_without_account":
            raise
        raise refusal from None


def _amounts(micro: int) -> tuple[int, int]:
    """What to load for a part of so much: as much again, or what whole segments may take."""
    return 2 * micro, micro + -(-micro // 4)


def _chosen(guide: Guide, wanted: Wanted) -> Flow[tuple[Choice, str]]:
    """The site's first offer of which a part can be handed over, at the amount."""
    request, place = Request(method="GET", url=wanted.url), place_of(wanted.url)
    answer: Sent = yield from patiently(SendRequest(request=request, leg="first"))
    at = yield from look()
    offers = read_offers(answer, at.now_s) if isinstance(answer, Response) else ()
    if not offers:
        raise Unsupported("page_without_offer", "name a page of the site that costs something")
    for choice in choose(guide, request, offers, at.now_s):
        wish = choice.wish
        if guide.purse(wish.scheme, wish.broker_id).shares:
            wish = msgspec.structs.replace(wish, price_micro=wanted.amount_micro, least_micro=0)
            return msgspec.structs.replace(choice, wish=wish), place.site
    raise Unsupported("share_unsupported", "this site takes nothing that can be handed over")


def _within_budget(guide: Guide, file: File, choice: Choice, site: str) -> Flow[Callable[[], None]]:
    """What says inside a transaction whether the amount is within the budgets: `Overlimit`.

    Above one the payer is asked here, before anything is made.
    """
    wish = choice.wish
    at = yield from look()
    approved: frozenset[Question] = frozenset()

    def require() -> None:
        spent = Spending(file).today(wish.currency, site, at.now_s)
        guide.policy.require(wish, site, spent, approved)

    while True:
        try:
            with file.write():
                require()
        except Overlimit as refusal:
            question = question_of(wish, site, refusal.code)
            if not (yield AskPayer(question=question)):
                raise
            approved |= {question}
        else:
            return require


class _Maker:
    """Makes the grant, as the store asks for it inside its transaction."""

    def __init__(self, guide: Guide, choice: Choice, wanted: Wanted, at: Any, site: str) -> None:
        self._guide, self._choice, self._wanted, self._at = guide, choice, wanted, at
        self._site = site
        self.refusal: Refusal | None = None

    def __call__(self, instrument: Instrument) -> Made | None:
        """None where the purse cannot."""
        wish, at, wanted = self._choice.wish, self._at, self._wanted
        purse = self._guide.purse(wish.scheme, wish.broker_id)
        rest = msgspec.structs.replace(at, entropy=at.entropy[OPEN_FROM:])
        portion = Portion(
            amount_micro=wanted.amount_micro,
            to=wanted.to.signer,
            until_s=at.now_s + wanted.lasts_s,
            passes_on=wanted.passes_on,
        )
        left: tuple[Instrument, ...] = ()
        try:
            if not instrument.vendor_id:
                general, instrument = purse.open(instrument, self._choice.received.offer, rest)
                left = (general,)
            shared = purse.share(instrument, portion, rest)
        except Refusal as refusal:
            self.refusal = refusal
            return None
        broker = self._guide.brokers[wish.broker_id]
        handed = Handed(
            broker=Home(id=broker.id, url=broker.url, currency=broker.currency),
            grant=shared.grant,
            scheme=wish.scheme,
            site=self._site,
        )
        grant = Grant(
            id=ids.new_id("g", at.entropy[:ID_ENTROPY]),
            created_at_s=at.now_s,
            site=self._site,
            broker_id=wish.broker_id,
            scheme=wish.scheme,
            vendor_id=wish.vendor_id,
            currency=wish.currency,
            amount_micro=wanted.amount_micro,
            until_s=shared.until_s,
            token=seal(wanted.to, codec.canonical(handed), at.entropy[SEAL_FROM:OPEN_FROM]),
            withdrawal=shared.withdrawal,
        )
        return grant, (*left, shared.left)


def receive(guide: Guide, file: File, token: str) -> Flow[Taken]:
    """What another wallet handed over; the same token twice is received once.

    `Malformed`, `Forged` for a token of another wallet, and the purse's refusals.
    """
    message, secret = unseal(file.vault, token)
    handed = codec.read_open(message, Handed)
    ids.require_broker_id(handed.broker.id)
    if place_of(handed.site).site != handed.site or not place_of(handed.broker.url).site:
        raise Malformed("token_malformed", "it names no site")
    broker = Book(file).meet_broker(
        Broker(
            id=handed.broker.id,
            url=handed.broker.url,
            account="",
            token="",
            currency=money.require_currency(handed.broker.currency),
        )
    )
    guide = msgspec.structs.replace(guide, brokers={**guide.brokers, broker.id: broker})
    at = yield from look()
    instrument = guide.purse(handed.scheme, broker.id).accept(handed.grant, secret, at)
    is_new = Grants(file).keep(broker.id, handed.site, instrument)
    return Taken(instrument=instrument, site=handed.site, is_new=is_new)


def withdraw(guide: Guide, file: File, grant_id: str) -> Flow[Grant]:
    """End a grant before its time, at the broker; gates have its list within minutes.

    `Unknown`, `Denied` where only whoever handed it to us can; `Busy` where too many were left open
    before; the broker's refusals.
    """
    grants = Grants(file)
    grant = grants.find(grant_id)
    if grant is None:
        raise Unknown("grant_unknown", "see: farthing wallet grants")
    if grant.withdrawal is None:
        raise Denied("grant_not_yours", "only who handed it to this wallet can withdraw it")
    at = yield from look()
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=grant.broker_id,
        scheme=grant.scheme,
        vendor_id=grant.vendor_id,
        site=grant.site,
        amount_micro=grant.amount_micro,
        asked=grant.withdrawal,
    )
    yield from errand.carry(guide, ask)
    grants.withdrawn(grant_id)
    return grant
