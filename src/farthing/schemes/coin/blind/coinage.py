"""What a scheme says of its coins, and how a wallet makes them: everything follows from its seed.

What is asked for is known before it is asked, so nothing has to be kept but where the counters
stand. The derivation is ours.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from farthing import codec
from farthing.errors import Conflict, Forged
from farthing.schemes.coin.deriving import Maker
from farthing.schemes.setting import Json

ListName = int | str
"""What a list of keys is asked for by; `CURRENT` for the present one."""
CURRENT = "current"
OLDER_MAX = 40  # lists before that one names: ten years of quarters


class Slot(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a coin comes from: a key, and a counter."""

    period: int
    """When its key is good, as the coinage tells time."""
    exponent: int
    id: bytes
    """Of its keyset."""
    counter: int

    @property
    def micro(self) -> int:
        """What its coin is worth."""
        return 1 << self.exponent


class KeyList(Protocol):
    """The keys that sign at one time, one for each power of two, signed by their broker."""

    @property
    def name(self) -> str:
        """What it is asked for by, whatever the time."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of all but who signs it: the same for the same keys."""

    @property
    def sealing(self) -> str:
        """X25519 public half, base64url: boxes are sealed to it."""

    @property
    def older(self) -> tuple[str, ...]:
        """Names of the lists before it in its era, the oldest first."""

    @property
    def era(self) -> int:
        """What tells lists apart that do not name each other: the epoch, where there are such."""

    @property
    def period(self) -> int:
        """Of its slots."""

    @property
    def count(self) -> int:
        """How many exponents it has keys for, from 0."""

    def slot(self, exponent: int, counter: int) -> Slot:
        """The slot of a key."""

    def label(self, exponent: int) -> str:
        """What counters of a key are kept by."""

    def verify(self, broker_id: str, currency: str) -> None:
        """`Forged`, `Mismatch` unless it is whole, of this broker and signed."""


K = TypeVar("K", bound=KeyList)
KeyListT = TypeVar("KeyListT", bound=KeyList, contravariant=True)


class Coinage(Protocol[KeyListT]):
    """One kind of coin, as wallets handle it."""

    name: str
    """Registry name of the scheme."""
    short: str
    """What references and instruments begin with."""
    lists: codec.Reader[Any]
    """Reads a `KeyListT`."""
    blind_bytes: int
    """Of a blind signature in an answer."""

    def require_signing(self, keys: KeyListT, now_s: int) -> None:
        """`NotYetValid`, `Expired` unless these keys sign now, and the next day."""

    def is_fresh(self, keys: KeyListT, listed_s: int, now_s: int) -> bool:
        """Whether change may be made with a list that came then, or another is asked for first."""

    def require_spendable(self, period: int, now_s: int) -> None:
        """`NotYetValid`, `Expired` unless coins of a period pay now."""

    def pays_until_s(self, period: int) -> int:
        """When coins of a period end to pay."""

    def ends_at_s(self, period: int) -> int:
        """When they are worth nothing any more."""

    def lists_at(self, now_s: int) -> tuple[ListName, ...]:
        """Where to find the lists whose coins may be good: periods, or `CURRENT`, that one last.

        Each list found so names those before it.
        """

    def output(self, maker: Maker, keys: KeyListT, slot: Slot) -> bytes:
        """What is to be signed for a slot."""

    def signature(self, maker: Maker, keys: KeyListT, slot: Slot, blind: bytes) -> bytes:
        """The signature of a slot's coin, out of the blind one; `Forged` unless it is right."""

    def coin(self, maker: Maker, slot: Slot, signature: bytes) -> bytes:
        """The coin of a slot, as it lies in a box."""

    def mark(self, maker: Maker, slot: Slot, signature: bytes) -> str:
        """The name by which the broker is asked whether a coin is spent."""

    def write_token(
        self,
        maker: Maker,
        coins: Sequence[tuple[Slot, bytes]],
        broker_url: str,
        currency: str,
    ) -> Json:
        """Coins with their signatures, for whoever has them."""

    def read_token(
        self, token: Json, keys: KeyListT | None = None
    ) -> tuple[int, tuple[bytes, ...]]:
        """What coins from somebody are worth in micro-units, and they; `Malformed`, `Forged`."""


def require_one_line(keys: KeyList, known: KeyList) -> None:
    """`Conflict` where who has one list is given another of its era that does not go on from it.

    A broker with a list for one payer alone would know its coins again.
    """
    is_one_after_another = known.name in keys.older or keys.name in known.older
    is_of_another_era = known.era != keys.era
    if _bare(known) != _bare(keys) and not (is_one_after_another or is_of_another_era):
        told = f"{codec.b64u(keys.digest)} now, {codec.b64u(known.digest)} before: compare them"
        raise Conflict("keysets_differ", told)


def _bare(keys: Any) -> object:
    """The keys themselves: who signs, and what older ones there are, may change."""
    return msgspec.structs.replace(keys, key="", older=(), sig="")


def tag(scheme: str, what: str) -> str:
    """The domain tag of one purpose of a scheme."""
    return f"farthing/{scheme}/{what}/1"


def slots(
    keys: KeyList, exponents: Sequence[int], counters: Mapping[str, int]
) -> tuple[tuple[Slot, ...], dict[str, int]]:
    """The next slots for coins of these exponents, and the counters behind them."""
    after, found = dict(counters), list[Slot]()
    for exponent in exponents:
        label = keys.label(exponent)
        counter = after.get(label, 0)
        found.append(keys.slot(exponent, counter))
        after[label] = counter + 1
    return tuple(found), after


def signatures_of(
    coinage: Coinage[K], maker: Maker, keys: K, made: Sequence[Slot], blind: Sequence[bytes]
) -> list[bytes]:
    """Those of several slots; `Forged` for more or fewer."""
    if len(made) != len(blind):
        raise Forged("signatures_missing", "each output gets one signature")
    pairs = zip(made, blind, strict=True)
    return [coinage.signature(maker, keys, slot, one) for slot, one in pairs]


def payer_secret(coinage: Coinage[Any], maker: Maker, number: int) -> bytes:
    """The Ed25519 secret of a pocket's payment with this number: the payer's code for it."""
    return maker.secret(tag(coinage.name, "payer-secret"), b"", number)


def answer_key(coinage: Coinage[Any], maker: Maker, number: int) -> bytes:
    """The key under which the change of that payment comes back."""
    return maker.secret(tag(coinage.name, "answer"), b"", number)
