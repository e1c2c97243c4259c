"""Every trick by name, and some of them played in one world that a seed decides."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec

from farthing.errors import Unsupported
from farthing.lab.bounds import Measured
from farthing.lab.faults import CALM, Chances
from farthing.lab.handing import count_lent, is_handed_on
from farthing.lab.recount import comes_back, require_honest_sums
from farthing.lab.shows import is_streamed
from farthing.lab.twins import (
    givers,
    listeners,
    payers,
    peers,
    revokers,
    tappers,
    thieves,
    vendors,
)
from farthing.lab.twins.clocks import pass_days, set_off, wander
from farthing.lab.twins.costs import losses_of
from farthing.lab.twins.stage import Stage
from farthing.lab.world import World
from farthing.schemes import registry
from farthing.schemes.contract import Scheme
from farthing.schemes.losses import Cause

BAD = Chances(
    lost=0.02, repeated=0.03, slow=0.01, killed_before=0.01, killed_after=0.01
)  # nobody dies who cheats
TRICKS_MAX = 3  # in one world


class Trick(msgspec.Struct, frozen=True, kw_only=True):
    """One way to cheat."""

    by: Cause
    """Who cheats; a payer and a vendor together count as a payer, whose scheme bears it."""
    play: Callable[[Stage], Awaitable[None]]
    is_for: Callable[[Scheme], bool]
    """Which schemes it can be played with."""


def _anything(scheme: Scheme) -> bool:
    return True


BY: Mapping[Cause, tuple[Callable[[Stage], Awaitable[None]], ...]] = {
    "payer": (
        payers.spend_twice_at_once,
        payers.spend_twice_across,
        payers.restore_an_old_file,
        payers.spend_and_give_back,
        payers.leave_a_debt,
        payers.owe_more_than_one_may,
        payers.replay,
        payers.forge,
        tappers.forget_together,
        tappers.claim_together,
        givers.hand_on_twice,
        givers.hand_on_and_spend,
        givers.overspend_a_part,
        payers.lose_and_spend,
        revokers.revoke_and_spend,
        revokers.spend_what_was_withdrawn,
        listeners.take_the_grace,
        listeners.open_twice,
        listeners.replay_vouchers,
    ),
    "vendor": (
        vendors.claim_twice,
        vendors.claim_too_much,
        vendors.claim_what_others_earned,
        vendors.claim_late,
        vendors.meddle,
        vendors.withhold,
        listeners.fall_silent,
    ),
    "thief": (thieves.spend_what_was_stolen,),
    "peer": (
        peers.deny_what_was_bought,
        peers.sell_the_same_again,
        peers.keep_what_came_back,
        peers.charge_twice,
    ),
    "nobody": (tappers.copy_and_race, tappers.copy_and_repeat),
}
FOR: Mapping[Callable[[Stage], Awaitable[None]], Callable[[Scheme], bool]] = {
    givers.hand_on_twice: is_handed_on,
    givers.hand_on_and_spend: is_handed_on,
    payers.lose_and_spend: comes_back,
    givers.overspend_a_part: lambda scheme: scheme.purse.shares,
    revokers.revoke_and_spend: lambda scheme: bool(scheme.mint.published),
    listeners.take_the_grace: is_streamed,
    listeners.open_twice: is_streamed,
    listeners.replay_vouchers: is_streamed,
    listeners.fall_silent: is_streamed,
    revokers.spend_what_was_withdrawn: lambda scheme: scheme.purse.shares,
}
IS_FOR: Mapping[Cause, Callable[[Scheme], bool]] = {"peer": lambda scheme: scheme.traits.resold}
"""What some schemes only are for, by trick, or by who cheats."""
TRICKS: Mapping[str, Trick] = {
    act.__name__.replace("_", "-"): Trick(
        by=by, play=act, is_for=FOR.get(act, IS_FOR.get(by, _anything))
    )
    for by, acts in BY.items()
    for act in acts
}


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of some tricks in one world."""

    scheme: str
    seed: int
    tricks: tuple[str, ...]
    findings: tuple[str, ...]
    """What the world found wrong, and losses above their bounds."""
    losses: tuple[Measured, ...]
    trace_hash: str
    events: int
    payments: int
    """Purchases that were begun."""
    sold: int
    """Payments that a gate has confirmed."""
    lines: tuple[str, ...] = ()
    """The last of the course."""


def drawn(scheme: str, seed: int) -> tuple[str, ...]:
    """The tricks of a seed: some of one kind of cheat, each at most once."""
    luck, cheated = random.Random(f"tricks {seed}"), registry.by_name(scheme)
    able = {name: trick for name, trick in TRICKS.items() if trick.is_for(cheated)}
    by = luck.choice(list(able.values())).by
    names = [name for name, trick in able.items() if trick.by == by]
    return tuple(luck.sample(names, min(luck.randint(1, TRICKS_MAX), len(names))))


async def _act(stage: Stage, tricks: Sequence[str]) -> None:
    """One trick after the other, beside honest shopping, in a weather that the seed has drawn."""
    world, chances = stage.world, BAD if stage.luck.random() < 0.5 else CALM
    jumps = stage.luck.random() < 0.5
    if jumps:
        set_off(stage)
    for name in tricks:
        world.ground.faults.chances = chances
        clocks = stage.beside(wander(stage)) if jumps else None
        await asyncio.gather(
            TRICKS[name].play(stage),
            stage.shop(stage.luck.choice(stage.honest), world.vendors[2], 2),
        )
        if clocks is not None:
            clocks.cancel()
            await pass_days(stage)
    await stage.settle()


def play(scheme: str, seed: int, tricks: Sequence[str] | None = None) -> Played:
    """Some tricks in a world of one scheme, those of the seed by default; `Unsupported`."""
    tricks = drawn(scheme, seed) if tricks is None else tricks
    for name in tricks:
        if name not in TRICKS:
            known = ", ".join(TRICKS)
            raise Unsupported("trick_unknown", f"there is no trick {name[:32]!r}; known: {known}")
    by = TRICKS[tricks[0]].by if tricks else "nobody"
    with World(seed, [scheme], luck=False, peered=by == "peer") as world:  # bad luck is no loss
        stage = Stage(world, random.Random(f"stage {seed}"))
        world.vendors[0].is_spared = True

        world.run(_act(stage, tricks))
        count_lent(world, stage.honest)
        require_honest_sums(world, stage.crooks)
        losses = losses_of(stage, by)
        stage.close()
        checks = world.ground.checks
        findings = [
            *(what for what in checks.told if what.split(" ", 1)[0] not in stage.crooks),
            *(f"nobody caught {fault!r}" for fault in world.ground.loop.faults),
            *(
                f"{one.role} lost {one.worst_micro} by {one.by}, at most {one.bound_micro} declared"
                for one in losses
                if not one.is_within
            ),
        ]
        return Played(
            scheme=scheme,
            seed=seed,
            tricks=tuple(tricks),
            findings=tuple(findings),
            losses=tuple(losses),
            trace_hash=world.ground.trace.hash,
            events=world.ground.trace.events,
            payments=stage.payments,
            sold=sum(map(len, checks.sold.values())),
            lines=checks.course or tuple(world.ground.trace.lines),
        )
