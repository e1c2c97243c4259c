"""What a broker pays: a ticket that wins, once, within the credit."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged, Late, OutOfRange, Overlimit, Unfit, WrongVendor
from farthing.marks import Memory, Place
from farthing.schemes.chain.ticket.commitment import is_win
from farthing.schemes.chain.ticket.till import SEED_KEY, vendor_words
from farthing.schemes.contract import Json
from tests.kit.parties import DAY_S
from tests.kit.payword import Scene
from tests.kit.ticket import Hand, scene


class Won:
    """A whole chain was given; its winners are claimed by hand."""

    def __init__(self, **options: Any) -> None:
        self.stage: Scene = scene(**options)
        offer = self.stage.vendor.offer(100)
        self.hand = Hand(self.stage.certificate, offer)
        self.stage.vendor.serve(self.hand.first(32), offer)
        self.claims = self.stage.vendor.claims()

    def loser(self) -> Json:
        """A true ticket that lost: the vendor knows both its words."""
        won = {claim["index"] for claim in self.claims}
        till, hand = self.stage.vendor.till, self.hand
        index = next(n for n in range(1, 33) if n not in won)
        words = _words(till, hand)
        vendor_word = words[16 * index : 16 * index + 16]
        assert not is_win(index, hand.word(index), vendor_word, hand.commitment.odds)
        return self.claims[0] | {
            "index": index,
            "word": codec.b64u(hand.word(index)),
            "vendorWord": codec.b64u(vendor_word),
        }


def _words(till: Any, hand: Hand) -> bytes:

    session = codec.unb64u(hand.commitment.session)
    seed = till._seed(till.setting.ring.current(SEED_KEY).secret, session)
    return vendor_words(seed, session)


def test_winners_are_paid_once() -> None:
    won = Won()
    assert len(won.claims) > 2
    assert [won.stage.broker.redeem(claim) for claim in won.claims] == [400] * len(won.claims)
    assert [won.stage.broker.redeem(claim) for claim in won.claims] == [0] * len(won.claims)
    total = 400 * len(won.claims)
    assert won.stage.broker.balances == {"guarantee/ann": -total, "vendor/news": total}


def test_a_losing_ticket_claims_nothing() -> None:
    won = Won()
    with pytest.raises(Forged, match="ticket_does_not_win"):
        won.stage.broker.redeem(won.loser())
    assert won.stage.broker.balances == {}


def test_words_that_win_and_are_of_no_chain_are_forged() -> None:
    """A vendor that looks for words until they win has none that hash to the roots."""
    won = Won()
    right = won.claims[0]
    for name in ("word", "vendorWord"):
        for number in range(100):
            wrong = right | {name: codec.b64u(number.to_bytes(16, "big"))}
            with pytest.raises(Forged):
                won.stage.broker.redeem(wrong)
    with pytest.raises(Forged):
        won.stage.broker.redeem(right | {"index": right["index"] % 32 + 1})
    with pytest.raises(OutOfRange):
        won.stage.broker.redeem(right | {"index": 33})
    assert won.stage.broker.balances == {}


def test_what_the_payer_did_not_sign_is_forged() -> None:
    won = Won()
    right = won.claims[0]
    for changes in ({"odds": 1}, {"unitMicro": 1}, {"length": 31}, {"vendorRoot": "A" * 22}):
        commitment = right["commitment"] | changes
        with pytest.raises(Forged):
            won.stage.broker.redeem(right | {"commitment": commitment})
    with pytest.raises(Unfit):
        won.stage.broker.redeem(right | {"commitment": right["commitment"] | {"odds": 0}})


def test_a_payers_bill_never_exceeds_its_limit() -> None:
    """Of a commitment that a vendor took against the rules, wins above the slots are its loss."""
    stage = scene(odds=1, slot_micro=3_200)
    offer = stage.vendor.offer(100)
    hand = Hand(stage.certificate, offer)
    stage.vendor.serve(hand.first(32), offer)
    claims = stage.vendor.claims()
    assert sum(stage.broker.redeem(claim) for claim in claims) == 3_200
    wins = stage.broker.snapshot()
    greedy = Hand(stage.certificate, offer, name="second", length=64, slots=(0, 1))
    message = claims[0] | {"commitment": msgspec.to_builtins(greedy.commitment)}
    with pytest.raises(Overlimit):
        stage.broker.redeem(message)
    assert stage.broker.snapshot() == wins


def test_wins_above_the_room_of_the_slots_are_the_vendors_loss() -> None:
    won = Won(slot_micro=10_500)
    mint: Any = won.stage.broker.mint
    claim = mint.claims.convert(won.claims[0])
    _, wins = mint.counters(claim)
    room = 10_500 // 400
    last = Memory(counters={wins: Place(to=room - 1, link=b"")})
    assert mint.due(claim, last, 0)[0] == 400
    above = Memory(counters={wins: Place(to=room, link=b"")})
    with pytest.raises(Overlimit, match="prizes_above_limit"):
        mint.due(claim, above, 0)


def test_another_vendors_claim_and_a_late_one_are_refused() -> None:
    won = Won()
    with pytest.raises(WrongVendor):
        won.stage.broker.redeem(won.claims[0], vendor_id="daily")
    won.stage.clock.now_s += 3 * DAY_S
    with pytest.raises(Late):
        won.stage.broker.redeem(won.claims[0])


def test_what_is_claimed_over_many_chains_is_the_price_on_average() -> None:
    """4 standard deviations over 2,048 tickets at odds of 4, from purse to bill."""
    stage = scene(slot_micro=100_000)
    claimed = bought = 0
    for number in range(8):
        offer = stage.vendor.till.offer(100, _at(stage, number))
        hand = Hand(stage.certificate, offer, name=f"{number}", length=256, slots=(number, 1))
        stage.vendor.serve(hand.first(256), offer)
        bought += 256
    claimed = stage.clear() // 400
    deviation = (bought / 4 * 3 / 4) ** 0.5
    assert abs(claimed - bought / 4) <= 4 * deviation


def _at(stage: Scene, number: int) -> Any:
    return msgspec.structs.replace(stage.clock.at(), entropy=number.to_bytes(64, "big"))
