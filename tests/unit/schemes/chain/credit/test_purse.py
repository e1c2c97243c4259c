import msgspec
import pytest

from farthing import codec
from farthing.crypto import signing
from farthing.errors import Forged, Malformed, NotYetValid, OutOfRange, Unsupported
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Accepted, Asked, Burned, Json, Need, Rolled
from tests.kit.parties import DAY_S, Vendor
from tests.kit.payword import SLOT_MICRO, TODAY, Scene, opened_of, public_ring


def asked_and_answered(scene: Scene) -> tuple[Asked, dict[str, Json]]:
    asked = scene.payer.purse.ask(Need(amount_micro=1000, currency="eur"), scene.clock.at())
    return asked, scene.broker.run("issue", asked.message, scene.account).answer


def test_a_certificate_is_an_instrument_for_every_vendor() -> None:
    certificate = Scene().certificate
    assert (certificate.vendor_id, certificate.currency) == ("", "eur")
    assert certificate.worth_micro == SLOTS * SLOT_MICRO


@pytest.mark.parametrize("changed", [{"broker": "other"}, {"publicKey": "A" * 43}])
def test_another_certificate_than_was_asked_for_is_forged(changed: dict[str, Json]) -> None:
    scene = Scene()
    asked, answer = asked_and_answered(scene)
    answer["certificate"] |= changed
    with pytest.raises(Forged, match="certificate_not_as_asked"):
        scene.payer.purse.receive(asked, answer, scene.clock.at())


@pytest.mark.parametrize(
    "answer", [None, {}, [], "certificate", {"certificate": None}, {"certificate": {}}]
)
def test_an_answer_of_another_form_is_malformed(answer: Json) -> None:
    scene = Scene()
    asked, _ = asked_and_answered(scene)
    with pytest.raises(Malformed):
        scene.payer.purse.receive(asked, answer, scene.clock.at())


def test_chains_at_one_vendor_and_day_take_the_slots_in_turn() -> None:
    scene = Scene()
    chains = [scene.open() for _ in range(SLOTS)]
    assert [opened_of(chain).commitment.slots for chain in chains] == [
        (slot, 1) for slot in range(SLOTS)
    ]
    with pytest.raises(OutOfRange, match="credit_all_committed"):
        scene.open()
    other = Vendor(PAYWORD, public_ring(), scene.clock, "other")
    assert opened_of(scene.open(other)).commitment.slots == (0, 1)
    scene.clock.now_s += DAY_S
    assert opened_of(scene.open()).commitment.slots == (0, 1)


def test_a_dear_page_takes_as_many_slots_as_it_asks_for_and_the_rest_stays() -> None:
    scene = Scene()
    scene.certificate = scene.certify(slot_micro=500)
    vendor = Vendor(PAYWORD, public_ring(), scene.clock, unit_micro=100)
    dear = scene.open(vendor, price_micro=1_100)
    commitments = [opened_of(one).commitment for one in (dear, scene.open(), scene.open())]
    assert [one.slots for one in commitments] == [(0, 3), (3, 1), (4, 1)]
    assert all(one.worth_micro <= one.share_micro for one in commitments)
    with pytest.raises(OutOfRange, match="credit_below_price"):
        scene.open(vendor, price_micro=1_600)
    last = scene.open(vendor, price_micro=1_500)
    with pytest.raises(OutOfRange, match="credit_all_committed"):
        scene.open()
    for opened, price_micro in ((dear, 1_100), (last, 1_500)):
        scene.payer.spend(scene.vendor, opened, price_micro)
    assert scene.clear() == 2_600


def test_the_least_that_pays_a_price_is_a_slots_part_of_it() -> None:
    scene = Scene()
    for price_micro in (800, 900):
        offer = scene.vendor.offer(price_micro)
        need = Need(amount_micro=scene.payer.purse.least_micro(offer), currency="eur", offer=offer)
        limit_micro = scene.payer.purse.ask(need, scene.clock.at()).message["limitMicro"]
        assert price_micro <= limit_micro < price_micro + SLOTS


def test_a_clock_that_goes_back_a_day_commits_no_slot_twice() -> None:
    scene = Scene()
    first = scene.open()
    scene.clock.now_s -= DAY_S
    with pytest.raises(OutOfRange, match="day_is_over"):
        scene.open()
    scene.clock.now_s += DAY_S
    slots = [opened_of(chain).commitment.slots for chain in (first, scene.open())]
    assert slots == [(0, 1), (1, 1)]


@pytest.mark.parametrize("unit", [None, 0, -100, "100", {}, 10**10])
def test_an_offer_that_does_not_say_what_a_word_is_worth_opens_nothing(unit: Json) -> None:
    scene = Scene()
    offer = scene.vendor.till.offer(200, scene.clock.at())
    terms = {**offer.terms, "unitMicro": unit}
    with pytest.raises(OutOfRange, match="offer_without_unit"):
        scene.payer.purse.open(
            scene.certificate, msgspec.structs.replace(offer, terms=terms), scene.clock.at()
        )


def test_a_chain_of_a_day_to_come_waits_for_it() -> None:
    """Opened while the payer's clock was wrong."""
    scene = Scene()
    chain = scene.open()
    scene.clock.now_s = TODAY * DAY_S - 120
    scene.payer.pay(chain, scene.vendor.offer(100))
    scene.clock.now_s -= 1
    with pytest.raises(NotYetValid, match="commitment_not_yet_valid"):
        scene.payer.pay(chain, scene.vendor.offer(100))


def test_a_released_word_is_used_again_and_a_refused_chain_is_dropped() -> None:
    scene = Scene()
    chain = scene.open()
    paid = scene.payer.pay(chain, scene.vendor.offer(200))
    purse, at = scene.payer.purse, scene.clock.at()
    assert purse.conclude(paid, Rolled(), at).instruments == (chain,)
    assert purse.conclude(paid, Burned(), at).instruments == ()
    (left,) = purse.conclude(paid, Accepted(), at).instruments
    assert left.worth_micro == SLOT_MICRO - 200
    assert left.id == chain.id


def test_a_proof_is_signed_with_the_certified_key() -> None:
    scene = Scene()
    chain = scene.open()
    proof = scene.payer.purse.prove(chain, b"statement").removeprefix("ed25519:")
    public = codec.unb64u(opened_of(chain).commitment.certificate.public_key)
    signing.verify(public, b"statement", codec.unb64u(proof))


def test_opening_leaves_the_certificate_worth_what_it_was() -> None:
    scene = Scene()
    before = scene.certificate
    scene.open()
    after = scene.certificate
    assert msgspec.structs.replace(after, body=b"") == msgspec.structs.replace(before, body=b"")
    assert after.body != before.body


def test_giving_credit_back_revokes_it_and_what_was_paid_is_still_billed() -> None:
    scene = Scene()
    chain = scene.open()
    scene.payer.spend(scene.vendor, chain, 100)
    asked = scene.payer.purse.give_back(scene.certificate, scene.clock.at())
    assert (asked.operation, asked.to) == ("take_back", "broker")
    answer = scene.broker.run("take_back", asked.message, scene.account).answer
    assert scene.payer.purse.receive(asked, answer, scene.clock.at()) == ()
    assert scene.clear() == 100
    scene.certify()  # the credit is free again


def test_a_chain_of_the_day_is_not_given_back() -> None:
    scene = Scene()
    with pytest.raises(Unsupported, match="chain_ends_by_itself"):
        scene.payer.purse.give_back(scene.open(), scene.clock.at())
