"""What a wallet does: a short first chain, and another whenever it is used up."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import OutOfRange
from farthing.schemes.chain.upayword import UPAYWORD
from farthing.schemes.chain.upayword.purse import FIRST_LENGTH, NEXT_LENGTH, Opened
from farthing.schemes.contract import Instrument, Json
from tests.kit.parties import Vendor, binding_of
from tests.kit.payword import Scene, certifying_key, public_ring
from tests.kit.upayword import scene

PURPOSE = UPAYWORD.mint.signing[0]


def opened_of(instrument: Instrument) -> Opened:
    return msgspec.json.decode(instrument.body, type=Opened)


def rich() -> Scene:
    """With credit for 5,000 words in each slot."""
    stage = scene(credit_micro=80_000_000)
    stage.certificate = stage.certify(500_000)
    return stage


def test_a_payer_buys_on_and_on_with_one_commitment() -> None:
    stage = rich()
    chain: Instrument | None = stage.open()
    assert chain is not None
    assert chain.worth_micro == 500_000, "all the credit of the commitment"
    spent_micro = 0
    numbers = []
    for price_micro in (9_900, 200, 90_000, 9_900, 100, 100_000, 100_000, 89_800):
        assert chain is not None
        chain = stage.payer.spend(stage.vendor, chain, price_micro)
        spent_micro += price_micro
        assert chain is not None
        assert chain.worth_micro == 500_000 - spent_micro
        numbers.append(opened_of(chain).stretch.number)
    assert numbers == [0, 1, 1, 1, 2, 3, 4, 4]
    assert stage.clear() == spent_micro


def test_the_last_chain_is_as_long_as_the_credit_and_then_another_is_opened() -> None:
    stage = scene()
    chain: Instrument | None = stage.open()
    for price_micro in (10_000, 89_900, 100):
        assert chain is not None
        chain = stage.payer.spend(stage.vendor, chain, price_micro)
    assert chain is None, "nothing is left of a chain that is used up"
    stage.certificate, another = stage.payer.purse.open(
        stage.certificate, stage.vendor.offer(100), stage.clock.at()
    )
    half = stage.payer.spend(stage.vendor, another, 50_000)
    assert half is not None
    with pytest.raises(OutOfRange, match="chain_used_up"):
        stage.payer.pay(half, stage.vendor.offer(50_100))
    assert stage.clear() == 150_000


def test_a_lost_continuation_is_signed_again_as_the_very_same() -> None:
    """A vendor that says that it took nothing never holds two of one number."""
    stage = rich()
    chain = stage.payer.spend(stage.vendor, stage.open(), 9_900)
    assert chain is not None
    first = stage.payer.pay(chain, stage.vendor.offer(20_000))
    again = stage.payer.pay(chain, stage.vendor.offer(300))
    assert first.payload["continuations"] == again.payload["continuations"]
    assert first.payload["links"] != again.payload["links"]


def test_a_payment_over_the_end_shows_the_last_word_of_the_chain() -> None:
    stage = rich()
    chain = stage.payer.spend(stage.vendor, stage.open(), 9_900)
    assert chain is not None
    paid = stage.payer.pay(chain, stage.vendor.offer(300))
    assert [link[:2] for link in paid.payload["links"]] == [[100, FIRST_LENGTH], [100, 2]]
    assert paid.payload["continuations"][0]["length"] == NEXT_LENGTH
    assert paid.payload["commitment"] == opened_of(chain).commitment.id


def test_a_first_page_that_is_dear_has_a_first_chain_as_long() -> None:
    stage = rich()
    dear = stage.open(price_micro=70_000)
    assert opened_of(dear).commitment.length == 700
    poor = scene()
    poor.certificate = poor.certify(1_000)
    with pytest.raises(OutOfRange, match="credit_below_price"):
        poor.open(price_micro=8_100)


def test_words_are_as_short_as_the_vendor_says() -> None:
    stage = scene(word_bytes=10)
    paid = stage.payer.pay(stage.open(), stage.vendor.offer(100))
    assert len(codec.unb64u(paid.payload["links"][0][2])) == 10
    stage.vendor.serve(paid.payload, stage.vendor.offer(100))


@pytest.mark.parametrize("terms", [{}, {"wordBytes": 9}, {"wordBytes": 17}, {"wordBytes": "16"}])
def test_an_offer_without_a_size_of_words_is_refused(terms: Json) -> None:
    stage = scene()
    offer = msgspec.structs.replace(stage.vendor.offer(100), terms={"unitMicro": 100} | terms)
    with pytest.raises(OutOfRange, match="offer_without_word_size"):
        stage.payer.purse.open(stage.certificate, offer, stage.clock.at())


def test_a_vendor_that_changed_its_unit_is_paid_with_another_chain() -> None:
    stage = scene()
    chain = stage.open()
    ring = public_ring(certifying_key(purpose=PURPOSE))
    other = Vendor(UPAYWORD, ring, stage.clock, unit_micro=30)
    with pytest.raises(OutOfRange, match="price_not_in_units"):
        stage.payer.purse.pay(chain, other.offer(30), binding_of(), stage.clock.at())


def test_an_instrument_shows_no_word_and_proves_who_holds_it() -> None:
    stage = scene()
    chain = stage.open()
    assert repr(opened_of(chain)) == "Opened(news, 0, 0)"
    proof = stage.payer.purse.prove(chain, b"statement")
    paid = stage.payer.pay(chain, stage.vendor.offer(100))
    taken = stage.vendor.serve(paid.payload, stage.vendor.offer(100)).taken
    stage.vendor.till.verify_owner(taken.owner, b"statement", proof)
