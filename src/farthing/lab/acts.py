"""What the parties of a world do of themselves: pay, give back, clear, refund, rotate, vouch.

Each act is one step of a run. Whoever is down does nothing. Refusals are answers like others: what
must never happen is for the invariants to say.
"""

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from farthing.broker.purposes import ROTATING
from farthing.errors import Refusal
from farthing.lab import handing, listening
from farthing.lab.genesis import CREDIT_MICRO, IBAN
from farthing.lab.goods import VOUCHED
from farthing.lab.parties import BrokerParty, VendorParty
from farthing.lab.payer import PayerParty
from farthing.lab.shows import is_streamed
from farthing.schemes.contract import Json, Scheme
from farthing.stores.keys import KeyRing
from farthing.vendor import minting
from farthing.vendor.founding import grant_anew

if TYPE_CHECKING:
    from farthing.lab.world import World

PAGES = 50  # addresses of one route: few enough that payers ask for one page twice
PRIVATE = 0.3  # of the purchases where the vendor lets them
KEY_BYTES = 32
DAYS_ASKED = 3  # how far back a recovering wallet asks for refunds
PAID_OUT_MICRO = (10_000, 100_000)  # from one cent, the least that a bank takes
PAYOUT_STATES = (
    (),
    ("exported", "confirmed"),
    ("exported", "returned"),
    ("exported", "confirmed", "returned"),
)
LOAD_MICRO_MAX = 30_000  # some orders' worth
TOPUP_MICRO_MAX = 1_000_000

Act = Callable[["World", random.Random], None]


def buy(world: "World", luck: random.Random) -> None:
    """A payer buys a page, in private where the vendor and its luck let it."""
    payer, vendor = luck.choice(world.payers), luck.choice(world.vendors)
    page = luck.choice(vendor.sold)
    private = luck.random() < PRIVATE and vendor.is_private(page.scheme)
    url = f"{vendor.url}{page.path}/{luck.randrange(PAGES)}"
    if payer.is_up:
        world.payments += 1
        world.begin(payer, f"buy {url}", bought(payer, url, private=private))


async def bought(payer: PayerParty, url: str, *, private: bool = False) -> str:
    """How buying a page ended."""
    fetched = await payer.buy(url, private=private)
    return fetched.verdict.value if fetched.verdict is not None else "nothing paid"


def load(world: "World", luck: random.Random) -> None:
    """A payer buys what pays for orders, so that its account tells nobody where it reads."""
    payer, amount_micro = luck.choice(world.payers), luck.randrange(1_000, LOAD_MICRO_MAX)
    if payer.is_up:
        world.begin(payer, "load", payer.load(amount_micro))


def give_back(world: "World", luck: random.Random) -> None:
    """A payer returns one instrument."""
    payer = luck.choice(world.payers)
    held = payer.held() if payer.is_up else ()
    if held:
        world.begin(payer, "give back", payer.give_back(luck.choice(held)))


def recover(world: "World", luck: random.Random) -> None:
    """A payer finishes what was left undone, and fetches refunds."""
    payer = luck.choice(world.payers)
    if payer.is_up:
        world.begin(payer, "recover", payer.recover(days=DAYS_ASKED))


def clear(world: "World", luck: random.Random) -> None:
    """A vendor sweeps its outbox."""
    party = luck.choice(world.vendors)
    if party.vendor is not None:
        world.begin(party, "clear", party.vendor.clear())


def refund(world: "World", luck: random.Random) -> None:
    """A vendor gives back one of its payments."""
    party = luck.choice(world.vendors)
    sold = world.ground.checks.sold[party.name]
    known = [k for k in sold if k not in world.lost]  # for which somebody asks
    if party.vendor is not None and known:
        world.begin(party, "refund", party.vendor.refund(luck.choice(known)))


def rotate_vendor(world: "World", luck: random.Random) -> None:
    """A vendor makes a key anew with the command line, or licenses the broker for a new series."""
    party, name = luck.choice(world.vendors), luck.choice(list(minting.NAMES))
    ring = KeyRing.open(party.folder / "ring")
    if name == "licence":
        license_anew(world, party)
    elif party.is_up and _has(ring, minting.NAMES[name]):
        world.ground.trace.note("rotated", party.name, name)
        minting.rotate(ring, minting.NAMES[name], world.ground.entropy(KEY_BYTES))


def license_anew(world: "World", party: VendorParty) -> None:
    """A vendor licenses its broker for a new series."""
    if party.vendor is not None:
        ring, entropy = KeyRing.open(party.folder / "ring"), world.ground.entropy(KEY_BYTES)
        granted = grant_anew(ring, party.vendor.broker, entropy, party.now_s())
        world.begin(party, "grant", granted)


def _has(ring: KeyRing, purpose: str) -> bool:
    try:
        ring.current(purpose)
    except Refusal:
        return False
    return True


def rotate_broker(world: "World", luck: random.Random) -> None:
    """The operator makes one of the schemes' keys anew."""
    if ROTATING:
        broker, purpose = luck.choice(world.brokers), luck.choice(ROTATING)
        world.ground.trace.note("rotated", broker.name, purpose)
        ring = KeyRing.open(broker.folder / "keys.ring")
        ring.rotate(purpose, world.ground.entropy(KEY_BYTES))


def pay_out(world: "World", luck: random.Random) -> None:
    """Somebody has money sent to its bank, and the operator says what became of it.

    Mostly a payer: few vendors earn a cent in a run.
    """
    party, states = luck.choice([*world.payers, *world.vendors]), luck.choice(PAYOUT_STATES)
    world.begin(None, "pay out", world.pay_out(party, luck.randrange(*PAID_OUT_MICRO), states))


def top_up(world: "World", luck: random.Random) -> None:
    """Money comes in for a payer."""
    payer, amount_micro = luck.choice(world.payers), luck.randrange(1, TOPUP_MICRO_MAX)
    world.begin(None, "top up", world.top_up(payer, amount_micro))


def vouch(world: "World", luck: random.Random) -> None:
    """The operator says something else of a payer from now on."""
    payer = luck.choice(world.payers)
    contract: dict[str, Json] = {
        "id": payer.name,
        "creditLimitMicro": CREDIT_MICRO,
        "payoutTo": IBAN,
        "props": luck.choice(VOUCHED),
    }
    world.begin(None, "vouch", world.obeyed(f"/accounts/{payer.name}", contract))


def revoke(world: "World", luck: random.Random) -> None:
    """The operator lists what a payer has out, as where somebody says that a wallet is stolen."""
    payer = luck.choice(world.payers)
    world.begin(None, "revoke", world.obeyed(f"/accounts/{payer.name}/revoke", {}))


def pay_peer(world: "World", luck: random.Random) -> None:
    """Money goes from the payers' broker to another, by bank; each operator books it."""
    for other in world.brokers[1:]:
        world.begin(None, "pay peer", _paid_peer(world, other, luck.randrange(1, TOPUP_MICRO_MAX)))


async def _paid_peer(world: "World", other: BrokerParty, amount_micro: int) -> None:
    sent = {"amountMicro": amount_micro, "reference": f"peer-{world.ground.trace.events}"}
    await world.obeyed(f"/peers/{other.name}/payments", sent)
    await world.obeyed("/topup", sent | {"payer": world.broker.name}, at=other)


ACTS: dict[Act, int] = {
    buy: 80,
    load: 2,
    give_back: 4,
    recover: 4,
    clear: 5,
    refund: 3,
    rotate_vendor: 1,
    rotate_broker: 1,
    pay_out: 1,
    top_up: 1,
    vouch: 1,
    revoke: 1,
    listening.listen: 6,
    pay_peer: 1,
    handing.give: 5,
    handing.take: 8,
    handing.take_away: 1,
}
"""With how often each is drawn."""
FOR: dict[Act, Callable[[Scheme], bool]] = {
    handing.give: handing.is_handed_on,
    handing.take: handing.is_handed_on,
    listening.listen: is_streamed,
    revoke: lambda scheme: bool(scheme.mint.published),
    handing.take_away: lambda scheme: scheme.purse.shares,
}
"""What some schemes only are for."""


def acts_of(schemes: Sequence[Scheme]) -> dict[Act, int]:
    """What can be done in a world of these schemes, with how often each is drawn."""
    return {
        act: weight for act, weight in ACTS.items() if act not in FOR or any(map(FOR[act], schemes))
    }
