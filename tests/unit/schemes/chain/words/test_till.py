from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec, marks
from farthing.errors import (
    Closed,
    Forged,
    JumpTooLong,
    Malformed,
    OutOfRange,
    Replayed,
    Underpaid,
)
from farthing.money import PAYMENT_MICRO_MAX
from farthing.schemes.chain.credit.till import STEPS_MAX
from farthing.schemes.chain.payword import PAYWORD, PaywordCommitment
from farthing.schemes.chain.words.commitment import CHAINS_MAX
from farthing.schemes.chain.words.till import Payment
from farthing.schemes.contract import Json
from tests.kit.hashing import count_links
from tests.kit.parties import DAY_S, Vendor, binding_of
from tests.kit.payword import TODAY, Hand, Scene, public_ring


def test_pages_are_paid_word_by_word_and_the_last_word_is_claimed() -> None:
    scene = Scene()
    chain = scene.open()
    for price_micro in (200, 100, 500):
        left = scene.payer.spend(scene.vendor, chain, price_micro)
        assert left is not None
        assert left.worth_micro == chain.worth_micro - price_micro
        chain = left
    (claim,) = scene.vendor.claims()
    assert claim["links"][0][:2] == [100, 8]
    assert scene.clear() == 800
    assert scene.broker.balances == {"guarantee/ann": -800, "vendor/news": 800}


def test_only_the_first_payment_carries_the_commitment() -> None:
    scene = Scene()
    chain, offer = scene.open(), scene.vendor.offer(200)
    first = scene.payer.pay(chain, offer)
    left = scene.payer.conclude(first, scene.vendor.serve(first.payload, offer))
    assert left is not None
    later = scene.payer.pay(left, offer)
    assert isinstance(first.payload["commitment"], dict)
    assert isinstance(later.payload["commitment"], str)
    assert len(codec.canonical(later.payload)) <= 150
    taken = scene.vendor.serve(later.payload, offer).taken
    assert taken.reference == f"{left.id}:4"
    assert taken.value_moved, "a word that was shown is worth something to whoever saw it"


def test_an_index_not_above_the_last_is_replayed_with_the_last() -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate), scene.vendor.offer(100)
    scene.vendor.serve(hand.first(hand.link(5)), offer)
    before = scene.vendor.snapshot()
    for index in (5, 4, 1, 0):
        for payload in (hand.later(hand.link(index)), hand.first(hand.link(index))):
            with pytest.raises(Replayed, match="chain_index_not_above_last") as caught:
                scene.vendor.serve(payload, offer)
            assert caught.value.facts == {"lastIndex": 5}
    assert scene.vendor.snapshot() == before


def test_the_same_payment_while_its_index_is_held_has_the_same_outcome() -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate), scene.vendor.offer(100)
    payment = scene.vendor.till.read(codec.canonical(hand.first(hand.link(2))))
    memory = scene.vendor.store.do_now(marks.Read(keys=scene.vendor.till.recall(payment)))
    taken = scene.vendor.till.take(payment, offer, binding_of(), memory, scene.clock.at())
    hold = marks.Hold(
        k="k", digest=bytes(32), marks=taken.marks, kept=b"", now_s=scene.clock.now_s,
        lease_until_s=scene.clock.now_s, until_s=taken.until_s,
    )  # fmt: skip  # - a hold in one glance
    take = marks.Take(hold=hold, outcome=b"page", records=taken.records, claims=taken.claims)
    assert isinstance(scene.vendor.store.do_now(take), marks.Held)
    assert scene.vendor.store.do_now(take) == marks.Settled(outcome=b"page")
    assert scene.clear() == 200


def test_an_index_above_the_length_is_out_of_range() -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate), scene.vendor.offer(100)
    scene.vendor.serve(hand.first(hand.link(50)), offer)
    word = hand.link(50)[2]
    for index in (51, 2**31, 2**53, 2**70):
        with pytest.raises(OutOfRange, match="chain_index_above_length"):
            scene.vendor.serve(hand.later([100, index, word]), offer)


def test_a_jump_of_the_limit_is_taken_and_one_more_is_refused_before_hashing() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((1, STEPS_MAX + 2),))
    offer = Vendor(PAYWORD, public_ring(), scene.clock, unit_micro=1).offer(1)
    with pytest.raises(JumpTooLong, match="jump_too_long"):
        scene.vendor.serve(hand.first([1, STEPS_MAX + 1, "A" * 22]), offer)
    scene.vendor.serve(hand.first(hand.link(STEPS_MAX, 1)), offer)
    scene.vendor.serve(hand.later(hand.link(STEPS_MAX + 2, 1)), offer)


def test_links_of_all_chains_are_one_jump_and_no_more_than_that_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(unit_micro=1)
    hand = Hand(scene.certificate, chains=((1, 600), (2, 600), (3, 600)))
    offer, values = scene.vendor.offer(1), (1, 2, 3)
    wide = hand.first(*(hand.link(501, value) for value in values))
    full = hand.first(hand.link(501, 1), hand.link(490, 2), hand.link(9, 3))
    hashed = count_links(monkeypatch)
    with pytest.raises(JumpTooLong, match="jump_too_long"):
        scene.vendor.serve(wide, offer)
    assert hashed() <= STEPS_MAX
    assert scene.vendor.serve(full, offer).taken.value_micro == 501 + 2 * 490 + 3 * 9


def test_a_word_that_does_not_hash_to_the_last_is_forged() -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate), scene.vendor.offer(100)
    scene.vendor.serve(hand.first(hand.link(5)), offer)
    for wrong in (hand.link(6)[2], hand.link(8)[2], "A" * 22):
        with pytest.raises(Forged, match="word_does_not_hash_to_last"):
            scene.vendor.serve(hand.later([100, 7, wrong]), offer)
    assert scene.vendor.serve(hand.later(hand.link(7)), offer).taken.value_micro == 200


def test_a_lost_payment_is_proved_by_the_next_one() -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate), scene.vendor.offer(100)
    scene.vendor.serve(hand.first(hand.link(1)), offer)
    assert scene.vendor.serve(hand.later(hand.link(3)), offer).taken.value_micro == 200


def test_words_worth_less_than_the_price_are_underpaid_and_stay_good() -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    with pytest.raises(Underpaid, match="amount_below_price"):
        scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(200))
    assert scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100)) is not None


def test_one_micro_unit_short_is_underpaid() -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate, chains=((1, 300),)), scene.vendor.offer(200)
    with pytest.raises(Underpaid):
        scene.vendor.serve(hand.first(hand.link(199, 1)), offer)
    assert scene.vendor.serve(hand.first(hand.link(200, 1)), offer).taken.value_micro == 200


def test_two_commitments_with_one_root_are_refused() -> None:
    scene = Scene()
    offer = scene.vendor.offer(100)
    one = Hand(scene.certificate, slots=(0, 1))
    other = Hand(scene.certificate, slots=(1, 1))
    assert one.commitment.chains == other.commitment.chains
    scene.vendor.serve(one.first(one.link(1)), offer)
    before = scene.vendor.snapshot()
    with pytest.raises(Replayed):
        scene.vendor.serve(other.first(other.link(2)), offer)
    assert scene.vendor.snapshot() == before


def test_a_chain_that_was_never_opened_is_closed() -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    with pytest.raises(Closed, match="commitment_unknown"):
        scene.vendor.serve(hand.later(hand.link(1)), scene.vendor.offer(100))


def test_a_chain_that_the_commitment_has_not_is_out_of_range() -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    with pytest.raises(OutOfRange, match="denomination_unknown"):
        scene.vendor.serve(hand.first([200, 1, "A" * 22]), scene.vendor.offer(100))


def test_several_denominations_pay_one_price_and_each_is_claimed_by_itself() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, 50), (2500, 3)))
    taken = scene.vendor.serve(
        hand.first(hand.link(1), hand.link(1, 2500)), scene.vendor.offer(2600)
    ).taken
    assert taken.value_micro == 2600
    offer = scene.vendor.offer(5000)
    assert scene.vendor.serve(hand.later(hand.link(3, 2500)), offer).taken.value_micro == 5000
    scene.vendor.serve(hand.later(hand.link(3)), scene.vendor.offer(200))
    assert sorted(claim["links"][0][:2] for claim in scene.vendor.claims()) == [[100, 3], [2500, 3]]
    assert scene.clear() == 7_800


def test_a_chain_left_out_of_the_first_payment_is_open_all_the_same() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, 50), (2500, 3)))
    scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100))
    scene.vendor.serve(hand.later(hand.link(1, 2500)), scene.vendor.offer(2500))
    assert scene.clear() == 2_600


def test_payments_on_two_chains_never_share_a_reference() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, 50), (2500, 3)))
    served = [
        scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100)),
        scene.vendor.serve(hand.later(hand.link(1, 2500)), scene.vendor.offer(100)),
        scene.vendor.serve(hand.later(hand.link(2), hand.link(2, 2500)), scene.vendor.offer(100)),
        scene.vendor.serve(hand.later(hand.link(3)), scene.vendor.offer(100)),
    ]
    own = served[1].taken.reference.removesuffix(":1x2500")
    shown = [one.taken.reference.removeprefix(own) for one in served]
    assert shown == [":1", ":1x2500", ":2,2x2500", ":3"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-2, 60), min_size=1, max_size=12))
def test_what_is_earned_is_the_highest_index_whatever_comes(indices: list[int]) -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate), scene.vendor.offer(100)
    earned_micro = 0
    for index in indices:
        link = hand.link(index) if 0 <= index <= 50 else [100, index, "A" * 22]
        with suppress(Replayed, OutOfRange, Malformed):  # and no other refusal
            earned_micro += scene.vendor.serve(hand.first(link), offer).taken.value_micro
    highest = max((index for index in indices if 0 < index <= 50), default=0)
    assert earned_micro == 100 * highest
    assert scene.clear() == earned_micro


@pytest.mark.parametrize(
    "changed",
    [
        {"links": []}, {"links": [[100, 1, "A" * 22]] * 2}, {"links": [[-1, 1, "A" * 22]]},
        {"links": [[0, 1, "A" * 22]]}, {"links": [[2**64, 1, "A" * 22]]},
        {"links": [[10**9 + 1, 1, "A" * 22]]}, {"links": [[100, -1, "A" * 22]]},
        {"links": [[100, 1]]}, {"links": [[100, "1", "A" * 22]]}, {"links": None}, {"more": 1},
        {"links": [[n, 1, "A" * 22] for n in range(1, 6)]}, {"commitment": None},
        {"commitment": {}},
    ],
)  # fmt: skip  # - one field each
def test_a_payment_of_another_form_is_malformed(changed: dict[str, Json]) -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    with pytest.raises(Malformed):
        scene.vendor.serve(hand.first(hand.link(1)) | changed, scene.vendor.offer(100))


@pytest.mark.parametrize("word", ["", "A" * 21, "A" * 23, "A" * 21 + "B", "A" * 22 + "==", "é"])
def test_a_word_has_one_spelling(word: str) -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    with pytest.raises(Malformed):
        scene.vendor.serve(hand.first([100, 1, word]), scene.vendor.offer(100))
    # An id of the right length in another spelling is one that was never given out.
    with pytest.raises(Closed if len(word) == 22 else Malformed):
        scene.vendor.serve({"commitment": word, "links": [hand.link(1)]}, scene.vendor.offer(100))


def test_marks_and_records_outlive_the_day_by_skew_and_dispute_window() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, 50), (2500, 3)))
    taken = scene.vendor.serve(hand.first(hand.link(1)), scene.vendor.offer(100)).taken
    end_s = (TODAY + 1) * DAY_S + 120 + 30 * DAY_S
    assert taken.until_s == end_s
    assert {mark.until_s for mark in taken.marks} == {end_s}
    assert [msgspec.structs.asdict(record)["until_s"] for record in taken.records] == [end_s]


def test_a_claim_whose_commitment_is_forgotten_is_refused_and_holds_up_no_other() -> None:
    scene = Scene()
    scene.payer.spend(scene.vendor, scene.open(), 200)
    scene.vendor.store.do_now(marks.Forget(now_s=(TODAY + 40) * DAY_S, count=1000))
    scene.clock.now_s = (TODAY + 40) * DAY_S
    (claim,) = scene.vendor.claims()
    assert isinstance(claim["commitment"], str)
    with pytest.raises(Malformed):
        scene.broker.redeem(claim)


def read(*links: tuple[int, int, str], commitment: str = "0" * 22) -> Payment[PaywordCommitment]:
    raw = codec.canonical({"commitment": commitment, "links": links})
    payment: Payment[PaywordCommitment] = Scene().vendor.till.read(raw)
    return payment


def test_a_payment_has_one_link_for_each_chain_that_a_commitment_may_have() -> None:
    links = [(denomination, 1, "") for denomination in range(1, CHAINS_MAX + 2)]
    assert len(read(*links[:CHAINS_MAX]).links) == CHAINS_MAX
    for wrong in ([], links):
        with pytest.raises(Malformed, match="links"):
            read(*wrong)


def test_a_payment_names_its_commitment_by_an_id_of_22_characters() -> None:
    assert read((100, 1, ""), commitment="0" * 22).commitment == "0" * 22
    for wrong in ("0" * 21, "0" * 23):
        with pytest.raises(Malformed, match="commitment"):
            read((100, 1, ""), commitment=wrong)


def test_a_denomination_is_at_most_what_a_payment_may_be() -> None:
    word = "A" * 22
    assert read((PAYMENT_MICRO_MAX, 0, word)).links
    for wrong in ((PAYMENT_MICRO_MAX + 1, 0, word), (0, 0, word), (1, -1, word)):
        with pytest.raises(Malformed, match=r"links\[0\]"):
            read(wrong)
    vendor = Vendor(PAYWORD, public_ring(), Scene().clock, unit_micro=PAYMENT_MICRO_MAX)
    assert vendor.offer(PAYMENT_MICRO_MAX).price_micro == PAYMENT_MICRO_MAX


def test_a_link_of_no_chain_is_named_as_what_it_is() -> None:
    scene = Scene()
    hand, offer = Hand(scene.certificate), scene.vendor.offer(200)
    with pytest.raises(OutOfRange, match=r"\(denomination_unknown\)"):
        scene.vendor.serve(hand.first([2500, *hand.link(2)[1:]]), offer)
    with pytest.raises(Closed, match=r"\(commitment_unknown\)"):
        scene.vendor.serve(hand.later(hand.link(2)), offer)
