"""Cashu as our own wallets handle it: secrets and blinding factors follow from the seed.

    coin    = amount(8) ‖ keyset id(33) ‖ C(33) ‖ secret, as text       a short id is filled with 0
    output  = amount(8) ‖ keyset id(33) ‖ B_(33)
    blind   = C_(33) ‖ e(32) ‖ s(32)

What a wallet sends to another one is a token that every Cashu wallet takes, and it takes theirs.
Source: NUT-00 and 12; the derivation is ours, after NUT-13.
"""

import struct
from collections.abc import Sequence

from farthing import codec
from farthing.crypto import bdhke
from farthing.errors import Expired, Forged, Malformed, OutOfRange
from farthing.money import asset_label
from farthing.schemes.coin.blind.coinage import CURRENT, ListName, Slot
from farthing.schemes.coin.cashu import tokens
from farthing.schemes.coin.cashu.keylist import LISTS, KeyList
from farthing.schemes.coin.cashu.keysets import SHORT_ID_CHARS, unit_micro
from farthing.schemes.coin.cashu.messages import SECRET_CHARS_MAX, Dleq, Output, Proof
from farthing.schemes.coin.cashu.traits import TRAITS
from farthing.schemes.coin.deriving import Maker
from farthing.schemes.coin.epochs import LISTED_S, SKEW_S
from farthing.schemes.coin.values import COUNT_MAX
from farthing.schemes.contract import Json

PLACE = "/cashu/"  # of a unit's mint, below the broker's address
NO_END_S = 2**32 - 1  # when coins without an end end: as far as the clocks in our messages go
ID_BYTES = 33
SHORT_ID_BYTES = SHORT_ID_CHARS // 2
_SECRET_TAG = "farthing/cashu/secret/1"
_FACTOR_TAG = "farthing/cashu/factor/1"
_COIN = struct.Struct(f">Q{ID_BYTES}s{bdhke.POINT_BYTES}s")
_OUTPUT = struct.Struct(f">Q{ID_BYTES}s{bdhke.POINT_BYTES}s")
_BLIND = struct.Struct(f"{bdhke.POINT_BYTES}s{bdhke.SCALAR_BYTES}s{bdhke.SCALAR_BYTES}s")


class CashuCoinage:
    """As `Coinage`. A coin's signature is C, and e and s of the proof that it is right."""

    name = TRAITS.name
    short = "ca"
    lists = LISTS
    blind_bytes = _BLIND.size

    def require_signing(self, keys: KeyList, now_s: int) -> None:
        """Before its end."""
        self.require_spendable(keys.period, now_s)

    def is_fresh(self, keys: KeyList, listed_s: int, now_s: int) -> bool:
        """The broker signs with older keys, too, and wallets do not ask it to for long."""
        return now_s < min(self.pays_until_s(keys.period), listed_s + LISTED_S)

    def require_spendable(self, period: int, now_s: int) -> None:
        """Before its end."""
        if now_s > self.pays_until_s(period) + SKEW_S:
            raise Expired("keyset_expired", "the coins of this keyset have ended")

    def pays_until_s(self, period: int) -> int:
        """A period is its end."""
        return period or NO_END_S

    def ends_at_s(self, period: int) -> int:
        """The same."""
        return self.pays_until_s(period)

    def lists_at(self, now_s: int) -> tuple[ListName, ...]:
        """The present one names the others."""
        return (CURRENT,)

    def output(self, maker: Maker, keys: KeyList, slot: Slot) -> bytes:
        """A blinded message."""
        blinded = bdhke.blind(_secret(maker, slot), _factor(maker, slot))
        return _OUTPUT.pack(slot.micro, slot.id, blinded)

    def signature(self, maker: Maker, keys: KeyList, slot: Slot, blind: bytes) -> bytes:
        """Its proof held to the key of the list; `Malformed`, `Forged`."""
        if len(blind) != _BLIND.size:
            raise Forged("signature_wrong", f"a signature has {_BLIND.size} bytes")
        signed = bdhke.Signed(*_BLIND.unpack(blind))
        factor, key = _factor(maker, slot), keys.public(slot.exponent)
        bdhke.verify_signed(key, bdhke.blind(_secret(maker, slot), factor), signed)
        return _BLIND.pack(bdhke.unblind(signed.C_, factor, key), signed.e, signed.s)

    def coin(self, maker: Maker, slot: Slot, signature: bytes) -> bytes:
        """The coin of a slot."""
        c, _, _ = _BLIND.unpack(signature)
        return _COIN.pack(slot.micro, slot.id, c) + _secret(maker, slot)

    def mark(self, maker: Maker, slot: Slot, signature: bytes) -> str:
        """Its Y."""
        return codec.b64u(bdhke.hash_to_curve(_secret(maker, slot)).format())

    def write_token(
        self,
        maker: Maker,
        coins: Sequence[tuple[Slot, bytes]],
        broker_url: str,
        currency: str,
    ) -> Json:
        """A token of that network, with the proof of each coin."""
        unit = asset_label(currency)
        token = tokens.Token(
            mint=broker_url + PLACE + unit,
            unit=unit,
            proofs=tuple(_proof(maker, slot, signature) for slot, signature in coins),
        )
        return tokens.write(token)

    def read_token(self, token: Json, keys: KeyList | None = None) -> tuple[int, tuple[bytes, ...]]:
        """What is in one of any wallet; `Forged` for a coin whose own proof shows that it is none.

        Each proof is looked at that `keys` can tell; the broker judges the others.
        """
        if not isinstance(token, str):
            raise Malformed("token_malformed", "a token is one text")
        found = tokens.read(token)
        if len(found.proofs) > COUNT_MAX:
            raise OutOfRange("coins_too_many", f"at most {COUNT_MAX} coins at once")
        if keys is not None:
            for proof in found.proofs:
                if keys.name.startswith(proof.id) and proof.dleq is not None:
                    _judge(keys, proof, proof.dleq)
        raw = tuple(write_coin(proof) for proof in found.proofs)
        return found.amount * unit_micro(found.unit), raw


COINAGE = CashuCoinage()


def write_coin(proof: Proof) -> bytes:
    """A coin as it lies in a box; `Malformed`."""
    try:
        keyset_id, c = bytes.fromhex(proof.id), bytes.fromhex(proof.C)
        secret = proof.secret.encode()
    except ValueError:
        raise Malformed("coin_malformed", "an id is hex, a secret text") from None
    if len(keyset_id) not in {ID_BYTES, SHORT_ID_BYTES}:
        raise Malformed("coin_malformed", "a keyset's id has 66 digits, or in short 16")
    return _COIN.pack(proof.amount, keyset_id, c) + secret  # which fills it


def read_coin(raw: bytes) -> Proof:
    """A coin out of a box; `Malformed`."""
    head, secret = raw[: _COIN.size], raw[_COIN.size :]
    if len(head) != _COIN.size or not 0 < len(secret) <= SECRET_CHARS_MAX:
        raise Malformed("coin_malformed", "a coin has amount, keyset, signature and secret")
    amount, keyset_id, c = _COIN.unpack(head)
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        raise Malformed("coin_malformed", "a secret is text") from None
    if not any(keyset_id[SHORT_ID_BYTES:]):
        keyset_id = keyset_id[:SHORT_ID_BYTES]
    return Proof(amount=amount, id=keyset_id.hex(), secret=text, C=c.hex())


def read_output(raw: bytes) -> Output:
    """An output; `Malformed`."""
    if len(raw) != _OUTPUT.size:
        raise Malformed("output_malformed", f"an output has {_OUTPUT.size} bytes")
    amount, keyset_id, blinded = _OUTPUT.unpack(raw)
    return Output(amount=amount, id=keyset_id.hex(), B_=blinded.hex())


def factor_of(raw: bytes) -> bytes:
    """A blinding factor, 32 bytes, of 48 that are random."""
    number = int.from_bytes(raw, "big") % (bdhke.ORDER - 1) + 1
    return number.to_bytes(bdhke.SCALAR_BYTES, "big")


def _judge(keys: KeyList, proof: Proof, dleq: Dleq) -> None:
    """`Forged` where its own proof shows that the mint did not sign this coin."""
    exponent = max(proof.amount.bit_length() - 1, 0)
    if proof.amount != 1 << exponent or exponent >= len(keys.keys) or dleq.r is None:
        raise Forged("proof_wrong", "nothing proves that the mint signed this coin")
    raw = bytes.fromhex
    signed = bdhke.Signed(b"", raw(dleq.e), raw(dleq.s))
    bdhke.verify_coin(
        keys.public(exponent), proof.secret.encode(), raw(proof.C), raw(dleq.r), signed
    )


def _proof(maker: Maker, slot: Slot, signature: bytes) -> Proof:
    c, e, s = _BLIND.unpack(signature)
    return Proof(
        amount=slot.micro,
        id=slot.id.hex(),
        secret=_secret(maker, slot).decode(),
        C=c.hex(),
        dleq=Dleq(e=e.hex(), s=s.hex(), r=_factor(maker, slot).hex()),
    )


def _secret(maker: Maker, slot: Slot) -> bytes:
    """64 digits, as other wallets have them."""
    return maker.secret(_SECRET_TAG, _key_of(slot), slot.counter).hex().encode()


def _factor(maker: Maker, slot: Slot) -> bytes:
    return factor_of(maker.secret(_FACTOR_TAG, _key_of(slot), slot.counter, 48))


def _key_of(slot: Slot) -> bytes:
    """One key of a keyset."""
    return slot.id + bytes([slot.exponent])
