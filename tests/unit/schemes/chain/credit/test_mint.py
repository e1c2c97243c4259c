import itertools

import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Conflict,
    Denied,
    Expired,
    Forged,
    Late,
    Malformed,
    NotYetValid,
    OutOfRange,
    Overlimit,
    Refusal,
    Revoked,
    Unfit,
    Unsupported,
    WrongVendor,
)
from farthing.marks import Put
from farthing.schemes.chain.credit.certificate import LIMIT_MICRO_MAX, SUBMIT_S
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.payword import FAMILY
from farthing.schemes.chain.times import DISPUTE_S, SKEW_S
from farthing.schemes.contract import Json, Operation
from tests.kit.canaries import canary
from tests.kit.parties import DAY_S, PAYER, payer_account, vendor_account
from tests.kit.payword import SLOT_MICRO, TODAY, Hand, Scene, certifying_key, public_ring

PUBLIC = codec.b64u(signing.public_of(bytes(32)))


REFUSED = (
    Malformed, Forged, WrongVendor, Expired, OutOfRange, Overlimit, Late, Revoked,
)  # fmt: skip  # - classes that a changed claim may meet; Unfit is Malformed


def claim_of(hand: Hand, index: int, value: int = 100) -> dict[str, Json]:
    """A claim as a vendor would make it."""
    return {"commitment": msgspec.to_builtins(hand.commitment), "links": [hand.link(index, value)]}


def test_a_certificate_is_for_the_asked_key_and_credit() -> None:
    scene = Scene()
    asked = {"limitMicro": 5_000, "publicKey": PUBLIC}
    certificate = scene.broker.run("issue", asked, scene.account).answer["certificate"]
    assert (certificate["publicKey"], certificate["limitMicro"]) == (PUBLIC, 5_000)
    assert certificate["expiresAtS"] == scene.clock.now_s + 30 * DAY_S
    assert PAYER not in certificate["payer"]
    assert scene.broker.balances == {}


@pytest.mark.parametrize("limit_micro", [-1, 0, LIMIT_MICRO_MAX + 1])
def test_credit_out_of_range_is_not_certified(limit_micro: int) -> None:
    scene = Scene()
    rich = payer_account(credit_limit_micro=10**12)
    with pytest.raises(Malformed):
        scene.broker.run("issue", {"limitMicro": limit_micro, "publicKey": PUBLIC}, rich)
    asked = {"limitMicro": LIMIT_MICRO_MAX, "publicKey": PUBLIC}
    assert scene.broker.run("issue", asked, rich).answer


def test_certificates_never_promise_more_than_the_operator_granted() -> None:
    scene = Scene(credit_micro=2_000_000)  # 800,000 of it are certified
    asked = {"limitMicro": 1_200_001, "publicKey": PUBLIC}
    before = scene.broker.snapshot()
    with pytest.raises(Overlimit, match="credit_all_certified"):
        scene.broker.run("issue", asked, scene.account)
    with pytest.raises(Overlimit, match="no_such_credit"):
        scene.broker.run("issue", asked | {"limitMicro": 2_000_001}, scene.account)
    assert scene.broker.snapshot() == before
    scene.broker.run("issue", asked | {"limitMicro": 1_200_000}, scene.account)


def test_credit_of_a_certificate_that_ended_or_was_revoked_is_free_again() -> None:
    for free in ("end", "revoke"):
        scene = Scene(credit_micro=SLOTS * SLOT_MICRO)
        with pytest.raises(Overlimit):
            scene.certify()
        if free == "end":
            scene.clock.now_s = scene.certificate.expires_at_s + 121
        else:
            serial = Hand(scene.certificate).commitment.certificate.serial
            scene.broker.run("take_back", {"serial": serial}, scene.account)
        assert scene.certify().worth_micro > 0


@pytest.mark.parametrize("key", ["", "AAAA", PUBLIC + "A", PUBLIC[:-1] + "="])
def test_a_key_of_another_size_is_not_certified(key: str) -> None:
    scene = Scene()
    with pytest.raises(Malformed):
        scene.broker.run("issue", {"limitMicro": 8, "publicKey": key}, scene.account)


@pytest.mark.parametrize(
    ("operation", "role"), [("issue", "vendor"), ("redeem", "payer"), ("take_back", "vendor")]
)
def test_an_operation_is_for_one_kind_of_account(operation: Operation, role: str) -> None:
    scene = Scene()
    account = vendor_account() if role == "vendor" else payer_account()
    with pytest.raises(Denied, match="wrong_kind_of_account"):
        scene.broker.run(operation, {}, account)
    with pytest.raises(Unsupported):
        scene.broker.run("grant", {}, account)


def test_words_taken_on_a_certificates_last_day_are_paid() -> None:
    scene = Scene()
    scene.clock.now_s = scene.certificate.expires_at_s  # noon of its last day
    hand = Hand(scene.certificate, day=scene.clock.now_s // DAY_S)
    scene.vendor.serve(hand.first(hand.link(7)), scene.vendor.offer(100))
    scene.clock.now_s += DAY_S
    assert scene.clear() == 700


def test_every_commitment_that_a_gate_takes_is_one_that_the_broker_pays() -> None:
    """The certificate ends around a midnight, and the commitment comes around it too."""
    around_s = (-241, -240, -121, -120, -119, 0, 119, 120, 121)
    taken = 0
    for end_s, now_s in itertools.product(around_s, around_s):
        scene = Scene()
        scene.clock.now_s = (TODAY + 1) * DAY_S + end_s
        scene.certificate = scene.certify()
        midnight_s = scene.certificate.expires_at_s - end_s
        scene.clock.now_s = midnight_s + now_s
        for day in (midnight_s // DAY_S - 1, midnight_s // DAY_S):
            hand = Hand(scene.certificate, day=day, seed=canary(f"{day}", 16))
            try:
                scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100))
            except Refusal:
                continue
            taken += 1
            assert scene.broker.redeem(claim_of(hand, 1)) == 100
    assert taken > 50


def test_a_certificate_that_had_ended_before_the_day_pays_nothing() -> None:
    scene = Scene()
    day = scene.certificate.expires_at_s // DAY_S + 1
    scene.clock.now_s = day * DAY_S
    with pytest.raises(Expired, match="certificate_expired"):
        scene.broker.redeem(claim_of(Hand(scene.certificate, day=day), 1))


def test_the_credit_of_a_vendor_and_day_is_never_exceeded() -> None:
    scene = Scene()
    words = SLOT_MICRO // 100
    hands = [
        Hand(scene.certificate, chains=((100, words),), slots=(slot, 1), seed=canary(f"{slot}", 16))
        for slot in range(SLOTS)
    ]
    assert sum(scene.broker.redeem(claim_of(hand, words)) for hand in hands) == SLOTS * SLOT_MICRO
    before = scene.broker.snapshot()
    for slots in ((0, 1), (7, 1), (2, 3)):
        ninth = Hand(scene.certificate, slots=slots, seed=canary("ninth", 16))
        with pytest.raises(Conflict, match="slot_committed_twice"):
            scene.broker.redeem(claim_of(ninth, 1))
    assert scene.broker.snapshot() == before
    elsewhere = Hand(scene.certificate, vendor="other")
    assert scene.broker.redeem(claim_of(elsewhere, 1), "other") == 100


@pytest.mark.parametrize("taken", [0, 3, SLOTS - 1])
def test_a_pledge_of_many_slots_of_which_one_is_taken_is_paid_nothing(taken: int) -> None:
    scene = Scene()
    certificate, words = scene.certify(slot_micro=1_000), 10
    one = Hand(certificate, chains=((100, words),), slots=(taken, 1))
    assert scene.broker.redeem(claim_of(one, words)) == 1_000
    seed, chains = canary("whole", 16), ((100, SLOTS * words),)
    whole = Hand(certificate, chains=chains, slots=(0, SLOTS), seed=seed)
    before = scene.broker.snapshot()
    with pytest.raises(Conflict, match="slot_committed_twice"):
        scene.broker.redeem(claim_of(whole, SLOTS * words))
    assert scene.broker.snapshot() == before


def test_a_commitment_under_another_brokers_certificate_is_forged() -> None:
    scene, other = Scene(), Scene()
    other.broker.mint.setting = msgspec.structs.replace(
        other.broker.mint.setting, broker_id="other"
    )
    with pytest.raises(Forged, match="certificate_of_another_broker"):
        other.broker.redeem(claim_of(Hand(scene.certificate), 1))


def test_a_certificate_that_this_broker_never_gave_is_revoked() -> None:
    scene, twin = Scene(), Scene()
    twin.broker.records.clear()
    with pytest.raises(Revoked, match="certificate_unknown"):
        twin.broker.redeem(claim_of(Hand(scene.certificate), 1))


def test_after_a_rotation_both_keys_certificates_are_paid() -> None:
    scene = Scene()
    old = Hand(scene.certificate, slots=(0, 1))
    new_key = certifying_key("2", canary("next-certifying-key"))
    scene.broker.ring.add(new_key)
    scene.vendor.ring.add(*public_ring(new_key).live(new_key.purpose))
    new = Hand(scene.certify(), slots=(1, 1), seed=canary("new", 16))
    offer = scene.vendor.offer(100)
    for hand in (old, new):
        scene.vendor.serve(hand.first(hand.link(2)), offer)
    assert scene.clear() == 400


def test_only_its_own_account_revokes_a_certificate() -> None:
    scene = Scene()
    serial = Hand(scene.certificate).commitment.certificate.serial
    with pytest.raises(Denied, match="certificate_not_yours"):
        scene.broker.run("take_back", {"serial": serial}, payer_account("thief"))
    with pytest.raises(Denied):
        scene.broker.run("take_back", {"serial": "p_unknown"}, scene.account)
    assert FAMILY.revoked_key(serial) not in scene.broker.records
    answer = scene.broker.run("take_back", {"serial": serial}, scene.account).answer
    assert answer == {"revoked": serial}
    assert FAMILY.revoked_key(serial) in scene.broker.records
    until_s = scene.broker.kept_until_s[FAMILY.revoked_key(serial)]
    assert until_s > scene.certificate.expires_at_s + 2 * DAY_S + 120


def test_revoking_twice_is_once() -> None:
    scene = Scene()
    serial = Hand(scene.certificate).commitment.certificate.serial
    scene.broker.run("take_back", {"serial": serial}, scene.account)
    before = scene.broker.snapshot()
    scene.broker.run("take_back", {"serial": serial}, scene.account)
    assert scene.broker.snapshot() == before


def test_words_that_were_taken_before_a_revocation_are_paid() -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    serial = hand.commitment.certificate.serial
    scene.broker.run("take_back", {"serial": serial}, scene.account)
    assert scene.broker.redeem(claim_of(hand, 7)) == 700


def test_of_a_revoked_certificate_no_later_day_than_the_next_is_billed() -> None:
    """Else who has stolen a key bills the day's limit for a month."""
    scene = Scene()
    serial = Hand(scene.certificate).commitment.certificate.serial
    scene.broker.run("take_back", {"serial": serial}, scene.account)
    for later in range(6):
        if later == 3:  # said once more, it is not revoked later for that
            scene.broker.run("take_back", {"serial": serial}, scene.account)
        hand = Hand(scene.certificate, day=TODAY + later)
        if later <= 1:
            assert scene.broker.redeem(claim_of(hand, 7)) == 700
        else:
            before = scene.broker.snapshot()
            with pytest.raises(Revoked, match="certificate_revoked"):
                scene.broker.redeem(claim_of(hand, 7))
            assert scene.broker.snapshot() == before
        scene.clock.now_s += DAY_S


def test_a_day_that_has_not_begun_is_not_billed_yet() -> None:
    """Else payer and vendor take a month of day limits in a minute."""
    scene = Scene()
    hand = Hand(scene.certificate, day=TODAY + 1)
    scene.clock.now_s = (TODAY + 1) * DAY_S - 2 * SKEW_S - 1
    before = scene.broker.snapshot()
    with pytest.raises(NotYetValid, match="claim_before_its_day"):
        scene.broker.redeem(claim_of(hand, 7))
    assert scene.broker.snapshot() == before
    scene.clock.now_s += 1  # a gate ahead of us may have taken it
    assert scene.broker.redeem(claim_of(hand, 7)) == 700


@pytest.mark.parametrize("limit_micro", [0, LIMIT_MICRO_MAX + 1])
def test_a_limit_out_of_range_is_told_as_that(limit_micro: int) -> None:
    rich = payer_account(credit_limit_micro=10**12)
    with pytest.raises(Unfit, match="limit_out_of_range"):
        Scene().broker.run("issue", {"limitMicro": limit_micro, "publicKey": PUBLIC}, rich)


def test_a_certificate_may_be_for_a_single_micro_unit() -> None:
    asked = {"limitMicro": 1, "publicKey": PUBLIC}
    answer = Scene().broker.run("issue", asked, payer_account("eve", credit_limit_micro=1)).answer
    assert answer["certificate"]["limitMicro"] == 1


def test_whom_a_certificate_is_for_is_remembered_until_no_bill_of_it_can_come() -> None:
    scene = Scene()
    asked = {"limitMicro": 1, "publicKey": PUBLIC}
    issued = scene.broker.run("issue", asked, scene.account)
    last_s = issued.answer["certificate"]["expiresAtS"] + SUBMIT_S + DISPUTE_S
    serial = issued.answer["certificate"]["serial"]
    revoked = scene.broker.run("take_back", {"serial": serial}, scene.account)
    puts = [put for put in (*issued.records, *revoked.records) if isinstance(put, Put)]
    assert len(puts) == 5
    assert all(put.until_s >= last_s for put in puts)


def test_credit_of_a_certificate_is_bound_until_the_skew_after_its_end() -> None:
    scene = Scene(credit_micro=SLOTS * SLOT_MICRO)
    certificate = Hand(scene.certificate).commitment.certificate
    scene.clock.now_s = certificate.expires_at_s + SKEW_S
    with pytest.raises(Overlimit, match="credit_all_certified"):
        scene.certify()
    scene.clock.now_s += 1
    scene.certify()
