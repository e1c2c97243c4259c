"""Errands to a mint: loading an instrument, and what pays for that; giving one back.

An ask is in the store, with its Idempotency-Key, before it is sent; it is sent again with the same
key until it is answered, by this process or the next. A purse may answer with one more message of
the same errand (scrip is burned at its vendor, then the burn receipt goes to the broker): it is
written in the transaction that finishes the one before.

A payer with a float (`Guide.floats`) pays for vendors' instruments with the broker's own, and lets
the account buy only those: the account's orders then name no vendor, and the others no account.
"""

from collections.abc import Generator
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from farthing import ids
from farthing.errors import (
    Broken,
    Busy,
    Expired,
    Forged,
    OutOfRange,
    Overlimit,
    PeerFailed,
    Refusal,
    Replayed,
    Unavailable,
    Underpaid,
    Unfunded,
    Unsupported,
)
from farthing.schemes import subscriptions
from farthing.schemes.contract import Asked, At, Instrument, Json, Need, Purse
from farthing.wallet import rounding
from farthing.wallet.choice import Choice, Guide, in_words
from farthing.wallet.commands import (
    Answered,
    Ask,
    AskMint,
    Command,
    Failed,
    FindHeld,
    FindMeans,
    FinishAsk,
    Look,
    Nothing,
    OpenAsk,
    Refused,
    TakeNumber,
    Wait,
)
from farthing.wallet.patience import PAUSE_MS, patiently, throttled_s

T = TypeVar("T")
Flow = Generator[Command, Any, T]

LOAD_PRICES = 10  # ten pages an ask: rare enough to be cheap, little enough to lose
LOAD_TICKS = (3_600, 256, 64)  # of a stream: an hour of seconds, or what the payer is trusted with
SENDS_MAX = 3  # of one message in one flow; afterwards it stays for the next
MESSAGES_MAX = 400  # of one errand: to make a pocket of coins again takes some dozens
CARRIED_MAX = 4  # asks of one kind: some that were left open before, and the one that is meant
MEANS_TURNS_MAX = 6  # of one load: an abandoned ask or two, a top-up, and somebody quicker
SPOILT = (Forged, Expired, Replayed)  # what says that an instrument pays for no ask any more
ID_BYTES = 16  # random: an Idempotency-Key that nobody else uses


def look() -> Flow[At]:
    """Time and fresh entropy."""
    at: At = yield Look()
    return at


def look_for(purse: Purse) -> Flow[At]:
    """As `look`, with a number of the wallet's own for a purse that wants one."""
    at = yield from look()
    if not purse.numbers:
        return at
    number: int = yield TakeNumber(broker_id=purse.setting.broker_id, scheme=purse.traits.name)
    return msgspec.structs.replace(at, serials=(number,))


def load(
    guide: Guide,
    choices: tuple[Choice, ...],
    site: str,
    *,
    patient: bool,
    amounts: tuple[int, ...] = (),
) -> Flow[bool]:
    """Ask mints, in the order of `choices`, until one gives an instrument.

    `amounts`: what to ask for, in this order, where it is not what some pages cost. False if
    somebody else is asking and we are `patient`. If none gives, why the first gives not the least.
    """
    refusals: dict[str, Refusal] = {}
    for choice in choices:
        wish = choice.wish
        if wish.scheme in refusals:
            continue
        if not guide.brokers[guide.brokers[wish.broker_id].home].account:
            refusals[wish.scheme] = Unfunded(
                "broker_without_account",
                f"nothing in this wallet pays it, and it has no account at {wish.broker_id} to"
                " load from: what it was given may be spent, begun, ended or withdrawn",
            )
            continue
        for amount_micro in amounts or _amounts(guide, choice):
            try:
                return (yield from _load_one(guide, choice, site, amount_micro, patient=patient))
            except (Unfunded, Overlimit, OutOfRange, Underpaid, PeerFailed) as refused:
                refusals[wish.scheme] = refused  # less may still be had
            except Refusal as refused:
                refusals[wish.scheme] = refused
                break
    first = choices[0].wish
    raise in_words(guide, first, refusals[first.scheme])


def _amounts(guide: Guide, choice: Choice) -> tuple[int, ...]:
    """How much to ask for, the most convenient first: plenty, or as little as will do.

    What buys a subscription must leave change for it to stand in, and is bought seldom. Of what the
    broker signs blindly only round amounts are bought, and never the price.
    """
    wish, price_micro = choice.wish, choice.wish.price_micro
    if guide.purse(wish.scheme, wish.broker_id).blind:
        plenty_micro = max(price_micro * LOAD_PRICES, guide.load_micro)
        most_micro = guide.policy.limits.per_day_micro
        return rounding.for_price(price_micro, plenty_micro, most_micro)
    if subscriptions.sold_by(choice.received.offer) is not None:
        return (price_micro + guide.load_micro, price_micro + 1)
    wanted = [max(price_micro * LOAD_PRICES, guide.load_micro), price_micro]
    bounds_micro = [guide.policy.cap.micro] if guide.policy.cap is not None else []
    if choice.received.offer.intent == "session":
        wanted = [*(price_micro * ticks for ticks in LOAD_TICKS), *wanted]
        bounds_micro.append(guide.policy.limits.per_site_day_micro)
    wanted = [max(price_micro, min([amount_micro, *bounds_micro])) for amount_micro in wanted]
    least_micro = guide.purse(wish.scheme, wish.broker_id).least_micro(choice.received.offer)
    return tuple(dict.fromkeys([*wanted, least_micro]))


def _load_one(
    guide: Guide, choice: Choice, site: str, amount_micro: int, *, patient: bool
) -> Flow[bool]:
    wish = choice.wish
    means: Instrument | None = None
    home = guide.brokers[wish.broker_id].home
    if home in guide.floats and guide.purse(wish.scheme, home).means:
        means = yield from _find_means(guide, home, wish.scheme, amount_micro, patient=patient)
        if means is None:
            return False
    at = yield from look()
    need = Need(
        amount_micro=amount_micro,
        currency=wish.currency,
        vendor_id=wish.vendor_id,
        offer=choice.received.offer,
        means=means,
    )
    purse = guide.purse(wish.scheme, wish.broker_id)
    numbered = yield from look_for(purse)
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=wish.broker_id,
        scheme=wish.scheme,
        vendor_id=wish.vendor_id,
        site=site,
        amount_micro=amount_micro,
        asked=purse.ask(need, numbered),
        number=numbered.number,
        instrument_id=means.id if means is not None else "",
        home_id=home,
    )
    opened: Ask | None = yield OpenAsk(ask=ask, patient=patient, now_s=at.now_s)
    if opened is None:
        return False
    yield from run(guide, opened)
    return True


def _find_means(
    guide: Guide, broker_id: str, scheme: str, amount_micro: int, *, patient: bool
) -> Flow[Instrument | None]:
    """What pays for an ask of `amount_micro`, bought of the account where there is none.

    None where another flow will soon have some. Any refusal of the mint.
    """
    for _ in range(MEANS_TURNS_MAX):
        at = yield from look()
        found: Instrument | Ask | Nothing = yield FindMeans(
            broker_id=broker_id,
            scheme=scheme,
            vendor_id=guide.purse(scheme, broker_id).means,
            worth_micro=amount_micro,
            now_s=at.now_s,
        )
        match found:
            case Instrument():
                return found
            case Ask():
                with suppress(Refusal):  # it stays open, or its instrument is free again
                    yield from run(guide, found)
            case Nothing(coming=True) if patient:
                return None
            case Nothing():
                yield from _top_up(guide, broker_id, scheme, amount_micro)
    raise Unfunded("no_instrument_free", "too many orders at once; try again")


def _top_up(guide: Guide, broker_id: str, scheme: str, amount_micro: int) -> Flow[None]:
    """Buy as much as the payer likes to have, or as is needed; the first refusal."""
    plenty_micro = max(guide.floats[broker_id], amount_micro)
    refusal: Refusal | None = None
    for wanted_micro in dict.fromkeys((plenty_micro, amount_micro)):
        try:
            yield from _load_means(guide, broker_id, scheme, wanted_micro)
        except (Unfunded, Overlimit, OutOfRange) as refused:
            refusal = refusal or refused
        else:
            return
    assert refusal is not None, "there is at least one amount"
    raise refusal


def load_float(guide: Guide, broker_id: str, amount_micro: int) -> Flow[int]:
    """Buy what pays for orders to this broker: how much came, with what was left unfinished.

    Any refusal; `Unsupported` where no scheme has any such thing.
    """
    names = [name for name in guide.schemes if guide.purse(name, broker_id).means]
    if not names:
        raise Unsupported("float_unsupported", "no scheme of this wallet buys with broker scrip")
    total_micro = 0
    for _ in range(MEANS_TURNS_MAX):
        came_micro = yield from _load_means(guide, broker_id, names[0], amount_micro)
        total_micro += came_micro
        if came_micro == amount_micro:
            break
    return total_micro


def _load_means(guide: Guide, broker_id: str, scheme: str, amount_micro: int) -> Flow[int]:
    """Buy of the account what pays for orders: how much came, which may be an earlier ask's."""
    purse = guide.purse(scheme, broker_id)
    at = yield from look()
    need = Need(
        amount_micro=amount_micro,
        currency=guide.brokers[broker_id].currency,
        vendor_id=purse.means,
    )
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=broker_id,
        scheme=scheme,
        vendor_id=purse.means,
        site="",
        amount_micro=amount_micro,
        asked=purse.ask(need, (yield from look_for(purse))),
    )
    opened: Ask | None = yield OpenAsk(ask=ask, patient=False, now_s=at.now_s)
    assert opened is not None, "nobody is patient, and nothing pays for it"
    yield from run(guide, opened)
    return opened.amount_micro


def give_back(guide: Guide, broker_id: str, site: str, instrument: Instrument) -> Flow[Json | None]:
    """Return what is left; the mint's answer, or None if it is being spent. Any refusal."""
    at = yield from look()
    purse = guide.purse(instrument.scheme, broker_id)
    home_id = guide.brokers[broker_id].home
    if not guide.brokers[home_id].account:
        raise Unfunded("broker_without_account", "there is no account that it could go back to")
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=broker_id,
        scheme=instrument.scheme,
        vendor_id=instrument.vendor_id,
        site=site,
        amount_micro=instrument.worth_micro,
        asked=purse.give_back(instrument, (yield from look())),
        instrument_id=instrument.id,
        home_id=home_id,
    )
    opened: Ask | None = yield OpenAsk(ask=ask, patient=False, now_s=at.now_s)
    if opened is None:
        return None
    return (yield from run(guide, opened))


def carry(guide: Guide, ask: Ask) -> Flow[Json]:
    """What the mint answers to an ask that brings no instrument; those left open go first.

    `Busy` where the instrument that it gives back is in use, or too many were left open; else the
    refusals of `run`.
    """
    for _ in range(CARRIED_MAX):
        opened: Ask | None = yield OpenAsk(ask=ask, patient=False, now_s=ask.created_at_s)
        if opened is None:
            raise Busy("instrument_in_use", "a payment has it: see farthing wallet recover")
        answer = yield from answer_to(opened)
        yield from finish(guide, opened, answer)
        if opened.id == ask.id:
            return answer
    raise Busy("asks_left_open", "others were sent first; say it once more")


def run(guide: Guide, ask: Ask) -> Flow[Json]:
    """Send an ask that is in the store, and whatever follows from its answer; the last answer.

    `Unavailable` if no answer came, `Denied` if the account's token is not taken: the ask stays
    open. Any refusal of the mint, or of the purse if the answer is not right: the ask is closed.
    """
    for _ in range(MESSAGES_MAX):
        answer = yield from answer_to(ask)
        following = yield from finish(guide, ask, answer)
        if following is None:
            return answer
        ask = following
    raise Broken("errand_too_long", f"over {MESSAGES_MAX} messages to one mint")


def finish(guide: Guide, ask: Ask, answer: Json) -> Flow[Ask | None]:
    """Write what a mint answered; the next message of the same errand, if there is one.

    None, too, where another process has written it before: the next message is that one's to send,
    since a second of another name would not be the same. Any refusal of the purse if the answer is
    not right: the ask is closed.
    """
    purse = guide.purse(ask.scheme, ask.broker_id)
    at = yield from look()
    # What names the next message, and is seen by everybody on its way, is part of no secret in it.
    rest = msgspec.structs.replace(at, entropy=at.entropy[ID_BYTES:])
    held: tuple[Instrument, ...] = ()
    if purse.blind:
        held = yield FindHeld(broker_id=ask.broker_id, scheme=ask.scheme)
    try:
        received = purse.receive(ask.asked, answer, rest)
        if isinstance(received, Asked):
            purse.compare(received, held)
    except Refusal as refusal:
        yield FinishAsk(ask=ask, refused=refusal.code, now_s=at.now_s)
        raise
    if not isinstance(received, Asked):
        yield FinishAsk(ask=ask, instruments=received, now_s=at.now_s)
        return None
    following = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=ask.broker_id,
        scheme=ask.scheme,
        vendor_id=ask.vendor_id,
        site=ask.site,
        amount_micro=ask.amount_micro,
        asked=received,
        number=ask.number,
        instrument_id=ask.instrument_id,
        home_id=ask.home_id,
    )
    is_ours: bool = yield FinishAsk(ask=ask, following=following, now_s=at.now_s)
    return following if is_ours else None


def _is_unused(ask: Ask, refusal: Refusal) -> bool:
    """Whether the refusal of an ask says nothing against the instrument that it had."""
    has_one = bool(ask.instrument_id) and ask.asked.operation == "issue"
    return has_one and not isinstance(refusal, SPOILT)


def answer_to(ask: Ask) -> Flow[Json]:
    """What the mint answers, asked again while it may help; see `run` for the refusals."""
    refusal: Refusal | None = None
    for number in range(1, SENDS_MAX + 1):
        answer: Answered | Refused | Failed = yield from patiently(AskMint(ask=ask))
        match answer:
            case Answered(value=value):
                return value
            case Refused(refusal=refusal) if answer.retry == "later" or throttled_s(answer):
                raise refusal
            case Refused(refusal=refusal, retry="same"):
                pass
            case Refused(refusal=refusal):
                at = yield from look()
                unused = _is_unused(ask, refusal)
                yield FinishAsk(ask=ask, refused=refusal.code, unused=unused, now_s=at.now_s)
                raise refusal
            case Failed(reason=reason):
                refusal = Unavailable(
                    "mint_unreachable", f"the mint does not answer ({reason}); try again"
                )
        if number < SENDS_MAX:
            yield Wait(delay_ms=PAUSE_MS * number)
    assert refusal is not None, "every other answer has ended the loop"
    raise refusal
