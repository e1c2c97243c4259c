"""Mints and purses of MilliCent, PayWord and some others, each with one rule broken."""

from typing import Any

import msgspec

from farthing import codec
from farthing.errors import Busy, Conflict, Forged
from farthing.marks import Memory, Put
from farthing.schemes.chain.agent.mint import AgentMint
from farthing.schemes.chain.fairchain.purse import FairPurse
from farthing.schemes.chain.ikp import IkpMint
from farthing.schemes.chain.payword import PaywordMint, PaywordPurse
from farthing.schemes.chain.tick import TickMint
from farthing.schemes.coin.ecash.mint import EcashMint
from farthing.schemes.coin.ecash.purse import EcashPurse
from farthing.schemes.coin.netcash.mint import NetcashMint
from farthing.schemes.contract import (
    Accepted,
    Applied,
    At,
    Concluded,
    Issued,
    Json,
    Paid,
    Redeemed,
)
from farthing.schemes.mac.millicent.mint import MillicentMint
from farthing.schemes.mac.millicent.purse import MillicentPurse
from farthing.schemes.mac.millicent.scrip import Scrip
from farthing.schemes.mac.millicent.vendor_mint import MillicentVendorMint

replace = msgspec.structs.replace
DAY_S = 86_400


def later(at: At, seconds: int) -> At:
    return replace(at, now_s=at.now_s + seconds)


# --- mints ------------------------------------------------------------------------------------


class PaysTwice(MillicentMint):
    """Forgets which serials were claimed."""

    def apply(self, checked: Any, memory: Memory, at: At) -> Applied:
        records = {key: value for key, value in memory.records.items() if b"/used/" not in key}
        return super().apply(checked, replace(memory, records=records), at)


class NoCounter(PaywordMint):
    """Forgets to move the counter of a chain."""

    def apply(self, checked: Any, memory: Memory, at: At) -> Applied:
        return replace(super().apply(checked, memory, at), marks=())


class Keeping(TickMint):
    """Gives back no rest before its time."""

    def _check_claim(self, claim: Any, account: Any, at: At) -> Any:
        return replace(super()._check_claim(claim, account, at), closing=False)


class PaysAnybody(PaywordMint):
    """Pays a claim to whoever shows it."""

    def _check_claim(self, claim: Any, account: Any, at: At) -> Any:
        return super()._check_claim(claim, replace(account, id=claim.commitment.vendor), at)


class SettlesForAnybody(EcashMint):
    """Takes a payment from whoever shows it."""

    def check_payment(self, message: Any, account: Any, at: At) -> object:
        return super().check_payment(message, replace(account, id=message["vendor"]), at)


class TooLate(PaywordMint):
    """Takes claims for a second too long."""

    def _check_claim(self, claim: Any, account: Any, at: At) -> Any:
        return super()._check_claim(claim, account, later(at, -1))


class TooEarly(PaywordMint):
    """Refuses claims that are still in time."""

    def _check_claim(self, claim: Any, account: Any, at: At) -> Any:
        return super()._check_claim(claim, account, later(at, 121))


class NoLimit(PaywordMint):
    """Certifies whatever it is asked for."""

    def check(self, operation: Any, message: Any, account: Any, at: At) -> Any:
        return super().check(operation, message, replace(account, credit_limit_micro=10**9), at)


class Free(MillicentMint):
    """Sells scrip and takes no money for it."""

    def apply(self, checked: Any, memory: Memory, at: At) -> Applied:
        applied = super().apply(checked, memory, at)
        return replace(applied, flows=()) if isinstance(applied, Issued) else applied


class Unsigned(PaywordMint):
    """Pays claims whose commitment nobody signed as it stands."""

    def _check_claim(self, claim: Any, account: Any, at: At) -> Any:
        try:
            return super()._check_claim(claim, account, at)
        except Forged:
            return claim


class Overpaying(MillicentMint):
    """Pays a vendor a micro-unit more than was claimed."""

    def apply(self, checked: Any, memory: Memory, at: At) -> Applied:
        applied = super().apply(checked, memory, at)
        if not isinstance(applied, Redeemed) or not applied.flows:
            return applied
        flow = replace(applied.flows[0], amount_micro=applied.flows[0].amount_micro + 1)
        return replace(applied, flows=(flow,), paid_micro=applied.paid_micro + 1)


class BurnsForNothing(MillicentVendorMint):
    """Gives burn receipts and goes on taking the scrip."""

    def apply(self, checked: Any, memory: Memory, at: At) -> Applied:
        return replace(super().apply(checked, memory, at), marks=())


# --- purses -----------------------------------------------------------------------------------


class Trusting(MillicentPurse):
    """Takes whatever change it is given."""

    def conclude(self, paid: Any, conclusion: Any, at: At) -> Concluded:
        if not isinstance(conclusion, Accepted) or conclusion.change is None:
            return super().conclude(paid, conclusion, at)
        scrip = msgspec.convert(conclusion.change, Scrip)
        made = super()._instrument(scrip, self._secret(paid))
        return Concluded(instruments=(made,))

    def _secret(self, paid: Any) -> str:
        held: Any = codec.read_json(paid.spent.body)
        return str(held["secret"])


class Generous(PaywordPurse):
    """Pays a word more than the price."""

    def pay(self, instrument: Any, offer: Any, *rest: Any, **more: Any) -> Any:
        unit = int(offer.terms["unitMicro"])
        dearer = replace(offer, price_micro=offer.price_micro + unit)
        return super().pay(instrument, dearer, *rest, **more)


class Losing(EcashPurse):
    """Has a micro-unit less after each payment than was left."""

    def pay(self, *asked: Any, **more: Any) -> Any:
        paid = super().pay(*asked, **more)
        left = paid.after if isinstance(paid, Paid) else None
        if left is None:
            return paid
        return replace(paid, after=replace(left, worth_micro=left.worth_micro - 1))


# --- disputes and losses ------------------------------------------------------------------------


class GivesTwice(AgentMint):
    """Forgets that a certificate has been given back."""

    def apply(self, checked: Any, memory: Memory, at: At) -> Applied:
        applied = super().apply(checked, memory, at)
        if checked.operation != "take_back":
            return applied
        return replace(applied, marks=(), records=())


class Oblivious(AgentMint):
    """Forgets a certificate before what is left of it has come back."""

    def apply(self, checked: Any, memory: Memory, at: At) -> Applied:
        applied = super().apply(checked, memory, at)
        records = (
            replace(one, until_s=one.until_s - 30 * DAY_S) if isinstance(one, Put) else one
            for one in applied.records
        )
        return replace(applied, records=tuple(records), due=())


class Unwilling(AgentMint):
    """Sells what it never takes back."""

    def check(self, operation: Any, message: Any, account: Any, at: At) -> Any:
        if operation == "take_back":
            raise Busy("come_back_later", "nothing is taken back today")
        return super().check(operation, message, account, at)


class Impatient(NetcashMint):
    """Ends a coin a month before it may be exchanged no more."""

    def apply(self, checked: Any, memory: Memory, at: At) -> Applied:
        applied = super().apply(checked, memory, at)
        return replace(applied, due=tuple((due_s - 30 * DAY_S, key) for due_s, key in applied.due))


class Stubborn(FairPurse):
    """Shows the broker nothing."""

    def give_way(self, release: Json) -> None:  # type: ignore[override]  # - the broken rule
        return None


class Credulous(IkpMint):
    """Does not look at the hash of what was ordered."""

    def judge(self, disclosed: Json) -> Json:
        try:
            return super().judge(disclosed)
        except Forged:
            order = disclosed["order"]
            return {"description": disclosed["opening"]["description"], "vendor": order["vendor"]}


class Jealous(IkpMint):
    """Pays a serial at the first vendor that shows it, and at no other."""

    def noted(self, claim: Any) -> tuple[bytes, ...]:
        return (*super().noted(claim), self._key(claim))

    def charge(self, claim: Any, account_id: str, due_micro: int, memory: Memory) -> Applied:
        key, vendor = self._key(claim), claim.pledge.vendor.encode()
        if memory.records.get(key, vendor) != vendor:
            raise Conflict("serial_used_twice", "another vendor has it")
        charged = super().charge(claim, account_id, due_micro, memory)
        put = Put(key=key, value=vendor, until_s=2**40)
        return replace(charged, records=(*charged.records, put))

    def _key(self, claim: Any) -> bytes:
        return f"ikp/jealous/{claim.pledge.serial}".encode()
