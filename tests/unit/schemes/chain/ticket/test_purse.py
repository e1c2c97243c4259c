"""What a wallet does: it commits to the root of an offer, and gives tickets for prices."""

import msgspec
import pytest

from farthing.errors import OutOfRange
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.schemes.chain.ticket.commitment import wins_max
from farthing.schemes.chain.ticket.purse import Opened
from farthing.schemes.contract import Instrument, Json, Need
from tests.kit.ticket import scene


def opened_of(instrument: Instrument) -> Opened:
    return msgspec.json.decode(instrument.body, type=Opened)


def test_a_payer_buys_with_tickets_worth_the_price_on_average() -> None:
    stage = scene()
    chain: Instrument | None = stage.open()
    assert chain is not None
    assert chain.worth_micro == 25_600
    for price_micro in (200, 100, 1_000):
        assert chain is not None
        chain = stage.payer.spend(stage.vendor, chain, price_micro)
    assert chain is not None
    assert (chain.worth_micro, opened_of(chain).index) == (24_300, 13)
    wins = len(stage.vendor.claims())
    assert stage.clear() == 400 * wins


def test_later_payments_name_the_commitment_by_its_id() -> None:
    stage = scene()
    chain = stage.open()
    first = stage.payer.pay(chain, stage.vendor.offer(100))
    left = stage.payer.spend(stage.vendor, chain, 100)
    assert left is not None
    later = stage.payer.pay(left, stage.vendor.offer(100))
    assert isinstance(first.payload["commitment"], dict)
    assert later.payload["commitment"] == opened_of(left).commitment.id


def test_a_chain_is_as_long_as_the_credit_has_room_for_its_prizes() -> None:
    stage = scene(slot_micro=12_000)
    commitment = opened_of(stage.open()).commitment
    assert commitment.length == 32
    assert commitment.worth_micro == 400 * wins_max(32, 4) <= 12_000
    poor = scene(slot_micro=40)
    with pytest.raises(OutOfRange, match="credit_below_price"):
        poor.open()
    short = scene(slot_micro=2_000)
    with pytest.raises(OutOfRange, match="credit_below_price"):
        short.open(price_micro=25_600)


def test_a_wallet_asks_for_credit_for_the_prizes_of_what_it_needs() -> None:
    stage = scene()
    need = Need(amount_micro=12_800, currency="eur", offer=stage.vendor.offer(200))
    asked = stage.payer.purse.ask(need, stage.clock.at())
    assert asked.message["limitMicro"] == 400 * wins_max(128, 4) * SLOTS
    little = msgspec.structs.replace(need, amount_micro=200)
    least = 400 * wins_max(4, 4) * SLOTS
    assert stage.payer.purse.ask(little, stage.clock.at()).message["limitMicro"] == least
    blind = msgspec.structs.replace(need, offer=None)
    assert stage.payer.purse.ask(blind, stage.clock.at()).message["limitMicro"] == 12_800 * SLOTS


def test_a_chain_that_is_used_up_pays_no_more() -> None:
    stage = scene()
    chain = stage.payer.spend(stage.vendor, stage.open(), 25_500)
    assert chain is not None
    with pytest.raises(OutOfRange, match="chain_used_up"):
        stage.payer.pay(chain, stage.vendor.offer(200))


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"faceMicro": 401}, "odds_not_fair"),
        ({"winNumerator": 2}, "odds_not_fair"),
        ({"winDenominator": 0}, "odds_not_fair"),
        ({"length": 0}, "offer_without_draw"),
        ({"length": 1001}, "offer_without_draw"),
        ({"session": 3}, "offer_without_draw"),
        ({"unitMicro": None}, "offer_without_unit"),
    ],
)
def test_an_offer_that_is_no_fair_lottery_is_refused(terms: Json, code: str) -> None:
    stage = scene()
    offer = stage.vendor.offer(100)
    wrong = msgspec.structs.replace(offer, terms=offer.terms | terms)
    with pytest.raises(OutOfRange, match=code):
        stage.payer.purse.open(stage.certificate, wrong, stage.clock.at())


def test_an_instrument_shows_no_word_and_proves_who_holds_it() -> None:
    stage = scene()
    chain = stage.open()
    assert repr(opened_of(chain)) == "Opened(news, 0)"
    proof = stage.payer.purse.prove(chain, b"statement")
    taken = stage.vendor.serve(
        stage.payer.pay(chain, stage.vendor.offer(100)).payload, stage.vendor.offer(100)
    ).taken
    stage.vendor.till.verify_owner(taken.owner, b"statement", proof)
