"""The wallet's flow of a purchase: from offers that can be paid to one that is written.

    budgets -> an instrument, loaded if need be -> the mint asked first, where it must be
    (`asking.py`) -> purchase written

What comes before and after it is `fetching.py` for a page, `streams.py` for a stream.

A generator of commands (`commands.py`); no I/O, no clock, no randomness. Dropped at any command it
leaves a file from which `recover`, or the next `fetch`, goes on: an unanswered ask is sent again
with its key, an undecided purchase is sent again if the same request is made again, and looked up
at the vendor otherwise, before its instrument pays for anything else.
"""

from collections.abc import Callable

import msgspec

from farthing import codec, ids
from farthing.errors import Refusal, Unfunded
from farthing.schemes.contract import At, Binding, Instrument, Json, Paid
from farthing.wallet.asking import asked_first, first_of
from farthing.wallet.choice import (
    Choice,
    Guide,
    place_of,
)
from farthing.wallet.commands import (
    Abandoned,
    Ask,
    AskPayer,
    Command,
    Nothing,
    OverBudget,
    Purchase,
    Question,
    Release,
    Request,
    Reserve,
    Spent,
    Unsettled,
    Wait,
    Wish,
)
from farthing.wallet.envelope import enclose
from farthing.wallet.errand import ID_BYTES, Flow, finish, load, look, run
from farthing.wallet.policy import ABOVE_MOST, question_of
from farthing.wallet.refunds import collect
from farthing.wallet.releasing import hand_over, send_release
from farthing.wallet.settling import Verdict, look_up, revisit
from farthing.wire import mpp, sealed, x402
from farthing.wire.offers import target_of

__all__ = ["Command", "Recovered", "recover"]

LOADS_MAX = 4  # for one payment: what was loaded may be taken by others, each time by another
TURNS_MAX = 256  # of one reservation: five seconds of waits, questions, settled purchases
SEAL_BYTES = 32  # entropy that sealing a request may use: the end of the payment's
OPEN_BYTES = 64  # entropy that opening an instrument may use; the payment has the rest
POLL_MS = 20  # a payment on a fast site takes about as long
PATIENCE_MS = 200  # how long to wait for another flow's instrument before one more is opened
OPEN_FROM = 256  # bytes of the entropy of one look: the first half pays, the second half opens
PAYMENT_ID_PREFIX = "w"  # of x402 payment identifiers: 24 characters, 16 to 128 are legal


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What `recover` found abandoned, and what it could not finish."""

    done: int = 0
    """Paid; also what had been taken as released, and reached its vendor later."""
    released: int = 0
    undecided: int = 0
    asks_finished: int = 0
    asks_open: int = 0
    releases_sent: int = 0
    """Second halves of payments that are over now."""
    releases_open: int = 0
    refunded: int = 0
    """Purchases whose price a vendor has given back."""


def obtain(
    guide: Guide,
    request: Request,
    choices: tuple[Choice, ...],
    *,
    is_repeatable: Callable[[Purchase], bool],
    stream: str | None = None,
    once: str = "",
    asks: bool = True,
) -> Flow[Purchase]:
    """A purchase that is written and ready to be sent: a new one, or the one left undecided.

    `is_repeatable` says whether whoever sends it can send the bytes of the one left undecided.
    `stream`: empty to open one, else K of the opening of the one that this pays; None for a page.
    `asks`: whether the payer is asked about what is above a budget; else it is refused.
    """
    site = place_of(request.url).site
    approved: frozenset[Question] = frozenset()
    skip: frozenset[str] = frozenset()
    answered: tuple[Ask, Json] | None = None
    waited_ms, loads = 0, 0
    for _ in range(TURNS_MAX):
        at = yield from look()
        got: Purchase | Ask | Unsettled | OverBudget | Nothing = yield msgspec.structs.replace(
            reservation(guide, request, choices, at, stream=stream, approved=approved),
            skip=skip,
            patient=waited_ms < PATIENCE_MS,
            once=once,
            answered=answered,
        )
        if answered is not None and not isinstance(got, Purchase):
            yield from finish(guide, *answered)
            answered = None
            continue
        match got:
            case Purchase():
                return got
            case Ask():
                answered = yield from asked_first(got)
                skip |= frozenset() if answered else {got.instrument_id}
            case Unsettled(purchase=purchase, same=True) if is_repeatable(purchase):
                return purchase
            case Unsettled(purchase=purchase):
                yield from _look_up(guide, purchase)
                skip |= {purchase.id}
            case OverBudget(wish=wish, refusal=refusal):
                question = question_of(wish, site, refusal.code)
                may_ask = asks and refusal.code != ABOVE_MOST
                if not (may_ask and (yield AskPayer(question=question))):
                    raise refusal
                approved |= {question}
            case Nothing(coming=coming):
                waited_ms, loads = yield from _await_instrument(
                    guide, choices, site, coming=coming, waited_ms=waited_ms, loads=loads
                )
    raise Unfunded("no_instrument_free", "too many payments at once; try again")


def reservation(
    guide: Guide,
    request: Request,
    choices: tuple[Choice, ...],
    at: At,
    *,
    stream: str | None = None,
    approved: frozenset[Question] = frozenset(),
) -> Reserve:
    """What takes an instrument for one of `choices`, and opens one rather than wait for it."""
    site = place_of(request.url).site
    return Reserve(
        request=request,
        site=site,
        wishes=tuple(choice.wish for choice in choices),
        now_s=at.now_s,
        skip=frozenset(),
        allow=_Allow(guide, site, approved),
        patient=False,
        open=_Open(guide, choices, at),
        pay=_Pay(guide, request, choices, at, stream or ""),
        apart=stream is not None,
    )


def _look_up(guide: Guide, purchase: Purchase) -> Flow[tuple[Verdict, bool | None]]:
    """How an earlier purchase ended; of one that was paid the second half is sent: `hand_over`."""
    verdict = yield from look_up(guide, purchase)
    if verdict is not Verdict.DONE:
        return verdict, None
    return verdict, (yield from hand_over(guide, purchase))


def _await_instrument(
    guide: Guide,
    choices: tuple[Choice, ...],
    site: str,
    *,
    coming: bool,
    waited_ms: int,
    loads: int,
) -> Flow[tuple[int, int]]:
    """Wait a little for another flow's instrument, or load one; how long and how many by now."""
    patient = waited_ms < PATIENCE_MS
    if not (coming and patient):
        if loads < LOADS_MAX:
            if (yield from load(guide, choices, site, patient=patient)):
                return waited_ms, loads + 1
        elif not coming:  # else others took what was loaded, and will leave change
            raise Unfunded("no_instrument_fits", "what the mint gave does not pay this")
    yield Wait(delay_ms=POLL_MS)
    return waited_ms + POLL_MS, loads


class _Allow:
    """The budgets, as the store asks for them inside its transaction."""

    def __init__(self, guide: Guide, site: str, approved: frozenset[Question]) -> None:
        self._guide = guide
        self._site = site
        self._approved = approved

    def __call__(self, wish: Wish, spent: Spent) -> None:
        self._guide.policy.require(wish, self._site, spent, self._approved)


class _Open:
    """Opens a general instrument for a vendor, as the store asks for it."""

    def __init__(self, guide: Guide, choices: tuple[Choice, ...], at: At) -> None:
        self._guide = guide
        self._choices = choices
        self._at = at

    def __call__(self, number: int, instrument: Instrument) -> tuple[Instrument, Instrument] | None:
        """None where the purse cannot."""
        received, wish = self._choices[number].received, self._choices[number].wish
        purse = self._guide.purse(wish.scheme, wish.broker_id)
        rest = msgspec.structs.replace(self._at, entropy=self._at.entropy[OPEN_FROM:])
        try:
            return purse.open(instrument, received.offer, rest)
        except Refusal:
            return None


class _Pay:
    """Makes the purchase, as the store asks for it inside its transaction."""

    def __init__(
        self,
        guide: Guide,
        request: Request,
        choices: tuple[Choice, ...],
        at: At,
        stream: str,
    ) -> None:
        self._stream = stream
        self._guide = guide
        self._request = request
        self._choices = choices
        self._at = at

    def __call__(
        self, number: int, instrument: Instrument, answer: Json = None
    ) -> Purchase | Ask | None:
        """None where the purse cannot pay this price from this instrument."""
        received, wish = self._choices[number].received, self._choices[number].wish
        request, at, place = self._request, self._at, place_of(self._request.url)
        purchase_id = ids.new_id(PAYMENT_ID_PREFIX, at.entropy[:ID_BYTES])
        k = str(received.echo["id"]) if received.dialect == "mpp" else purchase_id
        binding = Binding(
            dialect=received.dialect,
            k=k,
            method=request.method,
            host=place.authority,
            path_query=place.path_query,
            target=received.target or target_of(request.method, place.path_query),
            body_digest=received.body_digest,
            stream=self._stream,
        )
        purse = self._guide.purse(wish.scheme, wish.broker_id)
        rest = msgspec.structs.replace(at, entropy=at.entropy[ID_BYTES:OPEN_FROM])
        general: Instrument | None = None
        try:
            if not instrument.vendor_id and answer is None:
                general, instrument = purse.open(instrument, received.offer, rest)
                rest = msgspec.structs.replace(rest, entropy=rest.entropy[OPEN_BYTES:])
            paid = purse.pay(instrument, received.offer, binding, rest, answer)
        except Refusal:
            return None
        if not isinstance(paid, Paid):
            return first_of(paid.asked, instrument, wish, place.site, at)
        price_micro = wish.price_micro if paid.price_micro is None else paid.price_micro
        credential, envelope = ("", ""), b""
        match received.dialect:
            case "private":
                envelope = enclose(
                    purse,
                    instrument,
                    request,
                    msgspec.structs.replace(rest, entropy=rest.entropy[-SEAL_BYTES:]),
                    amount_micro=price_micro,
                    payload=paid.payload,
                )
                k = sealed.key_of(codec.canonical(paid.payload))
            case "mpp":
                credential = mpp.authorization(received, paid.payload)
            case _:
                credential = ("PAYMENT-SIGNATURE", x402.payment(received, paid.payload, k))
                k = x402.key_of(received, paid.payload, k)
        return Purchase(
            id=purchase_id,
            created_at_s=at.now_s,
            site=place.site,
            method=request.method,
            url=request.url,
            body_digest=request.body_digest,
            k=paid.k or k,
            scheme=wish.scheme,
            broker_id=wish.broker_id,
            vendor_id=wish.vendor_id,
            currency=wish.currency,
            price_micro=price_micro,
            received=received,
            credential=credential,
            payload_hash=codec.digest(paid.payload),
            paid=paid,
            opened_from=None if general is instrument else general,
            envelope=envelope,
            page=request.page,
        )


def recover(guide: Guide, *, days: int = 0) -> Flow[Recovered]:
    """Finish what was abandoned: asks are sent again, purchases looked up. Never pays anything.

    Purchases that came to nothing are looked up too, while their vendors could still take them.
    Vendors are asked what they gave back for the purchases of the last `days`; 0: none is asked.
    """
    count = dict.fromkeys(Recovered.__struct_fields__, 0)
    count["done"] = yield from revisit(guide)
    at = yield from look()
    found: tuple[tuple[Purchase, ...], tuple[Ask, ...], tuple[Release, ...]] = yield Abandoned(
        now_s=at.now_s
    )
    purchases, asks, releases = found
    over: list[bool | None] = []  # second halves: those of what was paid as it turns out, too
    for purchase in purchases:
        verdict, is_over = yield from _look_up(guide, purchase)
        count[verdict.value] += 1
        over.append(is_over)
    for ask in asks:
        try:
            yield from run(guide, ask)
            count["asks_finished"] += 1
        except Refusal:
            count["asks_open"] += 1
    for release in releases:
        over.append((yield from send_release(guide, release)))
    count["releases_sent"], count["releases_open"] = over.count(True), over.count(False)
    if days:
        count["refunded"] = len((yield from collect(guide, days)))
    return Recovered(**count)
