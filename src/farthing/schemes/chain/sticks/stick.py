"""A commitment that has a serial, and says whether its vendor is to authorise it.

Its payer signs both, and so agrees to what is reserved.
"""

from typing import Literal, get_args

from farthing import codec
from farthing.errors import Unfit
from farthing.marks import Once
from farthing.schemes.chain.credit.certificate import SUBMIT_S
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.chain.words.commitment import Commitment

Auth = Literal["offline", "online"]
AUTHS: tuple[Auth, ...] = get_args(Auth)
SERIAL_BYTES = 16


class Stick(Commitment, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A stick of coins (NetCard), an order of coupons (micro-iKP)."""

    auth: Auth
    """Whether its whole value is reserved at the broker, or is credit."""
    serial: str
    """Its payer's number for it, used once at a vendor: 16 bytes, base64url."""

    def __post_init__(self) -> None:
        """`Malformed` for a serial of another size."""
        Commitment.__post_init__(self)
        codec.unb64u(self.serial, size_bytes=SERIAL_BYTES)

    def details(self) -> tuple[bytes | str | int, ...]:
        """Serial and authorisation, as they are signed."""
        return (self.serial, self.auth)

    def require_covered(self) -> None:
        """`Overlimit` for one on credit above it; the broker covers what it authorises."""
        if self.auth == "offline":
            Commitment.require_covered(self)

    def require_closable(self) -> None:
        """`Unfit` unless it was to be authorised: its reserve is its own."""
        if self.auth != "online":
            raise Unfit("nothing_to_close", "a stick on credit has no rest to give back")

    @property
    def claimed_until_s(self) -> int:
        """The last second in which it may be claimed."""
        return self.ends_at_s + SUBMIT_S + SKEW_S

    @property
    def serial_key(self) -> bytes:
        """Where a gate and the broker keep which stick for its vendor has this serial.

        At another vendor it may be used again: whom a payer has paid with it no vendor can see.
        """
        payer = self.certificate.payer
        return f"{self.family.tag}/serial/{payer}/{self.vendor}/{self.serial}".encode()

    def slot_marks(self) -> list[Once]:
        """At a gate: its slots and its serial are used up."""
        serial = Once(id=self.serial_key, until_s=self.marks_until_s)
        return [*Commitment.slot_marks(self), serial]
