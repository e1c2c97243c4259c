"""Every way to say no: one tree of refusals, and one table with their HTTP rows.

A refusal names the broken rule (`code`, a stable string that is never reused) and who is at fault.
Its class chooses the row of `ROWS`; nothing else in the project decides a status. The rule behind
the table (wire format, "Status and codes"): **402 only when nothing of value moved in this attempt
and the credential can never be accepted later**, because stock wallets answer a 402 on a paid
request by paying again.
"""

import re
from typing import Any, ClassVar, Literal

import msgspec

DETAIL_CHARS_MAX = 512  # of another party's refusal: ours are a sentence
_CODE = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")

Fault = Literal["payer", "vendor", "broker", "us"]
Retry = Literal["same", "new", "never"]


class Refusal(Exception):  # noqa: N818 - refusals are adjectives, as the field names them
    """Base of every refusal.

    `code` names the broken rule, `detail` says what to do next in one sentence without any secret,
    `facts` are public members for the problem body (`lastIndex`, `reference`).
    """

    fault: ClassVar[Fault] = "payer"

    def __init__(self, code: str, detail: str = "", **facts: int | str) -> None:
        """`code` in snake case; `detail` may be empty, then the code is shown."""
        super().__init__(code)
        self.code = code
        self.detail = detail or code.replace("_", " ")
        self.facts = facts

    def __str__(self) -> str:
        """`Class(code): detail`, safe to log."""
        return f"{type(self).__name__}({self.code}): {self.detail}"

    def __reduce__(self) -> tuple[object, ...]:
        """Refusals travel between worker processes whole."""
        return _rebuild, (type(self), self.code, self.detail, self.facts)


def _rebuild(kind: type[Refusal], code: str, detail: str, facts: dict[str, int | str]) -> Refusal:
    return kind(code, detail, **facts)


class Malformed(Refusal):
    """A payment or message that does not parse, or has a field missing or too many."""


class Unfit(Malformed):
    """A credential that parses, with a payload that does not fit the scheme."""


class BadRequest(Malformed):
    """Malformed outside the credential: two credentials, bad parameters, bad API bodies."""


class Forged(Refusal):
    """A signature, MAC or hash is wrong."""


class Expired(Refusal):
    """The instrument or the challenge is past its end."""


class NotYetValid(Refusal):
    """The instrument starts later; the same bytes may be sent again then."""


class Replayed(Refusal):
    """A different payment on a mark that is used up."""


class OutOfRange(Refusal):
    """An index or amount outside the instrument."""


class JumpTooLong(OutOfRange):
    """A chain jump above the vendor's limit: the link is revealed, so value is in the open."""


class WrongVendor(Refusal):
    """The instrument is for another vendor."""


class WrongPayer(Refusal):
    """The instrument belongs to another payer."""


class Underpaid(Refusal):
    """Worth less than the price; the gate forgets the credential."""


class Overlimit(Refusal):
    """Above a credit, quota or off-line limit."""


class Unfunded(Refusal):
    """The balance does not cover it."""


class Revoked(Refusal):
    """On a revocation list."""


class Conflict(Refusal):
    """Two statements of one signer contradict; both are kept as evidence."""

    evidence: Any = None
    """The record that proves it, for whoever asked a till, which writes nothing by itself."""


class Mismatch(Refusal):
    """Offer, order and endorsement differ."""


class Late(Refusal):
    """A claim after its deadline."""

    fault = "vendor"


class Unminted(Refusal):
    """A collision coin the broker did not make."""


class Unavailable(Refusal):
    """The broker, or a list it signs, is needed and out of reach; nothing has moved."""

    fault = "broker"


class Unpaid(Refusal):
    """No credential came."""


class Unsolicited(Refusal):
    """The challenge or offer is not one of ours."""


class Unsupported(Refusal):
    """Method, intent, network or feature that this gate does not speak."""


class OtherNetwork(Unsupported):
    """A payment on a network that is not of this kind, or not this broker's."""


class Denied(Refusal):
    """Paid, or entitled, but policy says no; also a missing or wrong account token."""


class Unknown(Refusal):
    """No such payment, account, vendor or batch."""


class Busy(Refusal):
    """The same payment is still running, or another one holds the mark."""


class HoldLost(Busy):
    """The lease ran out and somebody else has the hold, or it was released."""


class Reused(Refusal):
    """The same key with other content."""


class Closed(Refusal):
    """The chain or session is closed, or was never opened."""


class Finalized(Closed):
    """The chain was closed: nothing is taken of it any more."""


class TooLarge(Refusal):
    """A body or item over its limit."""


class HeaderTooLarge(TooLarge):
    """A header or credential over its limit."""


class Compressed(Refusal):
    """A body in a content coding: none is undone here."""


class Throttled(Refusal):
    """Too many attempts."""


class Undecided(Refusal):
    """The outcome is not known yet; the same bytes will find out."""

    fault = "us"


class OriginFailed(Refusal):
    """The vendor's own site did not answer properly; nothing was charged."""

    fault = "vendor"


class PeerFailed(Refusal):
    """Another broker, of which this one buys, did not do its part; nothing was charged."""

    fault = "broker"


class Misconfigured(Refusal):
    """A configuration file, key ring or command that cannot work as written."""

    fault = "vendor"


class Broken(Refusal):
    """A fault of our own, such as a full disk; nothing was acknowledged."""

    fault = "us"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """How one class of refusal looks over HTTP."""

    status: int
    """HTTP status; 402 comes with fresh offers."""
    slug: str
    """Problem type: a slug of the MPP registry, or ours after `own/`."""
    x402: str
    """`errorReason` of x402; `""` means our prefixed code."""
    retry: Retry
    """What the wallet may do: send the same bytes, pay anew, or stop."""
    retry_after_s: int = 0
    """`Retry-After` in seconds, 0 for none."""


def _row(status: int, slug: str, x402: str, retry: Retry, after_s: int = 0) -> Row:
    return Row(status=status, slug=slug, x402=x402, retry=retry, retry_after_s=after_s)


_PROOF = _row(402, "verification-failed", "invalid_payload", "new")
_SHORT = _row(402, "payment-insufficient", "insufficient_funds", "new")
_LATE = _row(402, "payment-expired", "invalid_payload", "new")

ROWS: dict[type[Refusal], Row] = {
    Unpaid: _row(402, "payment-required", "payment_required", "new"),
    Malformed: _row(402, "malformed-credential", "invalid_payload", "new"),
    Unfit: _row(402, "invalid-payload", "invalid_payload", "new"),
    BadRequest: _row(400, "bad-request", "invalid_payload", "new"),
    OutOfRange: _row(402, "invalid-payload", "invalid_payload", "new"),
    JumpTooLong: _row(403, "verification-failed", "", "new"),
    Unsolicited: _row(402, "invalid-challenge", "invalid_payment_requirements", "new"),
    Expired: _LATE,
    Late: _LATE,
    Forged: _PROOF,
    Unminted: _PROOF,
    Mismatch: _PROOF,
    WrongVendor: _PROOF,
    WrongPayer: _PROOF,
    Revoked: _PROOF,
    Underpaid: _SHORT,
    Unfunded: _SHORT,
    Overlimit: _SHORT,
    Unsupported: _row(400, "method-unsupported", "unsupported_scheme", "new"),
    OtherNetwork: _row(400, "method-unsupported", "invalid_network", "new"),
    Replayed: _row(403, "verification-failed", "", "never"),
    Conflict: _row(403, "verification-failed", "", "never"),
    NotYetValid: _row(403, "own/not-yet-valid", "", "same"),
    Denied: _row(403, "own/policy-denied", "", "never"),
    Unknown: _row(404, "own/unknown", "", "same"),
    Busy: _row(409, "own/in-progress", "", "same", 1),
    HoldLost: _row(409, "own/in-progress", "", "same", 1),
    Reused: _row(409, "own/idempotency-conflict", "", "never"),
    Closed: _row(410, "session/channel-not-found", "", "new"),
    Finalized: _row(410, "session/channel-finalized", "", "new"),
    TooLarge: _row(413, "bad-request", "invalid_payload", "new"),
    HeaderTooLarge: _row(431, "bad-request", "invalid_payload", "new"),
    Compressed: _row(415, "bad-request", "invalid_payload", "new"),
    Throttled: _row(429, "own/rate-limited", "", "same", 5),
    Unavailable: _row(503, "internal-payment-error", "unexpected_settle_error", "same", 5),
    Undecided: _row(503, "internal-payment-error", "settlement_pending", "same", 2),
    OriginFailed: _row(502, "own/origin-failed", "", "same", 5),
    PeerFailed: _row(403, "own/peer-failed", "", "new"),
    Misconfigured: _row(500, "internal-payment-error", "unexpected_settle_error", "same"),
    Broken: _row(503, "internal-payment-error", "unexpected_settle_error", "same", 5),
}


def row_of(refusal: Refusal, *, value_moved: bool = False, in_cashu: bool = False) -> Row:
    """The HTTP row of `refusal`.

    `value_moved` says that a link, a coin or a broker call was spent on this attempt: what would be
    402 is then 403, since "pay anew" would be a lie. `in_cashu`: the payment came as a Cashu token,
    and what would be either is 400 (NUT-24), which asks for nothing. Raises KeyError for a class
    without a row, which is our own mistake and fails a test.
    """
    row = ROWS[type(refusal)]
    if in_cashu and row.status == 402:
        return msgspec.structs.replace(row, status=400)
    if value_moved and row.status == 402:
        return msgspec.structs.replace(row, status=403)
    return row


def classes() -> tuple[type[Refusal], ...]:
    """Every refusal class, the base excluded, in the order of the tree."""
    found: list[type[Refusal]] = []
    todo = [Refusal]
    while todo:
        kind = todo.pop(0)
        found.append(kind)
        todo.extend(kind.__subclasses__())
    return tuple(found[1:])


def by_name(name: str, code: str, detail: str = "", **facts: int | str) -> Refusal:
    """The refusal of class `name`, as it came over the wire; `Broken` if the name is unknown.

    Somebody else chose the words, and terminals and logs will show them: a code that is none is
    `code_malformed`, and of the detail only printable text is kept.
    """
    if not _CODE.fullmatch(code):
        code = "code_malformed"
    detail = "".join(char if char.isprintable() else " " for char in detail[:DETAIL_CHARS_MAX])
    for kind in classes():
        if kind.__name__ == name:
            return kind(code, detail, **facts)
    return Broken(code, detail, **facts)
