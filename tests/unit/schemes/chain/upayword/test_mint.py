"""What a broker bills: each chain to its last word, all of a commitment within its credit."""

from typing import Any

import msgspec
import pytest

from farthing.errors import Forged, Late, Mismatch, OutOfRange, Overlimit, Unfit, WrongVendor
from farthing.schemes.chain.upayword.mint import Claim
from farthing.schemes.contract import Json
from tests.kit.parties import DAY_S
from tests.kit.upayword import Hand, scene


def claim(hand: Hand, *shown: tuple[int, int], **changes: Any) -> Json:
    """The commitment, the continuations that are shown, and a word of each."""
    numbers = [number for number, _ in shown]
    message = {
        "commitment": msgspec.to_builtins(hand.commitment),
        "continuations": [msgspec.to_builtins(hand.chains[n]) for n in numbers if n],
        "links": [[number, *hand.link(number, index)[1:]] for number, index in shown],
    }
    return message | changes


def test_a_claim_is_worth_the_full_chains_that_it_shows_and_the_index_in_the_last() -> None:
    stage = scene()
    hand = Hand(stage.certificate, 5, 6, 7)
    assert stage.broker.redeem(claim(hand, (0, 5), (1, 6), (2, 3))) == 1400


def test_a_chain_is_not_paid_for_unless_its_own_word_is_shown() -> None:
    """A word of the second chain proves nothing of the first."""
    stage = scene()
    hand = Hand(stage.certificate, 5, 6)
    assert stage.broker.redeem(claim(hand, (1, 3))) == 300
    assert stage.broker.redeem(claim(hand, (0, 2))) == 200
    assert stage.broker.redeem(claim(hand, (0, 5))) == 300


def test_a_second_claim_pays_the_difference_and_a_repeat_nothing() -> None:
    stage = scene()
    hand = Hand(stage.certificate, 5, 6)
    assert stage.broker.redeem(claim(hand, (0, 5), (1, 2))) == 700
    assert stage.broker.redeem(claim(hand, (0, 5), (1, 2))) == 0
    assert stage.broker.redeem(claim(hand, (0, 4), (1, 6))) == 400
    assert stage.broker.redeem(claim(hand, (1, 1))) == 0
    assert stage.broker.balances == {"guarantee/ann": -1100, "vendor/news": 1100}


def test_two_continuations_of_one_number_come_to_no_more_than_the_credit() -> None:
    """Payer and vendor together get no more out of a broker than it has vouched for."""
    stage = scene()
    hand = Hand(stage.certificate, 400, 600)
    assert stage.broker.redeem(claim(hand, (0, 400), (1, 600))) == 100_000
    other = hand.other()
    again = {
        "commitment": msgspec.to_builtins(hand.commitment),
        "continuations": [msgspec.to_builtins(other)],
        "links": [[1, *hand.link(1, 1, of=other)[1:]]],
    }
    with pytest.raises(Overlimit, match="chains_above_limit"):
        stage.broker.redeem(again)


def test_what_its_payer_did_not_sign_so_is_refused() -> None:
    stage = scene()
    hand = Hand(stage.certificate, 5, 6)
    right = claim(hand, (1, 6))
    before = stage.broker.snapshot()
    second = right["continuations"][0]
    foreign = msgspec.to_builtins(hand.after(6, number=1, before=5, of="A" * 22))
    above = msgspec.to_builtins(hand.after(996, number=1, before=5))
    for wrong, kind in (
        (right | {"continuations": [second | {"length": 7}]}, Forged),
        (right | {"continuations": [foreign]}, Mismatch),
        (right | {"continuations": [above]}, Overlimit),
        (right | {"links": [[1, 7, right["links"][0][2]]]}, OutOfRange),
        (right | {"links": [[1, 5, right["links"][0][2]]]}, Forged),
        (right | {"links": [[1, 0, right["links"][0][2]]]}, OutOfRange),
    ):
        with pytest.raises(kind):
            stage.broker.redeem(wrong)
    assert stage.broker.snapshot() == before
    assert stage.broker.redeem(right) == 600


@pytest.mark.parametrize(
    "shown", [[], [(1, 2), (0, 3)], [(0, 1), (0, 2)], [(1, 1), (1, 2)], [(2, 1)]]
)
def test_a_claim_has_one_spelling(shown: list[tuple[int, int]]) -> None:
    stage = scene()
    hand = Hand(stage.certificate, 5, 6, 7)
    right = claim(hand, (0, 1), (1, 1))
    links = [[number, *hand.link(number, index)[1:]] for number, index in shown]
    with pytest.raises(Unfit):
        stage.broker.redeem(right | {"links": links})
    twice = right["continuations"] * 2
    with pytest.raises(Unfit):
        stage.broker.redeem(right | {"continuations": twice})


def test_shorter_words_are_paid_and_one_of_another_size_is_not() -> None:
    stage = scene(word_bytes=10)
    hand = Hand(stage.certificate, 5, word_bytes=10)
    longer = Hand(stage.certificate, 5, word_bytes=16)
    right = claim(hand, (0, 4))
    wrong = claim(longer, (0, 4))["links"]
    with pytest.raises(Exception, match="field_size_wrong"):
        stage.broker.redeem(right | {"links": wrong})
    assert stage.broker.redeem(right) == 400


def test_another_vendors_claim_and_a_late_one_are_refused() -> None:
    stage = scene()
    hand = Hand(stage.certificate, 5, 6)
    with pytest.raises(WrongVendor):
        stage.broker.redeem(claim(hand, (0, 1)), vendor_id="daily")
    stage.clock.now_s += 3 * DAY_S
    with pytest.raises(Late):
        stage.broker.redeem(claim(hand, (0, 1)))


def test_a_claim_shows_no_word() -> None:
    hand = Hand(scene().certificate, 5)
    made = msgspec.convert(claim(hand, (0, 3)), Claim, strict=True)
    assert repr(made) == "Claim([(0, 3)])"
