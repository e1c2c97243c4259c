"""Ticks: a metered service that is paid while it runs, one hash a tick.

- Source: Pedersen, "Electronic payments of small amounts", 1996 (the CAFE project), as later papers
  tell it.
- Opening: one chain of at most T = 3,600 ticks of one value, pledged to one vendor and day, on
  credit or, where the vendor says `opening = "prepaid"`, out of T·value that lies ready at the
  broker; what is not ticked goes back to the payer when the vendor closes the chain for it, or
  once the day's claims are over.
- Payment: `open` pays the first tick of a stream, `voucher` up to 64 more of it, `pay` a page.
  A voucher names the stream by the K of its opening, so a chain may serve several streams, and a
  stream outlives a chain. The gate counts what each stream was paid; time is never billed.
- Departures: the opening is a signed pledge, as PayWord's, not a blind coin, so it is anonymous to
  the vendor only; the vendor keeps no clock of its own but counts what it has passed on.
- Trust: as with chains on credit, and prepaid the broker bears nothing; besides, either side may
  lose the `grace` of a stream.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from farthing import codec
from farthing.errors import OutOfRange, Unfit
from farthing.marks import Memory
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.credit.losses import RESERVING
from farthing.schemes.chain.credit.purse import is_prepaid, unit_of
from farthing.schemes.chain.credit.till import OPENING, OPENINGS
from farthing.schemes.chain.words.closing import CloseOrder, WordVendorMint
from farthing.schemes.chain.words.commitment import Commitment, Link
from farthing.schemes.chain.words.mint import ClaimMessage, WordMint
from farthing.schemes.chain.words.purse import Opened, WordPurse
from farthing.schemes.chain.words.till import Payment, WordTill
from farthing.schemes.contract import (
    At,
    Binding,
    Instrument,
    Json,
    Offer,
    Paid,
    Scheme,
    Taken,
    Traits,
)

FAMILY = Family(tag="ticks", short="tk")
TICKS_MAX = 3_600  # T: an hour of seconds
NAME_CHARS_MAX = 64  # of a stream: scheme, pledge and index have 36

Action = Literal["open", "pay", "voucher"]

TRAITS = Traits(
    name="tick",
    wire="tick",
    title="Ticks",
    source="Pedersen 1996",
    issuer="broker",
    credit=True,
    needs_list=False,
    latest="batch",
    losses=RESERVING,
)


class Opening(Commitment, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The payer's promise to one vendor for one day: T ticks of one value."""

    family = FAMILY
    message = "opening"

    def __post_init__(self) -> None:
        """`Unfit` for several chains, or one above T."""
        Commitment.__post_init__(self)
        if len(self.chains) != 1 or self.chains[0][1] > TICKS_MAX:
            raise Unfit("opening_out_of_range", f"one chain of at most {TICKS_MAX} ticks")


class TickPayment(
    Payment[Opening], frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False
):
    """One link of one chain, and what for."""

    links: Annotated[tuple[Link, ...], Meta(min_length=1, max_length=1)]
    action: Action
    stream: Annotated[str, Meta(max_length=NAME_CHARS_MAX)]
    """Of a voucher: K of the opening of its stream; else empty."""


def name_of(payment: TickPayment) -> str:
    """K of a payment on a stream: its chain and index."""
    found = payment.commitment
    return f"tick:{found if isinstance(found, str) else found.id}:{payment.links[0][1]}"


class TickMint(WordMint):
    """The broker's side."""

    traits = TRAITS
    family = FAMILY
    published = FAMILY.revoked_prefix
    contradicted = FAMILY.conflict_prefix
    signing = (FAMILY.certificate_key,)
    prepays = True
    claims = codec.Reader(ClaimMessage[Opening])
    pledges = codec.Reader(Opening)


class TickPurse(WordPurse):
    """One wallet's ticks at one broker."""

    traits = TRAITS
    family = FAMILY
    commitment = Opening
    chains = codec.Reader(Opened[Opening])
    length_max = TICKS_MAX
    prepays = True

    def prepaid_micro(self, amount_micro: int, offer: Offer) -> int:
        """No more than one chain can pay."""
        return min(amount_micro, TICKS_MAX * unit_of(offer))

    def pay(
        self, instrument: Instrument, offer: Offer, binding: Binding, at: At, answer: Json = None
    ) -> Paid:
        """Ticks for the price; `OutOfRange` for more than the vendor takes at once, too.

        And for a chain on credit that a vendor who is prepaid by now would not open any more.
        """
        opened = self.chains.read(instrument.body)
        if is_prepaid(offer) and not (opened.index or opened.commitment.certificate.vendor):
            raise OutOfRange("opening_on_credit", "what is promised here must be prepaid")
        paid = super().pay(instrument, offer, binding, at)
        action: Action = "pay"
        if offer.intent == "session":
            action = "voucher" if binding.stream else "open"
        payload = paid.payload | {"action": action, "stream": binding.stream}
        payment = msgspec.convert(payload, TickPayment)
        k = "" if action == "pay" else name_of(payment)
        return msgspec.structs.replace(paid, payload=payload, k=k)


class TickTill(WordTill):
    """One vendor's till."""

    traits = TRAITS
    family = FAMILY
    payments = codec.Reader(TickPayment)
    streams = True
    prepays = True

    def own_k(self, payment: TickPayment) -> str:
        """Chain and index, on a stream."""
        return "" if payment.action == "pay" else name_of(payment)

    def stream_of(self, payment: TickPayment) -> str:
        """What a voucher names; an opening's own."""
        return payment.stream or self.own_k(payment)

    def take(
        self,
        payment: Any,
        offer: Offer,
        binding: Binding,
        memory: Memory,
        at: At,
    ) -> Taken:
        """As words are taken; `Unfit` for a page's payment on a stream, and the reverse."""
        action = payment.action
        if (offer.intent == "session") is (action == "pay"):
            raise Unfit("action_misplaced", "a page is paid with `pay`, a stream with the others")
        if (payment.stream != "") is not (action == "voucher"):
            raise Unfit("stream_misplaced", "a voucher names its stream, nothing else does")
        if action == "voucher" and payment.stream == name_of(payment):
            raise Unfit("stream_malformed", "a stream has the K of the payment that opened it")
        taken = super().take(payment, offer, binding, memory, at)
        if action != "voucher":
            return taken
        return msgspec.structs.replace(taken, delivered=True)


class TickVendorMint(WordVendorMint):
    """Where a payer has what was prepaid closed."""

    traits = TRAITS
    orders = codec.Reader(CloseOrder[Opening])
    tills = TickTill


TICK = Scheme(
    traits=TRAITS,
    mint=TickMint,
    purse=TickPurse,
    till=TickTill,
    vendor_mint=TickVendorMint,
    options={"unit_micro": (200, 20), OPENING: OPENINGS},
)
