"""The wallet: coins that pay anywhere, and one for each page."""

import msgspec
import pytest

from farthing.errors import Expired, Forged, NotYetValid, OutOfRange, Unsupported
from farthing.schemes.coin.netcash import NETCASH
from farthing.schemes.coin.netcash.coin import COIN_MICRO_MAX, PAYER_WINDOW_S
from farthing.schemes.contract import (
    Accepted,
    AskFirst,
    Burned,
    Instrument,
    Need,
    Paid,
    Rolled,
)
from tests.kit.netcash import COIN_MICRO, PRICE_MICRO, Scene, coin_of, held_of
from tests.kit.parties import BROKER, PAYER, Ring, binding_of, setting_of


def test_a_page_is_paid_with_a_coin_of_its_price_and_the_rest_stays() -> None:
    scene = Scene()
    whole = scene.whole
    assert whole is not None
    offer = scene.vendor.offer(PRICE_MICRO)
    first = scene.asked()
    assert first.asked.bearer
    answer = scene.run("issue", first.asked.message)
    paid = scene.purse.pay(whole, offer, binding_of(), scene.clock.at(), answer)
    assert isinstance(paid, Paid)
    assert paid.spent.worth_micro == PRICE_MICRO
    assert paid.general is not None
    assert paid.general.worth_micro == COIN_MICRO - PRICE_MICRO
    scene.vendor.serve(paid.payload, offer)
    assert scene.purse.conclude(paid, Accepted(), scene.clock.at()).instruments == ()


def test_the_last_of_a_coin_leaves_nothing_behind() -> None:
    scene = Scene(PRICE_MICRO)
    assert scene.whole is not None
    whole, offer = scene.whole, scene.vendor.offer(PRICE_MICRO)
    answer = scene.run("issue", scene.asked().asked.message)
    paid = scene.purse.pay(whole, offer, binding_of(), scene.clock.at(), answer)
    assert isinstance(paid, Paid)
    assert paid.general is None


def test_a_crash_after_the_exchange_leaves_both_coins() -> None:
    scene = Scene()
    bound = scene.bound()
    assert scene.whole is not None
    assert (bound.vendor_id, scene.whole.vendor_id) == ("news", "")
    scene.pay(bound)


def test_a_coin_that_was_not_taken_pays_again_and_one_that_is_gone_does_not() -> None:
    scene = Scene()
    paid = scene.payer.pay(scene.bound(), scene.vendor.offer(PRICE_MICRO))
    at = scene.clock.at()
    assert scene.purse.conclude(paid, Rolled(), at).instruments == (paid.spent,)
    assert scene.purse.conclude(paid, Burned(), at).instruments == ()
    scene.pay(paid.spent)


def test_what_no_coin_is_worth_is_not_asked_for() -> None:
    scene = Scene(0)
    for micro in (0, COIN_MICRO_MAX + 1):
        with pytest.raises(OutOfRange):
            scene.purse.ask(Need(amount_micro=micro, currency="eur"), scene.clock.at())


def test_a_coin_below_the_price_or_of_another_pays_nothing() -> None:
    scene = Scene(PRICE_MICRO)
    at = scene.clock.at()
    assert scene.whole is not None
    with pytest.raises(OutOfRange, match="coin_below_price"):
        scene.purse.pay(scene.whole, scene.vendor.offer(PRICE_MICRO + 1), binding_of(), at)
    with pytest.raises(OutOfRange, match="coin_is_not_the_price"):
        scene.purse.pay(scene.bound(), scene.vendor.offer(PRICE_MICRO - 1), binding_of(), at)


def test_a_coin_is_not_shown_in_the_second_in_which_its_hour_ends() -> None:
    scene = Scene()
    bound = scene.bound()
    scene.clock.now_s = bound.expires_at_s
    with pytest.raises(Expired):
        scene.payer.pay(bound, scene.vendor.offer(PRICE_MICRO))


@pytest.mark.parametrize(
    "change",
    [
        {"worthMicro": PRICE_MICRO - 1},
        {"vendor": "daily"},
        {"payer": "A" * 43},
        {"broker": "another"},
        {"currency": "usd"},
    ],
)
def test_a_broker_that_gives_another_coin_is_found_out(change: dict[str, object]) -> None:
    scene = Scene()
    asked = scene.asked().asked
    answer = scene.run("issue", asked.message)
    answer["coins"][0] |= change
    with pytest.raises(Forged, match="coin_not_as_wanted"):
        scene.purse.receive(asked, answer, scene.clock.at())


def test_a_broker_that_keeps_a_coin_or_a_window_is_found_out() -> None:
    scene = Scene()
    asked = scene.asked().asked
    answer = scene.run("issue", asked.message)
    with pytest.raises(Forged, match="coin_not_as_wanted"):
        scene.purse.receive(asked, {"coins": answer["coins"][:1]}, scene.clock.at())
    coin = answer["coins"][0]
    coin["payerUntilS"] = coin["vendorUntilS"] + PAYER_WINDOW_S - 1
    with pytest.raises(Forged, match="payer_window_too_short"):
        scene.purse.receive(asked, answer, scene.clock.at())


def test_no_two_coins_have_one_key() -> None:
    scene = Scene()
    first, second = scene.bound(), scene.bound()
    assert coin_of(first).payer != coin_of(second).payer
    assert held_of(first).secret != held_of(second).secret


def test_a_coin_whose_page_never_came_is_returned_when_the_vendors_window_is_over() -> None:
    scene = Scene()
    bound = scene.bound()
    assert scene.whole is not None
    scene.clock.now_s = coin_of(bound).vendor_until_s
    with pytest.raises(NotYetValid, match="coin_is_its_vendors"):
        scene.purse.give_back(bound, scene.clock.at())
    scene.clock.now_s += 1
    for instrument in (bound, scene.whole):
        asked = scene.purse.give_back(instrument, scene.clock.at())
        answer = scene.run("take_back", asked.message, scene.payer.account)
        assert scene.purse.receive(asked, answer, scene.clock.at()) == ()
    assert scene.micro("payer", PAYER) == 0


def test_the_broker_says_what_became_of_a_payment_whose_vendor_is_gone() -> None:
    scene = Scene()
    bound = scene.bound()
    paid = scene.payer.pay(bound, scene.vendor.offer(PRICE_MICRO))
    asked = scene.purse.inquire(paid, scene.clock.at())
    assert asked is not None
    at = scene.clock.at()
    assert scene.purse.learn(paid, scene.run("status", asked.message), at) is None
    scene.clock.now_s = coin_of(bound).vendor_until_s + 1
    assert scene.purse.learn(paid, scene.run("status", asked.message), at) == Rolled()
    scene.clock.now_s = bound.expires_at_s
    scene.vendor.serve(paid.payload, scene.vendor.offer(PRICE_MICRO))
    scene.clear()
    taken = scene.run("status", asked.message)
    assert scene.purse.learn(paid, taken, at) is None
    assert scene.purse.learn(paid, taken | {"by": ""}, at) == Burned()


def test_only_a_coin_with_windows_has_a_key_to_prove_with() -> None:
    scene = Scene()
    assert scene.whole is not None
    assert scene.purse.prove(scene.whole, b"said") == ""
    assert scene.purse.prove(scene.bound(), b"said").startswith("ed25519:")


def test_of_another_broker_a_coin_of_the_price_is_bought_of_the_account() -> None:
    scene = Scene()
    purse = NETCASH.purse(setting_of(Ring(), home="home"))
    need = Need(amount_micro=10 * PRICE_MICRO, currency="eur", vendor_id="news")
    with pytest.raises(Unsupported, match="offer_missing"):
        purse.ask(need, scene.clock.at())
    offer = scene.vendor.offer(PRICE_MICRO)
    asked = purse.ask(msgspec.structs.replace(need, offer=offer), scene.clock.at())
    assert not asked.bearer
    assert asked.message["broker"] == BROKER
    answer = scene.run("issue", asked.message, scene.payer.account)
    received = purse.receive(asked, answer, scene.clock.at())
    assert isinstance(received, tuple)
    (bound,) = received
    paid = purse.pay(bound, offer, binding_of(), scene.clock.at())
    assert isinstance(paid, Paid)
    scene.vendor.serve(paid.payload, offer)


def test_an_exchange_asks_first_for_a_coin_that_pays_anywhere_only() -> None:
    scene = Scene()
    bound: Instrument = scene.bound()
    assert isinstance(scene.asked(), AskFirst)
    assert isinstance(scene.payer.pay(bound, scene.vendor.offer(PRICE_MICRO)), Paid)
