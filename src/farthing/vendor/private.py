"""The private door: a request sealed whole, served by the gate, answered sealed whole.

    envelope -> unseal -> inner request -> price -> the gate's own walk -> seal -> 200

- An envelope that does not open is 400 without detail, whatever is wrong with it. Everything that
  happens after it opened goes back sealed, as a 200 with the same headers: pages, refusals,
  failures of the site.
- Free pages are not served here: nobody is asked for money there, so nobody needs to hide.
- A request without a payment, to the outcome endpoint, is an enquiry there: whoever asks in the
  open what became of a private purchase would show its price and its change.

Source: the project's wire format, section 17.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

import msgspec

from farthing import marks
from farthing.errors import BadRequest, Refusal, Unsupported
from farthing.schemes import registry
from farthing.schemes.contract import At, Till
from farthing.vendor.commands import (
    Aborted,
    Answer,
    AskOrigin,
    GateCommand,
    Headers,
    Look,
    OriginAnswered,
    Request,
    Sealed,
    Walk,
    expect,
    refuse,
)
from farthing.vendor.endpoints import Doors
from farthing.vendor.gate import Gate
from farthing.vendor.prices import Prices
from farthing.wire import published, sealed
from farthing.wire.offers import Credential

ADDED_BYTES = 32 * 1024  # of an answer's headers that are ours: a receipt with its change
_HEADERS: Headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """An envelope that opened."""

    till: Till
    owner: bytes
    inside: bytes
    """What was sealed, as it came: the answer is tied to it."""
    asked: sealed.Asked | None
    """The inner request; None where it is none."""
    refusal: Refusal | None = None
    """Why it is none."""

    def __repr__(self) -> str:
        """The name only."""
        return "Opened()"


class Private:
    """The private door of one gate."""

    def __init__(self, gate: Gate, doors: Doors) -> None:
        """Before a gate, and its outcome door."""
        self._gate = gate
        self._doors = doors
        self._tills = {name: till for name, till in gate.tills.items() if till.is_private}

    def open(self, envelope: bytes) -> Opened:
        """What is in an envelope; `BadRequest`, the same one whatever is wrong with it.

        `Unsupported` where no scheme of this vendor is paid in private.
        """
        if not self._tills:
            raise Unsupported("private_unsupported", "nothing is sold in private here")
        try:
            owner, inside = sealed.read_envelope(envelope)
        except Refusal:
            owner, inside = b"", b""
        for till in self._tills.values():
            try:
                plain = till.unseal(owner, inside)
            except Refusal:
                continue
            try:
                asked = sealed.read_request(plain)
            except Refusal as wrong:
                return Opened(till=till, owner=owner, inside=inside, asked=None, refusal=wrong)
            return Opened(till=till, owner=owner, inside=inside, asked=asked)
        raise BadRequest("envelope_refused", "this does not open")

    def serve(self, opened: Opened, outer: Request, prices: Prices) -> Walk:
        """Serve what was sealed; returns the sealed answer."""
        try:
            answer = yield from _fitting(self._inner(opened, outer, prices))
        except Refusal as wrong:
            answer = refuse(wrong)
        at = expect(At, (yield Look()))
        return Answer(
            status=200,
            headers=_HEADERS,
            body=sealed.write_sealed(
                opened.till.seal_answer(opened.owner, opened.inside, _plain(answer), at)
            ),
            charged_micro=answer.charged_micro,
        )

    def _inner(self, opened: Opened, outer: Request, prices: Prices) -> Walk:
        asked = opened.asked
        if asked is None:
            assert opened.refusal is not None, "either it was read, or we know why not"
            raise opened.refusal
        if not asked.payload:
            if (asked.method, asked.path_query) != ("POST", published.OUTCOME_PATH):
                raise BadRequest("payment_missing", "a private request carries its payment")
            return (yield from self._doors.outcome(asked.body))
        request = request_in(opened, asked, outer)
        priced = prices.find(request.method, request.path)
        if priced is None:
            raise Unsupported("page_is_free", "this page is free: fetch it in the open")
        return (yield from self._gate.serve(request, priced))


def request_in(opened: Opened, asked: sealed.Asked, outer: Request) -> Request:
    """The gate's view of a sealed request; host, scheme and safety are the envelope's."""
    traits = opened.till.traits
    return Request(
        method=asked.method,
        scheme=outer.scheme,
        host=outer.host,
        path=path_of(asked),
        path_query=asked.path_query,
        headers=tuple((name.encode(), value.encode("latin-1")) for name, value in asked.headers),
        secure=outer.secure,
        body_digest=hashlib.sha256(asked.body).digest() if asked.body else b"",
        sealed=Sealed(
            scheme=traits.name,
            owner=opened.owner,
            amount_micro=asked.amount_micro,
            credential=Credential(
                dialect="private",
                k=sealed.key_of(asked.payload),
                wire_name=registry.wire_name(traits.name)[0],
                variant=traits.variant,
                payload=asked.payload,
                offer=None,
                echo=None,
            ),
        ),
    )


def path_of(asked: sealed.Asked) -> str:
    """The path as servers decode it, without the query."""
    return unquote(asked.path_query.partition("?")[0])


def _fitting(walk: Walk) -> Walk:
    """The same walk, with `TooLarge` instead of an answer of the site that no seal holds.

    It comes before the confirm, so nothing is charged for what cannot be delivered.
    """
    step: Callable[[], GateCommand] = partial(next, walk)
    while True:
        try:
            command = step()
        except StopIteration as end:
            answer: Answer = end.value
            return answer
        try:
            found = yield command
            if isinstance(command, AskOrigin):
                _require_sealable(expect(OriginAnswered, found))
        except (Refusal, marks.Stale, Aborted) as wrong:
            step = partial(walk.throw, wrong)
        else:
            step = partial(walk.send, found)


def _require_sealable(origin: OriginAnswered) -> None:
    if origin.body is None:
        raise sealed.too_large()
    plain = sealed.write_answer(origin.status, _texts(origin.headers), origin.body)
    if len(plain) + ADDED_BYTES > sealed.PLAIN_BYTES_MAX:
        raise sealed.too_large()


def _plain(answer: Answer) -> bytes:
    return sealed.write_answer(answer.status, _texts(answer.headers), answer.body or b"")


def _texts(headers: Headers) -> sealed.Headers:
    return tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in headers)
