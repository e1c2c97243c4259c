"""The vendor's side: which link comes next, what it is worth, and what is kept of it."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Closed,
    Expired,
    Forged,
    JumpTooLong,
    Malformed,
    OutOfRange,
    Replayed,
    Underpaid,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.schemes.chain.fairchain import FAIRCHAIN
from farthing.schemes.chain.fairchain.ticket import SUBMIT_S
from farthing.schemes.chain.times import SKEW_S
from farthing.schemes.contract import Accepted, Charged, Instrument
from tests.kit.fairchain import UNIT_MICRO, Scene, held_of, link
from tests.kit.parties import Ring, Vendor


def opened() -> tuple[Scene, Instrument]:
    scene = Scene()
    return scene, scene.ticket()


def serve(scene: Scene, payload: object, price_micro: int = UNIT_MICRO) -> int:
    served = scene.vendor.serve(payload, scene.vendor.offer(price_micro))
    return served.taken.value_micro


def test_a_commit_half_is_worth_the_unit_and_a_release_nothing_and_buys_no_page() -> None:
    scene, ticket = opened()
    paid, served = scene.commit(ticket)
    assert (served.taken.value_micro, served.taken.delivered) == (UNIT_MICRO, False)
    concluded = scene.payer.purse.conclude(paid, Accepted(), scene.clock.at())
    released = scene.vendor.serve(concluded.release, scene.vendor.offer(UNIT_MICRO))
    assert (released.taken.value_micro, released.taken.delivered) == (0, True)
    assert served.taken.payer == released.taken.payer == held_of(ticket).ticket.payer


def test_a_release_alone_has_a_k_of_its_own() -> None:
    scene, ticket = opened()
    till = scene.vendor.till
    name = held_of(ticket).ticket.id
    assert till.own_k(till.read(codec.canonical(link(ticket, 1, whole=True)))) == ""
    assert till.own_k(till.read(codec.canonical(link(ticket, 2)))) == f"fc:{name}:2"


def test_links_come_one_after_the_other() -> None:
    scene, ticket = opened()
    serve(scene, link(ticket, 1, whole=True))
    with pytest.raises(Replayed, match="chain_index_not_above_last"):
        serve(scene, link(ticket, 1))
    with pytest.raises(JumpTooLong, match="jump_too_long"):
        serve(scene, link(ticket, 5))
    with pytest.raises(OutOfRange, match="chain_index_above_length"):
        serve(scene, link(ticket, 1) | {"index": 999})
    serve(scene, link(ticket, 2))
    with pytest.raises(OutOfRange, match="release_without_commit"):
        serve(scene, link(ticket, 4))


def test_the_next_odd_link_proves_a_release_that_was_lost() -> None:
    scene, ticket = opened()
    serve(scene, link(ticket, 1, whole=True))
    serve(scene, link(ticket, 3))
    with pytest.raises(Replayed, match="chain_index_not_above_last"):
        serve(scene, link(ticket, 2))
    assert scene.clear() == UNIT_MICRO


def test_a_release_before_any_commit_is_refused() -> None:
    scene, ticket = opened()
    with pytest.raises(OutOfRange, match="release_without_commit"):
        serve(scene, link(ticket, 2, whole=True))


def test_a_ticket_must_be_seen_once() -> None:
    scene, ticket = opened()
    with pytest.raises(Closed, match="ticket_unknown"):
        serve(scene, link(ticket, 1))


def test_a_word_of_another_chain_is_forged() -> None:
    scene, ticket = opened()
    other = scene.ticket()
    wrong = link(ticket, 1, whole=True) | {"word": link(other, 1)["word"]}
    with pytest.raises(Forged, match="word_does_not_hash_to_last"):
        serve(scene, wrong)


def test_the_unit_is_the_price() -> None:
    scene, ticket = opened()
    with pytest.raises(Underpaid, match="amount_below_price"):
        serve(scene, link(ticket, 1, whole=True), UNIT_MICRO + 1)
    with pytest.raises(OutOfRange, match="unit_above_price"):
        serve(scene, link(ticket, 1, whole=True), UNIT_MICRO - 1)


def test_a_ticket_of_another_vendor_or_broker_is_refused() -> None:
    scene = Scene()
    ticket = scene.ticket(vendor=scene.other)
    with pytest.raises(WrongVendor, match="ticket_for_another_vendor"):
        serve(scene, link(ticket, 1, whole=True))
    own = scene.ticket()
    scene.vendor.till.setting = msgspec.structs.replace(
        scene.vendor.till.setting, broker_id="other"
    )
    with pytest.raises(Forged, match="ticket_of_another_broker"):
        serve(scene, link(own, 1, whole=True))


def test_a_changed_ticket_is_forged_also_when_its_counter_is_known() -> None:
    scene, ticket = opened()
    scene.commit(ticket)
    changed = link(ticket, 2, whole=True)
    changed["ticket"]["units"] -= 1
    with pytest.raises(Forged, match="ticket_forged"):
        serve(scene, changed)


def test_a_commit_ends_with_the_ticket_and_a_release_when_it_cannot_be_submitted() -> None:
    scene, ticket = opened()
    scene.commit(ticket)
    ends_at_s = ticket.expires_at_s
    scene.clock.now_s = ends_at_s + SKEW_S + 1
    with pytest.raises(Expired, match="ticket_expired"):
        serve(scene, link(ticket, 3))
    scene.clock.now_s = ends_at_s + SUBMIT_S
    before = scene.vendor.snapshot()
    scene.clock.now_s += 1
    with pytest.raises(Expired, match="ticket_expired"):
        serve(scene, link(ticket, 2))
    assert scene.vendor.snapshot() == before
    scene.clock.now_s -= 1
    assert serve(scene, link(ticket, 2)) == 0


def test_a_vendor_without_the_key_takes_nothing() -> None:
    scene, ticket = opened()
    bare = Vendor(FAIRCHAIN, Ring(), scene.clock)
    with pytest.raises(Exception, match="key_missing"):
        bare.serve(link(ticket, 1, whole=True), bare.offer(UNIT_MICRO))


def test_odd_links_are_submitted_too_and_a_later_one_supersedes_them() -> None:
    scene, ticket = opened()
    scene.commit(ticket)
    [claim] = scene.vendor.claims()
    assert (claim["index"], claim["ticket"]["id"]) == (1, held_of(ticket).ticket.id)
    serve(scene, link(ticket, 2))
    [claim] = scene.vendor.claims()
    assert claim["index"] == 2


def test_a_ticket_that_was_forgotten_is_claimed_by_its_name_and_refused() -> None:
    scene, ticket = opened()
    scene.buy(ticket)
    vars(scene.vendor.store)["_records"].clear()
    [claim] = scene.vendor.claims()
    assert claim["ticket"] == held_of(ticket).ticket.id
    with pytest.raises(Malformed):
        scene.broker.redeem(claim)


def test_only_the_tickets_payer_proves_that_a_payment_is_its_own() -> None:
    scene, ticket = opened()
    till, purse = scene.vendor.till, scene.payer.purse
    owner = held_of(ticket).ticket.id.encode()
    till.verify_owner(owner, b"statement", purse.prove(ticket, b"statement"))
    for proof in (purse.prove(ticket, b"other"), "mac:" + "A" * 22):
        with pytest.raises(Forged, match="outcome_proof_wrong"):
            till.verify_owner(owner, b"statement", proof)
    with pytest.raises(Malformed, match="outcome_proof_malformed"):
        till.verify_owner(owner, b"statement", "ed25519:" + "A" * 86)


def test_nothing_is_given_back_and_nothing_costs_nothing() -> None:
    scene = Scene()
    with pytest.raises(Unsupported, match="refund_unsupported"):
        scene.vendor.till.refund_series(
            Charged(reference="fc:1:1", payer="p_", value_micro=1, kept=b"")
        )
    with pytest.raises(OutOfRange, match="price_out_of_range"):
        scene.vendor.offer(0)


@pytest.mark.parametrize(
    "change", [{"index": 0}, {"ticket": "short"}, {"more": 1}, {"index": "1"}, {"word": 5}]
)
def test_a_payment_of_another_shape_is_malformed(change: dict[str, object]) -> None:
    scene, ticket = opened()
    with pytest.raises((Malformed, Unfit)):
        scene.vendor.till.read(codec.canonical(link(ticket, 1) | change))
