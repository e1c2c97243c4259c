import msgspec
import pytest

from farthing import codec
from farthing.errors import Expired, Forged, OutOfRange
from farthing.schemes.chain.agent.purse import segment_of
from farthing.schemes.contract import Burned, Need, Rolled
from tests.kit.agent import PRICE_MICRO, UNIT_MICRO, Scene, certificate_of, opening_in, tokens_of
from tests.kit.parties import DAY_S


def test_one_set_of_tokens_pays_at_every_vendor_and_to_the_last() -> None:
    scene = Scene()
    left = scene.buy(40)
    for number in range(30):
        left = scene.spend(left, ("news", "daily", "weekly")[number % 3])
    for _ in range(9):
        left = scene.spend(left, "daily")
    assert left.worth_micro == UNIT_MICRO
    assert sum(scene.clear(name) for name in scene.vendors) == 39 * UNIT_MICRO


def test_what_is_left_of_a_segment_pays_together_with_the_next() -> None:
    scene = Scene()
    left = scene.spend(scene.buy(40), tokens=7)
    paid = scene.pay(left, tokens=12)
    assert [token[:2] for token in paid.payload["tokens"]] == [[0, 10], [1, 9]]
    assert opening_in(paid).segments == (1,)


def test_only_the_first_payment_at_a_vendor_carries_an_opening() -> None:
    scene = Scene()
    left = scene.spend(scene.buy(40))
    paid = scene.pay(left)
    assert paid.payload["opening"] == certificate_of(left).serial
    assert len(codec.canonical(paid.payload)) < 90


def test_a_segment_that_was_opened_stays_its_vendors_though_nothing_was_charged() -> None:
    scene = Scene()
    paid = scene.pay(scene.buy(40), "news")
    left = scene.rolled(paid)
    assert left.worth_micro == paid.spent.worth_micro
    assert opening_in(scene.pay(left, "daily")).segments == (1,), "not the one that news has seen"
    assert opening_in(scene.pay(left, "news")).segments == (0,)
    scene.serve(scene.pay(left, "news"), "news")


@pytest.mark.parametrize("tokens", [1, 20, 23])
def test_a_payment_that_counts_after_all_takes_nothing_back_of_what_came_since(tokens: int) -> None:
    """Else the wallet opens segments again that others have seen by now."""
    scene = Scene()
    purse, bought = scene.payer.purse, scene.buy(80)  # in segments of 20
    late = scene.pay(bought, "news", tokens)
    after = scene.spend(scene.spend(scene.rolled(late), "daily"), "weekly", 12)
    merged = purse.merge(after, late, late.after)
    assert merged is not None
    scene.serve(late, "news", tokens)
    assert merged.worth_micro == after.worth_micro - tokens * UNIT_MICRO
    was, now = tokens_of(after), tokens_of(merged)
    assert now.free == was.free
    assert {name: now.places[name] for name in ("daily", "weekly")} == {
        name: was.places[name] for name in ("daily", "weekly")
    }
    for name in ("news", "daily", "weekly"):
        merged = scene.spend(merged, name)
    assert sum(scene.clear(name) for name in scene.vendors) == (tokens + 16) * UNIT_MICRO


def test_tokens_that_a_vendor_refused_for_good_are_dropped() -> None:
    scene = Scene()
    paid = scene.pay(scene.buy(40))
    assert scene.payer.purse.conclude(paid, Burned(), scene.clock.at()).instruments == ()
    assert scene.payer.purse.conclude(paid, Rolled(), scene.clock.at()).instruments != ()


def test_nothing_is_paid_that_tokens_cannot_say() -> None:
    scene = Scene()
    left = scene.buy(40)
    offer = scene.vendors["news"].offer(UNIT_MICRO)
    for price_micro in (UNIT_MICRO + 1, 0, 41 * UNIT_MICRO):
        odd = msgspec.structs.replace(offer, price_micro=price_micro)
        with pytest.raises(OutOfRange):
            scene.payer.pay(left, odd)
    scene.clock.now_s += 30 * DAY_S
    with pytest.raises(Expired, match="certificate_expired"):
        scene.pay(left)


def test_tokens_that_are_not_under_the_signed_root_are_refused() -> None:
    scene = Scene()
    need = Need(
        amount_micro=800,
        currency="eur",
        vendor_id="news",
        offer=scene.vendors["news"].offer(PRICE_MICRO),
    )
    asked = scene.payer.purse.ask(need, scene.clock.at())
    answer = scene.broker.run("issue", asked.message, scene.payer.account).answer
    at = scene.clock.at()
    for changed in (
        {"seed": codec.b64u(bytes(16))},
        {"certificate": {**answer["certificate"], "length": 7}},
    ):
        with pytest.raises(Forged):
            scene.payer.purse.receive(asked, answer | changed, at)
    bought = scene.payer.purse.receive(asked, answer, at)
    assert isinstance(bought, tuple)
    (received,) = bought
    assert received.worth_micro == 800


def test_specific_tokens_are_one_chain_for_one_vendor() -> None:
    scene = Scene(mode="specific")
    left = scene.buy(40)
    assert (left.vendor_id, certificate_of(left).segments) == ("news", 1)
    left = scene.spend(scene.spend(left), tokens=5)
    assert tokens_of(left).places == {"news": [(0, 6)]}
    assert scene.clear() == 600


def test_an_order_without_an_offer_does_not_know_the_unit() -> None:
    scene = Scene()
    with pytest.raises(OutOfRange, match="offer_without_unit"):
        scene.payer.purse.ask(Need(amount_micro=100, currency="eur"), scene.clock.at())


@pytest.mark.parametrize("length", [1, 2, 20, 100, 1000, 100_000])
@pytest.mark.parametrize("price", [1, 2, 7, 10, 1000])
def test_a_segment_is_a_multiple_of_the_price_and_there_are_not_too_many(
    length: int, price: int
) -> None:
    segment = segment_of(length, price)
    assert 0 < segment <= length
    assert segment % price == 0 or segment == length
    assert -(-length // segment) <= 256


def test_what_the_broker_has_sold_is_given_back_by_name_alone() -> None:
    scene = Scene()
    kept = [scene.buy(), scene.buy()]
    asked = scene.payer.purse.survey()
    answer = scene.broker.run(asked.operation, asked.message, scene.payer.account).answer
    lost = scene.payer.purse.reclaim(answer)
    assert {each.id for each in lost} == {each.id for each in kept}
    for each in lost:
        told = scene.broker.run(each.asked.operation, each.asked.message, scene.payer.account)
        assert told.answer["returnedMicro"] + told.answer["restMicro"] == kept[0].worth_micro
