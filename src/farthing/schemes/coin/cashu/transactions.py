"""What every transaction of coins is held to, and what it leaves: spent coins, signatures.

Inputs and outputs are checked and signed without any state; the records that come of them decide in
the writer whether it counts (`blind/checking.py`). A coin's mark there is its Y, an output's its
B_.

No key of ours takes a fee, so inputs and outputs have the same sum. Source: NUT-02, 03, 08 and 09.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from farthing.crypto import bdhke
from farthing.errors import Expired, Forged, Malformed, Mismatch, OutOfRange, Revoked, Unknown
from farthing.marks import Keys, Memory
from farthing.schemes.coin.blind.checking import Shown, Signed, key_of
from farthing.schemes.coin.cashu.conditions import require_unlocked
from farthing.schemes.coin.cashu.keysets import MintKeys, amounts_of, unit_micro
from farthing.schemes.coin.cashu.messages import Dleq, Output, Proof, Signature, require_few

FOR_EVER_S = 2**40  # coins of a keyset without an end
AFTER_END_S = 60 * 86_400  # how long marks outlive their keyset: grace and dispute

SCHEME = "cashu"


class Keysets(Protocol):
    """The keysets that a transaction may name."""

    def find(self, keyset_id: str) -> MintKeys:
        """The keyset with this id; `Unknown`, `Mismatch` for one of another unit."""

    def signing(self, keyset_id: str) -> MintKeys:
        """As `find`; `Revoked` for one that signs no more."""


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Inputs that are right."""

    amount: int
    coins: tuple[Shown, ...]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """Outputs that are signed."""

    amount: int
    signatures: tuple[Signature, ...]
    outputs: tuple[Signed, ...]


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A signature as its record has it."""

    amount: int
    keyset_id: str
    C_: bytes
    e: bytes
    s: bytes


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Kept).decode


def verify_inputs(
    keysets: Keysets,
    inputs: Sequence[Proof],
    outputs: Sequence[Output],
    now_s: int,
    quote: str = "",
) -> Spent:
    """All cryptography of the inputs of a transaction; any refusal."""
    require_few(inputs, outputs)
    if not inputs:
        raise Malformed("inputs_missing", "a transaction has inputs")
    if len({proof.secret for proof in inputs}) != len(inputs):
        raise Malformed("inputs_repeated", "one coin stands twice among the inputs")
    coins = tuple(_verified(keysets.find(proof.id), proof, now_s) for proof in inputs)
    require_unlocked(inputs, outputs, now_s, quote)
    return Spent(amount=sum(proof.amount for proof in inputs), coins=coins)


def _verified(keys: MintKeys, proof: Proof, now_s: int) -> Shown:
    end_s = keys.public.final_expiry
    if end_s is not None and end_s < now_s:
        raise Expired("keyset_expired", "the coins of this keyset have ended")
    key = keys.find(proof.amount)
    if key is None:
        raise Forged("coin_forged", "the keyset has no key for this amount")
    y = bdhke.hash_to_curve(proof.secret.encode())
    bdhke.verify(key, y, bytes.fromhex(proof.C))
    return Shown(
        pool=keys.unit,
        micro=proof.amount * unit_micro(keys.unit),
        mark=y.format(),
        period=end_s or 0,
        until_s=_kept_until_s(keys),
    )


def _kept_until_s(keys: MintKeys) -> int:
    end_s = keys.public.final_expiry
    return FOR_EVER_S if end_s is None else end_s + AFTER_END_S


def sign_outputs(keysets: Keysets, outputs: Sequence[Output]) -> Made:
    """Sign them all; any refusal. What is signed may leave only after its record has committed."""
    require_few((), outputs)
    if len({output.B_ for output in outputs}) != len(outputs):
        raise Malformed("outputs_repeated", "one output stands twice")
    signatures: list[Signature] = []
    signed: list[Signed] = []
    for output in outputs:
        keys = keysets.signing(output.id)
        key = keys.find(output.amount)
        if key is None:
            raise OutOfRange("amount_without_key", "amounts are powers of two that have a key")
        blinded = bytes.fromhex(output.B_)
        made = bdhke.sign(key, bdhke.point(blinded))
        signatures.append(_shown(output.amount, keys.id, made))
        kept = _Kept(output.amount, keys.id, made.C_, made.e, made.s)
        signed.append(
            Signed(
                pool=keys.unit,
                micro=output.amount * unit_micro(keys.unit),
                mark=blinded,
                signature=made.C_ + made.e + made.s,
                value=_ENCODE(kept),
                until_s=_kept_until_s(keys),
            )
        )
    amount = sum(output.amount for output in outputs)
    return Made(amount=amount, signatures=tuple(signatures), outputs=tuple(signed))


def sign_change(keysets: Keysets, blanks: Sequence[Output], amount: int) -> Made:
    """Give `amount` back on blank outputs, in their order; `Mismatch` where they are too few."""
    parts = amounts_of(amount)
    if len(parts) > len(blanks):
        raise Mismatch("transaction_unbalanced", "send blank outputs for the change, or less coins")
    filled = [
        msgspec.structs.replace(blank, amount=part)
        for blank, part in zip(blanks, parts, strict=False)
    ]
    return sign_outputs(keysets, filled)


def require_balanced(spent: int, made: int) -> None:
    """`Mismatch` unless what comes out is what went in."""
    if spent != made:
        raise Mismatch("transaction_unbalanced", f"the inputs are {spent}, the outputs {made}")


def signed_keys(outputs: Iterable[Output]) -> Keys:
    """Where the signatures given for outputs are."""
    return Keys(records=tuple(_signed_key(output) for output in outputs))


def found(output: Output, memory: Memory) -> Signature | None:
    """The signature that was given for an output, or None."""
    value = memory.records.get(_signed_key(output))
    if value is None:
        return None
    kept = _DECODE(value)
    return _shown(kept.amount, kept.keyset_id, bdhke.Signed(kept.C_, kept.e, kept.s))


def signature_in(value: bytes) -> bytes:
    """C_, e and s in the record of a signature, 97 bytes."""
    kept = _DECODE(value)
    return kept.C_ + kept.e + kept.s


def _signed_key(output: Output) -> bytes:
    return key_of(SCHEME, "signed", bytes.fromhex(output.B_))


def _shown(amount: int, keyset_id: str, signed: bdhke.Signed) -> Signature:
    dleq = Dleq(e=signed.e.hex(), s=signed.s.hex())
    return Signature(amount=amount, id=keyset_id, C_=signed.C_.hex(), dleq=dleq)


class KeysetsOf:
    """The keysets of one unit, the first of which signs."""

    def __init__(self, keysets: Sequence[MintKeys], others: frozenset[str] = frozenset()) -> None:
        """`others`: ids of keysets of other units, whose coins do not belong here."""
        self.active = keysets[0]
        self.all = tuple(keysets)
        self._by_id = {keys.id: keys for keys in keysets}
        self._others = others

    def find(self, keyset_id: str) -> MintKeys:
        """As `Keysets`."""
        keys = self._by_id.get(keyset_id)
        if keys is None and keyset_id in self._others:
            raise Mismatch("units_mixed", "coins of another unit: each unit is a mint of its own")
        if keys is None:
            raise Unknown("keyset_unknown", "this mint has no such keyset")
        return keys

    def signing(self, keyset_id: str) -> MintKeys:
        """As `Keysets`."""
        keys = self.find(keyset_id)
        if keys is not self.active:
            raise Revoked("keyset_inactive", "this keyset signs no more: ask for today's")
        return keys
