"""From sent to settled: what an answer to a payment means, and how a doubt is ended.

| answer to the paid request | the purchase is |
|---|---|
| a receipt that verifies | done: the change is adopted |
| `Payment-Outcome: released` | released: the site failed, nothing was charged |
| the same, but what was paid with is called spent | looked up: an earlier payment may explain it |
| a refusal with `retry: new`, or 402 | released, and it may be paid anew |
| a refusal with `retry: same`, or no answer | sent again, the same bytes (`patience.py`) |
| anything else | looked up at the vendor's outcome endpoint, and then at the broker |

Source: wire format, sections 7 and 8. The wallet never makes a second credential for a purchase
that is undecided. "No such payment" (404 `outcome_absent`) counts as released once the payment is
old enough that it is hardly still on its way. Should the vendor get it after all, it calls the
instrument spent, and then the released purchases of that instrument are looked up again; `revisit`
asks about all of them, for as long as they could still be taken, whether or not anybody pays there.
"""

from contextlib import suppress
from enum import Enum
from typing import Literal

import msgspec

from farthing import codec
from farthing.errors import Forged, Mismatch, Refusal
from farthing.schemes.contract import Accepted, Json, Purse, Rolled
from farthing.wallet.choice import Guide, place_of
from farthing.wallet.commands import (
    Failed,
    Purchase,
    RecallReleased,
    Request,
    Response,
    SendRequest,
    Sent,
    Settle,
    Wait,
)
from farthing.wallet.envelope import carrier, enclose, opened
from farthing.wallet.errand import SENDS_MAX, Flow, look
from farthing.wallet.inquiring import settle_by_broker
from farthing.wallet.patience import Problem, patiently, pause_ms, problem_of, throttled_s
from farthing.wire import mpp, published, receipts, x402_response
from farthing.wire.offers import Receipt

FRESH = (("Cache-Control", "no-cache"),)  # not what somebody on the way, or we, have kept
OUTCOME_TAG = "farthing/wire/outcome/1"
ABSENT_FINAL_S = 60  # a payment that a vendor has not got by then was lost on the way
SKEW_S = 120  # clocks differ by so much without being wrong
STREAM_ENDED = {"stream_over", "stream_unknown"}  # says nothing of what it would be paid with
PROOF_REFUSED = "verification-failed"  # 402: this instrument is wrong; 403: it is spent


class Verdict(Enum):
    """How a purchase ended."""

    DONE = "done"
    RELEASED = "released"
    ANEW = "anew"
    """Released, and the same request may be paid once more."""
    UNDECIDED = "undecided"


BEING_SERVED = 409  # the payment is confirmed by now or soon, and its page is still to come
SERVER_ERRORS_FROM = 500  # a page that was paid and then failed comes when it is asked for again


def is_delivered(verdict: Verdict | None, status: int) -> bool:
    """Whether an answer of this status leaves nothing to be fetched with the same payment."""
    return verdict is Verdict.DONE and status < SERVER_ERRORS_FROM and status != BEING_SERVED


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome endpoint's answer."""

    state: Literal["confirmed", "released"]
    receipt: Json = None


Finding = Receipt | Literal["released", "absent", "unknown", "silent"]


def send(guide: Guide, purchase: Purchase, request: Request) -> Flow[tuple[Sent, Verdict]]:
    """Send `request` with the purchase's credential, and settle the purchase by the answer.

    Of a purchase in private its envelope is sent, and the answer is the one inside.
    """
    answer: Sent = Failed(reason="not sent")
    for number in range(1, SENDS_MAX + 1):
        if purchase.envelope:
            answer = yield from _send_sealed(guide, purchase, purchase.envelope, request.url)
        else:
            paid = request.with_header(*purchase.credential)
            answer = yield from patiently(SendRequest(request=paid, leg="paid"))
        if isinstance(answer, Response):
            verdict = yield from _settle_by_answer(guide, purchase, answer)
            if verdict is not None:
                return answer, verdict
            if throttled_s(answer):  # for longer than is waited
                break
        if number < SENDS_MAX:
            yield Wait(delay_ms=pause_ms(answer, number))
    return answer, (yield from look_up(guide, purchase))


def _send_sealed(guide: Guide, purchase: Purchase, envelope: bytes, url: str) -> Flow[Sent]:
    """What is in the answer to an envelope that was sealed with a purchase's instrument."""
    sealed_one = SendRequest(request=carrier(url, envelope), leg="private")
    answer: Sent = yield from patiently(sealed_one)
    purse = guide.purse(purchase.scheme, purchase.broker_id)
    return opened(purse, purchase.paid.spent, envelope, url, answer)


def _settle_by_answer(guide: Guide, purchase: Purchase, answer: Response) -> Flow[Verdict | None]:
    """The verdict; None where the same bytes should be sent again."""
    receipt = receipt_in(answer)
    if receipt is not None and (yield from _accept(guide, purchase, receipt)):
        return Verdict.DONE
    problem = problem_of(answer)
    is_called_spent = problem.retry == "never" and problem.type.endswith(PROOF_REFUSED)
    if answer.value("payment-outcome") == "released" and not is_called_spent:
        yield from release(guide, purchase)
        return Verdict.RELEASED
    if problem.retry == "same":
        return None
    if receipt is None and (problem.retry == "new" or answer.status == 402):
        yield from release(guide, purchase, aside=_is_refused(answer, problem))
        return Verdict.ANEW
    if problem.type.endswith(PROOF_REFUSED):
        return (yield from _resync(guide, purchase))
    return (yield from look_up(guide, purchase))


def receipt_in(answer: Response) -> Receipt | None:
    """The receipt of an answer, in whichever dialect; None without, or if it does not parse."""
    token, response = answer.value("payment-receipt"), answer.value("payment-response")
    try:
        if token:
            return mpp.read_receipt(token)
        return x402_response.read_response(response).receipt if response else None
    except Refusal:
        return None


def _is_refused(answer: Response, problem: Problem) -> bool:
    """Whether this instrument will not be taken another time either."""
    if problem.code in STREAM_ENDED:
        return False
    return problem.type.endswith(PROOF_REFUSED) or answer.status in {403, 410}


def _accept(guide: Guide, purchase: Purchase, receipt: Receipt) -> Flow[bool]:
    """Whether the receipt is right and so is its change; then the purchase is done."""
    purse = guide.purse(purchase.scheme, purchase.broker_id)
    at = yield from look()
    try:
        yield from _require_signed(purse, purchase, receipt)
        accepted = Accepted(
            change=receipt.change, released=receipt.released, issued_at_s=receipt.issued_at_s
        )
        concluded = purse.conclude(purchase.paid, accepted, at)
    except Refusal:
        return False
    yield Settle(
        purchase=purchase,
        state="done",
        instruments=concluded.instruments,
        receipt=receipts.written(receipt),
        release=concluded.release,
        merge=purse.merge if purse.merges else None,
        now_s=at.now_s,
    )
    return True


def _require_signed(purse: Purse, purchase: Purchase, receipt: Receipt) -> Flow[None]:
    """As `require_receipt`, with the vendor's keys: the newest where those we had do not fit."""
    if purse.receipt_key(purchase.paid.spent):
        require_receipt(purse, purchase, receipt, ())
        return
    try:
        require_receipt(purse, purchase, receipt, (yield from _vendor_keys(purchase)))
    except Forged:
        fresh = yield from _vendor_keys(purchase, fresh=True)
        require_receipt(purse, purchase, receipt, fresh)


def require_receipt(
    purse: Purse, purchase: Purchase, receipt: Receipt, publics: tuple[bytes, ...]
) -> None:
    """`Mismatch` for a receipt of another payment, `Forged` for a wrong signature.

    `publics`: the vendor's Ed25519 keys, where payer and vendor share no key.
    """
    found = (receipt.vendor_id, receipt.currency, receipt.wire_name, receipt.amount_micro)
    expected = (purchase.vendor_id, purchase.currency, purse.traits.wire, purchase.price_micro)
    challenge_id = purchase.received.echo["id"] if purchase.received.dialect == "mpp" else ""
    payment = (receipt.challenge_id, receipt.receipt_id)
    if found != expected or payment != (challenge_id, receipts.id_of(purchase.k)):
        raise Mismatch("receipt_for_another_payment", "the receipt is not for this payment")
    if key := purse.receipt_key(purchase.paid.spent):
        receipts.verify(receipt, mac_key=key)
        return
    for public in publics:
        with suppress(Forged):
            receipts.verify(receipt, public=public)
            return
    raise Forged("receipt_forged", "the receipt is not signed with a key of the vendor")


def _vendor_keys(purchase: Purchase, *, fresh: bool = False) -> Flow[tuple[bytes, ...]]:
    """The receipt keys that the vendor publishes; TLS of the origin that was paid vouches."""
    url = place_of(purchase.url).site + published.KEYS_PATH
    asked = Request(method="GET", url=url, headers=FRESH if fresh else ())
    answer: Sent = yield from patiently(SendRequest(request=asked, leg="keys"))
    if not isinstance(answer, Response) or answer.status != 200:
        return ()
    try:
        vendor_id, publics = published.read_keys(answer.body)
    except Refusal:
        return ()
    return publics if vendor_id == purchase.vendor_id else ()


def release(guide: Guide, purchase: Purchase, *, aside: bool = False) -> Flow[None]:
    """Nothing was charged: what was spent is ready again, or `aside` where it was refused."""
    at = yield from look()
    purse = guide.purse(purchase.scheme, purchase.broker_id)
    yield Settle(
        purchase=purchase,
        state="released",
        instruments=purse.conclude(purchase.paid, Rolled(), at).instruments,
        aside=aside,
        now_s=at.now_s,
    )


def look_up(guide: Guide, purchase: Purchase, *, unseen: bool = False) -> Flow[Verdict]:
    """Settle a purchase at the vendor's outcome endpoint, as far as that or the broker can tell.

    `unseen`: the answer to the payment went to another client. Then the vendor is asked only once,
    for the payment may still be on its way; and an instrument is set aside when two payments of it
    came to nothing, for that is all that a refusal leaves to be seen.
    """
    finding = yield from _enquire(guide, purchase, sends_max=1 if unseen else SENDS_MAX)
    at = yield from look()
    if isinstance(finding, Receipt) and (yield from _accept(guide, purchase, finding)):
        return Verdict.DONE
    age_s = at.now_s - purchase.created_at_s
    if finding == "released":
        yield from release(guide, purchase)
        return Verdict.RELEASED
    # Made later than now: the clock was wrong then, and nothing says how old it is.
    if finding == "absent" and (age_s >= ABSENT_FINAL_S or age_s < -SKEW_S):
        earlier: tuple[Purchase, ...] = yield RecallReleased(purchase=purchase)
        yield from release(guide, purchase, aside=unseen and bool(earlier))
        yield from _look_back(guide, earlier)
        return Verdict.RELEASED
    return Verdict((yield from settle_by_broker(guide, purchase)))


def _resync(guide: Guide, purchase: Purchase) -> Flow[Verdict]:
    """The vendor calls the instrument spent: by this purchase, by an earlier one, or by nobody.

    An earlier one that was taken as released explains it and brings the change back; then the
    request may be paid anew. Without an explanation the instrument is set aside.
    """
    finding = yield from _enquire(guide, purchase)
    if isinstance(finding, Receipt) and (yield from _accept(guide, purchase, finding)):
        return Verdict.DONE
    yield from release(guide, purchase, aside=True)
    earlier: tuple[Purchase, ...] = yield RecallReleased(purchase=purchase)
    return Verdict.ANEW if (yield from _look_back(guide, earlier)) else Verdict.RELEASED


def _look_back(guide: Guide, earlier: tuple[Purchase, ...]) -> Flow[bool]:
    """Whether one that was taken as released was taken by the vendor after all; then it is done."""
    for other in earlier:
        finding = yield from _enquire(guide, other)
        if isinstance(finding, Receipt) and (yield from _accept(guide, other, finding)):
            return True
    return False


def revisit(guide: Guide) -> Flow[int]:
    """Ask again about purchases taken as released: how many their vendor has taken after all.

    Those are done then, and their change is adopted. A vendor that does not answer is asked another
    time; one that says no once the payment can have no effect any more is not asked again.
    """
    at = yield from look()
    released: tuple[Purchase, ...] = yield RecallReleased(now_s=at.now_s)
    count, silent = 0, set[str]()
    for purchase in released:
        if purchase.site in silent:
            continue
        try:
            finding = yield from _enquire(guide, purchase, sends_max=1)
        except Refusal:  # we left its broker
            continue
        match finding:
            case Receipt():
                count += yield from _accept(guide, purchase, finding)
            case "silent":
                silent.add(purchase.site)
            case "released" | "absent":
                yield Settle(purchase=purchase, state="released", now_s=at.now_s)
            case "unknown":
                pass
    return count


def _enquire(guide: Guide, purchase: Purchase, *, sends_max: int = SENDS_MAX) -> Flow[Finding]:
    """What the vendor says of a purchase; moves nothing."""
    answer: Sent = Failed(reason="not sent")
    for number in range(1, sends_max + 1):
        answer = yield from ask_outcome(guide, purchase)
        if isinstance(answer, Response) and answer.status not in {409, 429, 503}:
            return _finding_in(answer)
        if number < sends_max:
            yield Wait(delay_ms=pause_ms(answer, number))
    return "unknown" if isinstance(answer, Response) else "silent"


def ask_outcome(guide: Guide, purchase: Purchase) -> Flow[Sent]:
    """The outcome endpoint's answer, in private where it was bought so: it shows price and change.

    A vendor that has shut its private endpoint since is asked in the open, so that nothing stays
    undecided.
    """
    at = yield from look()
    purse = guide.purse(purchase.scheme, purchase.broker_id)
    asked = outcome_request(purse, purchase, at.now_s)
    if purchase.received.dialect == "private":
        envelope = enclose(purse, purchase.paid.spent, asked, at)
        answer = yield from _send_sealed(guide, purchase, envelope, asked.url)
        if not isinstance(answer, Response) or problem_of(answer).code != "private_unsupported":
            return answer
    found: Sent = yield SendRequest(request=asked, leg="outcome")
    return found


def _finding_in(answer: Response) -> Finding:
    if answer.status == 404 and problem_of(answer).code == "outcome_absent":
        return "absent"
    if answer.status != 200:
        return "unknown"
    try:
        outcome = codec.read_open(answer.body, Outcome)
        if outcome.state == "released":
            return "released"
        return receipts.from_json(outcome.receipt)
    except Refusal:
        return "unknown"


def outcome_request(purse: Purse, purchase: Purchase, now_s: int) -> Request:
    """The enquiry, proved under the instrument's own key, or with the payload where it has none."""
    statement = codec.enc(OUTCOME_TAG, purchase.vendor_id, purchase.k, purchase.payload_hash, now_s)
    body: dict[str, Json] = {"k": purchase.k}
    proof = purse.prove(purchase.paid.spent, statement)
    if proof:
        body["atS"] = now_s
        body["payloadHash"] = "sha256:" + codec.b64u(purchase.payload_hash)
        body["proof"] = proof
    else:
        body["payload"] = purchase.paid.payload
    return Request(
        method="POST",
        url=place_of(purchase.url).site + published.OUTCOME_PATH,
        headers=(("Content-Type", "application/json"),),
        body=codec.canonical(body),
    )
