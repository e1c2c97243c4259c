"""A token of any wallet at a gate: what its vendor shows the broker, and the change.

A token is bound to nothing, so whoever sees it can spend it; over TLS that is the gate. What the
broker gives back goes to the gate, which makes tokens of it for the payer::

    secret, blinding factor = MAC(the vendor's key, tag, digest of the token, unit, place)

So the same token has the same change, whatever crashes in between. Of a token in cents, which stock
wallets know, whole cents come back as such, the rest in micro-units. NUT-24 says nothing of change:
this is ours.
"""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from farthing import codec, ids
from farthing.crypto import bdhke
from farthing.crypto.mac import mac
from farthing.errors import Forged, Mismatch, OutOfRange
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.coin.blind.messages import Texts
from farthing.schemes.coin.cashu import tokens
from farthing.schemes.coin.cashu.coinage import PLACE, factor_of
from farthing.schemes.coin.cashu.keysets import amounts_of, unit_micro, units_of
from farthing.schemes.coin.cashu.messages import Dleq, Point, Proof, Scalar

CHANGE_KEY = "farthing/cashu/change/1"
FACTOR_SEED_BYTES = 48
TEXT_CHARS = 4096  # of one text: as long as JSON strings may be here

Blanks = Annotated[tuple[Point, ...], msgspec.Meta(max_length=64)]


class TokenPaid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a wallet has sent: a token, cut into texts. Its repr shows nothing of it."""

    token: Texts

    def __repr__(self) -> str:
        """The name only."""
        return "TokenPaid()"

    @property
    def text(self) -> str:
        """The token."""
        return "".join(self.token)


class TokenClaim(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """What its vendor shows the broker. Its repr shows nothing of the token."""

    blanks: dict[str, Blanks]
    """By unit: outputs for the change, in which the broker fills amount and keyset."""
    price_micro: int
    token: Texts
    vendor: str

    def __post_init__(self) -> None:
        """`OutOfRange` for a price or vendor out of range."""
        if not 0 < self.price_micro <= PAYMENT_MICRO_MAX:
            raise OutOfRange("price_out_of_range", "a price is 1 micro-unit and more")
        ids.require_name(self.vendor)

    def __repr__(self) -> str:
        """Vendor and price only."""
        return f"TokenClaim({self.vendor}, {self.price_micro})"


class Returned(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A signature for the change, as the broker gives it to the vendor."""

    amount: int
    id: str
    K: Point
    """The mint's public key of this amount."""
    C_: Point
    e: Scalar
    s: Scalar


PAID = codec.Reader(TokenPaid)
CLAIMS = codec.Reader(TokenClaim)
_RETURNED = codec.Reader(dict[str, tuple[Returned, ...]])


def change_of(currency: str, unit: str, change_micro: int) -> dict[str, list[int]]:
    """Amounts by unit, of what comes back of a token of `unit`, which comes back first.

    `Mismatch` for a unit that the broker does not have.
    """
    units = units_of(currency)
    if unit not in units:
        raise Mismatch("token_of_another_unit", f"coins here are in {' or '.join(units)}")
    found: dict[str, list[int]] = {}
    for each in units[units.index(unit) :]:
        amount, change_micro = divmod(change_micro, unit_micro(each))
        if amount:
            found[each] = amounts_of(amount)
    return found


class ChangeMaker:
    """Makes the change of one token."""

    def __init__(self, secret: bytes, digest: bytes) -> None:
        """With the vendor's key."""
        self._secret = secret
        self._digest = digest

    def _coin(self, unit: str, place: int) -> tuple[str, bytes]:
        """Secret and blinding factor."""
        fields = (CHANGE_KEY, self._digest, unit, place)
        secret = mac(32, self._secret, *fields, "secret").hex()
        factor = factor_of(mac(FACTOR_SEED_BYTES, self._secret, *fields, "factor"))
        return secret, factor

    def blanks(self, amounts: dict[str, list[int]]) -> dict[str, tuple[Point, ...]]:
        """Outputs for so many coins of each unit."""
        return {unit: tuple(self._blanks(unit, len(parts))) for unit, parts in amounts.items()}

    def _blanks(self, unit: str, count: int) -> Iterable[Point]:
        for place in range(count):
            secret, factor = self._coin(unit, place)
            yield bdhke.blind(secret.encode(), factor).hex()

    def tokens(self, amounts: dict[str, list[int]], redeemed: object, broker_url: str) -> list[str]:
        """The change; `Mismatch`, `Forged` for signatures that are not of that."""
        returned = _RETURNED.convert(redeemed)
        found = {unit: [one.amount for one in some] for unit, some in returned.items()}
        if found != amounts:
            raise Mismatch("change_differs", "the broker has signed other change")
        made: list[str] = []
        for unit, some in returned.items():
            proofs = tuple(self._proof(unit, place, one) for place, one in enumerate(some))
            token = tokens.Token(mint=broker_url + PLACE + unit, unit=unit, proofs=proofs)
            made.append(tokens.write(token))
        return made

    def _proof(self, unit: str, place: int, one: Returned) -> Proof:
        secret, factor = self._coin(unit, place)
        raw = bytes.fromhex
        signed = bdhke.Signed(raw(one.C_), raw(one.e), raw(one.s))
        blinded = bdhke.blind(secret.encode(), factor)
        try:
            bdhke.verify_signed(raw(one.K), blinded, signed)
        except Forged:
            raise Forged("change_wrong", "the broker's proof of the change is wrong") from None
        return Proof(
            amount=one.amount,
            id=one.id,
            secret=secret,
            C=bdhke.unblind(signed.C_, factor, raw(one.K)).hex(),
            dleq=Dleq(e=one.e, s=one.s, r=factor.hex()),
        )
