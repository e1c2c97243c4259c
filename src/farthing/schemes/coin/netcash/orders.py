"""What payers say to the broker about coins, one struct a message.

    issue       coins, or nothing where the account pays -> coins that are wanted
    take_back   coins -> money in the account
    status      a coin -> who may take it, or who took it

What is shown in the payer's window is signed for: ``Ed25519(P, "farthing/netcash/holding/1",
serial, broker, digest of what is wanted)``, so nobody on the way takes it for another purpose. A
vendor's claim is the coin by itself.
"""

import msgspec

from farthing import codec
from farthing.errors import Mismatch, Replayed, Unfit
from farthing.ids import require_broker_id
from farthing.schemes.coin.netcash.coin import Coin, require_window, require_worth
from farthing.schemes.contract import Json

COINS_MAX = 16  # of one message, each way: a purse full, and 8 KiB
HOLDING_TAG = "farthing/netcash/holding/1"


class Want(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A coin that is wanted; the broker sets its windows and its end."""

    payer: str
    """As in a coin."""
    vendor: str
    worth_micro: int

    def __post_init__(self) -> None:
        """`Unfit`, `OutOfRange`, as for a coin."""
        require_worth(self.worth_micro)
        require_window(self.payer, self.vendor)

    def is_met_by(self, coin: Coin, broker_id: str, currency: str) -> bool:
        """Whether this is the coin that was wanted of a broker."""
        found = (coin.broker, coin.currency, coin.payer, coin.vendor, coin.worth_micro)
        return found == (broker_id, currency, self.payer, self.vendor, self.worth_micro)


class Shown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A coin, and its payer's signature in its payer's window; empty where anybody takes it."""

    coin: Coin
    sig: str

    def __repr__(self) -> str:
        """The coin only."""
        return f"Shown({self.coin!r})"


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`issue`: coins of `broker` for coins of ours, or for money."""

    broker: str
    coins: tuple[Shown, ...]
    wants: tuple[Want, ...]

    def __post_init__(self) -> None:
        """`Unfit`, `OutOfRange`, `Replayed`; `Mismatch` for an exchange that changes the worth."""
        require_broker_id(self.broker)
        require_coins(self.coins)
        if not 1 <= len(self.wants) <= COINS_MAX:
            raise Unfit("wants_out_of_range", f"an order is for 1 to {COINS_MAX} coins")
        if self.coins and worth_of(self.coins) != self.worth_micro:
            raise Mismatch("exchange_changes_worth", "what comes out is worth what goes in")

    @property
    def worth_micro(self) -> int:
        """Of all that is wanted."""
        return sum(want.worth_micro for want in self.wants)

    def statement(self, coin: Coin) -> bytes:
        """What a coin's payer signs."""
        return holding_statement(coin, self.broker, self.wants)


class Return(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`take_back`: coins of `broker` for money in the account."""

    broker: str
    coins: tuple[Shown, ...]

    def __post_init__(self) -> None:
        """`Unfit`, `OutOfRange`, `Replayed`."""
        require_broker_id(self.broker)
        require_coins(self.coins)
        if not self.coins:
            raise Unfit("coins_missing", "return a coin")

    @property
    def worth_micro(self) -> int:
        """Of all that is returned."""
        return worth_of(self.coins)

    def statement(self, coin: Coin) -> bytes:
        """What a coin's payer signs."""
        return holding_statement(coin, self.broker, ())


class Asking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`status`: what became of a coin; whoever has it may ask."""

    coin: Coin


class Coins(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The mint's answer to an order, in the order of its wants."""

    coins: tuple[Coin, ...]


ORDERS, RETURNS, ASKINGS = codec.Reader(Order), codec.Reader(Return), codec.Reader(Asking)
ANSWERS, COINS = codec.Reader(Coins), codec.Reader(Coin)


def holding_statement(coin: Coin, broker_id: str, wants: tuple[Want, ...]) -> bytes:
    """What the payer of a coin signs to have it back, for what is wanted of a broker."""
    wanted = codec.digest(msgspec.to_builtins(wants))
    return codec.enc(HOLDING_TAG, coin.serial, broker_id, wanted)


def has_coins(message: Json) -> bool:
    """Whether an order brings the coins that pay for it."""
    return isinstance(message, dict) and bool(message.get("coins"))


def worth_of(coins: tuple[Shown, ...]) -> int:
    """Of all of them, micro-units."""
    return sum(shown.coin.worth_micro for shown in coins)


def require_coins(coins: tuple[Shown, ...]) -> None:
    """`Unfit` for too many; `Replayed` for one that is there twice."""
    if len(coins) > COINS_MAX:
        raise Unfit("coins_out_of_range", f"at most {COINS_MAX} coins at once")
    if len({shown.coin.serial for shown in coins}) != len(coins):
        raise Replayed("coin_shown_twice", "each coin counts once")
