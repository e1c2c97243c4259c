"""Checks, lists and openings of the thin MR3.

Toys: a commitment to a list is a bare hash with its sum, and the draw is a MAC of the broker's.
"""

import msgspec

from farthing import codec
from farthing.crypto import signing
from farthing.crypto.mac import mac
from farthing.errors import Mismatch, WrongVendor
from farthing.marks import Memory
from farthing.schemes.contract import Instrument, Offer
from tests.kit.thin.shape import DAY_S

LISTS = 4
OPENED = 2  # lists that the broker wants to see

Entry = tuple[int, str]
"""What is committed to of one list: (sum in micro-units, hash)."""


class Check(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Covers the payer's spending from one running total to another, over all vendors."""

    at_s: int
    from_micro: int
    public: str
    sig: str
    to_micro: int
    vendor: str

    @property
    def period(self) -> int:
        return self.at_s // DAY_S

    @property
    def value_micro(self) -> int:
        return self.to_micro - self.from_micro

    def signed(self) -> bytes:
        return codec.canonical(msgspec.structs.replace(self, sig=""))

    def verify(self, vendor: str) -> None:
        if self.vendor != vendor:
            raise WrongVendor("check_for_another_vendor", "write a check to this vendor")
        signing.verify(codec.unb64u(self.public), self.signed(), codec.unb64u(self.sig))

    @property
    def list_number(self) -> int:
        """The list follows from period and payer: all of a payer's checks share one."""
        return codec.digest([self.period, self.public])[0] % LISTS


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One list; the vendor has committed to its `entry`."""

    checks: tuple[Check, ...]
    number: int
    period: int

    def verify(self, vendor: str) -> None:
        for check in self.checks:
            check.verify(vendor)
            if (check.period, check.list_number) != (self.period, self.number):
                raise Mismatch("check_in_wrong_list", "a check has one period and one list")

    @property
    def payers(self) -> list[str]:
        return sorted({check.public for check in self.checks})

    @property
    def entry(self) -> Entry:
        total_micro = sum(check.value_micro for check in self.checks)
        return total_micro, codec.b64u(codec.digest(self))


class Period(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The commitment of one vendor to one period."""

    lists: tuple[Entry, ...]
    period: int


class Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the broker remembers of a commitment."""

    opened: tuple[int, ...] = ()
    pays_at_s: int = 0
    """When the credit is due; 0 until every list that was asked for is open."""
    period: Period
    vendor: str

    def with_open(self, number: int, pays_at_s: int) -> "Sealed":
        opened = tuple(sorted({*self.opened, number}))
        pays_at_s = pays_at_s if len(opened) == OPENED else 0
        return msgspec.structs.replace(self, opened=opened, pays_at_s=pays_at_s)

    @property
    def worth_micro(self) -> int:
        """What the vendor is owed: nothing until every list that was asked for is open."""
        return sum(micro for micro, _ in self.period.lists) if self.pays_at_s else 0


_CHECK = codec.Reader(Check)


def sealed_key(vendor: str, period: int) -> bytes:
    return f"mr3/sealed/{vendor}/{period}".encode()


def billed_key(public: str) -> bytes:
    return b"mr3/billed/" + public.encode()


def write_check(instrument: Instrument, offer: Offer, at_s: int) -> tuple[Check, bytes]:
    """The payer's next check, and what the instrument holds after it: secret and total spent."""
    secret, spent_micro = instrument.body[:32], int.from_bytes(instrument.body[32:])
    check = Check(
        at_s=at_s,
        from_micro=spent_micro,
        public=instrument.id,
        sig="",
        to_micro=spent_micro + offer.price_micro,
        vendor=offer.vendor_id,
    )
    sig = codec.b64u(signing.sign(secret, check.signed()))
    return msgspec.structs.replace(check, sig=sig), secret + check.to_micro.to_bytes(8)


def checks_key(period: int, number: int | None = None) -> bytes:
    """Where a gate keeps the checks of a period, or of one of its lists."""
    return f"mr3/check/{period}/{'' if number is None else f'{number}/'}".encode()


def opening_of(period: int, number: int, memory: Memory) -> Opening:
    prefix = checks_key(period, number)
    found = sorted(key for key in memory.records if key.startswith(prefix))
    checks = tuple(_CHECK.read(memory.records[key]) for key in found)
    return Opening(checks=checks, number=number, period=period)


def period_of(period: int, memory: Memory) -> Period:
    lists = tuple(opening_of(period, number, memory).entry for number in range(LISTS))
    return Period(lists=lists, period=period)


def drawn(secret: bytes, period: int) -> list[int]:
    """Which lists are to be opened: the same for every vendor, known to none before."""
    return sorted(range(LISTS), key=lambda number: mac(16, secret, period, number))[:OPENED]
