"""The wallet: withdrawals in two messages, exact payments, change, and returning what is left."""

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Conflict,
    Expired,
    Forged,
    Malformed,
    Mismatch,
    OutOfRange,
    Replayed,
)
from farthing.schemes.coin.ecash.keyset import BrokerKeys
from farthing.schemes.coin.epochs import EPOCH_S, Epoch, epoch_at
from farthing.schemes.contract import (
    Accepted,
    Account,
    Asked,
    AskFirst,
    Burned,
    Instrument,
    Json,
    Need,
    Rolled,
)
from tests.kit.ecash import LOAD_MICRO, Scene, broker_keys, pocket_of
from tests.kit.parties import NOW_S, Ring, binding_of, on_the_wire, setting_of

NOBODY = Account(id="", role="payer")


def list_answer(name: str = "", epoch: Epoch | None = None) -> Json:
    keys = BrokerKeys(setting_of(Ring(*broker_keys(name))))
    return on_the_wire(msgspec.to_builtins(keys.list_of(epoch or epoch_at(NOW_S))))


def ask(scene: Scene, amount_micro: int = LOAD_MICRO) -> Asked:
    need = Need(amount_micro=amount_micro, currency="eur")
    return scene.payer.purse.ask(need, scene.clock.at(7))


def test_the_list_is_asked_without_an_account_and_the_coins_with_it() -> None:
    scene = Scene()
    listing = ask(scene)
    assert listing.bearer
    order = scene.following(listing)
    assert not order.bearer
    assert scene.received(order).worth_micro == LOAD_MICRO


def test_other_keys_than_everybodys_are_a_conflict() -> None:
    """The list is asked anonymously; the account's answer says which list it was given."""
    scene = Scene()
    order = scene.asked()
    answer = on_the_wire(scene.broker.run("issue", order.message, scene.account).answer)
    answer["list"] = codec.b64u(bytes(32))
    with pytest.raises(Conflict, match="keysets_differ"):
        scene.payer.purse.receive(order, answer, scene.clock.at())


def test_a_list_of_another_broker_or_epoch_or_unsigned_is_refused() -> None:
    scene, purse = Scene(), Scene().payer.purse
    listing = ask(scene)
    good = list_answer()
    assert isinstance(purse.receive(listing, good, scene.clock.at()), Asked)
    for answer, kind in (
        (good | {"broker": "other"}, Mismatch),
        (good | {"sig": codec.b64u(bytes(64))}, Forged),
        (list_answer(epoch=Epoch(epoch_at(NOW_S).number - 2)), Expired),
        (good | {"keysets": good["keysets"][:-1]}, Forged),
        (good | {"more": 1}, Malformed),
        ({}, Malformed),
    ):
        with pytest.raises(kind):
            purse.receive(listing, answer, scene.clock.at())


def test_signatures_that_are_not_right_make_no_coins() -> None:
    scene = Scene()
    order = scene.asked(3)
    answer = on_the_wire(scene.broker.run("issue", order.message, scene.account).answer)
    right = answer["signatures"]
    for wrong in (right[::-1], right[:1], [*right, right[0]], [codec.b64u(bytes(256))] * 2):
        with pytest.raises(Forged):
            scene.payer.purse.receive(order, answer | {"signatures": wrong}, scene.clock.at())


def test_more_than_a_withdrawal_has_is_out_of_range() -> None:
    with pytest.raises(OutOfRange, match="coins_too_many"):
        ask(Scene(), 10**9)


@pytest.mark.parametrize("price_micro", range(1, 12))
def test_small_prices_are_paid_exactly(price_micro: int) -> None:
    scene = Scene()
    paid, _ = scene.pay(scene.withdraw(11), price_micro)
    pocket = pocket_of(scene.withdraw(11))
    left = pocket_of(paid.after).worth_micro if paid.after else 0
    assert pocket.worth_micro - left >= price_micro


def test_change_is_worth_what_was_over_and_pays_again() -> None:
    scene = Scene()
    pocket: Instrument | None = scene.withdraw(64)
    spent_micro = 0
    while pocket is not None:
        price_micro = min(5, pocket.worth_micro)
        before_micro = pocket.worth_micro
        pocket = scene.spend(pocket, price_micro)
        spent_micro += price_micro
        assert before_micro - (pocket.worth_micro if pocket else 0) == price_micro
    assert spent_micro == 64


def test_change_that_is_missing_changed_or_not_due_is_refused() -> None:
    scene = Scene()
    pocket = scene.withdraw(64)
    exact, offer = scene.pay(pocket, 1)
    at = scene.clock.at()
    with pytest.raises(Forged, match="change_not_due"):
        scene.payer.purse.conclude(exact, Accepted(change=["AAAA"]), at)
    (left,) = scene.deposit(exact, offer).instruments
    while True:  # until the coins at hand are not worth the price
        paid, offer = scene.pay(left, 3)
        if len(paid.kept) and b'"slots":[]' not in paid.kept:
            break
        (left,) = scene.deposit(paid, offer).instruments
    wrong: tuple[Json, ...] = (None, [], ["AAAA"], "AAAA", {"box": []})
    for change in wrong:
        with pytest.raises((Forged, Malformed)):
            scene.payer.purse.conclude(paid, Accepted(change=change), at)
    scene.deposit(paid, offer)


def test_a_payment_that_was_not_taken_leaves_the_pocket_as_it_was() -> None:
    scene = Scene()
    pocket = scene.withdraw()
    paid, _ = scene.pay(pocket)
    assert paid.spent == pocket
    (back,) = scene.payer.purse.conclude(paid, Rolled(), scene.clock.at()).instruments
    assert back == pocket
    scene.spend(back)


def test_of_a_payment_with_spent_coins_the_others_are_kept() -> None:
    scene = Scene()
    paid, _ = scene.pay(scene.withdraw())
    (left,) = scene.payer.purse.conclude(paid, Burned(), scene.clock.at()).instruments
    assert left == paid.after
    whole, _ = scene.pay(scene.withdraw(3), 3)
    assert scene.payer.purse.conclude(whole, Burned(), scene.clock.at()).instruments == ()


def test_an_old_list_is_asked_anew_where_change_is_due_and_only_there() -> None:
    scene = Scene()
    pocket = scene.withdraw(4)  # 2, 1, 1
    pocket = scene.spend(pocket, 1) or pocket
    pocket = scene.spend(pocket, 1) or pocket
    scene.clock.now_s += EPOCH_S
    exact, _ = scene.pay(pocket, 2)
    assert exact.payload["epoch"] == epoch_at(NOW_S).number
    offer = scene.vendor.offer(1)
    first = scene.payer.purse.pay(pocket, offer, binding_of(), scene.clock.at())
    assert isinstance(first, AskFirst)
    assert first.asked.bearer
    answer = on_the_wire(scene.broker.run("issue", first.asked.message, NOBODY).answer)
    paid = scene.payer.purse.pay(pocket, offer, binding_of(), scene.clock.at(), answer)
    assert not isinstance(paid, AskFirst)
    (left,) = scene.deposit(paid, offer).instruments
    assert left.worth_micro == 1
    assert left.expires_at_s > pocket.expires_at_s
    found = scene.payer.purse.receive(first.asked, answer, scene.clock.at())
    assert not isinstance(found, Asked)
    (renewed,) = found
    assert renewed.worth_micro == pocket.worth_micro


def test_coins_that_pay_no_more_are_not_shown() -> None:
    scene = Scene()
    pocket = scene.withdraw(4)
    scene.clock.now_s = epoch_at(NOW_S).not_after_s
    with pytest.raises(OutOfRange, match="coins_below_price"):
        scene.payer.purse.pay(pocket, scene.vendor.offer(1), binding_of(), scene.clock.at())


def test_a_full_pocket_is_returned_in_several_messages() -> None:
    scene = Scene()
    pockets = [pocket_of(scene.withdraw(1_000)) for _ in range(1)]
    coins = pockets[0].coins
    many = msgspec.structs.replace(pockets[0], coins=coins * 5).instrument("eur")
    asked = scene.payer.purse.give_back(many, scene.clock.at())
    count = 1
    while True:
        found = scene.payer.purse.receive(asked, {"returnedMicro": 1}, scene.clock.at())
        if not isinstance(found, Asked):
            break
        asked, count = found, count + 1
    assert found == ()
    assert count == -(-len(coins) * 5 // 60)


def test_nothing_of_the_seed_is_in_a_message_or_an_instrument() -> None:
    scene = Scene()
    seed = scene.payer.purse.setting.ring.current("farthing/wallet/coins/1").secret
    pocket = scene.withdraw()
    paid, _ = scene.pay(pocket)
    for raw in (pocket.body, codec.canonical(paid.payload), paid.kept):
        assert seed not in raw
        assert codec.b64u(seed).encode() not in raw
        assert codec.b64(seed).encode() not in raw


def test_a_part_is_worth_exactly_what_was_said_and_is_claimed_once() -> None:
    scene = Scene()
    parted = scene.payer.purse.part(scene.withdraw(), 300)
    assert parted.left.worth_micro == LOAD_MICRO - 300
    assert "coins" not in repr(parted)
    bob = scene.admit("bob")
    listing = bob.purse.claim(on_the_wire(parted.token), scene.clock.at(4))
    exchange = scene.following(listing, bob)
    assert exchange.bearer
    assert scene.received(exchange, bob).worth_micro == 300
    with pytest.raises(Replayed, match="coin_spent"):
        scene.received(exchange, bob)


def test_a_part_that_is_not_there_exactly_or_a_token_of_no_coins_is_refused() -> None:
    scene = Scene()
    pocket = scene.withdraw(4)  # 2, 1, 1
    parted = scene.payer.purse.part(pocket, 2)
    two = msgspec.structs.replace(pocket_of(pocket), coins=pocket_of(pocket).coins[:1])
    with pytest.raises(OutOfRange, match="coins_not_exact"):
        scene.payer.purse.part(two.instrument("eur"), 1)
    wrong: tuple[Json, ...] = ({}, {"coins": []}, {"coins": ["AAAA"]}, {"coins": ["A"] * 61}, None)
    for token in wrong:
        with pytest.raises(Malformed):
            scene.payer.purse.claim(token, scene.clock.at(4))
    assert parted.left.worth_micro == 2
