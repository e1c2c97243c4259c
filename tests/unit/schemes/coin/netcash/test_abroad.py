"""Coins of another broker: two brokers that clear with each other."""

import msgspec
import pytest

from farthing.errors import Mismatch, OutOfRange, PeerFailed, Refusal, Unsupported
from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.reselling import with_home
from farthing.lab.conformance.stage import FUNDS_MICRO, Play
from farthing.marks import NOTHING
from farthing.schemes.coin.netcash import NETCASH, abroad
from farthing.schemes.coin.netcash.orders import Order, Return, Shown, Want
from farthing.schemes.coin.netcash.purse import NetcashPurse
from farthing.schemes.contract import Abroad, Applied, Json, Mint, Operation
from tests.kit.netcash import Scene, coin_of, order, shown, want
from tests.kit.parties import BROKER, PAYER, Ring, on_the_wire, payer_account, setting_of

HERE = "here"
KEY = "A" * 43


def home() -> Mint:
    """A mint at which the scene's broker is another."""
    setting = msgspec.structs.replace(setting_of(Ring()), broker_id=HERE)
    return NETCASH.mint(setting)


def begun(scene: Scene, message: Json, operation: Operation = "issue") -> Abroad:
    mint, at = home(), scene.clock.at()
    checked = mint.check(operation, message, payer_account(), at)
    assert not mint.recall(checked)
    applied = mint.apply(checked, NOTHING, at)
    assert isinstance(applied, Abroad)
    return applied


def ended(kept: bytes, outcome: Json | Refusal) -> Applied:
    checked = abroad.resume(kept, outcome, "eur")
    return abroad.finish(checked.message)


def test_what_is_bought_less_what_is_given_back_is_what_one_broker_owes_the_other() -> None:
    play = Play("netcash", "netcash abroad")
    with play.stage() as stage:
        bank, stage.payer = with_home(stage)
        for number in range(3):
            stage.buy(number)
        Hand(stage).instrument()  # a coin whose page never comes
        assert -bank.has_micro("peer", stage.bank.id) == 4 * stage.price_micro
        stage.shop.clear()
        stage.room.later(NetcashPurse.returns_after_s)
        for held in stage.payer.book.held():
            back = stage.payer.returning(held.broker_id, held.site, held.instrument)
            assert stage.payer.run_alone(back) is not None
        owed_micro = -bank.has_micro("peer", stage.bank.id)
        assert owed_micro == 3 * stage.price_micro
        assert FUNDS_MICRO - stage.bank.has_micro("payer", "home-there") == owed_micro
        assert stage.bank.has_micro("vendor") == owed_micro
        bank.require_sound()
        bank.close()


def test_the_money_waits_on_hold_and_goes_to_the_peer_with_the_coins() -> None:
    scene = Scene()
    message = order([want(200, "news", KEY)])
    asked = begun(scene, message)
    (flow,) = asked.flows
    assert (flow.source.kind, flow.source.id, flow.target.kind) == ("payer", PAYER, "hold")
    assert (asked.peer, asked.operation, on_the_wire(asked.message)) == (BROKER, "issue", message)
    answer = scene.run("issue", message, payer_account("here-there"))
    applied = ended(asked.kept, answer)
    (flow,) = applied.flows
    assert (flow.source.kind, flow.target.kind, flow.target.id) == ("hold", "peer", BROKER)
    assert (flow.source.id, flow.amount_micro) == (asked.hold, 200)
    assert on_the_wire(applied.answer) == answer


def test_a_refusal_undoes_the_hold() -> None:
    asked = begun(Scene(), order([want(200, "news", KEY)]))
    (flow,) = ended(asked.kept, PeerFailed("peer_balance_used_up")).flows
    assert (flow.source.id, flow.target.kind, flow.target.id) == (asked.hold, "payer", PAYER)


@pytest.mark.parametrize("change", [{"worthMicro": 1}, {"vendor": "daily"}, {"broker": HERE}])
def test_other_coins_than_were_wanted_are_a_mismatch(change: dict[str, Json]) -> None:
    scene = Scene()
    message = order([want(200, "news", KEY)])
    asked = begun(scene, message)
    answer = scene.run("issue", message, payer_account("here-there"))
    others: tuple[Json, ...] = (
        {"coins": [answer["coins"][0] | change]},
        {"coins": answer["coins"] * 2},
        {"coins": []},
        {},
        None,
    )
    for wrong in others:
        with pytest.raises(Mismatch, match="peer_answered_wrongly"):
            abroad.resume(asked.kept, wrong, "eur")
    with pytest.raises(Mismatch, match="peer_answered_wrongly"):
        abroad.resume(asked.kept, answer, "usd")


def test_coins_go_back_to_who_made_them_and_then_the_payer_has_its_money() -> None:
    scene = Scene()
    assert scene.whole is not None
    message = {"broker": BROKER, "coins": [shown(scene.whole)]}
    asked = begun(scene, message, "take_back")
    assert (asked.flows, on_the_wire(asked.message)) == ((), message)
    answer = scene.run("take_back", asked.message, payer_account("here-there"))
    (flow,) = ended(asked.kept, answer).flows
    assert (flow.source.kind, flow.source.id) == ("peer", BROKER)
    assert (flow.target.kind, flow.target.id, flow.amount_micro) == ("payer", PAYER, 10_000)
    assert ended(asked.kept, PeerFailed("no")).flows == ()
    others: tuple[Json, ...] = ({"returnedMicro": 1}, {}, None)
    for wrong in others:
        with pytest.raises(Mismatch, match="peer_answered_wrongly"):
            abroad.resume(asked.kept, wrong, "eur")


def test_coins_of_ours_buy_no_coins_of_another_broker() -> None:
    scene = Scene()
    assert scene.whole is not None
    message = order([want(10_000)], scene.whole)
    with pytest.raises(Unsupported, match="coins_stay_here"):
        begun(scene, message)


def test_a_broker_is_named_as_brokers_are() -> None:
    with pytest.raises(OutOfRange):
        Order(broker="no broker", coins=(), wants=(Want(payer="", vendor="", worth_micro=1),))
    coin = coin_of(Scene().bound())
    with pytest.raises(OutOfRange):
        Return(broker="", coins=(Shown(coin=coin, sig=""),))
