import msgspec
import pytest

from farthing import codec
from farthing.errors import Forged
from farthing.schemes.coin.blind.purse import BlindPurse
from farthing.schemes.coin.blind.restoring import Restorer, Search
from farthing.schemes.coin.deriving import maker_of
from farthing.schemes.coin.ecash import ECASH
from farthing.schemes.coin.ecash.coinage import EPOCHS_MAX
from farthing.schemes.coin.ecash.purse import EcashPurse
from farthing.schemes.coin.epochs import DAY_S, EPOCH_S, LISTED_S, SKEW_S, epoch_at
from farthing.schemes.contract import Account, Asked, AskFirst, Instrument, Json
from tests.kit.blind import LOAD_MICRO, SCHEMES, Scene, newer_key, pocket_of, run
from tests.kit.parties import BROKER, binding_of, on_the_wire

NOBODY = Account(id="", role="payer")


@pytest.fixture(params=SCHEMES, ids=lambda scheme: scheme.traits.name)
def scene(request: pytest.FixtureRequest) -> Scene:
    """Of each scheme of blind coins."""
    return Scene(request.param)


def remade(scene: Scene, number: int, name: str = "ann") -> tuple[Instrument, ...]:
    """What a wallet with nothing but this payer's seed finds of a number, and how it asks."""
    purse = scene.admit(name).purse
    found: tuple[Instrument, ...] | Asked = purse.remake(number, scene.clock.at())
    while isinstance(found, Asked):
        assert found.bearer, "whose coins they are is not said"
        answer = on_the_wire(scene.broker.run("issue", found.message, NOBODY).answer)
        found = purse.receive(found, answer, scene.clock.at())
    return found


def test_every_unspent_coin_comes_back_and_no_spent_one(scene: Scene) -> None:
    pocket = scene.withdraw()
    for price_micro in (200, 1, 7, 300):
        left = scene.spend(pocket, price_micro)
        assert left is not None
        pocket = left
    (found,) = remade(scene, 0)
    assert found.id == pocket.id
    assert found.worth_micro == pocket.worth_micro == LOAD_MICRO - 508
    known = {(held.slot, held.signature) for held in pocket_of(pocket).coins}
    assert {(held.slot, held.signature) for held in pocket_of(found).coins} == known


def test_what_the_operator_has_blocked_does_not_come_back(scene: Scene) -> None:
    pocket = scene.withdraw(3)
    names = {micro: name for name, micro in scene.payer.purse.names(pocket)}
    blocked = f"{scene.coinage.name}/revoked/{names[2]}".encode()
    scene.broker.records[blocked] = b"1 broker"
    (found,) = remade(scene, 0)
    assert found.worth_micro == 1
    assert scene.spend(found, 1) is None


@pytest.mark.parametrize("days", [1, 2, 89])
def test_coins_come_back_as_long_as_they_are_good(scene: Scene, days: int) -> None:
    """Whoever lost a wallet may not know before some weeks have passed."""
    pocket = scene.withdraw()
    left = scene.spend(pocket, 200)
    assert left is not None
    scene.pass_time(days * DAY_S + 1)
    (found,) = remade(scene, 0)
    assert found.worth_micro == left.worth_micro


def test_what_came_back_pays_and_makes_change_as_before(scene: Scene) -> None:
    scene.spend(scene.withdraw(), 3)
    (found,) = remade(scene, 0)
    while found.worth_micro > 800:
        left = scene.spend(found, 17)
        assert left is not None
        found = left
    (again,) = remade(scene, 0)
    assert again.worth_micro == found.worth_micro


def test_coins_of_an_epoch_before_come_back_too() -> None:
    scene = Scene()
    pocket = scene.withdraw()
    scene.clock.now_s += EPOCH_S
    (found,) = remade(scene, 0)
    assert found.worth_micro == pocket.worth_micro


def test_coins_of_the_keys_before_a_rotation_come_back_with_those_after(scene: Scene) -> None:
    scene.clock.now_s = epoch_at(scene.clock.now_s).not_before_s  # all of it is in one epoch
    pocket, other = scene.spend(scene.withdraw(7), 1), scene.withdraw(50)
    assert pocket is not None
    scene.broker.ring.add(newer_key(scene.scheme.traits.name))
    scene.clock.now_s += LISTED_S
    first = scene.payer.purse.pay(pocket, scene.vendor.offer(1), binding_of(), scene.clock.at())
    assert isinstance(first, AskFirst), "change comes of the keys after"
    left = scene.spend(scene.received(first.asked), 1)
    assert left is not None
    assert not set(pocket_of(pocket).coins).isdisjoint(pocket_of(left).coins)
    assert not set(pocket_of(left).coins) <= set(pocket_of(pocket).coins)
    (found,) = remade(scene, 0)
    assert set(pocket_of(found).coins) == set(pocket_of(left).coins)
    assert pocket_of(found).keysets == pocket_of(left).keysets
    (beside,) = remade(scene, 1)
    assert beside.worth_micro == other.worth_micro


def test_a_broker_that_names_lists_without_end_comes_to_one(scene: Scene) -> None:
    scene.withdraw()
    current = run(scene, "issue", {"list": "current"}, NOBODY)
    purse = scene.admit("ann").purse
    assert isinstance(purse, BlindPurse)
    names = ("current", "current", "other", "other")
    keysets = msgspec.structs.replace(purse.coinage.lists.convert(current), older=names)
    maker = maker_of(purse.setting.ring, BROKER, 0)
    restorer = Restorer(scene.coinage, maker)
    head = keysets.period if scene.scheme is ECASH else "current"
    asked = restorer.with_list(Search(number=0, lists=(head,)), keysets)
    assert isinstance(asked, Asked)
    following = purse.readers.kept.read(asked.kept)
    assert following.lists == ("other", keysets.name), "each once, and none that leads to more"
    with pytest.raises(Forged, match="keysets_of_another_time"):
        restorer.with_list(following, keysets)


def test_at_the_edge_of_an_epoch_clocks_may_differ_by_two_minutes() -> None:
    scene = Scene()
    scene.withdraw()
    scene.broker.ring.add(newer_key("ecash"))
    edge_s = epoch_at(scene.clock.now_s).signs_until_s
    for broker_s in (edge_s - SKEW_S, edge_s):
        scene.clock.now_s = broker_s
        listed = run(scene, "issue", {"list": epoch_at(edge_s).number}, NOBODY)
        for name in (listed["keysets"][0]["id"], *listed["older"]):
            assert run(scene, "issue", {"list": name}, NOBODY)["epoch"] == listed["epoch"]


def test_of_a_number_without_a_pocket_or_of_another_seed_nothing_comes(scene: Scene) -> None:
    scene.withdraw()
    assert remade(scene, 1) == ()
    assert remade(scene, 0, "bob") == ()


def test_a_pocket_that_is_spent_is_worth_nothing_and_is_known_to_have_been(scene: Scene) -> None:
    assert scene.spend(scene.withdraw(), LOAD_MICRO) is None
    (found,) = remade(scene, 0)
    assert found.worth_micro == 0


def test_answers_that_do_not_fit_are_forged() -> None:
    scene = Scene()
    scene.withdraw()
    purse = scene.admit("ann").purse
    asked = purse.remake(0, scene.clock.at())
    current = on_the_wire(scene.broker.run("issue", {"list": "current"}, NOBODY).answer)
    with pytest.raises(Forged, match="keysets_of_another_time"):
        purse.receive(asked, current, scene.clock.at())
    search = EcashPurse.readers.kept.read(asked.kept)
    last = msgspec.structs.replace(search, lists=search.lists[-1:])
    probing = purse.receive(
        msgspec.structs.replace(asked, kept=codec.canonical(last)), current, scene.clock.at()
    )
    assert isinstance(probing, Asked)
    wrong = ["AAAA"] * len(probing.message["restore"])
    answers: tuple[Json, ...] = ({"signatures": []}, {"signatures": wrong})
    for answer in answers:
        with pytest.raises(Forged):
            purse.receive(probing, answer, scene.clock.at())
    assert EPOCHS_MAX == 3
