"""What a vendor takes: every link is a ticket against its own chain, and is drawn."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from farthing import codec, marks
from farthing.crypto import chain
from farthing.errors import (
    Closed,
    Forged,
    Malformed,
    Misconfigured,
    Mismatch,
    OutOfRange,
    Overlimit,
    Refusal,
    Replayed,
    Revoked,
    Underpaid,
)
from farthing.schemes.chain.ticket.commitment import is_win
from farthing.schemes.chain.ticket.till import LENGTH, SEED_KEY, vendor_words
from farthing.schemes.contract import At, Json, Key
from tests.kit.canaries import canary, draw
from tests.kit.flips import bit_flips
from tests.kit.parties import binding_of
from tests.kit.payword import Scene
from tests.kit.ticket import Hand, scene


def refused(stage: Scene, payload: Json, kind: type[Refusal], code: str | None = None) -> None:
    """It is refused so, and changes nothing."""
    before = stage.vendor.snapshot()
    with pytest.raises(kind, match=code):
        stage.vendor.serve(payload, stage.vendor.offer(100))
    assert stage.vendor.snapshot() == before


def drawn(hand: Hand, words: bytes) -> list[int]:
    """The tickets of a chain that win."""
    return [
        n
        for n in range(1, hand.length + 1)
        if is_win(n, hand.word(n), words[16 * n : 16 * n + 16], hand.commitment.odds)
    ]


def own_words(stage: Scene, session: str, key_id: str = "1") -> bytes:
    till: Any = stage.vendor.till
    raw = codec.unb64u(session)
    secret = till.setting.ring.find(SEED_KEY, key_id).secret
    return vendor_words(till._seed(secret, raw), raw)


def test_an_offer_names_prize_odds_and_a_root_that_no_other_has() -> None:
    stage = scene(odds=50)
    offers = [
        stage.vendor.till.offer(200, At(now_s=stage.clock.now_s, entropy=draw(f"{n}")))
        for n in range(3)
    ]
    for offer in offers:
        assert offer.settlement == "probabilistic"
        assert (offer.price_micro, offer.terms["faceMicro"]) == (200, 5_000)
        assert (offer.terms["winNumerator"], offer.terms["winDenominator"]) == (1, 50)
    assert len({offer.terms["vendorRoot"] for offer in offers}) == 3
    assert scene(odds=1).vendor.offer(200).settlement == "deferred"


def test_every_ticket_that_a_jump_passes_is_drawn() -> None:
    """However the payer goes, by single links or one jump, the same tickets win."""
    won: list[list[int]] = []
    for steps in (range(1, 33), (32,), (5, 6, 20, 32)):
        stage = scene()
        offer = stage.vendor.offer(100)
        hand = Hand(stage.certificate, offer)
        for number, index in enumerate(steps):
            payload = hand.later(index) if number else hand.first(index)
            stage.vendor.serve(payload, offer)
        won.append(sorted(claim["index"] for claim in stage.vendor.claims()))
        assert won[-1] == drawn(hand, own_words(stage, hand.commitment.session))
        assert stage.clear() == 400 * len(won[-1])
    assert won[0] == won[1] == won[2] != []


def test_losers_are_dropped() -> None:
    stage = scene(odds=1000, slot_micro=10**7)
    offer = stage.vendor.offer(100)
    stage.vendor.serve(Hand(stage.certificate, offer).first(3), offer)
    assert stage.vendor.claims() == []
    assert stage.clear() == 0


def test_a_second_commitment_to_one_root_is_replayed() -> None:
    stage = scene()
    offer = stage.vendor.offer(100)
    stage.vendor.serve(Hand(stage.certificate, offer).first(1), offer)
    other = Hand(stage.certificate, offer, name="other", slots=(1, 1))
    refused(stage, other.first(1), Replayed)


def test_a_commitment_to_another_root_is_a_mismatch() -> None:
    stage = scene()
    offer = stage.vendor.offer(100)
    later = stage.vendor.till.offer(100, At(now_s=stage.clock.now_s, entropy=draw("later")))
    for changes in (
        {"vendor_root": later.terms["vendorRoot"]},
        {"session": later.terms["session"]},
        {"vendor_root": codec.b64u(bytes(16))},
    ):
        wrong = Hand(stage.certificate, offer, **changes)
        refused(stage, wrong.first(1), Mismatch, "vendor_root_unknown")


def test_a_commitment_before_the_vendors_is_a_mismatch() -> None:
    """A payer who makes both chains would know every draw."""
    stage = scene()
    offer = stage.vendor.offer(100)
    session, seed = draw("own session", 16), draw("own seed", 16)
    own = codec.b64u(chain.root_of(session, seed, LENGTH))
    wrong = Hand(stage.certificate, offer, session=codec.b64u(session), vendor_root=own)
    refused(stage, wrong.first(1), Mismatch, "vendor_root_unknown")


@pytest.mark.parametrize("changes", [{"odds": 5}, {"unit_micro": 50}, {"odds": 1}])
def test_odds_other_than_offered_are_a_mismatch(changes: dict[str, Any]) -> None:
    stage = scene()
    wrong = Hand(stage.certificate, stage.vendor.offer(100), **changes)
    refused(stage, wrong.first(1), Mismatch, "odds_not_as_offered")


def test_slots_too_small_for_the_prizes_are_refused() -> None:
    stage = scene(slot_micro=4_000)
    wrong = Hand(stage.certificate, stage.vendor.offer(100), length=256)
    refused(stage, wrong.first(1), Overlimit, "commitment_above_limit")


def test_a_chain_longer_than_the_session_is_refused() -> None:
    stage = scene(slot_micro=10**6)
    wrong = Hand(stage.certificate, stage.vendor.offer(100), length=LENGTH + 1)
    refused(stage, wrong.first(1), OutOfRange, "chain_too_long")


def test_indices_words_and_ids_are_checked() -> None:
    stage = scene()
    offer = stage.vendor.offer(100)
    hand = Hand(stage.certificate, offer)
    stage.vendor.serve(hand.first(5), offer)
    refused(stage, hand.later(5), Replayed, "chain_index_not_above_last")
    refused(stage, hand.first(4), Replayed, "chain_index_not_above_last")
    refused(stage, hand.later(6) | {"index": 33}, OutOfRange)
    refused(stage, hand.later(6) | {"index": 7}, Forged)
    refused(stage, hand.later(6) | {"commitment": "A" * 22}, Closed)
    refused(stage, hand.later(6) | {"commitment": "A"}, Malformed)
    with pytest.raises(Underpaid):
        stage.vendor.serve(hand.later(6), stage.vendor.offer(200))
    assert stage.vendor.serve(hand.later(6), offer).taken.value_micro == 100


def test_two_commitments_with_one_root_are_refused() -> None:
    stage = scene()
    first, second = stage.vendor.offer(100), stage.vendor.offer(100)
    stage.vendor.serve(Hand(stage.certificate, first).first(1), first)
    again = Hand(stage.certificate, second, slots=(1, 1))
    refused(stage, again.first(1), Replayed)


def test_a_revoked_certificate_opens_nothing() -> None:
    stage = scene()
    offer, till = stage.vendor.offer(100), stage.vendor.till
    payment = till.read(codec.canonical(Hand(stage.certificate, offer).first(1)))
    (key,) = till.recall(payment).records
    listed = marks.Memory(records={key: b""})
    with pytest.raises(Revoked):
        till.take(payment, offer, binding_of(), listed, stage.clock.at())


def test_chains_go_on_after_the_key_of_the_seeds_was_changed() -> None:
    stage = scene()
    offer = stage.vendor.offer(100)
    hand = Hand(stage.certificate, offer)
    secret = canary("next-draw-seed")
    ring: Any = stage.vendor.till.setting.ring
    ring.add(Key(id="2", purpose=SEED_KEY, secret=secret))
    stage.vendor.serve(hand.first(1), offer)
    stage.vendor.serve(hand.later(32), offer)
    words = own_words(stage, hand.commitment.session, "1")
    assert len(stage.vendor.claims()) == len(drawn(hand, words))


def test_every_flipped_bit_of_a_first_payment_is_refused_and_changes_nothing() -> None:
    stage = scene()
    offer = stage.vendor.offer(100)
    payload = Hand(stage.certificate, offer).first(3)
    before = stage.vendor.snapshot()
    for flipped in bit_flips(codec.canonical(payload)):
        with pytest.raises(Refusal):
            stage.vendor.serve(flipped, offer)
    assert stage.vendor.snapshot() == before
    assert stage.vendor.serve(payload, offer).taken.value_micro == 300


@pytest.mark.parametrize("options", [{"odds": 0}, {"odds": 10**8}, {"odds": "3"}, {"odds": True}])
def test_odds_that_are_none_are_refused_when_the_till_is_made(options: dict[str, Json]) -> None:
    with pytest.raises(Misconfigured, match="odds_out_of_range"):
        scene(**options)


def test_a_prize_above_every_payment_is_refused_when_the_till_is_made() -> None:
    with pytest.raises(Misconfigured, match="prize_out_of_range"):
        scene(odds=10**7, unit_micro=10**6)


def test_a_price_above_a_whole_chain_is_refused() -> None:
    with pytest.raises(OutOfRange, match="price_above_chain"):
        scene().vendor.offer(100 * (LENGTH + 1))


def test_a_claim_whose_commitment_was_forgotten_is_named_by_its_id() -> None:
    stage = scene(odds=1)
    offer = stage.vendor.offer(100)
    stage.vendor.serve(Hand(stage.certificate, offer).first(1), offer)
    rows = stage.vendor.store.do_now(marks.Pending(scheme="ticket", count=9))
    claims = tuple(claim for _, claim in rows)
    (message,) = stage.vendor.till.sweep(claims, marks.NOTHING, stage.clock.at())
    assert isinstance(message["commitment"], str)
    with pytest.raises(Refusal):
        stage.broker.redeem(message)


SEEDS: dict[str, Callable[[str, int], bytes]] = {
    "honest": lambda name, n: draw(f"{name} {n}", 16),
    "zero": lambda name, n: bytes(16),
    "the same": lambda name, n: b"w" * 16,
    "counted": lambda name, n: n.to_bytes(16, "big"),
    "of few bits": lambda name, n: bytes([1 << n % 8]) * 16,
}


@pytest.mark.parametrize("vendors", SEEDS)
@pytest.mark.parametrize("payers", SEEDS)
def test_what_is_won_is_the_price_on_average_whatever_seeds_are_chosen(
    payers: str, vendors: str
) -> None:
    """Within 4 standard deviations over 12,800 tickets; one side's salt is random as ever."""
    odds, chains = 8, 50
    wins = 0
    for number in range(chains):
        session, salt = draw(f"session {vendors} {number}", 16), draw(f"salt {payers} {number}", 16)
        words = vendor_words(SEEDS[vendors]("v", number), session)
        key, word = chain.link_key(salt), SEEDS[payers]("x", number)
        for ticket in range(LENGTH, 0, -1):
            wins += is_win(ticket, word, words[16 * ticket : 16 * ticket + 16], odds)
            word = chain.descend(key, word, ticket, ticket - 1)
    count = chains * LENGTH
    deviation = math.sqrt(count / odds * (1 - 1 / odds))
    assert abs(wins - count / odds) <= 4 * deviation


def test_a_payer_who_grinds_its_chain_wins_nothing_by_it() -> None:
    """It takes the chain that loses most against the chains that it has seen; a new one is new."""
    odds = 8
    seen = [vendor_words(draw(f"seen {n}", 16), draw(f"past {n}", 16)) for n in range(4)]
    fresh = [vendor_words(draw(f"fresh {n}", 16), draw(f"next {n}", 16)) for n in range(40)]

    def lost(seed: bytes, words: bytes) -> int:
        salt, word, wins = draw("grinder", 16), seed, 0
        for ticket in range(LENGTH, 0, -1):
            wins += is_win(ticket, word, words[16 * ticket : 16 * ticket + 16], odds)
            word = chain.descend(chain.link_key(salt), word, ticket, ticket - 1)
        return wins

    tried = [draw(f"try {n}", 16) for n in range(20)]
    best = min(tried, key=lambda seed: sum(lost(seed, words) for words in seen))
    wins, count = sum(lost(best, words) for words in fresh), 40 * LENGTH
    deviation = math.sqrt(count / odds * (1 - 1 / odds))
    assert abs(wins - count / odds) <= 4 * deviation


def test_a_payment_shows_no_word() -> None:
    stage = scene()
    hand = Hand(stage.certificate, stage.vendor.offer(100))
    payment = stage.vendor.till.read(codec.canonical(hand.first(7)))
    assert repr(payment) == "Payment(7)"
    assert msgspec.to_builtins(payment)["index"] == 7
