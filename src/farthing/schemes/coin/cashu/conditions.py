"""What unlocks a coin: signatures of keys, a preimage, a time.

A secret that is JSON `["P2PK" | "HTLC", {"nonce", "data", "tags"}]` is a lock; anything else is
plain, and whoever knows it may spend. Two paths lead through a lock::

    main     n_sigs of the keys (P2PK: `data` and `pubkeys`; HTLC: `pubkeys`), and with HTLC the
             preimage of the hash in `data`; always open
    refund   from `locktime` on: n_sigs_refund of the `refund` keys, or nothing where there are none

Signatures are over the secret, or with `SIG_ALL` once over all inputs and outputs::

    secret_0 ‖ C_0 ‖ … ‖ amount_0 ‖ B_0 ‖ … [‖ quote of a melt]

A lock that is malformed never opens. Source: NUT-10, NUT-11 and NUT-14.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

import msgspec

from farthing.crypto import schnorr
from farthing.errors import Forged, Malformed, Refusal, TooLarge
from farthing.schemes.coin.cashu.messages import Output, Proof, Witness

CHECKS_MAX = 2_000  # signatures tried in one request: a tenth of a second

_KINDS = frozenset({"P2PK", "HTLC"})
_SIG_FLAGS = frozenset({"SIG_INPUTS", "SIG_ALL"})
_TAGS = frozenset({"sigflag", "pubkeys", "n_sigs", "locktime", "refund", "n_sigs_refund"})
_HASH = re.compile("[0-9a-f]{64}")
_NUMBER = re.compile("[0-9]{1,15}")


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    nonce: str
    data: str
    tags: tuple[tuple[str, ...], ...] = ()


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A secret's condition."""

    keys: tuple[bytes, ...]
    """x of the keys of the main path, each once."""
    needed: int
    """How many of them must sign."""
    refund: tuple[bytes, ...] = ()
    refund_needed: int = 1
    locktime_s: int | None = None
    """When the refund path opens; None for never."""
    hash: bytes = b""
    """SHA-256 of the preimage, of an HTLC."""
    signs_all: bool = False
    body: bytes = b""
    """Kind, data and tags: what must agree under SIG_ALL."""


def lock_of(secret: str) -> Lock | None:
    """The lock in a secret, or None for a plain one; `Malformed` for a lock that never opens."""
    if secret.lstrip()[:1] != "[":
        return None
    try:
        value = msgspec.json.decode(secret)
    except (msgspec.DecodeError, RecursionError):
        return None
    match value:
        case [("P2PK" | "HTLC") as kind, body]:
            try:
                return _read(kind, msgspec.convert(body, _Body))
            except (msgspec.ValidationError, ValueError):
                raise _malformed("expected nonce, data and tags") from None
        case _:
            return None


def _read(kind: str, body: _Body) -> Lock:
    tags = {tag[0]: tag[1:] for tag in body.tags if tag}
    if len(tags) != len(body.tags):
        raise _malformed("a tag stands twice, or is empty")
    single = {name: tags[name] for name in tags.keys() & (_TAGS - {"pubkeys", "refund"})}
    if any(len(values) != 1 for values in single.values()):
        raise _malformed("a tag has not one value")
    flag = _one(tags, "sigflag", "SIG_INPUTS")
    if flag not in _SIG_FLAGS:
        raise _malformed("the signature flag is unknown")
    main = (body.data, *tags.get("pubkeys", ())) if kind == "P2PK" else tags.get("pubkeys", ())
    keys, refund = _keys(main), _keys(tags.get("refund", ()))
    if kind == "HTLC" and not _HASH.fullmatch(body.data):
        raise _malformed("the hash is 32 bytes in hex")
    locktime = _one(tags, "locktime", "")
    return Lock(
        keys=keys,
        needed=_count(tags, "n_sigs", keys),
        refund=refund,
        refund_needed=_count(tags, "n_sigs_refund", refund),
        locktime_s=int(locktime) if _NUMBER.fullmatch(locktime) else None,
        hash=bytes.fromhex(body.data) if kind == "HTLC" else b"",
        signs_all=flag == "SIG_ALL",
        body=msgspec.json.encode([kind, body.data, body.tags]),
    )


def _one(tags: dict[str, tuple[str, ...]], name: str, otherwise: str) -> str:
    return tags[name][0] if name in tags else otherwise


def _keys(texts: Sequence[str]) -> tuple[bytes, ...]:
    try:
        return tuple(dict.fromkeys(schnorr.x_of(bytes.fromhex(text)) for text in texts))
    except (Malformed, ValueError):
        raise _malformed("a public key is no point") from None


def _count(tags: dict[str, tuple[str, ...]], name: str, keys: Sequence[bytes]) -> int:
    """How many signatures a path needs; with no keys none."""
    text = _one(tags, name, "1")
    count = int(text) if _NUMBER.fullmatch(text) else 0
    if not 0 < count <= max(len(keys), 1) or (name in tags and not keys):
        raise _malformed(f"{name} is no count of the keys")
    return count if keys else 0


def _malformed(why: str) -> Malformed:
    return Malformed("lock_malformed", f"this lock never opens: {why}")


def require_unlocked(
    inputs: Sequence[Proof], outputs: Sequence[Output], now_s: int, quote: str = ""
) -> None:
    """`Forged` where an input's lock is not opened; `Malformed`, `TooLarge`.

    `quote` is that of a melt, whose blank outputs are `outputs`.
    """
    locks = [lock_of(proof.secret) for proof in inputs]
    checks = _Checks()
    if not any(lock is not None and lock.signs_all for lock in locks):
        for proof, lock in zip(inputs, locks, strict=True):
            if lock is not None:
                _open(lock, _witness(proof), proof.secret.encode(), now_s, checks)
        return
    first = locks[0]
    if first is None or any(lock is None or lock.body != first.body for lock in locks):
        raise Forged("lock_differs", "with SIG_ALL all inputs have the same lock")
    parts = [proof.secret + proof.C for proof in inputs]
    parts += [f"{output.amount}{output.B_}" for output in outputs]
    _open(first, _witness(inputs[0]), "".join([*parts, quote]).encode(), now_s, checks)


def _witness(proof: Proof) -> Witness:
    if isinstance(proof.witness, Witness):
        return proof.witness
    try:
        return msgspec.json.decode(proof.witness or "{}", type=Witness)
    except (msgspec.DecodeError, RecursionError):
        raise Malformed(
            "witness_malformed", "expected signatures, and perhaps a preimage"
        ) from None


class _Checks:
    """How many signatures one request has had tried."""

    def __init__(self) -> None:
        self._count = 0

    def matches(self, key: bytes, message: bytes, signature: bytes) -> bool:
        self._count += 1
        if self._count > CHECKS_MAX:
            raise TooLarge("signatures_too_many", f"at most {CHECKS_MAX} are tried")
        try:
            schnorr.verify(key, message, signature)
        except Forged:
            return False
        return True


def _open(lock: Lock, witness: Witness, message: bytes, now_s: int, checks: _Checks) -> None:
    """`Forged` unless one of the two paths is open."""
    try:
        signatures = list(dict.fromkeys(bytes.fromhex(text) for text in witness.signatures))
    except ValueError:
        raise Malformed("witness_malformed", "signatures are hex") from None
    refund_is_open = lock.locktime_s is not None and lock.locktime_s < now_s
    if refund_is_open and not lock.refund:
        return
    refused: Refusal | None = None
    try:
        if lock.hash:
            _require_preimage(lock.hash, witness.preimage)
        _require_signed(lock.keys, lock.needed, message, signatures, checks)
    except Forged as wrong:
        refused = wrong
    if refused is not None and refund_is_open:
        _require_signed(lock.refund, lock.refund_needed, message, signatures, checks)
    elif refused is not None:
        raise refused


def _require_preimage(wanted: bytes, preimage: str) -> None:
    if not _HASH.fullmatch(preimage) or not hmac.compare_digest(
        hashlib.sha256(bytes.fromhex(preimage)).digest(), wanted
    ):
        raise Forged("preimage_wrong", "this is not the preimage of the hash")


def _require_signed(
    keys: Sequence[bytes],
    needed: int,
    message: bytes,
    signatures: Sequence[bytes],
    checks: _Checks,
) -> None:
    """`Forged` unless `needed` different keys have signed."""
    left = list(keys)
    for signature in signatures:
        if len(keys) - len(left) >= needed:
            break
        signer = next((key for key in left if checks.matches(key, message, signature)), None)
        if signer is not None:
            left.remove(signer)
    if len(keys) - len(left) < needed:
        raise Forged("lock_not_opened", f"{needed} of its keys must have signed")
