"""What is in a message's boxes and outputs, with all its cryptography done: for the mint's check.

No state is asked here, so coins may be spent already; what is signed here is released by the
decision alone, which comes after it.
"""

from collections.abc import Iterable

import msgspec

from farthing.crypto import blind_rsa
from farthing.errors import Malformed, Mismatch, Replayed
from farthing.schemes.coin.ecash import coin as coins
from farthing.schemes.coin.ecash.keyset import BrokerKeys
from farthing.schemes.coin.ecash.messages import Texts, mark_of
from farthing.schemes.coin.epochs import Epoch


class Shown(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A coin that is right."""

    epoch: int
    micro: int
    mark: bytes


class Signed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An output with its blind signature."""

    epoch: int
    micro: int
    mark: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Its worth only."""
        return f"Signed({self.micro})"


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What was in one box."""

    header: bytes
    answer_key: bytes
    coins: tuple[Shown, ...]
    outputs: tuple[Signed, ...]

    def __repr__(self) -> str:
        """How many of each only."""
        return f"Opened({len(self.coins)} coins, {len(self.outputs)} outputs)"

    @property
    def over_micro(self) -> int:
        """What the coins are worth above the outputs; below zero the other way."""
        return worth_micro(self.coins) - worth_micro(self.outputs)

    @property
    def answer(self) -> list[str] | None:
        """The signatures, boxed for who made this; None where nothing was to be signed."""
        if not self.outputs:
            return None
        signatures = [output.signature for output in self.outputs]
        return coins.seal_answer(self.answer_key, self.header, signatures)


def worth_micro(found: Iterable[Shown | Signed]) -> int:
    """What coins or outputs are worth together."""
    return sum(one.micro for one in found)


def opened(keys: BrokerKeys, texts: Texts, header: bytes, now_s: int, *, pays: bool) -> Opened:
    """A box that is bound to `header`, its coins verified and its outputs signed.

    `pays`: the coins are spent at a vendor, not exchanged. `Malformed`, `Forged`, `Mismatch`,
    `Expired`, `NotYetValid`; `Replayed` for one coin twice.
    """
    box = coins.unseal(keys.box_secrets(), texts)
    if box.header != header:
        raise Mismatch("box_for_something_else", "these coins were sealed for something else")
    for coin in box.coins:
        epoch = Epoch(coin.ref.epoch)
        (epoch.require_spendable if pays else epoch.require_exchangeable)(now_s)
    shown = tuple(_verified(keys, coin) for coin in box.coins)
    if len({one.mark for one in shown}) < len(shown):
        raise Replayed("coin_spent", "one coin was shown twice")
    return Opened(
        header=header,
        answer_key=box.answer_key,
        coins=shown,
        outputs=signed(keys, box.outputs, now_s),
    )


def _verified(keys: BrokerKeys, coin: coins.Coin) -> Shown:
    public = keys.secret(coin.ref).public
    blind_rsa.verify(public, coins.VARIANT, coin.prepared, coin.signature)
    mark = mark_of(coin.ref.id, coin.serial)
    return Shown(epoch=coin.ref.epoch, micro=coin.ref.micro, mark=mark)


def signed(keys: BrokerKeys, outputs: tuple[coins.Output, ...], now_s: int) -> tuple[Signed, ...]:
    """Outputs with their signatures; `Malformed` for one twice, and as `opened`."""
    for output in outputs:
        Epoch(output.ref.epoch).require_signing(now_s)
    done = tuple(
        Signed(
            epoch=output.ref.epoch,
            micro=output.ref.micro,
            mark=mark_of(output.ref.id, output.blinded),
            signature=blind_rsa.blind_sign(keys.secret(output.ref), output.blinded),
        )
        for output in outputs
    )
    if len({one.mark for one in done}) < len(done):
        raise Malformed("output_twice", "each output is signed once")
    return done
