"""Whatever trick is played, nobody honest loses more than the scheme says; a seed repeats it."""

import os
import subprocess
import sys

import pytest

from farthing.errors import Unsupported
from farthing.lab.parties import Party
from farthing.lab.twins.stage import Stage
from farthing.lab.twins.tricks import TRICKS, drawn, play
from farthing.schemes import registry

SCHEMES = registry.all_schemes()


def one_for(trick: str, number: int) -> str:
    """A scheme that it can be played with, another one for each."""
    able = [scheme.traits.name for scheme in SCHEMES if TRICKS[trick].is_for(scheme)]
    return able[number % len(able)]


@pytest.mark.parametrize(
    ("scheme", "trick"),
    [(one_for(trick, number), trick) for number, trick in enumerate(TRICKS)],
)
def test_a_trick_costs_nobody_more_than_the_scheme_says(scheme: str, trick: str) -> None:
    played = play(scheme, 1, [trick])
    assert played.findings == ()
    assert {one.role for one in played.losses} >= {"vendor", "broker", "payer"}


def test_a_vendor_that_gives_nothing_for_money_costs_its_payers_something() -> None:
    played = play("payword", 1, ["withhold"])
    lost = [one for one in played.losses if one.role == "payer" and one.worst_micro]
    assert lost
    assert all(one.by == "vendor" and one.of == "price" for one in lost)


def test_a_payer_that_leaves_a_debt_costs_the_broker_something() -> None:
    (lost,) = (one for one in play("payword", 1, ["leave-a-debt"]).losses if one.worst_micro)
    assert (lost.role, lost.by, lost.of) == ("broker", "payer", "limit")
    assert 0 < lost.worst_micro < lost.bound_micro


def test_the_books_are_audited_where_somebody_cheats(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Stage.settle

    async def steal(stage: Stage) -> None:
        await settle(stage)
        stage.world.broker.connection.execute(
            "UPDATE accounts SET balance = balance - 7 WHERE name = 'liability/vendor/vendor0'"
        )

    monkeypatch.setattr(Stage, "settle", steal)
    findings = play("payword", 1, ["replay"]).findings
    assert findings
    assert all(finding.startswith("audit: ") for finding in findings)


def test_who_does_not_cheat_may_die_around_a_commit_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kill, died = Party.kill, set()

    def noted(party: Party, why: str) -> None:
        if why.endswith("a commit"):
            died.add(party.name)
        kill(party, why)

    monkeypatch.setattr(Party, "kill", noted)
    for seed in range(40):
        assert play("payword", seed, ["claim-twice"]).findings == ()
        if "broker" in died:
            break
    assert "broker" in died
    assert died <= {"broker", "vendor1", "vendor2"}, "who cheats sees to its own programs"


def test_one_seed_is_one_course_of_tricks() -> None:
    one, again, other = (play("millicent", seed) for seed in (3, 3, 4))
    assert one.trace_hash == again.trace_hash != other.trace_hash
    assert one.tricks == drawn("millicent", 3)


COURSE = """
import sys
from farthing.lab.twins.tricks import play
print(play(sys.argv[1], 3, [sys.argv[2]]).trace_hash)
"""


@pytest.mark.parametrize(
    ("scheme", "trick"), [("millicent", "meddle"), ("ecoupon", "overspend-a-part")]
)
def test_one_seed_is_one_course_in_every_process(scheme: str, trick: str) -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", COURSE, scheme, trick],
            env=os.environ | {"PYTHONHASHSEED": str(number)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for number in (1, 2)
    ]
    assert said[0] == said[1] != ""


def test_every_trick_is_drawn_and_those_of_one_world_are_of_one_kind() -> None:
    drawings = [drawn(one.traits.name, seed) for one in SCHEMES for seed in range(200)]
    assert {name for names in drawings for name in names} == set(TRICKS)
    assert all(TRICKS[name].is_for(registry.by_name("payword")) for name in drawn("payword", 1))
    assert all(len({TRICKS[name].by for name in names}) == 1 for names in drawings)


def test_an_unknown_trick_is_named() -> None:
    with pytest.raises(Unsupported, match="trick_unknown"):
        play("millicent", 1, ["magic"])
