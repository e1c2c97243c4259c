"""A hold that a crash left behind is ended, also where the broker was asked to pay before the page.

| the payment of the hold | what is done, under a new fence |
|---|---|
| clears later | released: nothing was charged |
| the broker has reserved it, or has not heard of it | voided and released |
| it has paid it, or pays before the void comes | confirmed, with the receipt and the change |

For the last two the payment as it came is kept with its hold, sealed: the till takes it once more
as of that time, and the broker is asked with the same message. Source: the wire format, section 8.
"""

from collections.abc import Callable, Generator

import msgspec

from farthing import codec, marks
from farthing.crypto import sealing
from farthing.crypto.mac import mac
from farthing.errors import Broken, Busy, Refusal, Unavailable, Undecided
from farthing.schemes.contract import At, Key
from farthing.vendor import idempotency, metering, reserving
from farthing.vendor.booking import confirm_of, numbered, read_kept, read_outcome, receipt_of
from farthing.vendor.commands import GateCommand, OriginAnswered, Request, expect
from farthing.vendor.offering import CHALLENGE_KEY, Offering
from farthing.vendor.payments import Kept, Outcome, Paying
from farthing.vendor.prices import Priced, Route
from farthing.wire import dialects, paths
from farthing.wire.offers import Credential

TAG = "farthing/vendor/begun/1"
LEASE_S = 30  # while the broker is asked: two calls of at most ten seconds each
NO_PAGE = OriginAnswered(status=200, headers=(), body=None)

Verify = Callable[[Request, Priced, Credential, At], Generator[GateCommand, object, Paying]]


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as it came: enough to take it again."""

    credential: Credential
    request: Request
    route: Route
    tops_up: metering.TopUp | None = None
    at_s: int

    def __repr__(self) -> str:
        """When only: a payment is worth money."""
        return f"Begun({self.at_s})"


_DECODE = msgspec.msgpack.Decoder(Begun).decode


def sealed(paying: Paying, key: Key) -> Paying:
    """The payment with itself as it came; it opens under the same key of the gate's ring."""
    begun = Begun(
        credential=msgspec.structs.replace(paying.credential, echo=None),
        request=msgspec.structs.replace(
            paying.request,
            headers=tuple(pair for pair in paying.request.headers if pair[0] == idempotency.HEADER),
        ),
        route=paying.priced.route,
        tops_up=paying.priced.tops_up,
        at_s=paying.at.now_s,
    )
    plain = msgspec.msgpack.encode(begun)
    nonce = paying.at.entropy[-sealing.NONCE_BYTES :]  # its head is the till's and the challenge's
    box = sealing.box(_derived(key), nonce, _aad(paying.credential.k), plain)
    return msgspec.structs.replace(paying, begun=msgspec.msgpack.encode((key.id, box)))


def _derived(key: Key) -> bytes:
    return mac(32, key.secret, TAG)


def _aad(k: str) -> bytes:
    return codec.enc(TAG, k)


class Resolving:
    """Ends the holds of one gate."""

    def __init__(self, offering: Offering, verify: Verify) -> None:
        """`verify` is the gate's own: from a credential to a payment that is right."""
        self._offering = offering
        self._verify = verify

    def end(self, payment: marks.Payment, at: At) -> Generator[GateCommand, object, Outcome | None]:
        """The payment's outcome; None: it is released. For a hold whose lease is over.

        `Busy` while somebody else does the same; `Undecided` where the broker, or our own keys,
        do not say what became of it. A confirm under the old fence fails from now on.
        """
        kept = read_kept(payment.kept)
        held = yield marks.Hold(
            k=payment.k,
            digest=payment.digest,
            marks=(),
            kept=payment.kept,
            now_s=at.now_s,
            lease_until_s=at.now_s + (LEASE_S if kept.begun else 0),
            until_s=payment.until_s,
        )
        if isinstance(held, marks.Settled):
            return read_outcome(held.outcome)
        fence = expect(marks.Held, held).fence
        outcome = (yield from self._ask(payment.k, kept, fence, at)) if kept.begun else None
        if outcome is None:
            yield marks.Release(k=payment.k, fence=fence)
        return outcome

    def _ask(
        self, k: str, kept: Kept, fence: int, at: At
    ) -> Generator[GateCommand, object, Outcome | None]:
        """The outcome of what the broker has paid, confirmed now; None where it has not."""
        paying = yield from self._taken_again(k, kept, at)
        tender = self._offering.tender(paying.request, paying.priced, at)
        message = dialects.settlement(paying.offer, paying.endorsed, tender)
        try:
            reserved = yield from reserving.reserve(message)
            if reserved.number and not (yield from reserving.void(reserved)):
                # Whoever had the hold before us has had it captured meanwhile.
                reserved = yield from reserving.reserve(message)
        except (Unavailable, Undecided, Busy, Broken):
            raise Undecided("outcome_unknown", "the broker does not say yet") from None
        except Refusal:
            return None
        if reserved.number:
            return None
        at = yield from numbered(paying)
        receipt = receipt_of(self._offering.setting, paying, at, reserved.for_payer)
        confirm = confirm_of(paying, fence, NO_PAGE, receipt)
        yield confirm
        return read_outcome(confirm.outcome)

    def _taken_again(self, k: str, kept: Kept, at: At) -> Generator[GateCommand, object, Paying]:
        key_id, box = msgspec.msgpack.decode(kept.begun, type=tuple[str, bytes])
        key = self._offering.setting.ring.find(CHALLENGE_KEY, key_id)
        if key is None:
            raise Undecided("outcome_unknown", "its key is gone; send the same payment again")
        begun = _DECODE(sealing.unbox(_derived(key), _aad(k), box))
        offer = begun.credential.offer
        assert offer is not None, "a payment that was held answered an offer"
        priced = Priced(
            route=begun.route,
            price_micro=offer.price_micro,
            accept=(kept.scheme,),
            matches=paths.glob(begun.route.path),
            meter=metering.read(begun.route.per, begun.route.grace),
            tops_up=begun.tops_up,
        )
        then = At(now_s=begun.at_s, entropy=at.entropy)
        try:
            paying = yield from self._verify(begun.request, priced, begun.credential, then)
        except Refusal as changed:
            raise Undecided("outcome_unknown", f"not taken any more: {changed.code}") from None
        taken = msgspec.structs.replace(paying.taken, kept=kept.till)
        return msgspec.structs.replace(paying, taken=taken, at=at)
