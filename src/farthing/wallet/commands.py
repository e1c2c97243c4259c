"""What the wallet's flow asks of the world, and what it is answered.

Commands are imperatives, answers are facts; all are frozen structs. The flow yields a command and
is sent its answer; whoever drives it owns the clock, the store and the sockets. A refusal of the
store (a locked file, a full disk) is thrown into the flow where the command was yielded.
"""

import hashlib
from collections.abc import Callable
from typing import Literal

import msgspec

from farthing.errors import Refusal
from farthing.schemes.contract import Asked, Instrument, Json, Paid
from farthing.wire.offers import Received

HEADERS_BYTES_MAX = 32 * 1024  # of one answer: eight offers in two dialects need 14 KiB
JSON_BYTES_MAX = 64 * 1024  # of a refusal or a receipt; ours have under 4 KiB
SEALED_BYTES_MAX = 1536 * 1024  # of a price list, or a sealed answer: 1 MiB in base64url

PurchaseState = Literal["sent", "undecided", "done", "released"]
AskState = Literal["open", "done", "refused"]
InstrumentState = Literal["ready", "offered", "spent", "aside"]
Headers = tuple[tuple[str, str], ...]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request. Its repr shows no header and no query."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""

    def __repr__(self) -> str:
        """Method and address without the query."""
        return f"Request({self.method} {self.url.partition('?')[0]})"

    @property
    def body_digest(self) -> bytes:
        """SHA-256 of the body, empty where there is none."""
        return hashlib.sha256(self.body).digest() if self.body else b""

    def with_header(self, name: str, value: str) -> "Request":
        """The same request with one header set."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return msgspec.structs.replace(self, headers=(*others, (name, value)))


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an answer, and the body where it is a refusal's."""

    status: int
    url: str
    """Where the answer came from: another address than was asked after a redirect."""
    headers: Headers = ()
    body: bytes = b""
    """Of JSON answers to a payment or an enquiry, at most `JSON_BYTES_MAX`; of a page that was
    bought in private; else empty."""

    def __repr__(self) -> str:
        """The status only."""
        return f"Response({self.status})"

    def values(self, name: str) -> tuple[str, ...]:
        """Every value of a header, in order."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    def value(self, name: str) -> str:
        """The first value of a header, or ""."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """No answer came: the connection was refused, broke, or took too long."""

    reason: str


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
    refund: str = ""
    """The instrument that the vendor gave back for it; empty without."""
    opened_from: Instrument | None = None
    """The general instrument, as it is now, if what was spent was opened out of one just then."""
    envelope: bytes = b""
    """The sealed request, as sent to the private endpoint; empty in the open."""

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
    instrument_id: str = ""
    """The instrument that is given back by it, or pays for it; or empty."""
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


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `At`, with fresh entropy."""


class SendRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: `Response` or `Failed`. Redirects are not followed once a credential is on it."""

    request: Request
    leg: Literal["first", "paid", "private", "outcome", "keys"]
    """The payer's request, unpaid, paid or sealed; or an enquiry of the wallet's own: an outcome,
    what a vendor publishes."""


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


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """Take one instrument and write the purchase made of it, in one transaction.

    Answer: the `Purchase`; `Unsettled` for an abandoned one that has to be settled first;
    `OverBudget`; or `Nothing`.
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
    pay: Callable[[int, Instrument], Purchase | None]
    """The purchase that pays a wish (by number) from an instrument; None where that cannot be."""


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """A purchase that was left undecided, now leased to the asker."""

    purchase: Purchase
    same: bool
    """Whether it was for the very request that is being made."""


class OverBudget(msgspec.Struct, frozen=True, kw_only=True):
    """The payment needs the payer's approval."""

    wish: Wish
    refusal: Refusal


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """No instrument is ready."""

    coming: bool
    """Whether another flow will soon be done with one, or is asking a mint for one."""


class AskPayer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: whether the payer approves; False where nobody can be asked."""

    question: Question


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Write how a purchase ended, or that it still has. Answer: whether it was open."""

    purchase: Purchase
    state: PurchaseState
    instruments: tuple[Instrument, ...] = ()
    """What is left in the wallet."""
    receipt: bytes = b""
    aside: bool = False
    """Whether a vendor refused the instrument: it is kept, and not offered again."""
    now_s: int


class RecallReleased(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: purchases taken as released: all in doubt yet, or a few of one's instrument."""

    purchase: Purchase | None = None
    now_s: int = 0


class RecallDone(msgspec.Struct, frozen=True, kw_only=True):
    """Answer: a tuple of purchases that were paid and not given back, the latest first."""

    schemes: tuple[str, ...]
    since_s: int


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
    """Take over what nobody is working on any more. Answer: purchases and asks."""

    now_s: int


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


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """Let some time pass. Answer: None."""

    delay_ms: int


AskCommand = OpenAsk | FindMeans | FinishAsk
StoreCommand = (
    Reserve
    | Settle
    | RecallReleased
    | RecallDone
    | KeepRefund
    | AskCommand
    | Abandoned
    | TakeOver
    | KeepPeer
)
Command = Look | SendRequest | AskMint | AskPayer | Wait | StoreCommand
Sent = Response | Failed
