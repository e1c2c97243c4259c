import pytest

from farthing import codec, marks
from farthing.errors import (
    Expired,
    Forged,
    Malformed,
    Misconfigured,
    NotYetValid,
    OutOfRange,
    Overlimit,
    Replayed,
    Revoked,
    Unavailable,
    WrongVendor,
)
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.credit.till import STEPS_MAX
from farthing.schemes.chain.ikp import IKP
from farthing.schemes.chain.netcard import NETCARD
from farthing.schemes.chain.payword import FAMILY, PAYWORD
from farthing.schemes.chain.tick import TICK
from farthing.schemes.chain.upayword import UPAYWORD
from farthing.schemes.contract import Json, Scheme
from tests.kit.canaries import canary
from tests.kit.parties import DAY_S, Vendor, binding_of
from tests.kit.payword import SLOT_MICRO, TODAY, Hand, Scene, public_ring


def test_a_commitment_to_another_vendor_is_for_the_wrong_vendor() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, vendor="other")
    with pytest.raises(WrongVendor, match="commitment_for_another_vendor"):
        scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100))


def test_a_commitment_of_another_day_is_refused() -> None:
    scene = Scene()
    for day, refusal in ((TODAY - 1, Expired), (TODAY + 1, NotYetValid), (TODAY + 2, NotYetValid)):
        hand = Hand(scene.certificate, day=day)
        with pytest.raises(refusal):
            scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100))


def test_an_expired_certificate_opens_no_chain() -> None:
    scene = Scene()
    days = 31
    scene.clock.now_s += days * DAY_S
    hand = Hand(scene.certificate, day=TODAY + days)
    with pytest.raises(Expired, match="certificate_expired"):
        scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100))


def test_a_commitment_above_the_credit_of_its_slots_is_overlimit() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, SLOT_MICRO // 100 + 1),))
    with pytest.raises(Overlimit, match="commitment_above_limit"):
        scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100))


def test_a_certificate_on_the_hot_list_opens_no_chain_and_ends_none() -> None:
    scene = Scene()
    hand, offer, at = Hand(scene.certificate), scene.vendor.offer(100), scene.clock.at()
    till, serial = scene.vendor.till, hand.commitment.certificate.serial
    first = till.read(codec.canonical(hand.first(hand.link(1))))
    assert till.recall(first).records == (FAMILY.revoked_key(serial),)
    listed = marks.Memory(records={FAMILY.revoked_key(serial): b""})
    with pytest.raises(Revoked, match="certificate_revoked"):
        till.take(first, offer, binding_of(), listed, at)
    later = till.read(codec.canonical(hand.later(hand.link(1))))
    assert till.recall(later).records == ()


def test_a_slot_of_the_credit_is_committed_once_a_day() -> None:
    scene = Scene()
    offer = scene.vendor.offer(100)
    for number, slots in enumerate(((0, 2), (2, 1), (3, 5))):
        hand = Hand(scene.certificate, slots=slots, seed=canary(f"s{number}", 16))
        scene.vendor.serve(hand.first(hand.link(1)), offer)
    for slots in ((0, 1), (1, 2), (7, 1), (0, 8)):
        hand = Hand(scene.certificate, slots=slots, seed=canary(f"again{slots}", 16))
        with pytest.raises(Replayed):
            scene.vendor.serve(hand.first(hand.link(1)), offer)
    other = Hand(scene.certify(), slots=(0, 1), seed=canary("other", 16))
    scene.vendor.serve(other.first(other.link(1)), offer)


@pytest.mark.parametrize("price_micro", [-100, 0, 50, 150])
def test_a_price_that_words_cannot_pay_is_not_offered(price_micro: int) -> None:
    with pytest.raises(OutOfRange, match="price_not_in_units"):
        Scene().vendor.offer(price_micro)


@pytest.mark.parametrize("scheme", [NETCARD, IKP, TICK, UPAYWORD], ids=lambda one: one.traits.name)
def test_a_price_above_one_payment_is_told_from_one_that_is_not_in_units(scheme: Scheme) -> None:
    vendor = Vendor(scheme, public_ring(), Scene().clock)
    with pytest.raises(OutOfRange, match="price_above_payment") as found:
        vendor.offer(100 * STEPS_MAX + 50)
    assert "at most 1000 times unit_micro, 100000 micro-units" in found.value.detail
    assert vendor.offer(100 * STEPS_MAX).price_micro == 100 * STEPS_MAX


def test_links_of_several_values_pay_all_that_a_payment_may_be() -> None:
    vendor = Scene().vendor
    assert vendor.offer(PAYMENT_MICRO_MAX).price_micro == PAYMENT_MICRO_MAX
    with pytest.raises(OutOfRange, match="price_above_payment"):
        vendor.offer(PAYMENT_MICRO_MAX + 100)


def test_the_offer_says_what_the_wallet_needs() -> None:
    scene = Scene()
    offer = scene.vendor.offer(100 * STEPS_MAX)
    assert offer.terms == {"maxSteps": 1000, "unitMicro": 100}
    assert offer.redeem_by_s == (TODAY + 2) * DAY_S
    assert (offer.settlement, offer.guarantor) == ("deferred", "broker")


@pytest.mark.parametrize("unit_micro", [0, -1, True, "100", 1.5, 10**9 + 1])
def test_a_unit_that_is_no_amount_is_refused_at_the_start(unit_micro: Json) -> None:
    with pytest.raises(Misconfigured, match="unit_out_of_range"):
        Vendor(PAYWORD, public_ring(), Scene().clock, unit_micro=unit_micro)


def test_only_the_payers_key_proves_a_payment() -> None:
    scene = Scene()
    chain, offer, till = scene.open(), scene.vendor.offer(100), scene.vendor.till
    owner = scene.vendor.serve(scene.payer.pay(chain, offer).payload, offer).taken.owner
    proof = scene.payer.purse.prove(chain, b"statement")
    till.verify_owner(owner, b"statement", proof)
    with pytest.raises(Forged):
        till.verify_owner(owner, b"another statement", proof)
    with pytest.raises(Malformed, match="outcome_proof_malformed"):
        till.verify_owner(owner, b"statement", proof.replace("ed25519:", "mac:"))
    for wrong in ("ed25519:", proof[:-2], ""):
        with pytest.raises(Malformed):
            till.verify_owner(owner, b"statement", wrong)


def test_a_certificate_under_a_key_that_is_not_known_yet_is_told_to_come_again() -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    scene.vendor.ring.revoke(FAMILY.certificate_key, "1")
    with pytest.raises(Unavailable, match="certificate_key_unknown"):
        scene.vendor.serve(hand.first(hand.link(2)), scene.vendor.offer(200))
