"""What a payer signs, `M = Sig_P{V, C_P, x_0, v_0, D, n, prize, s}`, and the draw (ours).

A ticket is worth `unit_micro` on average: it wins `unit_micro * odds` once in `odds`.
"""

import math
from functools import lru_cache
from hashlib import sha256

import msgspec

from farthing import codec
from farthing.crypto import chain
from farthing.errors import Unfit
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.counters import CHAINS_CACHED
from farthing.schemes.chain.credit.certificate import Family
from farthing.schemes.chain.credit.losses import LOSSES
from farthing.schemes.chain.credit.pledge import Pledge, PledgeId
from farthing.schemes.contract import Traits
from farthing.schemes.losses import Loss

COMMITMENT_TAG = "farthing/lottery-chain/commitment/1"
DRAW_TAG = "farthing/lottery-chain/draw/1"
ODDS_MAX = 10**7  # a prize in ten million tickets: rarer ones are never seen
LENGTH_MAX = 1000  # tickets of one chain: the vendor makes its own for each offer
WINS_SPARE = 8  # wins above the mean, and five deviations: above it is one chain in a million
FAMILY = Family(tag="lottery-chain", short="lt")

TRAITS = Traits(
    name="ticket",
    wire="ticket",
    tag=FAMILY.tag,
    title="Lottery-ticket chains",
    source="Rivest 1997",
    issuer="broker",
    credit=True,
    needs_list=False,
    latest="batch",
    drawn=True,
    moments=("during", "batch"),  # a payment that wins nothing has nothing to clear before a page
    losses={**LOSSES, "payer": (Loss(by="vendor", of="prizes"), *LOSSES["payer"][1:])},
)

_HEAD = codec.enc(DRAW_TAG) + b"\0\0\0\x08"
_WORD = b"\0\0\0\x10"


def is_win(index: int, word: bytes, vendor_word: bytes, odds: int) -> bool:
    """Whether ticket `index` wins: the first 64 bits of a hash of both words, one in `odds`."""
    drawn = sha256(_HEAD + index.to_bytes(8, "big") + _WORD + word + _WORD + vendor_word).digest()
    return int.from_bytes(drawn[:8], "big") < (1 << 64) // odds


def wins_max(count: int, odds: int) -> int:
    """How many wins a pledge of so many tickets leaves room for."""
    mean = -(-count // odds)
    return min(count, mean + 5 * math.isqrt(mean) + WINS_SPARE)


class TicketCommitment(
    Pledge, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The payer's promise to one vendor for one day: a chain of tickets against the vendor's."""

    family = FAMILY
    length: int
    """Tickets."""
    odds: int
    """One ticket in so many wins."""
    root: str
    """x_0, 16 bytes, base64url."""
    salt: str
    """Of the payer's chain, 16 bytes, base64url."""
    session: str
    """Of the vendor's chain, whose salt it is: 16 bytes, base64url."""
    unit_micro: int
    """What a ticket is worth on average."""
    vendor_root: str
    """v_0, 16 bytes, base64url."""

    def __post_init__(self) -> None:
        """`Unfit` for numbers out of range."""
        Pledge.__post_init__(self)
        if not 0 < self.length <= LENGTH_MAX:
            raise Unfit("chain_too_long", f"a chain has at most {LENGTH_MAX} tickets")
        if not 0 < self.odds <= ODDS_MAX:
            raise Unfit("odds_out_of_range", f"odds are 1 to {ODDS_MAX}")
        if not 0 < self.unit_micro <= PAYMENT_MICRO_MAX:
            raise Unfit("denomination_out_of_range", "a ticket is worth 1 micro-unit and more")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        return codec.enc(
            COMMITMENT_TAG,
            self.vendor,
            self.certificate.serial,
            self.certificate.sig,
            self.day,
            *self.slots,
            self.length,
            self.odds,
            self.unit_micro,
            self.root,
            self.salt,
            self.session,
            self.vendor_root,
        )

    @property
    def prize_micro(self) -> int:
        """What a ticket wins."""
        return self.unit_micro * self.odds

    @property
    def worth_micro(self) -> int:
        """The prizes that its slots must have room for."""
        return self.prize_micro * wins_max(self.length, self.odds)

    @property
    def counter_id(self) -> bytes:
        """The mark of the chain at the gate, and of its wins at the broker."""
        return counter_id(self.id)

    def words(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Root and key of the payer's chain, root and key of the vendor's; `Malformed`."""
        root, vendor_root = (
            codec.unb64u(text, size_bytes=chain.WORD_BYTES)
            for text in (self.root, self.vendor_root)
        )
        key, vendor_key = (
            chain.link_key(codec.unb64u(text, size_bytes=chain.SALT_BYTES))
            for text in (self.salt, self.session)
        )
        return root, key, vendor_root, vendor_key


class Payment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """`commitment`: the object in the first payment, its id later; every ticket up to `index`."""

    commitment: TicketCommitment | PledgeId
    index: int
    word: str
    """x at the index, base64url."""

    def __repr__(self) -> str:
        """The index only: a word is worth money."""
        return f"Payment({self.index})"


@lru_cache(maxsize=CHAINS_CACHED)
def counter_id(commitment_id: str) -> bytes:
    """The mark of the chain of the commitment with this id."""
    return FAMILY.tag.encode() + commitment_id.encode()
