"""Schemes with one rule broken in each, and the case that must find it."""

from typing import Any, NamedTuple

import msgspec

from farthing.lab.conformance import runner
from farthing.lab.conformance.catalogue import every_case
from farthing.schemes.chain.agent import AGENT
from farthing.schemes.chain.ecoupon import ECOUPON
from farthing.schemes.chain.fairchain import FAIRCHAIN
from farthing.schemes.chain.ikp import IKP
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.chain.tick import TICK
from farthing.schemes.chain.ticket import TICKET
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.coin.netcash import NETCASH
from farthing.schemes.contract import (
    Json,
    Mint,
    Purse,
    Scheme,
    Till,
)
from farthing.schemes.mac.millicent import MILLICENT
from tests.kit.broken_mints import (
    BurnsForNothing,
    Credulous,
    Free,
    Generous,
    GivesTwice,
    Impatient,
    Jealous,
    Keeping,
    Losing,
    NoCounter,
    NoLimit,
    Oblivious,
    Overpaying,
    PaysAnybody,
    PaysTwice,
    SettlesForAnybody,
    Stubborn,
    TooEarly,
    TooLate,
    Trusting,
    Unsigned,
    Unwilling,
)
from tests.kit.broken_tills import (
    Clocked,
    Crashing,
    Dear,
    Forgetful,
    Lax,
    NoBefore,
    NoCurrency,
    NoMark,
    NoSignature,
    NoSweep,
    NoVendor,
    NoWithdrawal,
    OneChain,
    Remembering,
    SameIndex,
    ShortChange,
    StillOpen,
    TooLong,
    TooShort,
    TooSoon,
    TwoForOne,
    Wasteful,
)
from tests.kit.registered import registered

replace = msgspec.structs.replace
LATER = "after each command"
PREPAID: tuple[tuple[str, Json], ...] = (("opening", "prepaid"),)


class Broken(NamedTuple):
    """A scheme, and the case that fails with it."""

    name: str
    scheme: Scheme
    case: str
    options: tuple[tuple[str, Json], ...] = ()
    """What its vendors set."""

    def __str__(self) -> str:
        return f"{self.name}: {self.case}"


def _with(scheme: Scheme, *sides: type[Mint | Purse | Till], **traits: Any) -> Scheme:
    """The scheme with these sides in the place of its own."""
    if traits:
        told = replace(scheme.traits, **traits)
        own = {
            name: type(f"Told{name}", (getattr(scheme, name),), {"traits": told})
            for name in ("mint", "purse", "till")
        }
        return replace(scheme, traits=told, **own)
    changed: dict[str, Any] = {}
    for side in sides:
        name = "till" if issubclass(side, Till) else "purse" if issubclass(side, Purse) else "mint"
        changed["vendor_mint" if side is BurnsForNothing else name] = side
    return replace(scheme, **changed)


BROKEN = (
    Broken("till forgets the mark", _with(MILLICENT, NoMark), "race-of-one-instrument"),
    Broken("till forgets the mark", _with(MILLICENT, NoMark), "replay-under-another-challenge"),
    Broken(
        "till skips a signature",
        _with(MILLICENT, NoSignature),
        "tampered[first payment, every byte]",
    ),
    Broken("till ignores the vendor", _with(PAYWORD, NoVendor), "wrong-vendor"),
    Broken("till ignores the currency", _with(MILLICENT, NoCurrency), "wrong-currency"),
    Broken("expiry a second late", _with(MILLICENT, TooLong), "expiry[first payment]"),
    Broken("expiry a second early", _with(MILLICENT, TooShort), "expiry[later payment]"),
    Broken("beginning a second early", _with(PAYWORD, TooSoon), "beginning"),
    Broken("chain off by one", _with(PAYWORD, SameIndex), "replay-under-another-challenge"),
    Broken("till charges more", _with(MILLICENT, Dear), "round-trip[200]"),
    Broken("till keeps change", _with(MILLICENT, ShortChange), "change"),
    Broken("purse loses of its coins", _with(ECASH, Losing), "change"),
    Broken(
        "till reads what it does not know",
        _with(MILLICENT, Lax),
        "tampered[first payment, every length and member]",
    ),
    Broken("till crashes", _with(PAYWORD, Crashing), "tampered[later payment, every byte]"),
    Broken("till reads the clock", _with(MILLICENT, Clocked), "pure[till]"),
    Broken("till remembers", _with(PAYWORD, Remembering), "pure[till]"),
    Broken("till wastes randomness", _with(MILLICENT, Wasteful), "entropy"),
    Broken("till forgets early", _with(MILLICENT, Forgetful), "kept-long-enough"),
    Broken("till loses claims", _with(PAYWORD, NoSweep), "round-trip[200]"),
    Broken("mint pays twice", _with(MILLICENT, PaysTwice), "claim-twice-in-a-batch"),
    Broken("mint pays twice", _with(MILLICENT, PaysTwice), "claims-in-order[012]"),
    Broken("mint forgets the counter", _with(PAYWORD, NoCounter), "claims-in-order[210]"),
    Broken("mint forgets the counter", _with(PAYWORD, NoCounter), "race-of-one-claim"),
    Broken("mint pays anybody", _with(PAYWORD, PaysAnybody), "wrong-vendor"),
    Broken("mint settles for anybody", _with(ECASH, SettlesForAnybody), "wrong-vendor"),
    Broken("claims a second late", _with(PAYWORD, TooLate), "claim-in-time"),
    Broken("claims a window early", _with(PAYWORD, TooEarly), "claim-in-time"),
    Broken("mint knows no limit", _with(PAYWORD, NoLimit), "empty-account"),
    Broken("mint sells for nothing", _with(MILLICENT, Free), "round-trip[100]"),
    Broken(
        "mint checks no signature", _with(PAYWORD, Unsigned), "tampered-message[claim, every byte]"
    ),
    Broken("mint pays too much", _with(MILLICENT, Overpaying), "round-trip[700]"),
    Broken("vendor burns nothing", _with(MILLICENT, BurnsForNothing), "take-back"),
    Broken("purse trusts its change", _with(MILLICENT, Trusting), "changed-change[shorter]"),
    Broken("purse pays too much", _with(PAYWORD, Generous), "round-trip[100]"),
    Broken("mint gives back twice", _with(AGENT, GivesTwice), "reissue[lost]"),
    Broken("mint forgets what is to come back", _with(AGENT, Oblivious), "left-alone"),
    Broken("mint ends coins early", _with(NETCASH, Impatient), "returned-in-the-last-second"),
    Broken("mint takes nothing back", _with(AGENT, Unwilling), "take-back"),
    Broken("mint takes nothing back", _with(AGENT, Unwilling), "same-key[take_back]"),
    Broken("mint takes nothing back", _with(AGENT, Unwilling), f"restart-while-returning[{LATER}]"),
    Broken("payer never gives way", _with(FAIRCHAIN, Stubborn), "give-way[payer]"),
    Broken("mint believes any words", _with(IKP, Credulous), "disclosure"),
    Broken("mint pays one vendor", _with(IKP, Jealous), "same-luck-at-two-vendors"),
    Broken("till gives two ticks for one", _with(TICK, TwoForOne), "stream-pauses"),
    Broken("stream ends with its chain", _with(TICK, OneChain), "stream-over-midnight"),
    Broken("till takes what is closed", _with(TICK, StillOpen), "closed[before a claim]", PREPAID),
    Broken("mint keeps the rest", _with(TICK, Keeping), "closed[after a claim]", PREPAID),
    Broken("till knows no withdrawal", _with(ECOUPON, NoWithdrawal), "handed-and-withdrawn"),
    Broken("traits deny luck", _with(TICKET, drawn=False), "drawn"),
    Broken("traits promise credit", _with(MILLICENT, credit=True), "credit"),
    Broken("traits deny credit", _with(PAYWORD, credit=False), "credit"),
    Broken("traits promise a moment", _with(PAYWORD, NoBefore), "moment[before]"),
    Broken("traits promise properties", _with(PAYWORD, props=True), "properties"),
    Broken("traits promise reselling", _with(PAYWORD, resold=True), "resold[buy]"),
    Broken("traits promise a list", _with(PAYWORD, needs_list=True), "lists"),
)


def broken_in(file: str) -> list[Broken]:
    """Those that a case of this file finds."""
    home = {case.name: case.file for case in every_case()}
    return [broken for broken in BROKEN if home[broken.case] == file]


def require_found(broken: Broken) -> None:
    """The case fails with the broken scheme; that it passes with the right one is tried anyway."""
    name = broken.scheme.traits.name
    job = runner.Job(scheme=name, case=broken.case, seed=1, options=broken.options)
    with registered(broken.scheme):
        result = runner.run_job(job)
    assert result.state == "failed", f"{broken.name} passes {broken.case}"
