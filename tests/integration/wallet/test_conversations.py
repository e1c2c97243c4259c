"""A wallet in conversation with the real gate and the real mints, killed at every command.

No sockets: the gate's walks run over marks in memory, the mints over a dictionary of records. Both
schemes, so that an instrument with change (scrip) and one with an index (a chain) are seen, and
every protocol of MilliCent.
"""

import hashlib
from pathlib import Path

import msgspec
import pytest

from farthing import codec
from farthing.wallet.flow import recover
from farthing.wallet.policy import Limits
from farthing.wallet.settling import ABSENT_FINAL_S, Verdict
from tests.kit.turns import each_in_turn
from tests.unit.wallet.gate_town import (
    PRICE_MICRO,
    STEPS_MAX,
    WAYS,
    require_conserved,
    town,
)
from tests.unit.wallet.world import PASSPHRASE, get

FAULTS: list[list[str]] = [[], ["lost"], ["reply_lost"], ["reply_lost"] * 3, ["origin_fails"]]
DEAR_MICRO = (12_300, 412_300)  # ten of them in a part of the credit; two in all of it
DEAR_LIMITS = Limits(per_payment_micro=10**6, per_site_day_micro=10**6, per_day_micro=10**6)
WAYS_IN_TURN = each_in_turn(WAYS, of=2)


@pytest.mark.parametrize("scheme", WAYS)
def test_a_payment_for_a_body_is_made_once_for_this_body(tmp_path: Path, scheme: str) -> None:
    world = town(tmp_path, scheme, loaded=True)
    for body in (b"one", b"two"):
        world.site.faults = ["reply_lost"]
        fetched = world.run(world.flow(world.guide(), get("/bound", method="POST", body=body)))
        assert fetched.verdict is Verdict.DONE
        assert fetched.purchase is not None
        made = fetched.purchase
        bound = made.body_digest if made.envelope else made.received.body_digest
        assert bound == hashlib.sha256(body).digest()
    assert world.site.earned_micro() == 3 * PRICE_MICRO
    require_conserved(world, scheme)


@pytest.mark.parametrize("loaded", [False, True], ids=["empty", "loaded"])
@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(faults) or "none")
@pytest.mark.parametrize("scheme", WAYS_IN_TURN)
def test_killed_at_any_command_and_repeated_a_page_is_charged_once(
    tmp_path: Path, scheme: str, faults: list[str], *, loaded: bool
) -> None:
    for count in range(1, STEPS_MAX):
        world = town(tmp_path / str(count), scheme, loaded=loaded)
        before_micro = world.site.earned_micro()
        world.site.faults = list(faults)
        if not world.run_until(world.flow(world.guide(), get("/a")), count):
            return
        world.crash()
        world.site.faults = []
        assert world.fetch("/a").verdict is Verdict.DONE, count
        assert world.site.earned_micro() == before_micro + PRICE_MICRO, count
        assert world.held_micro("offered") == 0, count
        world.run(recover(world.guide()))
        require_conserved(world, scheme)
        assert world.fetch("/b").verdict is Verdict.DONE, count
        assert world.site.earned_micro() == before_micro + 2 * PRICE_MICRO, count
    pytest.fail("the flow does not end")


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(faults) or "none")
@pytest.mark.parametrize("scheme", WAYS_IN_TURN)
def test_killed_at_any_command_nothing_stays_frozen_or_is_lost(
    tmp_path: Path, scheme: str, faults: list[str]
) -> None:
    for count in range(1, STEPS_MAX):
        world = town(tmp_path / str(count), scheme)
        world.site.faults = list(faults)
        if not world.run_until(world.flow(world.guide(), get("/a")), count):
            return
        world.crash()
        world.site.faults = []
        world.run(recover(world.guide()))
        assert world.fetch("/b").verdict is Verdict.DONE, count
        world.now_ms += ABSENT_FINAL_S * 1000
        world.crash()
        world.run(recover(world.guide()))
        assert world.held_micro("offered") == 0, count
        assert world.site.earned_micro() in {PRICE_MICRO, 2 * PRICE_MICRO}, count
        require_conserved(world, scheme)
    pytest.fail("the flow does not end")


@pytest.mark.parametrize("price_micro", DEAR_MICRO)
@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(faults) or "none")
def test_a_page_on_several_chains_is_charged_once_whenever_the_wallet_is_killed(
    tmp_path: Path, faults: list[str], price_micro: int
) -> None:
    for count in range(1, STEPS_MAX):
        world = town(tmp_path / str(count), "payword")
        world.site.open("payword", price_micro=price_micro)
        world.limits = DEAR_LIMITS
        world.site.faults = list(faults)
        if not world.run_until(world.flow(world.guide(), get("/a")), count):
            return
        world.crash()
        world.site.faults = []
        if count % 2:
            world.run(recover(world.guide()))
        for number, path in enumerate(("/a", "/b"), 1):
            made = world.fetch(path)
            assert made.verdict is Verdict.DONE, count
            assert made.purchase is not None
            assert len(made.purchase.paid.payload["links"]) > 1
            assert world.site.earned_micro() == number * price_micro, count
            assert world.held_micro("offered") == 0, count
        if price_micro < max(DEAR_MICRO):  # else nothing is left of a commitment
            require_conserved(world, "payword")
    pytest.fail("the flow does not end")


@pytest.mark.parametrize("scheme", ["millicent", "payword", "private"])
def test_no_secret_of_either_scheme_stands_in_the_file(tmp_path: Path, scheme: str) -> None:
    world = town(tmp_path, scheme, loaded=True)
    made = world.fetch("/a").purchase
    assert made is not None
    body = msgspec.json.decode(made.paid.spent.body)
    canaries = [PASSPHRASE, body["secret"], body.get("seed", body["secret"]), "tok-alice"]
    for each in tmp_path.iterdir():
        raw = each.read_bytes()
        assert [canary for canary in canaries if canary.encode() in raw] == []
        assert codec.unb64u(body["secret"]) not in raw
