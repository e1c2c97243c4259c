"""Payments that are proved later, after TESLA (RFC 4082): an option, where no secret is in common.

Time is cut into intervals; interval t has the key K_t of a chain that the holder alone can go up,
and whose root its start names. A payment of interval t has `MAC_{F'(K_t)}(digest)` and shows
`K_{t-d}`; whoever has a later key finds the earlier ones, and F' is another hash than the chain's.
The digest is of the bytes that the plain MAC is over.

Loose time: clocks differ by at most `SKEW_S`. At the vendor's time T a holder's clock is in
interval `x = (T + SKEW_S) // interval_s` at the latest, and shows no later key than `K_{x-d}`. So a
payment is safe while `x < t + d`, and is `Late` afterwards: then anybody may know its key.

Departures (ours): intervals are counted from 1970, so that no start says when they began; the key
that is shown is always the newest that may be; a page goes out before its payment is proved, and
what a session has had so is bounded (`unverified_micro_max`).

What a vendor keeps of a session is one mark, `ecoupon/tesla/<session>`: the last key that was
shown, and each payment that is not proved yet. A mark and no record, since two payments at a time
would both write it.
"""

import struct
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import msgspec

from farthing import codec
from farthing.crypto import chain, signing
from farthing.crypto.mac import mac, require_equal
from farthing.errors import Late, NotYetValid, Overlimit, Unfit
from farthing.marks import Advance, Place
from farthing.schemes.chain.ecoupon.demand import (
    DELAY_MAX,
    INTERVAL_S_MAX,
    INTERVAL_S_MIN,
    Times,
)
from farthing.schemes.chain.times import DAY_S, SKEW_S

LINK_TAG = "farthing/ecoupon/tesla-link/1"
SEED_TAG = "farthing/ecoupon/tesla-seed/1"
SESSION_TAG = "farthing/ecoupon/tesla-session/1"
KEY_TAG = "farthing/ecoupon/tesla-key/1"  # F', which makes the key of a MAC of one of the chain
PAYMENT_TAG = "farthing/ecoupon/tesla-payment/1"

PENDING_MAX = 64  # payments of a session that are not proved yet: 4 kB of its mark
INTERVALS_MAX = (DAY_S + 2 * SKEW_S) // INTERVAL_S_MIN + 2  # of a chain: a day's
KEY_BYTES = chain.WORD_BYTES
CODE_BYTES = 16
NAME_BYTES = 16  # of a session
NAME_CHARS = 22

_HEAD = struct.Struct(">16sIIQQ16s")  # link key, interval, delay, first, shown, the key shown
_PENDING = struct.Struct(">Q16s32sQ")  # interval, code, digest, value


class Keyed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The chain of keys that a holder starts with."""

    delay: int
    """After how many intervals a key is shown."""
    first: int
    """The first interval that has a key, counted from 1970."""
    interval_s: int
    root: str
    """What the key of `first` hashes to, base64url."""

    def __post_init__(self) -> None:
        """`Unfit` for what no vendor asks for."""
        if not (INTERVAL_S_MIN <= self.interval_s <= INTERVAL_S_MAX and self.delay >= 2):
            raise Unfit("tesla_times_out_of_range", "start with the times of the offer")
        if self.delay > DELAY_MAX or not self.delay <= self.first <= codec.JSON_INT_MAX:
            raise Unfit("tesla_times_out_of_range", "start with the times of the offer")

    @property
    def times(self) -> Times:
        """Interval and delay."""
        return self.interval_s, self.delay

    @property
    def fields(self) -> tuple[str, int, int, int]:
        """What its holder signs."""
        return self.root, self.interval_s, self.delay, self.first

    def name(self, commitment_id: str, holder: bytes) -> bytes:
        """The 16 bytes by which a session of this holder is known."""
        told = codec.enc(SESSION_TAG, commitment_id, holder, *self.fields)
        return sha256(told).digest()[:NAME_BYTES]

    def link_key(self, commitment_id: str) -> bytes:
        """The 16-byte key of the chain's links."""
        return chain.link_key(codec.enc(LINK_TAG, commitment_id, self.first))


class Shown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a payment has beside its code."""

    interval: int
    """The one whose key the code is under."""
    key: str
    """Of `delay` intervals earlier, the root in the first of them; base64url."""
    session: str
    """Its name, base64url."""

    def __post_init__(self) -> None:
        """`Unfit` for an interval or a name that is none."""
        if len(self.session) != NAME_CHARS or not 0 <= self.interval <= codec.JSON_INT_MAX:
            raise Unfit("tesla_session_malformed", f"a name is {NAME_CHARS} characters")

    def __repr__(self) -> str:
        """The interval only."""
        return f"Shown({self.interval})"


# --- the holder ---------------------------------------------------------------------------------


class Chain:
    """A holder's keys: they follow from its own secret and from when it started."""

    def __init__(self, secret: bytes, commitment_id: str, ends_at_s: int) -> None:
        """`secret` is the holder's, of 32 bytes; `ends_at_s` the commitment's end."""
        self._secret, self._id, self._ends_at_s = secret, commitment_id, ends_at_s

    def start(self, times: Times, now_s: int) -> Keyed:
        """A chain from now to the end of the day."""
        interval_s, delay = times
        bare = Keyed(delay=delay, first=now_s // interval_s, interval_s=interval_s, root="")
        return msgspec.structs.replace(bare, root=codec.b64u(self._key(bare, bare.first - 1)))

    def session(self, keyed: Keyed) -> bytes:
        """The name of the session."""
        return keyed.name(self._id, signing.public_of(self._secret))

    def prove(self, keyed: Keyed, session: str, digest: bytes, now_s: int) -> tuple[bytes, Shown]:
        """The code of a payment with this digest, and what goes with it."""
        interval = max(now_s // keyed.interval_s, keyed.first)
        shown = max(interval - keyed.delay, keyed.first - 1)
        code = code_of(self._key(keyed, interval), digest)
        key = codec.b64u(self._key(keyed, shown))
        return code, Shown(interval=interval, key=key, session=session)

    def _key(self, keyed: Keyed, interval: int) -> bytes:
        _, interval_s, delay, first = keyed.fields
        seed = mac(KEY_BYTES, self._secret, SEED_TAG, self._id, interval_s, delay, first)
        length = max((self._ends_at_s + SKEW_S) // interval_s, first) - first + 1
        return chain.word_of(keyed.link_key(self._id), seed, length, interval - first + 1)


def code_of(key: bytes, digest: bytes) -> bytes:
    """The 16-byte code under F' of a key."""
    return mac(CODE_BYTES, mac(32, key, KEY_TAG), PAYMENT_TAG, digest)


# --- the vendor ---------------------------------------------------------------------------------


class Pending(NamedTuple):
    """A payment that is not proved yet."""

    interval: int
    code: bytes
    digest: bytes
    value_micro: int


class Known(NamedTuple):
    """What a vendor knows of a session."""

    link_key: bytes
    interval_s: int
    delay: int
    first: int
    shown: int
    """The last interval whose key was shown."""
    key: bytes
    pending: tuple[Pending, ...] = ()

    @classmethod
    def read(cls, raw: bytes) -> "Known":
        """What `raw` wrote."""
        link_key, interval_s, delay, first, shown, key = _HEAD.unpack_from(raw)
        rows = _PENDING.iter_unpack(raw[_HEAD.size :])
        pending = tuple(Pending(*row) for row in rows)
        return cls(link_key, interval_s, delay, first, shown, key, pending)

    def raw(self) -> bytes:
        """As its mark keeps it."""
        return _HEAD.pack(*self[:-1]) + b"".join(_PENDING.pack(*each) for each in self.pending)

    def require_safe(self, interval: int, now_s: int) -> None:
        """`Late` where the key of a payment may be known, `NotYetValid` where it comes too soon.

        `Unfit` for an interval of no key.
        """
        latest = (now_s + SKEW_S) // self.interval_s
        if interval > latest:
            raise NotYetValid("tesla_interval_ahead", "it begins later; is the clock right?")
        if interval <= max(latest - self.delay, self.shown):
            raise Late("tesla_key_disclosable", "pay again at once; is the clock right?")
        if not self.first <= interval < self.first + INTERVALS_MAX:
            raise Unfit("tesla_interval_out_of_range", "the chain has no key of this interval")

    def after(self, shown: Shown, now: Pending, most_micro: int) -> "Known":
        """With this payment, and without those that are proved by the key that it shows.

        `Forged` for a key that is not of the chain, and where an earlier payment was not by the
        holder: its session has ended, since every later payment shows that again. `Overlimit` for
        more than may be unproved.
        """
        of, key = max(now.interval - self.delay, self.first - 1), codec.unb64u(shown.key, KEY_BYTES)
        newer, older = ((of, key), self[4:6])[:: 1 if of >= self.shown else -1]
        found = chain.descend(self.link_key, newer[1], self._at(newer[0]), self._at(older[0]))
        require_equal("tesla_key_wrong", found, older[1])
        left = self._unproved(*newer)
        if sum(each.value_micro for each in left) + now.value_micro > most_micro:
            raise self._above("is worth too much")
        if len(left) >= PENDING_MAX:
            raise self._above("are too many")
        return self._replace(shown=newer[0], key=newer[1], pending=(*left, now))

    def _at(self, interval: int) -> int:
        return interval - self.first + 1

    def _unproved(self, shown: int, key: bytes) -> Sequence[Pending]:
        """What is left once this key is known; `Forged`."""
        if not self.pending or min(each.interval for each in self.pending) > shown:
            return self.pending
        at = shown
        for each in sorted(self.pending, reverse=True):
            if each.interval <= shown:
                key = chain.descend(self.link_key, key, self._at(at), self._at(each.interval))
                at = each.interval
                require_equal("tesla_payment_forged", each.code, code_of(key, each.digest))
        return [each for each in self.pending if each.interval > shown]

    def _above(self, what: str) -> Overlimit:
        wait_s = self.interval_s * self.delay
        told = f"what is not proved yet {what}: pay again when those keys are shown, in {wait_s} s"
        return Overlimit("unverified_above_max", told)


def begin(keyed: Keyed, commitment_id: str) -> Known:
    """What is known of a session that starts."""
    root = codec.unb64u(keyed.root, size_bytes=KEY_BYTES)
    times = (keyed.interval_s, keyed.delay, keyed.first)
    return Known(keyed.link_key(commitment_id), *times, keyed.first - 1, root)


def mark_id(session: str) -> bytes:
    """Of what is known of a session."""
    return b"ecoupon/tesla/" + session.encode()


def advance(session: str, place: Place | None, known: Known, until_s: int) -> Advance:
    """What moves the mark of a session."""
    over = place.to if place is not None else 0
    return Advance(id=mark_id(session), over=over, to=over + 1, link=known.raw(), until_s=until_s)
