import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec
from farthing.crypto import chain as chains
from farthing.errors import Expired, OutOfRange
from farthing.schemes.chain.credit.certificate import LIMIT_MICRO_MAX
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.payword import PAYWORD
from farthing.schemes.contract import Asked, Instrument, Json, Need
from tests.kit.parties import DAY_S, Vendor
from tests.kit.payword import SLOT_MICRO, TODAY, Scene, opened_of, public_ring

DEAR_MICRO = 500_000  # half a unit of currency: 50 links of 100 units


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


def rich(slot_micro: int = 10 * DEAR_MICRO) -> Scene:
    """A payer with credit for ten dear pages in each slot."""
    scene = Scene(credit_micro=2 * SLOTS * slot_micro)
    scene.certificate = scene.certify(slot_micro)
    return scene


def steps_of(payload: Json) -> list[list[int]]:
    """What a payment shows, without the words."""
    return [link[:2] for link in payload["links"]]


def test_a_dear_page_is_paid_with_few_links_and_small_ones_are_left_for_the_next() -> None:
    scene = rich()
    opened = scene.open(price_micro=DEAR_MICRO)
    commitment = opened_of(opened).commitment
    assert [value for value, _, _ in commitment.chains] == [100, 1_000, 10_000, 100_000]
    assert opened.worth_micro == commitment.worth_micro == commitment.share_micro
    for price_micro, steps in (
        (DEAR_MICRO, [[100_000, 5]]),
        (200, [[100, 2]]),
        (12_300, [[100, 5], [1_000, 2], [10_000, 1]]),
        (DEAR_MICRO + 100, [[100, 6], [100_000, 10]]),
    ):
        paid = scene.payer.pay(opened, scene.vendor.offer(price_micro))
        assert steps_of(paid.payload) == steps
        left = scene.payer.spend(scene.vendor, opened, price_micro)
        assert left is not None
        assert left.worth_micro == opened.worth_micro - price_micro
        opened = left
    assert scene.clear() == 2 * DEAR_MICRO + 12_600
    assert scene.broker.balances["guarantee/ann"] == -(2 * DEAR_MICRO + 12_600)


def test_only_the_first_payment_of_several_chains_carries_the_commitment() -> None:
    scene = rich()
    opened = scene.open(price_micro=DEAR_MICRO)
    assert isinstance(scene.payer.pay(opened, scene.vendor.offer(100)).payload["commitment"], dict)
    for price_micro in (DEAR_MICRO, 100, DEAR_MICRO):  # whichever chain the first was of
        left = scene.payer.spend(scene.vendor, opened, price_micro)
        assert left is not None
        paid = scene.payer.pay(left, scene.vendor.offer(100))
        assert isinstance(paid.payload["commitment"], str)
        opened = left


def test_cheap_pages_have_one_chain_whose_last_word_is_the_seed() -> None:
    scene = Scene()
    opened = opened_of(scene.open(price_micro=200))
    ((value, length, root),) = opened.commitment.chains
    assert (value, length, opened.above) == (100, 1_000, ())
    salt, seed = codec.unb64u(opened.commitment.salt), codec.unb64u(opened.seed)
    assert codec.b64u(chains.root_of(salt, seed, length)) == root


def test_a_chain_that_was_kept_before_there_were_several_pays_on() -> None:
    scene = Scene()
    left = scene.payer.spend(scene.vendor, scene.open(), 300)
    assert left is not None
    body = msgspec.json.decode(left.body)
    del body["above"]
    older = msgspec.structs.replace(left, body=msgspec.json.encode(body))
    scene.payer.spend(scene.vendor, older, 200)
    assert scene.clear() == 500


def test_the_last_word_of_a_chain_tells_nothing_of_the_other_chains() -> None:
    scene = rich(slot_micro=DEAR_MICRO)
    opened = scene.open(price_micro=DEAR_MICRO + 12_300)  # in two slots
    kept = opened_of(opened)
    assert len(kept.commitment.chains) == 4
    paid = scene.payer.pay(opened, scene.vendor.offer(opened.worth_micro))
    words = {word for _, _, word in paid.payload["links"]}
    assert steps_of(paid.payload) == [
        [value, length] for value, length, _ in kept.commitment.chains
    ]
    assert len(words) == 4
    assert kept.seed not in words, "whoever has it has all chains"


def test_what_one_commitment_has_no_links_for_the_next_one_pays() -> None:
    scene = rich()
    left: Instrument | None = scene.open(price_micro=DEAR_MICRO)
    for _ in range(26):  # 9 of the 240 smallest each time
        assert left is not None
        left = scene.payer.spend(scene.vendor, left, 900)
    assert left is not None
    with pytest.raises(OutOfRange, match="chain_used_up"):
        scene.payer.pay(left, scene.vendor.offer(900))
    left = scene.payer.spend(scene.vendor, left, 1_000)
    following = scene.open(price_micro=900)
    assert opened_of(following).commitment.slots == (1, 1)
    assert scene.payer.spend(scene.vendor, following, 900) is not None
    assert scene.clear() == 26 * 900 + 1_000 + 900


def test_a_vendor_that_takes_fewer_links_is_given_chains_of_as_many() -> None:
    scene = rich()
    offer = scene.vendor.offer(DEAR_MICRO)
    few = msgspec.structs.replace(offer, terms=offer.terms | {"maxSteps": 6})
    _, opened = scene.payer.purse.open(scene.certificate, few, scene.clock.at())
    assert sum(length for _, length, _ in opened_of(opened).commitment.chains) <= 6
    assert steps_of(scene.payer.pay(opened, few).payload) == [[100_000, 5]]
    fewer = msgspec.structs.replace(offer, terms=offer.terms | {"maxSteps": 4})
    with pytest.raises(OutOfRange, match="price_above_links"):
        scene.payer.purse.open(scene.certificate, fewer, scene.clock.at())
    with pytest.raises(OutOfRange, match="too_many_links"):
        scene.payer.pay(opened, fewer)
    for terms in ({"unitMicro": 100}, {"unitMicro": 100, "maxSteps": True}):
        silent = msgspec.structs.replace(offer, terms=terms)
        with pytest.raises(OutOfRange, match="offer_without_steps"):
            scene.payer.purse.open(scene.certificate, silent, scene.clock.at())


@pytest.mark.parametrize("price_micro", [0, -100, 50, 150])
def test_a_price_that_is_no_number_of_units_opens_nothing(price_micro: int) -> None:
    scene = Scene()
    offer = msgspec.structs.replace(scene.vendor.offer(100), price_micro=price_micro)
    with pytest.raises(OutOfRange, match="price_not_in_units"):
        scene.payer.purse.open(scene.certificate, offer, scene.clock.at())


def test_the_largest_certificate_pays_the_largest_price_to_the_last_micro_unit() -> None:
    scene = rich(slot_micro=LIMIT_MICRO_MAX // SLOTS)
    vendor = Vendor(PAYWORD, public_ring(), scene.clock, unit_micro=1)
    price_micro = LIMIT_MICRO_MAX - 1
    opened = scene.open(vendor, price_micro=price_micro)
    offer = vendor.offer(price_micro)
    assert (
        vendor.serve(scene.payer.pay(opened, offer).payload, offer).taken.value_micro == price_micro
    )


def _any_slot(opened: list[Instrument], scene: Scene, units: int) -> Instrument | None:
    """As a wallet chooses: the least that pays, or something new; None: the credit is in use."""
    offer = scene.vendor.offer(100 * units)
    for one in sorted(opened, key=lambda each: each.worth_micro):
        try:
            scene.payer.pay(one, offer)
        except OutOfRange:
            continue
        return one
    try:
        return scene.open(price_micro=100 * units)
    except OutOfRange:
        return None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 4).flatmap(lambda n: st.integers(1, 10**n)), min_size=1, max_size=25)
)
def test_any_prices_in_any_order_are_paid_exactly_and_billed_within_the_limit(
    prices: list[int],
) -> None:
    scene = rich()
    limit_micro = scene.certificate.worth_micro
    opened: list[Instrument] = []
    sum_micro = 0
    for units in prices:
        chosen = _any_slot(opened, scene, units)
        if chosen is None:
            assert sum_micro + 100 * units > limit_micro // SLOTS, "a day's credit was hardly used"
            continue
        opened = [one for one in opened if one.id != chosen.id]
        left = scene.payer.spend(scene.vendor, chosen, 100 * units)
        opened += [left] if left is not None else []
        sum_micro += 100 * units
    assert sum(one.worth_micro for one in opened) + sum_micro <= limit_micro
    assert scene.clear() == sum_micro
    assert scene.broker.balances.get("vendor/news", 0) == sum_micro
