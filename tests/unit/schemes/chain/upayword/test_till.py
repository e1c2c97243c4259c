"""What a vendor takes: chain after chain, whatever was lost on the way, within the credit."""

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
    Misconfigured,
    Mismatch,
    OutOfRange,
    Overlimit,
    Refusal,
    Replayed,
    Revoked,
    Underpaid,
    Unfit,
)
from farthing.schemes.chain.upayword import UPAYWORD
from farthing.schemes.chain.upayword.till import CONTINUATIONS_MAX, Payment
from farthing.schemes.contract import Json
from tests.kit.flips import bit_flips
from tests.kit.parties import Vendor, binding_of
from tests.kit.payword import Scene
from tests.kit.upayword import Hand, scene

ANYTHING = 100


def open_at(units: int, *lengths: int, word_bytes: int = 16) -> tuple[Scene, Hand]:
    """A vendor that was paid so many words, of a commitment with chains of these lengths."""
    stage = scene(word_bytes=word_bytes)
    hand = Hand(stage.certificate, *lengths, word_bytes=word_bytes)
    stage.vendor.serve(hand.payment(units), stage.vendor.offer(ANYTHING))
    return stage, hand


def refused(stage: Scene, payload: Json, kind: type[Refusal], code: str | None = None) -> None:
    """It is refused so, and changes nothing."""
    before = stage.vendor.snapshot()
    with pytest.raises(kind, match=code):
        stage.vendor.serve(payload, stage.vendor.offer(ANYTHING))
    assert stage.vendor.snapshot() == before


def test_a_payment_goes_from_chain_to_chain_and_each_is_claimed_to_its_last_word() -> None:
    stage, hand = open_at(3, 5, 6, 7)
    served = stage.vendor.serve(hand.payment(13, known=0), stage.vendor.offer(1000))
    assert served.taken.value_micro == 1000
    assert served.taken.reference == f"uw:{hand.chains[2].id}:2"
    assert [claim["links"][0][:2] for claim in stage.vendor.claims()] == [[0, 5], [1, 6], [2, 2]]
    assert stage.clear() == 1300
    assert stage.broker.balances == {"guarantee/ann": -1300, "vendor/news": 1300}


def test_later_payments_name_the_chain_they_are_on() -> None:
    stage, hand = open_at(13, 5, 6, 7)
    payload = hand.payment(15, known=2)
    assert payload["commitment"] == hand.chains[2].id
    assert "continuations" not in payload
    assert stage.vendor.serve(payload, stage.vendor.offer(200)).taken.value_micro == 200


def test_a_continuation_out_of_order_is_refused() -> None:
    stage, hand = open_at(5, 5, 6, 7)
    payload = hand.payment(12, known=0)
    skipped = payload | {
        "continuations": payload["continuations"][1:],
        "links": [payload["links"][0], payload["links"][2]],
    }
    refused(stage, skipped, OutOfRange, "continuation_out_of_order")
    wrong = hand.after(7, number=2, before=4)
    one = {"continuations": [msgspec.to_builtins(wrong)]}
    refused(stage, skipped | one, OutOfRange, "continuation_out_of_order")


def test_a_continuation_of_another_commitment_is_a_mismatch() -> None:
    stage, hand = open_at(5, 5, 6)
    hand.chains.pop()
    hand.chains.append(hand.after(6, of="A" * 22))
    refused(stage, hand.payment(6, known=0), Mismatch, "continuation_of_another_commitment")


def test_a_continuation_that_its_payer_did_not_sign_is_forged() -> None:
    stage, hand = open_at(5, 5, 6)
    payload = hand.payment(6, known=0)
    payload["continuations"][0]["sig"] = hand.commitment.sig
    refused(stage, payload, Forged)


def test_a_continuation_that_is_sent_again_changes_nothing() -> None:
    stage, hand = open_at(7, 5, 6)
    again = hand.payment(9, known=0)
    assert again["continuations"], "the vendor has it already"
    refused(stage, hand.payment(7, known=0), Replayed, "chain_index_not_above_last")
    taken = stage.vendor.serve(again, stage.vendor.offer(200)).taken
    assert (taken.value_micro, taken.records) == (200, ())
    assert [type(mark) for mark in taken.marks] == [marks.Advance]


def test_a_chain_is_continued_once() -> None:
    stage, hand = open_at(7, 5, 6)
    other = hand.other()
    payload = {
        "commitment": hand.commitment.id,
        "continuations": [msgspec.to_builtins(other)],
        "links": [hand.link(0, 5), hand.link(1, 3, of=other)],
    }
    refused(stage, payload, Refusal)


def test_no_chain_has_the_root_of_an_earlier_one() -> None:
    stage, hand = open_at(100, 100)
    again = hand.after(100, root=hand.root(0, 100), salt=codec.b64u(hand.salt(0)))
    payload = {
        "commitment": hand.commitment.id,
        "continuations": [msgspec.to_builtins(again)],
        "links": [hand.link(0, 100), hand.link(0, 1)],
    }
    refused(stage, payload, Replayed)


def test_all_chains_of_a_commitment_stay_within_its_credit() -> None:
    stage, hand = open_at(5, 5, 995)
    hand.chains.pop()
    hand.chains.append(hand.after(996))
    refused(stage, hand.payment(6, known=0), Overlimit, "continuation_above_limit")
    hand.chains.pop()
    hand.chains.append(hand.after(995))
    for units in (505, 1000):
        stage.vendor.serve(hand.payment(units, known=0), stage.vendor.offer(ANYTHING))
    assert stage.clear() == 100_000


def test_a_chain_counts_as_full_only_if_its_last_word_is_shown() -> None:
    stage, hand = open_at(3, 5, 6)
    payload = hand.payment(7, known=0)
    for wrong, kind in (
        ([hand.link(0, 4), payload["links"][1]], OutOfRange),
        ([hand.link(0, 3), payload["links"][1]], OutOfRange),
        ([[100, 5, hand.link(0, 4)[2]], payload["links"][1]], Forged),
    ):
        refused(stage, payload | {"links": wrong}, kind)


def test_a_last_word_that_was_shown_is_shown_as_it_was() -> None:
    stage, hand = open_at(5, 5, 6)
    payload = hand.payment(7, known=0)
    wrong = [[100, 5, hand.link(0, 4)[2]], payload["links"][1]]
    refused(stage, payload | {"links": wrong}, Forged)
    assert stage.vendor.serve(payload, stage.vendor.offer(200)).taken.value_micro == 200


@settings(max_examples=30)
@given(arrives=st.lists(st.booleans(), min_size=12, max_size=12), data=st.data())
def test_with_any_payments_lost_the_last_one_that_arrives_settles_all(
    arrives: list[bool], data: st.DataObject
) -> None:
    stage = scene()
    hand, offer = Hand(stage.certificate, 4, 3, 5, 6, 12), stage.vendor.offer(ANYTHING)
    known: int | None = None
    units = settled = 0
    for has_arrived in arrives:
        units += data.draw(st.integers(1, 2))
        payload = hand.payment(units, known=known)
        if has_arrived:
            value_micro = stage.vendor.serve(payload, offer).taken.value_micro
            assert value_micro == 100 * (units - settled)
            settled = units
            if data.draw(st.booleans()):  # the acknowledgement may be lost, too
                known = next(
                    at for at, one in enumerate(hand.chains) if units <= one.before + one.length
                )
    assert stage.clear() == 100 * settled


def test_a_jump_over_chains_is_bounded_as_a_whole() -> None:
    stage = scene()
    stage.certificate = stage.certify(200_000)
    hand = Hand(stage.certificate, 600, 600)
    refused(stage, hand.payment(1001), JumpTooLong, "jump_too_long")
    stage.vendor.serve(hand.payment(1000), stage.vendor.offer(ANYTHING))


def test_words_may_be_as_short_as_the_vendor_says() -> None:
    stage, hand = open_at(3, 5, 6, word_bytes=10)
    payload = hand.payment(8, known=0)
    assert len(codec.unb64u(payload["links"][0][2])) == 10
    assert stage.vendor.serve(payload, stage.vendor.offer(500)).taken.value_micro == 500
    assert stage.clear() == 800


def test_words_shorter_than_the_vendor_says_are_refused() -> None:
    stage = scene(word_bytes=12)
    for size in (10, 11):
        short = Hand(stage.certificate, 5, word_bytes=size)
        refused(stage, short.payment(1), OutOfRange, "words_too_short")
    long = Hand(stage.certificate, 5, word_bytes=16)
    stage.vendor.serve(long.payment(1), stage.vendor.offer(ANYTHING))


@pytest.mark.parametrize("size", [9, 11, 16])
def test_a_word_of_another_size_than_its_chain_is_refused(size: int) -> None:
    stage, hand = open_at(2, 5, word_bytes=10)
    link = hand.link(0, 3)
    link[2] = codec.b64u(codec.unb64u(link[2]).ljust(16, b"\0")[:size])
    refused(stage, {"commitment": hand.commitment.id, "links": [link]}, Malformed)


@pytest.mark.parametrize("word_bytes", [9, 17, "16", True, 12.5])
def test_a_size_that_no_word_has_is_refused_when_the_till_is_made(word_bytes: Json) -> None:
    with pytest.raises(Misconfigured, match="word_size_out_of_range"):
        scene(word_bytes=word_bytes)


def test_a_chain_that_nobody_opened_is_closed() -> None:
    stage, hand = open_at(3, 5, 6)
    refused(stage, {"commitment": "A" * 22, "links": [hand.link(0, 4)]}, Closed)
    refused(stage, hand.payment(8, known=0) | {"commitment": "A" * 22}, Closed)
    refused(stage, {"commitment": hand.chains[1].id, "links": [hand.link(1, 1)]}, Closed)


def test_a_payment_below_the_price_is_refused() -> None:
    stage, hand = open_at(3, 5, 6)
    with pytest.raises(Underpaid):
        stage.vendor.serve(hand.payment(6, known=0), stage.vendor.offer(400))


def test_another_unit_than_the_commitment_has_is_refused() -> None:
    stage = scene()
    hand = Hand(stage.certificate, 5)
    payload = hand.payment(1)
    payload["links"][0][0] = 200
    refused(stage, payload, OutOfRange, "denomination_unknown")


def test_a_revoked_certificate_opens_nothing() -> None:
    stage = scene()
    hand, till = Hand(stage.certificate, 5), stage.vendor.till
    payment = till.read(codec.canonical(hand.payment(1)))
    (key,) = till.recall(payment).records
    assert key == UPAYWORD.mint.published + hand.commitment.certificate.serial.encode()
    listed = marks.Memory(records={key: b""})
    with pytest.raises(Revoked):
        till.take(payment, stage.vendor.offer(ANYTHING), binding_of(), listed, stage.clock.at())


@pytest.mark.parametrize(
    "changes",
    [
        {"commitment": "A" * 21},
        {"continuations": []},
        {"links": []},
        {"links": [[100, 1, "AA"], [100, 2, "AA"]]},
        {"links": [[0, 1, "AA"]]},
        {"continuations": None},
    ],
)
def test_a_payment_of_another_form_is_not_read(changes: Json) -> None:
    till = scene().vendor.till
    right = {"commitment": "A" * 22, "links": [[100, 1, "AA"]]}
    assert isinstance(till.read(codec.canonical(right)), Payment)
    with pytest.raises((Unfit, Malformed)):
        till.read(codec.canonical(right | changes))


def test_units_are_alike_and_continuations_few_and_in_order() -> None:
    stage = scene()
    hand = Hand(stage.certificate, *[1] * (CONTINUATIONS_MAX + 2))
    most, more = (hand.payment(CONTINUATIONS_MAX + n) for n in (1, 2))
    stage.vendor.till.read(codec.canonical(most))
    links = most["links"]
    for wrong in (
        more,
        most | {"links": [[200, *links[0][1:]], *links[1:]]},
        most | {"continuations": most["continuations"][::-1]},
    ):
        with pytest.raises(Unfit):
            stage.vendor.till.read(codec.canonical(wrong))


def test_every_flipped_bit_of_a_continuation_is_refused_and_changes_nothing() -> None:
    stage, hand = open_at(3, 5, 6)
    payload = hand.payment(8, known=0)
    offer = stage.vendor.offer(500)
    before = stage.vendor.snapshot()
    for flipped in bit_flips(codec.canonical(payload)):
        with pytest.raises(Refusal):
            stage.vendor.serve(flipped, offer)
    assert stage.vendor.snapshot() == before
    assert stage.vendor.serve(payload, offer).taken.value_micro == 500


def test_a_payment_shows_no_word() -> None:
    hand = Hand(scene().certificate, 5, 6)
    till: Vendor = scene().vendor
    payment = till.till.read(codec.canonical(hand.payment(7)))
    assert repr(payment) == "Payment([(100, 5), (100, 2)])"


def test_a_claim_whose_chain_was_forgotten_is_named_by_its_id() -> None:
    stage, _ = open_at(3, 5)
    rows = stage.vendor.store.do_now(marks.Pending(scheme="upayword", count=9))
    claims = tuple(claim for _, claim in rows)
    (message,) = stage.vendor.till.sweep(claims, marks.NOTHING, stage.clock.at())
    assert isinstance(message["commitment"], str)
    with pytest.raises(Malformed):
        stage.broker.redeem(message)
