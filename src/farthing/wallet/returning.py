"""What is unspent becomes money of the account again, one instrument after the other."""

import msgspec

from farthing import codec
from farthing.errors import Refusal
from farthing.schemes.contract import Comeback
from farthing.wallet import errand
from farthing.wallet.book import Book, Held
from farthing.wallet.driver import Driver, drive
from farthing.wallet.stocks import Stocks

_COMEBACK = codec.Reader(Comeback)


class Returned(msgspec.Struct, frozen=True, kw_only=True):
    """What `give_back` did with one instrument."""

    instrument_id: str
    scheme: str
    vendor_id: str
    currency: str
    worth_micro: int
    """What was given back; of one that was refused, what it holds."""
    refused: str
    """The code of the refusal, empty where it was given back."""
    why: str = ""
    """What the refusal says to do."""
    rest_micro: int = 0
    """What follows by itself: until then a vendor could claim it, though it was not spent."""
    rest_at_s: int = 0
    """When, unix seconds."""
    waits: bool = False
    """Whether its vendor has closed it, and the rest comes once that has cleared."""


def give_back(driver: Driver, book: Book, *, scheme: str, vendor_id: str) -> tuple[Returned, ...]:
    """Return what is left of every instrument, or of those of one scheme or vendor ("": all).

    Stocks that are bought ahead end. The brokers' own comes last: other scrip may become theirs.
    """
    done = _give_back(driver, book, scheme, vendor_id, own=False)
    if not scheme:
        book.end_floats(vendor_id)
    if not vendor_id:
        Stocks(driver.store.file).end(scheme)
    return (*done, *_give_back(driver, book, scheme, vendor_id, own=True))


def _give_back(
    driver: Driver, book: Book, scheme: str, vendor_id: str, *, own: bool
) -> list[Returned]:
    """`own`: of brokers. What had expired and is renewed by that goes back in its new form.

    What nobody takes any more stays, as coins do whose grace is over beside others.
    """
    done: list[Returned] = []
    for held in book.held(scheme, vendor_id):
        one = held.instrument
        if (one.vendor_id == held.broker_id) is not own:
            continue
        known = {each.instrument.id for each in book.held(one.scheme, one.vendor_id)}
        gone = _give_back_one(driver, held)
        now = () if gone.refused else book.held(one.scheme, one.vendor_id)
        renewed = [new for new in now if new.instrument.id not in known]
        left_micro = sum(
            each.instrument.worth_micro for each in now if each.instrument.id == one.id
        )
        gone = msgspec.structs.replace(gone, worth_micro=gone.worth_micro - left_micro)
        done += [_give_back_one(driver, new) for new in renewed] or [gone]
    return done


def _is_closed(driver: Driver, held: Held) -> bool:
    """Whether its vendor was asked to take no more: of what lies ready at the broker."""
    purse = driver.guide.purse(held.instrument.scheme, held.broker_id)
    return purse.traits.credit and not purse.is_billed(held.instrument)


def _give_back_one(driver: Driver, held: Held) -> Returned:
    code, why, instrument = "", "", held.instrument
    told = Comeback(returned_micro=instrument.worth_micro, rest_micro=0, rest_at_s=0)
    with driver.session() as session:
        flow = errand.give_back(driver.guide, held.broker_id, held.site, instrument)
        try:
            answer = drive(flow, session.answer)
            if answer is None:
                code, why = "instrument_in_use", "a payment has it: see farthing wallet recover"
            elif driver.guide.purse(instrument.scheme, held.broker_id).reissues:
                told = _COMEBACK.convert(answer)
        except Refusal as refusal:
            code, why = refusal.code, refusal.detail
    return Returned(
        instrument_id=instrument.id,
        scheme=instrument.scheme,
        vendor_id=instrument.vendor_id,
        currency=instrument.currency,
        worth_micro=told.returned_micro,
        rest_micro=max(0, min(told.rest_micro, instrument.worth_micro - told.returned_micro)),
        rest_at_s=told.rest_at_s,
        refused=code,
        why=why,
        waits=not code and _is_closed(driver, held),
    )
