"""What Cashu wallets send and get: inputs (proofs), outputs (blinded messages), signatures.

Wallets add members of their own, so unknown ones pass. Everything else is held to its type: no
float, no text for a number, no amount outside 0 … 2^53 - 1. Source: NUT-00.
"""

from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec

from farthing import codec
from farthing.errors import Malformed, OutOfRange, TooLarge

INPUTS_MAX = 1_000  # and outputs: a wallet that loads 500 units asks about 30
SECRET_CHARS_MAX = 1_024  # a lock with a dozen keys
WITNESS_CHARS_MAX = 1_024  # seven signatures
KEYSET_ID_CHARS_MAX = 66  # "01" and SHA-256 in hex

T = TypeVar("T")

Amount = Annotated[int, msgspec.Meta(ge=0, le=codec.JSON_INT_MAX)]
# Patterns end with \Z: before $ a line's end may stand, and make one output two.
Point = Annotated[str, msgspec.Meta(pattern=r"^0[23][0-9a-f]{64}\Z")]
Scalar = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
KeysetId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]+\Z", max_length=KEYSET_ID_CHARS_MAX)]


class Witness(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What unlocks a coin."""

    signatures: tuple[str, ...] = ()
    preimage: str = ""


class Dleq(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That the mint signed with its public key."""

    e: Scalar
    s: Scalar
    r: Scalar | None = None
    """In a token: what the payer blinded with."""


class Proof(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A coin; as the input of a transaction, or in a token. Its repr shows no secret."""

    amount: Amount
    id: KeysetId
    secret: str
    C: Point
    witness: str | Witness | None = None
    dleq: Dleq | None = None

    def __post_init__(self) -> None:
        """The limits."""
        if not 0 < len(self.secret) <= SECRET_CHARS_MAX:
            raise OutOfRange("secret_too_long", f"a secret has 1 to {SECRET_CHARS_MAX} characters")
        if isinstance(self.witness, str) and len(self.witness) > WITNESS_CHARS_MAX:
            raise OutOfRange("witness_too_long", f"at most {WITNESS_CHARS_MAX} characters")

    def __repr__(self) -> str:
        """Amount and keyset only."""
        return f"Proof({self.amount}, {self.id})"


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be signed."""

    amount: Amount
    id: KeysetId
    B_: Point


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What the mint gives for an output."""

    amount: int
    id: str
    C_: str
    dleq: Dleq


class Spend(msgspec.Struct, frozen=True, kw_only=True):
    """`swap`."""

    inputs: tuple[Proof, ...]
    outputs: tuple[Output, ...]


class MintQuoteAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`mint/quote`: load this much."""

    amount: Amount
    unit: str
    pubkey: str | None = None


class MintAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`mint`: sign what was loaded."""

    quote: str
    outputs: tuple[Output, ...]
    signature: str | None = None


class MeltQuoteAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`melt/quote`: pay this out."""

    request: str
    unit: str


class MeltAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`melt`: spend for it; `outputs` are blank, for change."""

    quote: str
    inputs: tuple[Proof, ...]
    outputs: tuple[Output, ...] | None = None


class StatesAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`checkstate`."""

    Ys: tuple[Point, ...]


class RestoreAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`restore`."""

    outputs: tuple[Output, ...]


def read(raw: bytes, kind: type[T]) -> T:
    """The message in a body; `Malformed`, `OutOfRange`."""
    codec.require_shallow(raw)
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise Malformed("payload_malformed", str(wrong)[:200]) from None


def require_few(inputs: Sequence[object], outputs: Sequence[object]) -> None:
    """`TooLarge` for more inputs or outputs than one transaction may have."""
    if len(inputs) > INPUTS_MAX:
        raise TooLarge("inputs_too_many", f"at most {INPUTS_MAX} inputs")
    if len(outputs) > INPUTS_MAX:
        raise TooLarge("outputs_too_many", f"at most {INPUTS_MAX} outputs")
