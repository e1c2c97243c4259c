import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing import codec
from farthing.crypto import signing
from farthing.errors import (
    Expired,
    Forged,
    Late,
    Malformed,
    OutOfRange,
    Overlimit,
    Refusal,
    Revoked,
    Unfit,
    WrongVendor,
)
from farthing.marks import Put
from farthing.schemes.chain.credit.certificate import SUBMIT_S
from farthing.schemes.chain.times import DISPUTE_S
from farthing.schemes.contract import Account, Json
from tests.kit.hashing import count_links
from tests.kit.parties import DAY_S, vendor_account
from tests.kit.payword import SLOT_MICRO, TODAY, Hand, Scene

PUBLIC = codec.b64u(signing.public_of(bytes(32)))


REFUSED = (
    Malformed, Forged, WrongVendor, Expired, OutOfRange, Overlimit, Late, Revoked,
)  # fmt: skip  # - classes that a changed claim may meet; Unfit is Malformed


def claim_of(hand: Hand, index: int, value: int = 100) -> dict[str, Json]:
    """A claim as a vendor would make it."""
    return {"commitment": msgspec.to_builtins(hand.commitment), "links": [hand.link(index, value)]}


def test_the_payer_is_billed_and_the_vendor_paid_for_the_last_word() -> None:
    scene = Scene()
    assert scene.broker.redeem(claim_of(Hand(scene.certificate), 7)) == 700
    assert scene.broker.balances == {"guarantee/ann": -700, "vendor/news": 700}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(-1, 60), st.booleans()), min_size=1, max_size=10))
def test_claims_in_any_order_pay_the_highest_true_index_once(
    claims: list[tuple[int, bool]],
) -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    highest = 0
    for index, is_true in claims:
        message = claim_of(hand, min(max(index, 0), 50))
        message["links"][0][1] = index
        if not is_true:
            message["links"][0][2] = "A" * 22
        try:
            scene.broker.redeem(message)
        except Refusal as wrong:
            assert isinstance(wrong, REFUSED)  # noqa: PT017 - some are paid
        else:
            assert is_true
            highest = max(highest, index)
        assert scene.broker.balances["vendor/news"] == 100 * highest


def test_unrevealed_words_cannot_be_claimed() -> None:
    scene = Scene()
    message = claim_of(Hand(scene.certificate), 7)
    message["links"][0][1] = 8
    with pytest.raises(Forged, match="word_does_not_hash_to_last"):
        scene.broker.redeem(message)


@pytest.mark.parametrize("index", [-1, 0, 51, 2**40])
def test_an_index_outside_the_chain_is_out_of_range(index: int) -> None:
    scene = Scene()
    message = claim_of(Hand(scene.certificate), 50)
    message["links"][0][1] = index
    with pytest.raises((OutOfRange, Malformed)):
        scene.broker.redeem(message)


def test_a_claim_is_for_chains_of_the_commitment() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, 50), (2500, 3)))
    message = claim_of(hand, 7)
    for links in ([], [hand.link(7), hand.link(8)]):
        with pytest.raises(Unfit, match="denomination_repeated"):
            scene.broker.redeem(message | {"links": links})
    with pytest.raises(OutOfRange, match="denomination_unknown"):
        scene.broker.redeem(message | {"links": [[200, *hand.link(7)[1:]]]})
    with pytest.raises(Forged):
        scene.broker.redeem(message | {"links": [[2500, 2, hand.link(2)[2]]]})
    assert scene.broker.redeem(message) == 700
    assert scene.broker.redeem(claim_of(hand, 2, 2500)) == 5000


def test_one_claim_pays_every_chain_that_it_names_and_each_word_once() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, 50), (2500, 3)))
    both = claim_of(hand, 7) | {"links": [hand.link(7), hand.link(1, 2500)]}
    assert scene.broker.redeem(both) == 3200
    assert scene.broker.redeem(both) == 0
    more = claim_of(hand, 7) | {"links": [hand.link(5), hand.link(3, 2500)]}
    assert scene.broker.redeem(more) == 5000
    assert scene.broker.redeem(claim_of(hand, 8)) == 100


def test_one_false_word_of_several_pays_nothing() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, 50), (2500, 3)))
    false = claim_of(hand, 7) | {"links": [hand.link(7), [2500, 2, hand.link(2)[2]]]}
    with pytest.raises(Forged):
        scene.broker.redeem(false)
    assert scene.broker.balances == {}


def test_words_of_one_day_are_redeemed_within_the_next() -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    scene.clock.now_s = (TODAY + 2) * DAY_S + 120
    assert scene.broker.redeem(claim_of(hand, 7)) == 700
    scene.clock.now_s += 1
    with pytest.raises(Late, match="claim_after_submit_window"):
        scene.broker.redeem(claim_of(hand, 8))


def test_a_claim_on_more_than_the_credit_of_its_slots_is_overlimit() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, SLOT_MICRO // 100 + 1),))
    with pytest.raises(Overlimit, match="commitment_above_limit"):
        scene.broker.redeem(claim_of(hand, 1))


def test_no_record_is_dropped_while_it_may_matter() -> None:
    scene = Scene()
    scene.broker.redeem(claim_of(Hand(scene.certificate), 7))
    last_s = (TODAY + 2) * DAY_S + 120  # the last second of a claim
    for key, until_s in scene.broker.kept_until_s.items():
        assert until_s > last_s, key


def test_a_claim_shown_again_says_that_it_paid_nothing() -> None:
    scene = Scene()
    claim = claim_of(Hand(scene.certificate), 1)
    answers = [scene.broker.run("redeem", claim, vendor_account()).answer for _ in range(2)]
    assert answers == [{"paidMicro": 100}, {"paidMicro": 0}]


def test_what_was_billed_is_remembered_until_no_claim_and_no_dispute_can_come() -> None:
    scene = Scene()
    hand = Hand(scene.certificate)
    applied = scene.broker.run("redeem", claim_of(hand, 1), vendor_account())
    end_s = hand.commitment.ends_at_s + SUBMIT_S + DISPUTE_S
    assert {mark.until_s for mark in applied.marks} == {end_s}
    assert {put.until_s for put in applied.records if isinstance(put, Put)} == {end_s}


def test_claims_of_a_batch_are_judged_as_if_alone() -> None:
    scene = Scene()
    hand = Hand(scene.certificate, chains=((100, 50), (2500, 3)))
    message = {"commitment": msgspec.to_builtins(hand.commitment)}
    false = [100, 7, hand.link(6)[2]]
    claims: list[Json] = [
        message | {"links": [hand.link(40)]},
        message | {"links": [false]},
        {"links": []},
        message | {"links": [hand.link(9), hand.link(2, 2500)]},
        message | {"links": [hand.link(9), [2500, 2, hand.link(1, 2500)[2]]]},
        message | {"links": []},
    ]
    mint, at = scene.broker.mint, scene.clock.at()
    account = Account(id="news", role="vendor")

    def alone(claim: Json) -> object:
        try:
            return mint.check("redeem", claim, account, at)
        except Refusal as refusal:
            return refusal

    together = mint.check_all("redeem", [(claim, account, at) for claim in claims])
    codes = [getattr(one, "code", "") for one in together]
    assert codes == [getattr(alone(claim), "code", "") for claim in claims]
    assert codes[1] == codes[4] == "word_does_not_hash_to_last"
    assert codes[0] == codes[3] == ""
    (one,) = mint.check_all("redeem", [(claims[0], Account(id="news", role="payer"), at)])
    assert getattr(one, "code", "") == "wrong_kind_of_account"


def test_a_claim_that_a_batch_has_several_times_is_hashed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene()
    claim, at = claim_of(Hand(scene.certificate), 50), scene.clock.at()
    hashed = count_links(monkeypatch)
    found = scene.broker.mint.check_all("redeem", [(claim, vendor_account("news"), at)] * 20)
    assert not any(isinstance(one, Refusal) for one in found)
    assert hashed() == 50 + 20, "a claim's links once, and of each claim the key of its links"
