"""What the wallet's flow asks of the world, and what it is answered.

Commands are imperatives, answers are facts; all are frozen structs. The flow yields a command and
is sent its answer; whoever drives it owns the clock, the store and the sockets. A refusal of the
store (a locked file, a full disk) is thrown into the flow where the command was yielded.
"""

from collections.abc import Callable
from typing import Literal

import msgspec

from farthing.errors import Refusal
from farthing.schemes.contract import Asked, Instrument, Json, Paid
from farthing.wallet.known import Recall, Remember
from farthing.wallet.messages import Failed, Headers, Request, Response, Sent
from farthing.wire.offers import Received

__all__ = [
    "Abandoned", "Answered", "Ask", "AskCommand", "AskMint", "AskPayer", "AskState", "Broker",
    "Command", "Failed", "FindHeld", "FindMeans", "FinishAsk", "FinishRelease",
    "Headers", "InstrumentState", "KeepPeer", "KeepRefund", "Look", "Nothing", "OpenAsk",
    "OverBudget", "Purchase", "PurchaseState", "Question", "RecallDone", "RecallReleased",
    "Refused", "Release", "Request", "Reserve", "Response", "SendRequest", "Sent", "Settle",
    "Spent", "StoreCommand", "TakeNumber", "TakeOver", "TakeRelease", "Unsettled", "Wait", "Wish",
]  # fmt: skip  # - names only: one a line would hide the classes below

PurchaseState = Literal["sent", "undecided", "done", "released"]
AskState = Literal["open", "done", "refused"]
InstrumentState = Literal["ready", "offered", "spent", "aside"]


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """An account at a broker. Its repr shows no token."""

    id: str
    url: str
    account: str
    token: str
    currency: str
    via: str = ""
    """The broker with the account, where that one only sells what this one issues."""

    @property
    def home(self) -> str:
        """The broker with the account."""
        return self.via or self.id

    def __repr__(self) -> str:
        """Who and where only."""
        return f"Broker({self.id}, {self.url}, {self.account})"


class Purchase(msgspec.Struct, frozen=True, kw_only=True):
    """One payment as it was made; written before its bytes are sent."""

    id: str
    created_at_s: int
    site: str
    """Origin, as in `https://news.example`."""
    method: str
    url: str
    body_digest: bytes
    k: str
    scheme: str
    broker_id: str
    vendor_id: str
    currency: str
    price_micro: int
    received: Received
    credential: tuple[str, str]
    """Header name and value, as sent; empty in private."""
    payload_hash: bytes
    paid: Paid
    refund: str = ""  # the instrument that the vendor gave back for it; or empty
    opened_from: Instrument | None = None
    """The general instrument, as it is now, if what was spent was opened out of one just then."""
    envelope: bytes = b""  # the sealed request, as sent to the private endpoint; or empty
    page: str = ""  # of a top-up: the address of the stream that it pays; empty for all else

    def __repr__(self) -> str:
        """Id, scheme and price only."""
        return f"Purchase({self.id}, {self.scheme}, {self.price_micro})"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One message to a mint, written before it is sent; `id` is its Idempotency-Key."""

    id: str
    created_at_s: int
    broker_id: str
    scheme: str
    vendor_id: str
    site: str
    """Where the instruments are to be spent; the vendor's mint is there too."""
    amount_micro: int
    asked: Asked
    number: int = -1  # the pocket's that it is to fill (`TakeNumber`); -1 without one
    instrument_id: str = ""  # of what is given back by it, or pays for it; or empty
    home_id: str = ""
    """The broker whose own instruments pay for it; empty where that is `broker_id`."""

    @property
    def home(self) -> str:
        """The broker that is asked, or to which a vendor's receipt will go."""
        return self.home_id or self.broker_id

    @property
    def is_load(self) -> bool:
        """Whether it is for more spending power, by whatever is paid."""
        return self.asked.operation == "issue" and self.asked.to == "broker"

    def __repr__(self) -> str:
        """Id, scheme and operation only."""
        return f"Ask({self.id}, {self.scheme}, {self.asked.operation})"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a payer is asked to approve; an approval counts for exactly this."""

    site: str
    vendor_id: str
    price_micro: int
    currency: str
    reason: str
    """The code of the budget that it exceeds."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What this wallet has spent today, what is still undecided included."""

    site_micro: int
    total_micro: int
    denied_micro: int = 0  # of the site's: what it says it never took


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which a price may be paid."""

    scheme: str
    broker_id: str
    vendor_id: str
    currency: str
    price_micro: int
    least_micro: int = 0
    """What a payer with the right properties pays, where that is less; 0: there is no such."""

    @property
    def from_micro(self) -> int:
        """The least that this may cost."""
        return self.least_micro or self.price_micro


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The second half of a payment that was taken (`Concluded.release`), until it is taken, too."""

    id: str
    created_at_s: int
    purchase: Purchase
    """The first half, whose page it releases."""
    payload: Json

    def __repr__(self) -> str:
        """Id only: a payload is worth money."""
        return f"Release({self.id})"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `At`, with fresh entropy."""


class SendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Response` or `Failed`. Redirects are not followed once a credential is on it."""

    request: Request
    leg: Literal["first", "paid", "private", "outcome", "keys", "release"]
    """The payer's request, unpaid, paid or sealed; or one of the wallet's own: an enquiry after an
    outcome, after what a vendor publishes, or the second half of a payment."""


class AskMint(msgspec.Struct, frozen=True, kw_only=True):
    """Send an ask that is in the store. Answer: `Answered`, `Refused` or `Failed`."""

    ask: Ask


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a mint answered."""

    value: Json


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A mint said no."""

    refusal: Refusal
    retry: Literal["same", "new", "never", "later"]
    """As in the table of refusals; `later`: it did not look at the ask (the token is wrong)."""
    after_s: int = 0  # when it may be asked again, as it says; 0 where it does not


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """Take one instrument and write the purchase made of it, in one transaction.

    Answer: the `Purchase`; the `Ask` that comes before it, or an abandoned one, written and ours
    to send; `Unsettled` for an abandoned purchase that has to be settled first; `OverBudget`; or
    `Nothing`.
    """

    request: Request
    site: str
    wishes: tuple[Wish, ...]
    now_s: int
    skip: frozenset[str]
    """Instruments and purchases that this flow has given up on."""
    allow: Callable[[Wish, Spent], None]
    """Raises `Overlimit` above a budget."""
    patient: bool  # to wait for another flow's instrument rather than to open one more
    open: Callable[[int, Instrument], tuple[Instrument, Instrument] | None]
    """What a general instrument becomes and what is opened out of it for a wish (by number)."""
    apart: bool = False  # of a stream: then it is never sent again as the page's
    once: str = ""
    """What it is bought for, where that is to be paid once and never again; empty: nothing."""
    pay: Callable[[int, Instrument, Json], "Purchase | Ask | None"]
    """The purchase that pays a wish (by number) from an instrument, with the answer to its ask;
    the ask where the mint must answer first; None where neither can be."""
    answered: tuple[Ask, Json] | None = None
    """An ask that was answered by the mint, and the answer: pay with it, or give `Nothing`."""


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase that was left undecided, now leased to the asker."""

    purchase: Purchase
    same: bool  # whether it was for the very request that is being made


class OverBudget(msgspec.Struct, frozen=True, kw_only=True):
    """The payment needs the payer's approval."""

    wish: Wish
    refusal: Refusal


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """No instrument is ready."""

    coming: bool  # whether another flow will soon be done with one, or asks a mint for one


class AskPayer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: whether the payer approves; False where nobody can be asked."""

    question: Question


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Write how a purchase ended, or that it still has. Answer: whether it was open, or is done."""

    purchase: Purchase
    state: PurchaseState
    instruments: tuple[Instrument, ...] = ()
    """What is left in the wallet."""
    receipt: bytes = b""
    release: Json = None
    """The second half of the payment, to be sent once the page is there; None without."""
    aside: bool = False
    """Whether a vendor refused the instrument: it is kept, and not offered again."""
    merge: Callable[[Instrument, Paid, Instrument | None], Instrument | None] | None = None
    now_s: int


class TakeRelease(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: the `Release` of a purchase that is still to be sent, or None."""

    purchase: Purchase
    now_s: int


class FinishRelease(msgspec.Struct, frozen=True, kw_only=True):
    """The vendor has a second half, or will never take it. Answer: None."""

    release: Release
    refused: str = ""
    """The code, where it will not take it."""


class RecallReleased(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: purchases taken as released: all in doubt yet, or a few of one's instrument."""

    purchase: Purchase | None = None
    now_s: int = 0


class RecallDone(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: purchases that were paid and not given back, the latest first; and `below`.

    Some at a time: that is where the next ones begin, None after the last.
    """

    schemes: tuple[str, ...]
    since_s: int
    below: tuple[int, str] | None = None


class KeepRefund(msgspec.Struct, frozen=True, kw_only=True):
    """Write what a vendor gave back for a purchase. Answer: whether it is new."""

    purchase: Purchase
    instrument: Instrument


class OpenAsk(msgspec.Struct, frozen=True, kw_only=True):
    """Write an ask. Answer: it, or an abandoned one of the same kind to finish first, or None.

    None if `patient`, while another flow asks for the same; and where the instrument is in use.
    """

    ask: Ask
    patient: bool
    now_s: int


class FindMeans(msgspec.Struct, frozen=True, kw_only=True):
    """Look for an instrument that may pay for an ask.

    Answer: the `Instrument`; an abandoned `Ask` that has one or is for one, to be finished first;
    or `Nothing`.
    """

    broker_id: str
    scheme: str
    vendor_id: str
    """As `Purse.means` says."""
    worth_micro: int
    """At least."""
    now_s: int


class FinishAsk(msgspec.Struct, frozen=True, kw_only=True):
    """Write a mint's answer: instruments, the next message of the errand, or a refusal's code."""

    ask: Ask
    instruments: tuple[Instrument, ...] = ()
    following: Ask | None = None
    refused: str = ""
    unused: bool = False
    """Whether the instrument that was to pay for it is as good as before."""
    now_s: int


class Abandoned(msgspec.Struct, frozen=True, kw_only=True):
    """Take over what nobody is working on any more. Answer: purchases, asks and releases."""

    now_s: int


class TakeNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: a number never given out before for this scheme and broker, counted from 0."""

    broker_id: str
    scheme: str


class KeepPeer(msgspec.Struct, frozen=True, kw_only=True):
    """Remember that a broker's vendors are reached through another, which has our account."""

    broker_id: str
    home_id: str


class TakeOver(msgspec.Struct, frozen=True, kw_only=True):
    """Take over the open purchases that nobody is working on. Answer: a tuple of them."""

    broker_id: str = ""
    vendor_id: str = ""
    """Only those at this vendor; empty: all."""
    now_s: int


class FindHeld(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: the instruments of a scheme that are here and not spent, whether in use or not."""

    broker_id: str
    scheme: str


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Let some time pass. Answer: None."""

    delay_ms: int
    throttled: bool = False  # a site or a mint has asked for it: 429


AskCommand = OpenAsk | FindMeans | FinishAsk
ReleaseCommand = TakeRelease | FinishRelease | RecallReleased | RecallDone | KeepRefund
OwnCommand = FindHeld | KeepPeer | TakeNumber
StoreCommand = Reserve | Settle | ReleaseCommand | AskCommand | Abandoned | TakeOver | OwnCommand
Command = Look | SendRequest | AskMint | AskPayer | Wait | Recall | Remember | StoreCommand
