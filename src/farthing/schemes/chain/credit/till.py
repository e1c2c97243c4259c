"""A vendor's look at what it is promised: certificate, hot list, day and signatures.

Its options are `unit_micro`, what a word is worth here, and, of a member that `prepays`, `opening`:
whether payers are taken on the broker's credit or what they promise must lie ready there.
"""

from typing import ClassVar

from farthing.crypto import signing
from farthing.errors import (
    Misconfigured,
    Mismatch,
    Revoked,
    Unavailable,
    WrongVendor,
)
from farthing.marks import Memory
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.credit.certificate import SUBMIT_S, Family
from farthing.schemes.chain.credit.pledge import Pledge
from farthing.schemes.chain.pricing import require_price
from farthing.schemes.chain.till import ChainTill
from farthing.schemes.chain.times import DAY_S
from farthing.schemes.contract import At, Json, Offer, Setting
from farthing.schemes.proofs import read_proof

UNIT_MICRO = 100  # default worth of a word: 0.01 cent
OPENING = "opening"  # option, and in the terms where it is not credit
PREPAID = "prepaid"
OPENINGS = ("credit", PREPAID)
STEPS_MAX = 1000  # links in one payment: bounds the hashing that a payer can make us do


class CreditTill(ChainTill):
    """One vendor's till of a member."""

    family: ClassVar[Family]
    prepays: ClassVar[bool] = False  # whether it can ask for what is prepaid

    def __init__(self, setting: Setting) -> None:
        """`Misconfigured` for a unit that is not an amount, or an opening that is none."""
        super().__init__(setting)
        unit_micro = setting.options.get("unit_micro", UNIT_MICRO)
        if type(unit_micro) is not int or not 0 < unit_micro <= PAYMENT_MICRO_MAX:
            raise Misconfigured(
                "unit_out_of_range", "unit_micro is a number of micro-units", option="unit_micro"
            )
        self.unit_micro = unit_micro
        opening = setting.options.get(OPENING, OPENINGS[0])
        if opening not in (OPENINGS if self.prepays else OPENINGS[:1]):
            told = f"opening is {' or '.join(OPENINGS)}, where a scheme has it"
            raise Misconfigured("opening_unknown", told, option=OPENING)
        self.opening = opening

    @property
    def units_max(self) -> int:
        """Of a price: as many as one payment has links."""
        return STEPS_MAX

    def offer(self, price_micro: int, at: At) -> Offer:
        """`OutOfRange` unless the price is a multiple of the unit and within one payment."""
        unit = self.unit_micro
        require_price(price_micro, unit, self.units_max)
        ends_at_s = (at.now_s // DAY_S + 1) * DAY_S
        return Offer(
            scheme=self.traits.name,
            price_micro=price_micro,
            currency=self.setting.currency,
            vendor_id=self.setting.vendor_id,
            broker_id=self.setting.broker_id,
            broker_url=self.setting.broker_url,
            settlement="deferred",
            redeem_by_s=ends_at_s + SUBMIT_S,
            terms={"maxSteps": STEPS_MAX, "unitMicro": unit} | self.terms(at) | self._asks(),
        )

    def terms(self, at: At) -> dict[str, Json]:
        """What a member's offer says besides."""
        return {}

    def _asks(self) -> dict[str, Json]:
        return {OPENING: PREPAID} if self.opening == PREPAID else {}

    def admit(self, pledge: Pledge, at: At) -> None:
        """`WrongVendor`, `Forged`, `Expired`, `NotYetValid`, `Overlimit`, `Unavailable`.

        `Mismatch` for credit where it must be prepaid.
        """
        if pledge.vendor != self.setting.vendor_id:
            raise WrongVendor("commitment_for_another_vendor", "commit to this vendor")
        certificate, ring = pledge.certificate, self.setting.ring
        certificate.require_of(self.setting.broker_id, self.setting.currency)
        if self.opening == PREPAID and not certificate.vendor:
            raise Mismatch("opening_on_credit", "what is promised here must be prepaid")
        pledge.require_day(at.now_s)
        if ring.find(self.family.certificate_key, certificate.key_id) is None:
            raise Unavailable(
                "certificate_key_unknown", "the broker's keys are asked for; try again"
            )
        certificate.verify(self.family, ring, at.now_s)
        pledge.verify()

    def require_unrevoked(self, pledge: Pledge, memory: Memory) -> None:
        """`Revoked` where the hot list, which `recall` named, has its certificate."""
        if self.family.revoked_key(pledge.certificate.serial) in memory.records:
            raise Revoked("certificate_revoked", "the broker has put this certificate on its list")

    def verify_owner(self, owner: bytes, statement: bytes, proof: str) -> None:
        """`Forged` unless `proof` is `ed25519:` of the certificate's key over `statement`."""
        signing.verify(owner, statement, read_proof(proof, "ed25519"))
