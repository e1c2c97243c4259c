"""What a payer signs for one vendor and day (M of PayWord), and the part of its credit it takes up.

Several pledges to one vendor and day share the credit limit by slots: each slot is an eighth of it
and may be used by one pledge only, so no sum has to be kept anywhere (ours).
"""

import hashlib
from typing import Annotated, ClassVar, Self

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Expired, NotYetValid, Overlimit, Unfit
from farthing.marks import Once
from farthing.schemes.chain.credit.certificate import SUBMIT_S, Certificate, Family
from farthing.schemes.chain.times import DAY_S, DISPUTE_S, SKEW_S

SLOTS = 8  # equal parts of a day's credit: a page's parallel requests each open a pledge
ID_CHARS = 22  # 16 bytes in base64url
PledgeId = Annotated[str, msgspec.Meta(min_length=ID_CHARS, max_length=ID_CHARS)]


class Pledge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """The payer's promise to one vendor for one day; members add what it is about."""

    family: ClassVar[Family]
    certificate: Certificate
    day: int
    """Days since 1970-01-01, UTC."""
    sig: str
    """The payer's, base64url."""
    slots: tuple[int, int]
    """(first, count) of the `SLOTS` equal parts of the day's credit that this takes up."""
    vendor: str

    def __post_init__(self) -> None:
        """`Unfit` for slots or a day out of range."""
        first, count = self.slots
        if not (0 <= first < SLOTS and 1 <= count <= SLOTS - first):
            raise Unfit("slots_out_of_range", f"a day's credit has {SLOTS} slots")
        if not 0 <= self.day <= codec.JSON_INT_MAX // DAY_S - 1:
            raise Unfit("day_out_of_range", "a day is counted from 1970")

    def signed(self) -> bytes:
        """The bytes under `sig`."""
        raise NotImplementedError

    @property
    def worth_micro(self) -> int:
        """The most that it can come to."""
        raise NotImplementedError

    @property
    def id(self) -> str:
        """What stands for the pledge in later payments: 16 bytes, base64url."""
        return codec.b64u(hashlib.sha256(self.signed()).digest()[:16])

    @property
    def share_micro(self) -> int:
        """The credit that the slots stand for."""
        return self.certificate.limit_micro * self.slots[1] // SLOTS

    @property
    def taken_slots(self) -> range:
        """The slots by number."""
        return range(self.slots[0], self.slots[0] + self.slots[1])

    @property
    def slot_keys(self) -> tuple[bytes, ...]:
        """Where the broker keeps which pledge has its slots."""
        start = f"{self.family.tag}/slot/{self.certificate.payer}/{self.vendor}/{self.day}"
        return tuple(f"{start}/{slot}".encode() for slot in self.taken_slots)

    @property
    def ends_at_s(self) -> int:
        """When day D ends, unix seconds."""
        return (self.day + 1) * DAY_S

    @property
    def marks_until_s(self) -> int:
        """How long a gate remembers what was paid under it."""
        return self.ends_at_s + SKEW_S + DISPUTE_S

    @property
    def billed_until_s(self) -> int:
        """How long the broker remembers what was billed under it."""
        return self.ends_at_s + SUBMIT_S + DISPUTE_S

    def sign(self, secret: bytes) -> Self:
        """The same under the payer's key of 32 bytes."""
        return msgspec.structs.replace(self, sig=codec.b64u(signing.sign(secret, self.signed())))

    def require_covered(self) -> None:
        """`Overlimit` above the credit of its slots."""
        if self.worth_micro > self.share_micro:
            raise Overlimit("commitment_above_limit", "shorter chains, or more slots of the credit")

    def verify(self) -> None:
        """`Overlimit` above the credit of its slots; `Forged` unless its payer signed it.

        `WrongVendor`, `Expired` where its certificate is prepaid for another vendor or day.
        """
        self.certificate.require_for(self.vendor, self.day)
        self.require_covered()
        public = codec.unb64u(self.certificate.public_key, size_bytes=32)
        signing.verify_again(public, self.signed(), codec.unb64u(self.sig, size_bytes=64))

    def require_day(self, now_s: int) -> None:
        """`NotYetValid` before day D less the skew, `Expired` after it."""
        if now_s < self.day * DAY_S - SKEW_S:
            raise NotYetValid(
                "commitment_not_yet_valid", "its day has not begun; is the clock right?"
            )
        if now_s > self.ends_at_s + SKEW_S:
            raise Expired("commitment_expired", "commit anew: a commitment is for one day")

    def slot_marks(self) -> list[Once]:
        """At a gate: these slots of the day's credit are used up."""
        until_s = self.marks_until_s
        prefix = f"{self.family.tag}/slot".encode()
        serial = self.certificate.serial
        return [
            Once(id=prefix + codec.enc(serial, self.day, slot), until_s=until_s)
            for slot in self.taken_slots
        ]
