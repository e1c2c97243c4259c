"""The second half of a payment: sent once the page is there, until the vendor has it.

    page read to its end -> release sent -> its receipt, or "spent already" -> done

Some schemes pay in two halves (`Concluded.release`), so that neither side gains by breaking off.
The second is one more payment under the same offer that buys no page. It is written with the
outcome of the first; what a crash leaves behind is sent by `recover`, since the vendor's receipt
says that the page went out. Where the offer has ended meanwhile, the vendor's refusal brings a
fresh one, and the same half is sent under that. A half that the vendor does not take is shown to
the broker (`Purse.give_way`): a unit that is disputed there is the vendor's then.
"""

from contextlib import suppress

from farthing import ids
from farthing.errors import Refusal
from farthing.wallet.choice import Guide, read_offers
from farthing.wallet.commands import (
    Ask,
    FinishRelease,
    Purchase,
    Release,
    Request,
    Response,
    SendRequest,
    Sent,
    TakeRelease,
    Wait,
)
from farthing.wallet.errand import ID_BYTES, SENDS_MAX, Flow, carry, look
from farthing.wallet.patience import Problem, pause_ms, problem_of
from farthing.wallet.settling import PROOF_REFUSED, receipt_in
from farthing.wire import mpp, receipts, x402
from farthing.wire.offers import Received

GIVEN_UP_S = 30 * 86_400  # no vendor can claim anything of so long ago


def hand_over(guide: Guide, purchase: Purchase) -> Flow[bool | None]:
    """After the page: send the second half, and whether it is over; None where there is none.

    Nothing is refused any more: the page is here and paid, and who heard otherwise would buy it
    once more. Where the wallet's own file fails, `recover` sends the half.
    """
    if not guide.purse(purchase.scheme, purchase.broker_id).releases:
        return None
    at = yield from look()
    try:
        found: Release | None = yield TakeRelease(purchase=purchase, now_s=at.now_s)
        return (yield from send_release(guide, found)) if found is not None else None
    except Refusal:
        return False


def send_release(guide: Guide, release: Release) -> Flow[bool]:
    """Whether it is over: the vendor has it, or will never take it. Else it stays for the next."""
    at = yield from look()
    if at.now_s > release.created_at_s + GIVEN_UP_S:
        yield FinishRelease(release=release, refused="release_too_old")
        return True
    received, is_fresh, refused = release.purchase.received, False, ""
    for number in range(1, SENDS_MAX + 1):
        request = _request(release, received)
        answer: Sent = yield SendRequest(request=request, leg="release")
        if isinstance(answer, Response):
            problem = problem_of(answer)
            if _is_taken(guide, release, answer, problem):
                yield FinishRelease(release=release)
                return True
            fresh = None if is_fresh else _fresh(release, answer, at.now_s)
            if fresh is not None:
                received, is_fresh = fresh, True
                continue
            if problem.code and problem.retry != "same":
                refused = problem.code
                break
        if number < SENDS_MAX:
            yield Wait(delay_ms=pause_ms(answer, number))
    if (yield from _give_way(guide, release)):
        refused = ""
    elif not refused:
        return False
    yield FinishRelease(release=release, refused=refused)
    return True


def _give_way(guide: Guide, release: Release) -> Flow[bool]:
    """Whether the broker takes the half: it does once the vendor has submitted the first one."""
    made = release.purchase
    asked = guide.purse(made.scheme, made.broker_id).give_way(release.payload)
    if asked is None:
        return False
    at = yield from look()
    ask = Ask(
        id=ids.new_id("ask", at.entropy[:ID_BYTES]),
        created_at_s=at.now_s,
        broker_id=made.broker_id,
        scheme=made.scheme,
        vendor_id=made.vendor_id,
        site=made.site,
        amount_micro=made.price_micro,
        asked=asked,
    )
    with suppress(Refusal):
        yield from carry(guide, ask)
        return True
    return False


def _request(release: Release, received: Received) -> Request:
    """The same address and method; the page's own body and headers are of no use to it."""
    made = release.purchase
    if received.dialect == "mpp":
        credential = mpp.authorization(received, release.payload)
    else:
        payment = x402.payment(received, release.payload, release.id)
        credential = ("PAYMENT-SIGNATURE", payment)
    return Request(method=made.method, url=made.url).with_header(*credential)


def _is_taken(guide: Guide, release: Release, answer: Response, problem: Problem) -> bool:
    """Whether there is a receipt for it, or the vendor knows it, or a later half, already."""
    if answer.status == 403 and problem.type.endswith(PROOF_REFUSED):
        return True
    receipt = receipt_in(answer)
    if receipt is None:
        return False
    made = release.purchase
    key = guide.purse(made.scheme, made.broker_id).receipt_key(made.paid.spent)
    if key:
        try:
            receipts.verify(receipt, mac_key=key)
        except Refusal:
            return False
    return True


def _fresh(release: Release, answer: Response, now_s: int) -> Received | None:
    """The vendor's present offer in the same scheme and dialect, where the old one is over."""
    if answer.status != 402:
        return None
    was = release.purchase.received
    offers: tuple[Received, ...] = ()
    with suppress(Refusal):
        offers = read_offers(answer, now_s)
    for one in offers:
        found = (one.dialect, one.offer.scheme, one.offer.vendor_id, one.realm)
        if found == (was.dialect, was.offer.scheme, was.offer.vendor_id, was.realm):
            return one
    return None
