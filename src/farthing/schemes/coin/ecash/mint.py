"""The broker's side of eCash: RSA signatures, and accounts of what is out.

Records beside those of all blind coins::

    ecash/out/<epoch>-<key>        what is out of an epoch and a secret (`outstanding.py`)
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from farthing import codec
from farthing.crypto import blind_rsa
from farthing.errors import Malformed
from farthing.marks import Memory, Put
from farthing.schemes.coin.blind.checking import Shown, Signed
from farthing.schemes.coin.blind.coinage import CURRENT, ListName
from farthing.schemes.coin.blind.mint import BlindMint
from farthing.schemes.coin.ecash.coin import VARIANT, read_coin, read_output
from farthing.schemes.coin.ecash.coinage import COINAGE, MARK_BYTES, mark_of
from farthing.schemes.coin.ecash.keyset import KEYS, LIST_KEY, BrokerKeys
from farthing.schemes.coin.ecash.traits import TRAITS
from farthing.schemes.coin.epochs import (
    DISPUTE_S,
    EPOCH_MAX,
    EPOCH_S,
    GRACE_S,
    SKEW_S,
    Epoch,
    epoch_at,
)
from farthing.schemes.coin.outstanding import Moved, Outstanding, key_of, pool_of
from farthing.schemes.contract import Applied, At, End, Json, Setting

RECORD_KEY = "farthing/ecash/record/1"
_OUT = Outstanding(TRAITS.name)


class EcashMint(BlindMint):
    """The broker's side."""

    traits = TRAITS
    coinage = COINAGE
    record_key = RECORD_KEY
    signing = (LIST_KEY, RECORD_KEY)
    sealing = (KEYS,)
    published = b"ecash/revoked/"
    listed_s = 2 * EPOCH_S + GRACE_S + DISPUTE_S
    shared = _OUT.prefix

    def __init__(self, setting: Setting) -> None:
        """For one broker."""
        super().__init__(setting)
        self._keys = BrokerKeys(setting)

    def list_of(self, name: ListName, at: At) -> Json:
        """The present one of an epoch, this one's where none is named; or the one of that name.

        `Malformed`, `Expired`, `NotYetValid`, `Forged`.
        """
        if isinstance(name, str) and name != CURRENT:
            times = (at.now_s - SKEW_S, at.now_s + SKEW_S)
            numbers = {number for now_s in times for number in COINAGE.lists_at(now_s)}
            epochs = [Epoch(number) for number in sorted(numbers)]
            return msgspec.to_builtins(self._keys.list_named(name, epochs))
        number = epoch_at(at.now_s).number if isinstance(name, str) else name
        if not 0 <= number <= EPOCH_MAX:
            raise Malformed("list_malformed", "there is no such epoch")
        Epoch(number).require_exchangeable(at.now_s)
        return msgspec.to_builtins(self._keys.list_of(Epoch(number)))

    def digest_for(self, outputs: Sequence[bytes]) -> str:
        """Of the list that has their keys."""
        return codec.b64u(self._keys.list_with(read_output(outputs[0]).ref).digest)

    def box_secrets(self) -> Sequence[bytes]:
        """One for each secret of the ring."""
        return self._keys.box_secrets()

    def verified(
        self, coins: Sequence[bytes], outputs: Sequence[bytes], now_s: int, *, pays: bool
    ) -> tuple[Shown, ...]:
        """`Malformed`, `Forged`, `Expired`, `NotYetValid`."""
        read = [read_coin(raw) for raw in coins]
        for coin in read:
            epoch = Epoch(coin.ref.epoch)
            (epoch.require_spendable if pays else epoch.require_exchangeable)(now_s)
        found: list[Shown] = []
        for coin in read:
            key, secret = self._keys.find(coin.ref)
            blind_rsa.verify(secret.public, VARIANT, coin.prepared, coin.signature)
            found.append(
                Shown(
                    pool=pool_of(coin.ref.epoch, key.id),
                    micro=coin.ref.micro,
                    mark=mark_of(coin.ref.id, coin.serial),
                    period=coin.ref.epoch,
                    until_s=Epoch(coin.ref.epoch).kept_until_s,
                )
            )
        return tuple(found)

    def signed(self, outputs: Sequence[bytes], now_s: int) -> tuple[Signed, ...]:
        """`Malformed`, `Forged`, `Expired`, `NotYetValid`."""
        read = [read_output(raw) for raw in outputs]
        for output in read:
            Epoch(output.ref.epoch).require_signing(now_s)
        found: list[Signed] = []
        for output in read:
            key, secret = self._keys.find(output.ref)
            signature = blind_rsa.blind_sign(secret, output.blinded)
            found.append(
                Signed(
                    pool=pool_of(output.ref.epoch, key.id),
                    micro=output.ref.micro,
                    mark=mark_of(output.ref.id, output.blinded),
                    signature=signature,
                    value=signature,
                    until_s=Epoch(output.ref.epoch).ends_at_s,
                )
            )
        return tuple(found)

    def output_micro(self, output: bytes) -> int:
        """By its exponent."""
        return read_output(output).ref.micro

    def output_mark(self, output: bytes) -> bytes:
        """Of its blinded message."""
        read = read_output(output)
        return mark_of(read.ref.id, read.blinded)

    def coin_mark(self, name: str) -> bytes:
        """16 bytes, base64url."""
        return codec.unb64u(name, size_bytes=MARK_BYTES)

    def pool_keys(self, pools: Iterable[str]) -> tuple[bytes, ...]:
        """One of each epoch and secret."""
        return tuple(_OUT.key(pool) for pool in pools)

    def moved(
        self,
        memory: Memory,
        net: Counter[str],
        *,
        source: End | None = None,
        target: End | None = None,
    ) -> Moved:
        """With the records of what is out."""
        return _OUT.move(memory, net, source=source, target=target)

    def can_verify(self, series: str) -> bool:
        """Whether the ring has the secret that a pool is named by."""
        return self.setting.ring.find(KEYS, key_of(series)) is not None

    def put_back(self, applied: Applied, memory: Memory, at: At) -> tuple[Put, ...]:
        """What is out, as if nothing had been reserved."""
        return _OUT.put_back(memory, applied.flows)

    def lapse(self, key: bytes, value: bytes, at: At) -> Applied | None:
        """The end of an epoch."""
        return _OUT.lapse(key, value)
