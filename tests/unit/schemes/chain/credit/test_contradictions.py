"""Of two pledges that cannot both be true the broker keeps both, and anybody can judge them."""

from typing import Any

import pytest

from farthing import codec
from farthing.errors import Conflict, Forged, Mismatch
from farthing.schemes import registry
from farthing.schemes.chain.credit.mint import CreditMint
from farthing.schemes.chain.credit.pledge import ID_CHARS
from farthing.schemes.chain.ikp import IKP
from farthing.schemes.chain.netcard import NETCARD
from farthing.schemes.contract import Json, Scheme
from tests.kit import payword, sticks
from tests.kit.canaries import canary
from tests.kit.parties import Broker
from tests.kit.payword import Hand

MEMBERS = [one for one in registry.all_schemes() if issubclass(one.mint, CreditMint)]
every_stick = pytest.mark.parametrize("scheme", [NETCARD, IKP], ids=["netcard", "ikp"])


def claim(hand: Hand, index: int) -> Json:
    return hand.first(hand.link(index))


def evidence(broker: Broker) -> list[tuple[bytes, Any]]:
    """What is kept of contradictions."""
    prefix = broker.mint.contradicted
    found = sorted((key, raw) for key, raw in broker.records.items() if key.startswith(prefix))
    return [(key, codec.read_json(raw)) for key, raw in found]


def spoken_twice() -> payword.Scene:
    """A slot of the credit that was pledged by two commitments."""
    scene = payword.Scene()
    scene.broker.redeem(claim(Hand(scene.certificate, slots=(0, 2)), 3))
    other = Hand(scene.certificate, slots=(1, 1), seed=canary("another", 16))
    with pytest.raises(Conflict, match="slot_committed_twice"):
        scene.broker.redeem(claim(other, 5))
    return scene


@pytest.mark.parametrize("scheme", MEMBERS, ids=lambda scheme: scheme.traits.name)
def test_every_member_keeps_them_below_its_own_name(scheme: Scheme) -> None:
    mint: Any = scheme.mint
    assert mint.contradicted == mint.family.conflict_prefix
    assert mint.contradicted.startswith(mint.family.tag.encode())
    assert mint.pledges


def test_two_commitments_of_one_slot_are_kept_and_judged() -> None:
    scene = spoken_twice()
    ((key, shown),) = evidence(scene.broker)
    told: Any = scene.broker.mint.judge(shown)
    first, second = (shown[name] for name in ("first", "second"))
    assert (first["slots"], second["slots"]) == ([0, 2], [1, 1])
    assert first["certificate"] == second["certificate"]
    assert (told["vendors"], told["day"], told["worthMicro"]) == (["news"], payword.TODAY, 5_000)
    assert told["payer"] == first["certificate"]["payer"]
    assert key.decode().endswith(f"{told['payer']}/news/{payword.TODAY}")
    assert len(set(told["pledges"])) == 2


def test_who_goes_on_contradicting_fills_no_books() -> None:
    scene = spoken_twice()
    for number in range(3):
        third = Hand(scene.certificate, slots=(0, 1), seed=canary(f"third-{number}", 16))
        with pytest.raises(Conflict):
            scene.broker.redeem(claim(third, 1))
    assert len(evidence(scene.broker)) == 1


@pytest.mark.parametrize("name", ["first", "second"])
@pytest.mark.parametrize("field", ["sig", "salt", "day", "vendor", "certificate"])
def test_what_its_payer_has_not_signed_is_no_proof(name: str, field: str) -> None:
    scene = spoken_twice()
    ((_, shown),) = evidence(scene.broker)
    pledge = shown[name]
    if field == "certificate":
        pledge[field]["limitMicro"] += 8
    elif field == "day":
        pledge[field] += 1
    elif field == "vendor":
        pledge[field] = "daily"
    else:
        pledge[field] = ("A" if pledge[field][0] != "A" else "B") + pledge[field][1:]
    with pytest.raises(Forged):
        scene.broker.mint.judge(shown)


def test_two_pledges_that_can_both_be_true_are_no_proof() -> None:
    scene = spoken_twice()
    ((_, shown),) = evidence(scene.broker)
    with pytest.raises(Mismatch, match="pledges_agree"):
        scene.broker.mint.judge(shown | {"first": shown["second"]})
    apart = Hand(scene.certificate, slots=(5, 1), seed=canary("apart", 16)).first()["commitment"]
    with pytest.raises(Mismatch, match="pledges_agree"):
        scene.broker.mint.judge(shown | {"first": apart})


@every_stick
@pytest.mark.parametrize("auth", ["online", "offline"])
def test_two_sticks_of_one_serial_are_kept_and_judged(scheme: Scheme, auth: str) -> None:
    scene = sticks.Scene(scheme, auth=auth)
    one, other = scene.open(), scene.open()
    serial = sticks.stick_of(scene, one).serial
    forged = sticks.resigned(scene, other, serial=serial)
    scene.broker.redeem(sticks.claim_of(scene, one, 3))
    with pytest.raises(Conflict, match="serial_used_twice"):
        scene.broker.redeem(sticks.claim_of(scene, forged, 9))
    ((_, shown),) = evidence(scene.broker)
    assert [shown[name]["serial"] for name in ("first", "second")] == [serial, serial]
    told: Any = scene.broker.mint.judge(shown)
    ids = [sticks.stick_of(scene, each).id for each in (one, forged)]
    assert (told["pledges"], told["vendors"]) == (ids, ["news"])


def test_a_record_of_an_earlier_version_refuses_the_second_all_the_same() -> None:
    scene = payword.Scene()
    hand = Hand(scene.certificate)
    scene.broker.redeem(claim(hand, 3))
    (slot,) = (key for key in scene.broker.records if b"/slot/" in key)
    scene.broker.records[slot] = scene.broker.records[slot][:ID_CHARS]
    assert scene.broker.redeem(claim(hand, 5)) == 200, "the first is paid on"
    other = Hand(scene.certificate, seed=canary("another", 16))
    with pytest.raises(Conflict, match="slot_committed_twice"):
        scene.broker.redeem(claim(other, 5))
    assert evidence(scene.broker) == []
