import pytest

from farthing.errors import Expired, OutOfRange
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Asked, Json, Need
from tests.kit.parties import DAY_S, Vendor
from tests.kit.payword import SLOT_MICRO, TODAY, Scene, opened_of, public_ring


def asked_and_answered(scene: Scene) -> tuple[Asked, dict[str, Json]]:
    asked = scene.payer.purse.ask(Need(amount_micro=1000, currency="eur"), scene.clock.at())
    return asked, scene.broker.run("issue", asked.message, scene.account).answer


def test_eight_chains_at_once_are_all_taken_and_all_paid() -> None:
    scene = Scene()
    for chain in [scene.open() for _ in range(SLOTS)]:
        left = scene.payer.spend(scene.vendor, chain, 200)
        assert left is not None
    assert scene.clear() == SLOTS * 200


def test_a_chain_is_worth_the_credit_of_its_slot() -> None:
    scene = Scene()
    chain = scene.open()
    assert chain.worth_micro == SLOT_MICRO
    commitment = opened_of(chain).commitment
    assert (commitment.vendor, commitment.day) == ("news", TODAY)
    assert commitment.worth_micro <= commitment.share_micro


def test_a_word_may_be_worth_a_single_micro_unit() -> None:
    scene = Scene()
    vendor = Vendor(PAYWORD, public_ring(), scene.clock, unit_micro=1)
    assert scene.open(vendor, price_micro=7).worth_micro >= 7


def test_a_price_above_the_credit_of_all_slots_opens_nothing() -> None:
    scene = Scene()
    scene.certificate = scene.certify(slot_micro=500)
    with pytest.raises(OutOfRange, match="credit_below_price"):
        scene.open(price_micro=SLOTS * 500 + 100)
    assert scene.open(price_micro=500).worth_micro == 500
    with pytest.raises(OutOfRange, match="credit_below_price"):
        scene.open(price_micro=SLOTS * 500)


def test_a_wallet_never_pays_more_than_the_price() -> None:
    scene = Scene()
    chain = scene.open()
    fine = Vendor(PAYWORD, public_ring(), scene.clock, unit_micro=50)
    with pytest.raises(OutOfRange, match="price_not_in_units"):
        scene.payer.pay(chain, fine.offer(150))
    assert scene.payer.pay(chain, fine.offer(200)).payload["links"][0][:2] == [100, 2]


def test_a_chain_that_is_used_up_or_over_pays_nothing() -> None:
    scene = Scene()
    scene.certificate = scene.certify(slot_micro=300)
    chain = scene.open()
    left = scene.payer.spend(scene.vendor, chain, 200)
    assert left is not None
    with pytest.raises(OutOfRange, match="chain_used_up"):
        scene.payer.pay(left, scene.vendor.offer(200))
    assert scene.payer.spend(scene.vendor, left, 100) is None
    scene.clock.now_s = (TODAY + 1) * DAY_S
    with pytest.raises(Expired, match="commitment_expired"):
        scene.payer.pay(left, scene.vendor.offer(100))


def test_until_the_first_word_is_taken_the_commitment_goes_along() -> None:
    scene = Scene()
    chain = scene.open()
    first, second = (scene.payer.pay(chain, scene.vendor.offer(200)).payload for _ in range(2))
    assert first == second
    assert first["commitment"]["sig"]


def test_two_chains_never_share_a_root_or_a_salt() -> None:
    scene = Scene()
    commitments = [opened_of(scene.open()).commitment for _ in range(SLOTS)]
    assert len({one.chains[0][2] for one in commitments}) == SLOTS
    assert len({one.salt for one in commitments}) == SLOTS
