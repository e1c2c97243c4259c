"""What it cost the honest that somebody cheated, beside what their scheme says that it may cost."""

from farthing.lab.bounds import Measured, Stakes, measured
from farthing.lab.genesis import BROKER, DEPOSIT_MICRO, TOPUP_MICRO
from farthing.lab.parties import VendorParty
from farthing.lab.payer import PayerParty
from farthing.lab.recount import debts_of
from farthing.lab.twins.stage import AGENT, THIEF, Stage
from farthing.ledger import accounts
from farthing.schemes.losses import Cause
from farthing.wallet.book import Book


def losses_of(stage: Stage, by: Cause) -> list[Measured]:
    """What honest parties lost, by a trick of the payers' or of the vendors'."""
    _count_streams(stage)
    traits, checks = stage.scheme.traits, stage.world.ground.checks
    balances, paid = checks.books[BROKER], checks.earned
    roots = {name.partition("-")[0] for name in stage.crooks}
    sellers = {one.name for one in (*stage.world.vendors, *stage.world.brokers)}
    cheats = sorted(roots - sellers)
    found = []
    vendors_lost_micro = 0
    for vendor in stage.world.vendors:
        sold_micro = sum(checks.sold[vendor.name].values())
        over_micro = paid[vendor.name] - sold_micro
        broker_micro = over_micro
        if vendor.name in stage.crooks or cheats:  # what it was paid and never confirmed its
            # payers bear, as they are measured below, or who cheats and never asks again
            broker_micro = min(over_micro, paid[vendor.name] - stage.asked[vendor.url])
        found.append(measured(traits, "broker", "vendor", broker_micro, Stakes()))
        if vendor.name not in stage.crooks:
            free_micro = sum(stage.out[vendor.name].values()) - sold_micro
            lost_micro = max(free_micro, 0) + max(-over_micro, 0)
            vendors_lost_micro += lost_micro
            cause: Cause = "payer" if by in {"payer", "thief"} else "nobody"
            stakes = Stakes(
                price_micro=sum(_gone_to(stage, name) for name in cheats),
                unacknowledged_micro=_trusted_micro(stage, vendor),
            )
            found.append(measured(traits, "vendor", cause, lost_micro, stakes))
    honest_gain_micro = stolen_micro = 0
    given_micro: dict[str, int] = {}
    for payer in stage.honest:
        names = accounts.payer(payer.name), *debts_of(payer.name, [stage.scheme])
        spent_micro = TOPUP_MICRO + sum(balances[name] for name in names)
        net_micro = spent_micro - stage.got[payer.name]
        given_micro[payer.name] = _given_micro(stage, payer.name, net_micro)
        lost_micro = net_micro - given_micro[payer.name]
        honest_gain_micro += max(-lost_micro, 0)
        stakes = stage.stakes[payer.name]
        cause = "vendor" if by == "vendor" or payer.name in stage.misled else "nobody"
        if payer in stage.robbed.values():
            cause, stolen_micro = "thief", stolen_micro + lost_micro
            _count_stolen(stage, payer, lost_micro)
        elif by == "peer" and stage.peer_sells_void:
            cause, stakes = "broker", Stakes(float_micro=-_at_peer_micro(stage))
        found.append(measured(traits, "payer", cause, lost_micro, stakes))
    if by == "peer":
        deposit_micro = DEPOSIT_MICRO + _at_peer_micro(stage)
        there = checks.books[stage.world.brokers[1].name][accounts.payer(BROKER)]
        stakes = Stakes(deposit_micro=deposit_micro)
        found.append(measured(traits, "broker", "peer", deposit_micro + there, stakes))
    if cheats:
        # What payers got without paying, and what they have given of that to the honest, is
        # lost by vendors, as it is measured above, or by the broker.
        gain_micro = _gain_micro(stage, cheats, balances, paid) + honest_gain_micro
        gain_micro -= sum(given_micro.values())
        lost_micro = gain_micro - vendors_lost_micro - stolen_micro
        cause, stakes = "payer", Stakes(limit_micro=_limits_micro(stage))
        if by == "thief":  # what its payers cannot pay is another matter
            cause, stakes = "nobody", Stakes()
        found.append(measured(traits, "broker", cause, lost_micro, stakes))
    return [*found, *checks.streams.losses(stage.crooks)]


def _at_peer_micro(stage: Stage) -> int:
    """What the payers' broker has at the one that cheats, by its books, beside its deposit.

    Without its share of what it sold.
    """
    checks, (peer,) = stage.world.ground.checks, stage.world.brokers[1:]
    return checks.books[BROKER][accounts.peer(peer.name)] - checks.shares[peer.name]


def _count_streams(stage: Stage) -> None:
    """What was paid on streams was got: what of it was not is measured stream by stream."""
    for name, stream in stage.world.ground.checks.streams.by_name.items():
        paid_micro = stream.paid_micro
        stage.asked[f"https://{stream.vendor}.example"] += paid_micro
        stage.out[stream.vendor][name] = paid_micro
        stage.got[stream.payer] += paid_micro
        if stream.vendor not in stage.crooks:
            stage.gone[stream.payer] += paid_micro


def _trusted_micro(stage: Stage, vendor: VendorParty) -> int:
    assert vendor.vendor is not None, "everybody is up at the end"
    till = vendor.vendor.gate.tills[stage.scheme.traits.name]
    return sum(min(micro, till.trusted_micro) for micro in stage.out[vendor.name].values())


def _gain_micro(
    stage: Stage, cheats: list[str], balances: dict[str, int], paid: dict[str, int]
) -> int:
    """What payers who cheat have got for nothing, or in the name of others, or with a vendor."""
    own_micro = sum(-balances[accounts.payer(name)] - TOPUP_MICRO for name in cheats)
    own_micro += TOPUP_MICRO * sum(name.startswith((AGENT, THIEF)) for name in cheats)
    goods_micro = sum(stage.gone[name] for name in cheats) + sum(
        stage.gone[twin.name] for twin in stage.twins if twin.name not in cheats
    )
    return own_micro + goods_micro + sum(paid[name] for name in stage.crooks)


def _given_micro(stage: Stage, owner: str, net_micro: int) -> int:
    """What others had for what an honest payer let them spend in its name.

    Of what it paid for nothing of its own, also pages that were paid and that nobody fetched: who
    cheats does not ask again.
    """
    checks = stage.world.ground.checks
    vendors = [vendor.name for vendor in stage.world.vendors if vendor.name not in stage.crooks]
    in_vain = (checks.earned[name] - sum(stage.out[name].values()) for name in vendors)
    had_micro = _gone_to(stage, AGENT)
    at_most_micro = had_micro + sum(max(micro, 0) for micro in in_vain)
    return min(stage.lent_micro[owner], max(had_micro, min(net_micro, at_most_micro)))


def _count_stolen(stage: Stage, owner: PayerParty, lost_micro: int) -> None:
    """What an owner had at stake: all that thieves paid, and what does not come back.

    Losing more than that is a finding, whatever the scheme declares.
    """
    stakes, name = stage.stakes[owner.name], owner.name
    thieves = [one for one in stage.twins if stage.robbed.get(one.name) is owner]
    files = [file for payer in (*thieves, owner) for file in payer.files]
    held_micro = sum(
        held.instrument.worth_micro
        for file in files
        for held in Book(file).held()
        if file is not owner.file
        and not (stage.scheme.traits.credit or stage.scheme.purse.reissues)
    )
    tried_micro = sum(stage.stolen_micro[one.name] for one in thieves)
    days = sum(stage.days.of(one.name) for one in (*thieves, owner))
    granted_micro = sum(certified_micro(stage, one.name) for one in (*thieves, owner))
    stakes.stolen_micro = tried_micro + held_micro
    stakes.limit_micro = min(granted_micro, 2 * stage.limits_micro[name]) * days
    if lost_micro > stakes.stolen_micro:
        find = stage.world.ground.checks.find
        find(f"{name} lost {lost_micro}, and {stakes.stolen_micro} was stolen")


def certified_micro(stage: Stage, payer: str) -> int:
    """What was certified to a payer and its twins, until now."""
    names = [name for name in stage.credit if name.partition("-")[0] == payer]
    return sum(sum(stage.credit[name].values()) for name in names)


def _limits_micro(stage: Stage) -> int:
    """What was certified to who cheats, for each vendor that it bought of and each day."""
    return sum(
        min(certified_micro(stage, name), stage.limits_micro[name]) * stage.days.of(name)
        for name in {name.partition("-")[0] for name in stage.crooks}
    )


def _gone_to(stage: Stage, name: str) -> int:
    """Value of the pages that a payer and its twins were sent."""
    return sum(micro for source, micro in stage.gone.items() if source.startswith(name))
