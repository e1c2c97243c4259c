import msgspec
import pytest

from farthing import codec
from farthing.errors import Expired, Forged, Malformed, OutOfRange, Refusal, Unsupported
from farthing.schemes.contract import Accepted, Asked, Burned, Json, Need, Rolled
from farthing.schemes.mac.millicent.purse import MillicentPurse
from farthing.schemes.mac.millicent.scrip import SCRIP_MICRO_MAX, receipt_key
from tests.kit.millicent import Scene, held
from tests.kit.parties import BROKER, Ring, binding_of, setting_of


def sale(scene: Scene) -> tuple[Asked, dict[str, Json]]:
    asked = scene.payer.purse.ask(
        Need(amount_micro=1000, currency="eur", vendor_id="news"), scene.clock.at()
    )
    return asked, scene.broker.run("issue", asked.message, scene.payer.account).answer


@pytest.mark.parametrize("amount_micro", [-1, 0, SCRIP_MICRO_MAX + 1])
def test_a_piece_is_asked_for_within_its_range(amount_micro: int) -> None:
    scene = Scene()
    with pytest.raises(OutOfRange):
        scene.buy(amount_micro)
    assert scene.buy(SCRIP_MICRO_MAX).worth_micro == SCRIP_MICRO_MAX


def test_an_instrument_is_worth_what_was_bought() -> None:
    scene = Scene()
    piece = scene.buy(1000)
    assert (piece.worth_micro, piece.vendor_id, piece.currency) == (1000, "news", "eur")
    assert piece.id == f"mc:news:{held(piece).scrip.serial}"


@pytest.mark.parametrize("changed", [{"valueMicro": 999}, {"vendor": "other"}, {"currency": "usd"}])
def test_another_piece_than_was_asked_for_is_forged(changed: dict[str, Json]) -> None:
    scene = Scene()
    asked, answer = sale(scene)
    answer["scrip"] |= changed
    with pytest.raises(Forged, match="scrip_not_as_ordered"):
        scene.payer.purse.receive(asked, answer, scene.clock.at())


def test_a_piece_past_its_end_is_not_taken() -> None:
    scene = Scene()
    asked, answer = sale(scene)
    scene.clock.now_s = answer["scrip"]["expiresS"]
    with pytest.raises(Expired):
        scene.payer.purse.receive(asked, answer, scene.clock.at())


@pytest.mark.parametrize(
    "answer", [None, {}, [], "scrip", {"scrip": {}}, {"scrip": None, "secret": ""}]
)
def test_an_answer_of_another_form_is_malformed(answer: Json) -> None:
    scene = Scene()
    asked, right = sale(scene)
    with pytest.raises(Malformed):
        scene.payer.purse.receive(asked, answer, scene.clock.at())
    with pytest.raises(Malformed):
        scene.payer.purse.receive(asked, right | {"secret": "AAAA"}, scene.clock.at())


def test_the_wallet_pays_as_the_vendor_wants_and_refuses_what_it_does_not_know() -> None:
    scene = Scene()
    piece, offer = scene.buy(), scene.vendor.offer(200)
    clear = msgspec.structs.replace(offer, terms={"protocol": "clear"})
    assert set(scene.payer.pay(piece, offer).payload) == {"nonce", "scrip", "sig"}
    assert set(scene.payer.pay(piece, clear).payload) == {"scrip"}
    other = msgspec.structs.replace(offer, terms={"protocol": "private"})
    with pytest.raises(Unsupported, match="protocol_unsupported"):
        scene.payer.pay(piece, other)


def test_a_signed_payment_is_small() -> None:
    scene = Scene()
    payload = scene.payer.pay(scene.buy(), scene.vendor.offer(200)).payload
    assert len(codec.canonical(payload)) <= 300


def test_two_tries_differ_in_their_nonce() -> None:
    scene = Scene()
    piece, offer = scene.buy(), scene.vendor.offer(200)
    one, other = (scene.payer.pay(piece, offer).payload for _ in range(2))
    assert one["nonce"] != other["nonce"]
    assert one["sig"] != other["sig"]


def test_a_released_payment_leaves_the_piece_and_a_burned_one_nothing() -> None:
    scene = Scene()
    piece = scene.buy()
    paid = scene.payer.pay(piece, scene.vendor.offer(200))
    purse, at = scene.payer.purse, scene.clock.at()
    assert purse.conclude(paid, Rolled(), at).instruments == (piece,)
    assert purse.conclude(paid, Burned(), at).instruments == ()


def test_change_that_is_not_the_scrip_less_the_price_is_forged() -> None:
    scene = Scene()
    piece, offer = scene.buy(), scene.vendor.offer(200)
    paid = scene.payer.pay(piece, offer)
    change = scene.vendor.serve(paid.payload, offer).change
    for wrong in (
        {"valueMicro": 799}, {"valueMicro": 801}, {"payer": "0" * 16}, {"expiresS": 1},
        {"props": "student=true"}, {"currency": "usd"}, {"vendor": "other"},
        {"serial": held(piece).scrip.serial},
    ):  # fmt: skip  # - one field each
        with pytest.raises(Forged, match="change_wrong"):
            scene.payer.purse.conclude(paid, Accepted(change=change | wrong), scene.clock.at())
    with pytest.raises(Forged, match="change_missing"):
        scene.payer.purse.conclude(paid, Accepted(), scene.clock.at())
    with pytest.raises(Malformed):
        scene.payer.purse.conclude(paid, Accepted(change="800"), scene.clock.at())


def test_change_where_none_is_due_is_refused() -> None:
    scene = Scene()
    piece, offer = scene.buy(200), scene.vendor.offer(200)
    paid = scene.payer.pay(piece, offer)
    change = msgspec.to_builtins(held(piece).scrip)
    with pytest.raises(Refusal):
        scene.payer.purse.conclude(paid, Accepted(change=change), scene.clock.at())
    assert scene.payer.purse.conclude(paid, Accepted(), scene.clock.at()).instruments == ()


def test_a_cash_out_goes_to_the_vendor_first_and_then_to_the_broker() -> None:
    scene = Scene()
    piece = scene.buy()
    first = scene.payer.purse.give_back(piece, scene.clock.at())
    assert (first.operation, first.to, first.vendor_id) == ("take_back", "vendor", "news")
    second = scene.payer.purse.receive(first, scene.vendor.burn(first.message), scene.clock.at())
    assert isinstance(second, Asked)
    assert (second.operation, second.to) == ("take_back", "broker")
    answer = scene.broker.run("take_back", second.message, scene.payer.account).answer
    assert answer == {"creditedMicro": 1000}
    assert scene.payer.purse.receive(second, answer, scene.clock.at()) == ()


def test_the_receipt_key_is_the_till_s() -> None:
    scene = Scene()
    piece, offer = scene.buy(), scene.vendor.offer(200)
    served = scene.vendor.serve(scene.payer.pay(piece, offer).payload, offer)
    expected = receipt_key(codec.unb64u(held(piece).secret))
    assert scene.payer.purse.receipt_key(piece) == served.taken.mac_key == expected


def test_a_piece_that_is_worth_less_pays_nothing() -> None:
    scene = Scene()
    with pytest.raises(OutOfRange, match="scrip_below_price"):
        scene.payer.purse.pay(
            scene.buy(199), scene.vendor.offer(200), binding_of(), scene.clock.at()
        )


def test_an_order_says_no_more_than_it_must() -> None:
    scene = Scene()
    need = Need(amount_micro=1000, currency="eur", vendor_id="news", offer=scene.vendor.offer(200))
    asked = scene.payer.purse.ask(need, scene.clock.at())
    assert asked.message == {"valueMicro": 1000, "vendor": "news"}


def test_scrip_of_another_brokers_vendor_is_ordered_by_that_brokers_name() -> None:
    scene = Scene()
    away = MillicentPurse(setting_of(Ring(), home="home-broker"))
    need = Need(amount_micro=1000, currency="eur", vendor_id="news")
    assert away.ask(need, scene.clock.at()).message["broker"] == BROKER
    first = away.give_back(scene.buy(), scene.clock.at())
    second = away.receive(first, scene.vendor.burn(first.message), scene.clock.at())
    assert isinstance(second, Asked)
    assert second.message["broker"] == BROKER


def test_a_warehouse_may_sell_ten_times_what_was_asked_for_and_not_more() -> None:
    scene = Scene()
    asked, _ = sale(scene)
    larger = {
        times: {"scrip": msgspec.to_builtins(own.scrip), "secret": own.secret}
        for times, own in ((10, held(scene.buy(10_000))), (11, held(scene.buy(10_001))))
    }
    taken = scene.payer.purse.receive(asked, larger[10], scene.clock.at())
    assert not isinstance(taken, Asked)
    assert taken[0].worth_micro == 10_000
    with pytest.raises(Forged, match="scrip_not_as_ordered"):
        scene.payer.purse.receive(asked, larger[11], scene.clock.at())
