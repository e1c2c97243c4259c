"""What wallets and vendors send the broker, and what each box in it is bound to.

| message | sent with | who | what happens |
|---|---|---|---|
| `Wanted` | issue | nobody | the list of an epoch's keys |
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
from typing import Annotated, Literal

import msgspec

from farthing import codec, ids
from farthing.crypto import signing
from farthing.errors import OutOfRange
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.ecash.coin import TEXTS_MAX, Output, read_output
from farthing.schemes.coin.epochs import EPOCH_MAX
from farthing.schemes.coin.values import COUNT_MAX
from farthing.schemes.contract import Binding, Json

PAYMENT_TAG = "farthing/ecash/payment/1"
EXCHANGE_TAG = "farthing/ecash/exchange/1"
RETURN_TAG = "farthing/ecash/return/1"
ORDER_TAG = "farthing/ecash/order/1"
PROOF_TAG = "farthing/ecash/proof/1"
PAYER_TAG = "farthing/ecash/payer/1"
MARK_TAG = "farthing/ecash/mark/1"
ORDER_BYTES = 32
MARK_BYTES = 16  # of the name under which a coin is remembered as spent

Texts = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=TEXTS_MAX)]
Outputs = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=COUNT_MAX)]


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The list of keys."""

    list: Literal["current"] | Annotated[int, msgspec.Meta(ge=0, le=EPOCH_MAX)]
    """Of this epoch, or of the one with this number."""


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Outputs that the account pays for."""

    outputs: Outputs

    def read(self) -> tuple[Output, ...]:
        """What is to be signed; `Malformed`."""
        return tuple(read_output(codec.unb64u(text)) for text in self.outputs)


class Exchange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coins and outputs of the same worth."""

    exchange: Texts


class Restore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which signatures have these outputs had."""

    restore: Outputs

    def read(self) -> tuple[Output, ...]:
        """What may have been signed; `Malformed`."""
        return tuple(read_output(codec.unb64u(text)) for text in self.restore)


class Query(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of these coins are spent, each by the name of its mark."""

    spent: Outputs


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coins for whoever has it: from wallet to wallet, never to a broker."""

    coins: Outputs


class Giving(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coins for the account."""

    coins: Texts


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was paid under this code; signed by who made it."""

    at_s: int = msgspec.field(name="atS")
    payer: str
    proof: str

    def verify(self) -> bytes:
        """The payer's code; `Forged` unless its maker asks."""
        payer = codec.unb64u(self.payer, size_bytes=32)
        signature = codec.unb64u(self.proof, size_bytes=signing.SIGNATURE_BYTES)
        signing.verify(payer, codec.enc(PROOF_TAG, self.at_s), signature)
        return payer


class Payment(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What a wallet sends for an offer; the vendor hands it to the broker as it is."""

    box: Texts
    epoch: Annotated[int, msgspec.Meta(ge=0, le=EPOCH_MAX)]
    """Of the oldest coin in the box: it says when the payment ends."""
    order: str
    """What is bought (`order_of`), base64url."""
    payer: str
    """Ed25519 public half, base64url, made for this payment alone: who has its secret can prove
    what was paid, or that nothing was."""
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

    @property
    def header(self) -> bytes:
        """What the box is bound to."""
        order = codec.unb64u(self.order, size_bytes=ORDER_BYTES)
        payer = codec.unb64u(self.payer, size_bytes=32)
        return _digest(PAYMENT_TAG, self.vendor, self.price_micro, order, payer, self.epoch)

    @property
    def _signed(self) -> bytes:
        return codec.enc(PAYER_TAG, self.header, *self.box)

    def sign(self, secret: bytes) -> "Payment":
        """Signed by its payer."""
        sig = codec.b64u(signing.sign(secret, self._signed))
        return msgspec.structs.replace(self, sig=sig)

    def verify(self) -> bytes:
        """Its header; `Malformed`, `Forged` unless it is as its payer made it."""
        signature = codec.unb64u(self.sig, size_bytes=signing.SIGNATURE_BYTES)
        signing.verify(codec.unb64u(self.payer, size_bytes=32), self._signed, signature)
        return self.header


PAYMENTS = codec.Reader(Payment)
TOKENS = codec.Reader(Token)
_GIVING = codec.Reader(Giving)
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


def read_giving(message: Json) -> Giving:
    """What is asked of `take_back`; `Malformed`."""
    return _GIVING.convert(message)


def order_of(binding: Binding) -> bytes:
    """What stands for the request that is paid: its target and body."""
    return _digest(ORDER_TAG, binding.target, binding.body_digest)


def exchange_header(broker_id: str) -> bytes:
    """What the box of an exchange is bound to."""
    return _digest(EXCHANGE_TAG, broker_id)


def return_header(broker_id: str) -> bytes:
    """What the box of a return is bound to; whose account it is for, the sender's token says."""
    return _digest(RETURN_TAG, broker_id)


def mark_of(keyset_id: bytes, own: bytes) -> bytes:
    """The name under which a coin (its serial) or an output (what is blinded) is remembered."""
    return _digest(MARK_TAG, keyset_id, own)[:MARK_BYTES]


def _digest(tag: str, *fields: bytes | str | int) -> bytes:
    return hashlib.sha256(codec.enc(tag, *fields)).digest()
