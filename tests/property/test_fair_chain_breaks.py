"""The fair chain, broken off anywhere by anybody: nobody gains, and every unit is somewhere."""

import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Refusal
from farthing.schemes.chain.fairchain.escrow import ESCROWS
from farthing.schemes.chain.fairchain.ticket import escrow_key
from farthing.schemes.chain.times import DISPUTE_S
from farthing.schemes.contract import Accepted, Instrument
from tests.kit.fairchain import ESCROW_MICRO, UNIT_MICRO, Scene, held_of, link
from tests.kit.flips import bit_flips
from tests.kit.parties import DAY_S, PAYER, VENDOR, vendor_account
from tests.kit.turns import SEED

RUNS = 40
STEPS = 25


def require_every_unit_somewhere(scene: Scene, tickets: list[Instrument]) -> None:
    """Escrow = paid + disputed + returned + open, of the pseudonym and in the ledger."""
    paid = disputed = opened = 0
    for ticket in tickets:
        assigned = scene.assigned(ticket)
        unit_micro = held_of(ticket).ticket.unit_micro
        if assigned is None:
            continue
        paid += assigned.released * unit_micro
        disputed += assigned.is_lone * unit_micro
        if not assigned.over:
            opened += (assigned.ticket.units - assigned.committed) * unit_micro
    found = scene.broker.records.get(escrow_key(name_of_first(tickets, scene)))
    free = ESCROWS.read(found).open_micro if found is not None else 0
    returned = ESCROW_MICRO + scene.micro("payer", PAYER)
    assert scene.micro("outstanding") == opened + free
    assert scene.micro("disputed") == disputed
    earned = scene.micro("vendor", VENDOR) + scene.micro("vendor", "daily")
    assert earned + disputed + returned + opened + free + scene.micro("unclaimed") == ESCROW_MICRO
    assert earned >= paid


def name_of_first(tickets: list[Instrument], scene: Scene) -> str:
    """The one escrow's."""
    assigned = [scene.assigned(ticket) for ticket in tickets]
    known = [one.escrow for one in assigned if one is not None]
    if known:
        return known[0]
    return scene.escrow.id.removeprefix("fc:") if scene.escrow is not None else ""


@pytest.mark.parametrize("run", range(RUNS))
def test_escrow_is_paid_disputed_returned_or_open_after_every_step_and_break(run: int) -> None:
    luck, scene = random.Random(f"breaks {SEED} {run}"), Scene()
    vendors = [scene.vendor, scene.other]
    tickets = [scene.ticket(vendor=vendor) for vendor in vendors]
    links = [0, 0]  # what each vendor was shown
    for _ in range(STEPS):
        which = luck.randrange(2)
        ticket, vendor = tickets[which], vendors[which]
        if luck.random() < 0.7 and links[which] < 2 * held_of(ticket).ticket.units:
            links[which] += luck.choice((1, 1, 2))
            links[which] = min(links[which], 2 * held_of(ticket).ticket.units)
        elif luck.random() < 0.8 and links[which]:
            shown = link(ticket, luck.randint(1, links[which]), whole=True)
            try:
                scene.broker.redeem(shown, vendor.id)
            except Refusal:
                assert scene.clock.now_s > ticket.expires_at_s
        else:
            scene.pass_time(luck.randrange(2 * DAY_S // 3))
        require_every_unit_somewhere(scene, tickets)
        for earned_of, most in zip((VENDOR, "daily"), links, strict=True):
            assert scene.micro("vendor", earned_of) <= most // 2 * UNIT_MICRO
    scene.pass_time(40 * DAY_S)
    scene.pass_time(DISPUTE_S + DAY_S)
    require_every_unit_somewhere(scene, tickets)
    assert scene.micro("outstanding") == scene.micro("disputed") == 0


BREAKS: dict[str, tuple[int, int, int]] = {
    # shown to the vendor: earned by it, charged to the payer, in units
    "before anything": (0, 0, 0),
    "after the commit half, before delivery": (1, 0, 1),
    "after delivery, before the release half": (1, 0, 1),
    "after the release half": (2, 1, 1),
}


@pytest.mark.parametrize("where", BREAKS)
def test_nobody_gains_by_breaking_at_any_of_the_four_points(where: str) -> None:
    shown, earned, charged = BREAKS[where]
    scene = Scene()
    ticket = scene.ticket()
    if shown:
        scene.broker.redeem(link(ticket, shown, whole=True))
    scene.pass_time(40 * DAY_S)
    scene.pass_time(DISPUTE_S + DAY_S)
    assert scene.micro("vendor", VENDOR) == earned * UNIT_MICRO
    assert scene.micro("payer", PAYER) == -charged * UNIT_MICRO
    # What one side loses by the break goes to nobody: not to the other, and not to the broker.
    assert scene.micro("unclaimed") == (charged - earned) * UNIT_MICRO


def test_two_vendors_that_pool_their_links_claim_what_each_was_shown() -> None:
    scene = Scene()
    tickets = {VENDOR: scene.ticket(), "daily": scene.ticket(vendor=scene.other)}
    links = {VENDOR: 6, "daily": 2}
    for claimant in links:
        for owner, ticket in tickets.items():
            for index in range(1, links[owner] + 1):
                shown = link(ticket, index, whole=True)
                try:
                    scene.broker.redeem(shown, claimant)
                except Refusal:
                    assert claimant != owner
    assert scene.micro("vendor", VENDOR) == 3 * UNIT_MICRO
    assert scene.micro("vendor", "daily") == UNIT_MICRO


def test_every_flipped_bit_of_a_payment_and_of_a_claim_is_refused_and_changes_nothing() -> None:
    scene = Scene()
    ticket, offer = scene.ticket(), scene.vendor.offer(UNIT_MICRO)
    scene.commit(ticket)
    for payload in (link(ticket, 2), link(ticket, 3, whole=True)):
        before = scene.vendor.snapshot()
        for flipped in bit_flips(codec.canonical(payload)):
            with pytest.raises(Refusal):
                scene.vendor.serve(flipped, offer)
        assert scene.vendor.snapshot() == before
    before = scene.broker.snapshot()
    for flipped in bit_flips(codec.canonical(link(ticket, 2, whole=True))):
        with pytest.raises(Refusal):
            scene.broker.redeem(codec.read_json(flipped))
    assert scene.broker.snapshot() == before


def forbidden(name: str) -> Callable[..., None]:
    def call(*_: object, **__: object) -> None:
        raise AssertionError(f"{name} in a scheme without public keys")

    return call


def test_no_code_path_of_the_scheme_calls_a_public_key_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("sign", "verify", "public_of"):
        monkeypatch.setattr(signing, name, forbidden(name))
    for kind in (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey):
        for name in ("generate", "from_private_bytes", "from_public_bytes"):
            if hasattr(kind, name):
                monkeypatch.setattr(kind, name, forbidden(name))
    monkeypatch.setattr(rsa, "generate_private_key", forbidden("generate_private_key"))
    scene = Scene()
    granted = {"key": codec.b64u(bytes(range(32)))}
    scene.broker.run("grant", granted, vendor_account("weekly"))
    ticket = scene.ticket()
    left = scene.buy(ticket)
    assert left is not None
    paid, _ = scene.commit(left)
    assert scene.clear() == UNIT_MICRO
    proof = scene.payer.purse.prove(ticket, b"statement")
    scene.vendor.till.verify_owner(held_of(ticket).ticket.id.encode(), b"statement", proof)
    release = scene.payer.purse.conclude(paid, Accepted(), scene.clock.at()).release
    scene.pass_time(3 * DAY_S)
    giving = {
        "index": release["index"],
        "released": held_of(ticket).ticket.id,
        "word": release["word"],
    }
    scene.broker.run("take_back", giving, scene.account)
    assert scene.escrow is not None
    returning = scene.payer.purse.give_back(scene.escrow, scene.clock.at())
    scene.broker.run("take_back", returning.message, scene.account)
    assert scene.micro("outstanding") == scene.micro("disputed") == 0
