"""What wallets and vendors send the broker, and what each box in it is bound to.

| message | sent with | who | what happens |
|---|---|---|---|
| `Wanted` | issue | nobody | a list of keys |
| `Withdrawal` | issue | payer | the account pays for the outputs |
| `Exchange` | issue | nobody | coins for outputs of the same worth |
| `Restore` | issue | nobody | signatures given before for these outputs |
| `Query` | issue | nobody | which of these coins are spent |
| `Payment` | redeem | vendor | the vendor gets the price, the payer the change |
| `Proof` | issue | nobody | what was paid under a payer's code, signed |
| `Giving` | take_back | payer | coins back into the account |

What nobody sends bears no token, so that the broker cannot tell whose it is.
"""

import hashlib
from typing import Annotated

import msgspec

from farthing import codec, ids
from farthing.crypto import signing
from farthing.errors import OutOfRange
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.blind.boxes import TEXTS_MAX
from farthing.schemes.coin.blind.coinage import ListName, tag
from farthing.schemes.coin.values import COUNT_MAX
from farthing.schemes.contract import Binding, Json

ORDER_BYTES = 32
PERIOD_MAX = 2**32 - 1  # it travels in four bytes

Texts = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=TEXTS_MAX)]
Outputs = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=COUNT_MAX)]
Period = Annotated[int, msgspec.Meta(ge=0, le=PERIOD_MAX)]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A list of keys."""

    list: ListName


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Outputs that the account pays for."""

    outputs: Outputs


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coins and outputs of the same worth."""

    exchange: Texts


class Restore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which signatures have these outputs had."""

    restore: Outputs


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of these coins are spent or blocked, each by the name of its mark."""

    spent: Outputs


class Giving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coins for the account."""

    coins: Texts


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was paid under this code; signed by who made it."""

    at_s: int = msgspec.field(name="atS")
    payer: str
    proof: str

    def verify(self, scheme: str) -> bytes:
        """The payer's code; `Forged` unless its maker asks."""
        payer = codec.unb64u(self.payer, size_bytes=32)
        signature = codec.unb64u(self.proof, size_bytes=signing.SIGNATURE_BYTES)
        signing.verify(payer, codec.enc(tag(scheme, "proof"), self.at_s), signature)
        return payer


class Payment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What a wallet sends for an offer; the vendor hands it to the broker as it is."""

    box: Texts
    order: str
    """What is bought (`order_of`), base64url."""
    payer: str
    """Ed25519 public half, base64url, made for this payment alone: who has its secret can prove
    what was paid, or that nothing was."""
    period: Period
    """Of the coin in the box that ends first: it says when the payment ends."""
    price_micro: int
    sig: str
    """The payer's, over all the rest: so the vendor, too, sees what was changed on the way."""
    vendor: str

    def __post_init__(self) -> None:
        """`OutOfRange` for a price or vendor out of range."""
        if not 0 < self.price_micro <= PAYMENT_MICRO_MAX:
            raise OutOfRange("price_out_of_range", "a price is 1 micro-unit and more")
        ids.require_name(self.vendor)

    def __repr__(self) -> str:
        """Vendor and price only: a box is worth money."""
        return f"Payment({self.vendor}, {self.price_micro})"

    def header(self, scheme: str) -> bytes:
        """What the box is bound to."""
        order = codec.unb64u(self.order, size_bytes=ORDER_BYTES)
        payer = codec.unb64u(self.payer, size_bytes=32)
        fields = (self.vendor, self.price_micro, order, payer, self.period)
        return _digest(tag(scheme, "payment"), *fields)

    def _signed(self, scheme: str) -> bytes:
        return codec.enc(tag(scheme, "payer"), self.header(scheme), *self.box)

    def sign(self, scheme: str, secret: bytes) -> "Payment":
        """Signed by its payer."""
        sig = codec.b64u(signing.sign(secret, self._signed(scheme)))
        return msgspec.structs.replace(self, sig=sig)

    def verify(self, scheme: str) -> bytes:
        """Its header; `Malformed`, `Forged` unless it is as its payer made it."""
        signature = codec.unb64u(self.sig, size_bytes=signing.SIGNATURE_BYTES)
        signing.verify(codec.unb64u(self.payer, size_bytes=32), self._signed(scheme), signature)
        return self.header(scheme)


PAYMENTS = codec.Reader(Payment)
GIVINGS = codec.Reader(Giving)
_ISSUES: dict[str, codec.Reader[Withdrawal | Exchange | Restore | Query | Proof | Wanted]] = {
    "exchange": codec.Reader(Exchange),
    "list": codec.Reader(Wanted),
    "proof": codec.Reader(Proof),
    "restore": codec.Reader(Restore),
    "spent": codec.Reader(Query),
}
_WITHDRAWAL = codec.Reader(Withdrawal)

Issue = Withdrawal | Exchange | Restore | Query | Proof | Wanted


def read_issue(message: Json) -> Issue:
    """Whatever is asked of `issue`; `Malformed`."""
    for name, reader in _ISSUES.items():
        if isinstance(message, dict) and name in message:
            return reader.convert(message)
    return _WITHDRAWAL.convert(message)


def order_of(scheme: str, binding: Binding) -> bytes:
    """What stands for the request that is paid: its target and body."""
    return _digest(tag(scheme, "order"), binding.target, binding.body_digest)


def exchange_header(scheme: str, broker_id: str) -> bytes:
    """What the box of an exchange is bound to."""
    return _digest(tag(scheme, "exchange"), broker_id)


def return_header(scheme: str, broker_id: str) -> bytes:
    """What the box of a return is bound to; whose account it is for, the sender's token says."""
    return _digest(tag(scheme, "return"), broker_id)


def _digest(tagged: str, *fields: bytes | str | int) -> bytes:
    return hashlib.sha256(codec.enc(tagged, *fields)).digest()
