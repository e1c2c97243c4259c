"""The wallet: withdrawals in two messages, exact payments, change, and returning what is left."""

from typing import Any

import msgspec
import pytest

from farthing import codec
from farthing.errors import (
    Conflict,
    Expired,
    Forged,
    Malformed,
    OutOfRange,
    Replayed,
    Revoked,
)
from farthing.schemes.coin.blind.pocket import Pocket
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.contract import (
    Accepted,
    Account,
    Asked,
    Burned,
    Instrument,
    Json,
    Need,
    Paid,
    Rolled,
)
from tests.kit.blind import LOAD_MICRO, SCHEMES, Scene, pocket_of
from tests.kit.parties import DAY_S, on_the_wire

NOBODY = Account(id="", role="payer")


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.traits.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Of each scheme of blind coins."""
    return Scene(request.param)


def ask(scene: Scene, amount_micro: int = LOAD_MICRO) -> Asked:
    need = Need(amount_micro=amount_micro, currency="eur")
    return scene.payer.purse.ask(need, scene.clock.at(7))


def test_the_list_is_asked_without_an_account_and_the_coins_with_it(scene: Scene) -> None:
    listing = ask(scene)
    assert listing.bearer
    order = scene.following(listing)
    assert not order.bearer
    assert scene.received(order).worth_micro == LOAD_MICRO


def test_other_keys_than_everybodys_are_a_conflict(scene: Scene) -> None:
    """The list is asked anonymously; the account's answer says which list it was given."""
    order = scene.asked()
    answer = on_the_wire(scene.broker.run("issue", order.message, scene.account).answer)
    answer["list"] = codec.b64u(bytes(32))
    with pytest.raises(Conflict, match="keysets_differ"):
        scene.payer.purse.receive(order, answer, scene.clock.at())


def test_signatures_that_are_not_right_make_no_coins(scene: Scene) -> None:
    order = scene.asked(3)
    answer = on_the_wire(scene.broker.run("issue", order.message, scene.account).answer)
    right = answer["signatures"]
    for wrong in (
        right[::-1],
        right[:1],
        [*right, right[0]],
        [codec.b64u(bytes(scene.coinage.blind_bytes))] * 2,
    ):
        with pytest.raises((Forged, Malformed)):
            scene.payer.purse.receive(order, answer | {"signatures": wrong}, scene.clock.at())


def test_more_than_a_withdrawal_has_is_out_of_range() -> None:
    with pytest.raises(OutOfRange, match="coins_too_many"):
        ask(Scene(), 10**9)


@pytest.mark.parametrize("price_micro", range(1, 12))
def test_small_prices_are_paid_exactly(scene: Scene, price_micro: int) -> None:
    paid, _ = scene.pay(scene.withdraw(11), price_micro)
    pocket = pocket_of(scene.withdraw(11))
    left = pocket_of(paid.after).worth_micro if paid.after else 0
    assert pocket.worth_micro - left >= price_micro


def test_change_is_worth_what_was_over_and_pays_again(scene: Scene) -> None:
    pocket: Instrument | None = scene.withdraw(64)
    spent_micro = 0
    while pocket is not None:
        price_micro = min(5, pocket.worth_micro)
        before_micro = pocket.worth_micro
        pocket = scene.spend(pocket, price_micro)
        spent_micro += price_micro
        assert before_micro - (pocket.worth_micro if pocket else 0) == price_micro
    assert spent_micro == 64


def test_change_that_is_missing_changed_or_not_due_is_refused(scene: Scene) -> None:
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


def rolled(scene: Scene, paid: Paid) -> Instrument:
    (back,) = scene.payer.purse.conclude(paid, Rolled(), scene.clock.at()).instruments
    return back


def test_a_payment_that_was_not_taken_leaves_the_coins_as_they_were(scene: Scene) -> None:
    pocket = scene.withdraw()
    paid, _ = scene.pay(pocket)
    assert paid.spent == pocket
    back = rolled(scene, paid)
    assert pocket_of(back).coins == pocket_of(pocket).coins
    scene.spend(back)


def test_no_two_vendors_see_one_key_though_the_first_failed(scene: Scene) -> None:
    """Else they find out together that they have the same payer."""
    first, _ = scene.pay(scene.withdraw())
    second, _ = scene.pay(rolled(scene, first), vendor=scene.other)
    assert isinstance(first.payload, dict)
    assert isinstance(second.payload, dict)
    assert first.payload["payer"] != second.payload["payer"]


@pytest.mark.parametrize("price_micro", [1, 2, 3, 5, 11])
def test_a_payment_that_counts_after_all_takes_nothing_back_of_what_came_since(
    scene: Scene, price_micro: int
) -> None:
    """Else coins that are spent by now were paid with again, and change that came since is lost."""
    purse, pocket = scene.payer.purse, scene.withdraw(64)
    late, offer = scene.pay(pocket, price_micro)
    late_coins = set(pocket_of(pocket).coins) - set(read_left(scene, late).coins)
    back = rolled(scene, late)
    others = pocket_of(back)
    others = msgspec.structs.replace(
        others, coins=tuple(held for held in others.coins if held not in late_coins)
    )
    # Paid since with other coins, exactly: change would be signed for one of the two only.
    worth_micro = min(held.slot.micro for held in others.coins)
    now = scene.spend(others.instrument(scene.coinage, "eur"), worth_micro, scene.other)
    assert now is not None
    current = msgspec.structs.replace(
        pocket_of(now), coins=(*pocket_of(now).coins, *late_coins)
    ).instrument(scene.coinage, "eur")
    left = scene.deposit(late, offer).instruments
    merged = purse.merge(current, late, left[0] if left else None)
    assert merged is not None
    assert merged.worth_micro == 64 - price_micro - worth_micro
    while merged is not None:  # every coin of it is good
        merged = scene.spend(merged, min(7, merged.worth_micro))


def read_left(scene: Scene, paid: Paid) -> Pocket[Any]:
    """What a payment leaves, its change aside."""
    purse = scene.payer.purse
    assert isinstance(purse, BlindPurse)
    found: Pocket[Any] = purse.readers.outgoing.read(paid.kept).left
    return found


def test_a_pocket_whose_last_coins_were_paid_after_all_is_no_more(scene: Scene) -> None:
    pocket = scene.withdraw(3)
    late, offer = scene.pay(pocket, 3)
    back = rolled(scene, late)
    assert scene.deposit(late, offer).instruments == ()
    assert scene.payer.purse.merge(back, late, None) is None


def test_of_a_payment_with_spent_coins_the_others_are_kept(scene: Scene) -> None:
    paid, _ = scene.pay(scene.withdraw())
    (left,) = scene.payer.purse.conclude(paid, Burned(), scene.clock.at()).instruments
    assert left == paid.after
    whole, _ = scene.pay(scene.withdraw(3), 3)
    assert scene.payer.purse.conclude(whole, Burned(), scene.clock.at()).instruments == ()


def test_what_ends_first_is_paid_first() -> None:
    scene = Scene()
    older = pocket_of(scene.withdraw(3))
    scene.pass_time(40 * DAY_S)
    newer = pocket_of(scene.withdraw(3))
    ends = scene.coinage.pays_until_s
    assert ends(older.coins[0].slot.period) < ends(newer.coins[0].slot.period)
    for coins in (older.coins + newer.coins, newer.coins + older.coins):
        mixed = msgspec.structs.replace(newer, coins=coins).instrument(scene.coinage, "eur")
        paid, _ = scene.pay(mixed, 1)
        left = read_left(scene, paid).coins
        (spent,) = set(coins) - set(left)
        assert ends(spent.slot.period) == min(ends(held.slot.period) for held in coins)


def test_a_full_pocket_is_returned_in_several_messages(scene: Scene) -> None:
    pockets = [pocket_of(scene.withdraw(1_000)) for _ in range(1)]
    coins = pockets[0].coins
    many = msgspec.structs.replace(pockets[0], coins=coins * 5).instrument(scene.coinage, "eur")
    asked = scene.payer.purse.give_back(many, scene.clock.at())
    count = 1
    while True:
        found = scene.payer.purse.receive(asked, {"returnedMicro": 1}, scene.clock.at())
        if not isinstance(found, Asked):
            break
        asked, count = found, count + 1
    assert found == ()
    assert count == -(-len(coins) * 5 // 60)


def test_coins_that_nobody_takes_any_more_stay_where_the_others_are_returned() -> None:
    scene = Scene()
    older = pocket_of(scene.withdraw(3))
    scene.pass_time(400 * DAY_S)
    newer = pocket_of(scene.withdraw(5))
    mixed = msgspec.structs.replace(newer, coins=older.coins + newer.coins)
    asked = scene.payer.purse.give_back(mixed.instrument(scene.coinage, "eur"), scene.clock.at())
    found = scene.payer.purse.receive(asked, {"returnedMicro": 5}, scene.clock.at())
    assert isinstance(found, tuple)
    (left,) = found
    assert pocket_of(left).coins == older.coins
    assert (left.id, left.worth_micro) == (mixed.instrument(scene.coinage, "eur").id, 3)
    with pytest.raises(Expired, match="coins_over"):
        scene.payer.purse.give_back(left, scene.clock.at())


def test_nothing_of_the_seed_is_in_a_message_or_an_instrument(scene: Scene) -> None:
    seed = scene.payer.purse.setting.ring.current("farthing/wallet/coins/1").secret
    pocket = scene.withdraw()
    paid, _ = scene.pay(pocket)
    for raw in (pocket.body, codec.canonical(paid.payload), paid.kept):
        assert seed not in raw
        assert codec.b64u(seed).encode() not in raw
        assert codec.b64(seed).encode() not in raw


def test_each_coin_has_a_name_by_which_it_is_blocked(scene: Scene) -> None:
    pocket = scene.withdraw(3)
    names = scene.payer.purse.names(pocket)
    assert sorted(micro for _, micro in names) == [1, 2]
    scheme = scene.coinage.name
    ((blocked, _),) = [one for one in names if one[1] == 2]
    scene.broker.records[f"{scheme}/revoked/{blocked}".encode()] = b"1 broker"
    scene.spend(pocket, 1)
    with pytest.raises(Revoked, match="coin_revoked"):
        scene.spend(pocket, 2)


def test_a_part_is_worth_exactly_what_was_said_and_is_claimed_once(scene: Scene) -> None:
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
        scene.payer.purse.part(two.instrument(scene.coinage, "eur"), 1)
    wrong: tuple[Json, ...] = ({}, {"coins": []}, {"coins": ["AAAA"]}, {"coins": ["A"] * 61}, None)
    for token in wrong:
        with pytest.raises(Malformed):
            scene.payer.purse.claim(token, scene.clock.at(4))
    assert parted.left.worth_micro == 2
