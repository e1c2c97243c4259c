"""The wallet's flow in conversation with a site and a bank, and killed at every step of it."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from farthing.errors import Overlimit, Unavailable, Unfunded
from farthing.wallet.commands import Nothing, Reserve, Response, SendRequest, Wait
from farthing.wallet.driver import drive
from farthing.wallet.fetching import fetch
from farthing.wallet.flow import LOADS_MAX, recover
from farthing.wallet.policy import Limits
from farthing.wallet.settling import ABSENT_FINAL_S, Verdict
from tests.unit.wallet.farside import Bank
from tests.unit.wallet.world import World, get

STEPS_MAX = 60  # no conversation here is longer
FAULTS: list[list[str]] = [
    [],
    ["lost"],
    ["reply_lost"],
    ["busy"],
    ["unavailable", "undecided"],
    ["reply_lost", "reply_lost", "reply_lost"],
    ["origin_fails"],
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("fault", ["lost", "reply_lost", "busy", "unavailable", "undecided"])
def test_one_doubtful_answer_is_repeated_with_the_same_bytes(world: World, fault: str) -> None:
    world.site.faults = [fault]
    fetched = world.fetch("/a")
    assert fetched.verdict is Verdict.DONE
    assert world.site.charges == [("/a", 200)]
    assert world.said.count("SendRequest:paid") == 2
    world.require_conserved()


def test_three_lost_replies_are_looked_up_at_the_outcome_endpoint(world: World) -> None:
    world.site.faults = ["reply_lost"] * 3
    fetched = world.fetch("/a")
    assert fetched.verdict is Verdict.DONE
    assert "SendRequest:outcome" in world.said
    assert world.held_micro("ready") == 1_800
    world.require_conserved()


def test_a_payment_that_never_arrived_stays_undecided_until_it_is_old(world: World) -> None:
    world.site.faults = ["lost"] * 3
    fetched = world.fetch("/a")
    assert fetched.verdict is Verdict.UNDECIDED
    assert world.held_micro("offered") == 2_000
    world.now_ms += ABSENT_FINAL_S * 1000
    assert world.run(recover(world.guide())).released == 1
    assert world.held_micro("ready") == 2_000
    world.require_conserved()


def test_an_undecided_request_made_again_sends_the_same_bytes(world: World) -> None:
    world.site.faults = ["lost"] * 3
    first = world.fetch("/a").purchase
    again = world.fetch("/a")
    assert first is not None
    assert again.purchase is not None
    assert again.purchase.credential == first.credential
    assert again.verdict is Verdict.DONE
    assert world.site.charges == [("/a", 200)]
    world.require_conserved()


def test_another_page_is_not_paid_with_an_undecided_instrument(world: World) -> None:
    world.site.faults = ["lost"] * 3
    world.fetch("/a")
    fetched = world.fetch("/b")
    assert fetched.verdict is Verdict.DONE
    assert world.held_micro("offered") == 2_000
    assert world.bank.sold_micro == 4_000
    world.require_conserved()


def test_a_payment_taken_after_it_was_given_up_brings_its_change_back(world: World) -> None:
    """The site says "no such payment", and gets it afterwards: the next payment finds out."""
    world.site.faults = ["lost"] * 3
    late = world.fetch("/a").purchase
    assert late is not None
    world.now_ms += ABSENT_FINAL_S * 1000
    world.run(recover(world.guide()))
    world.site.handle(get("/a").with_header(*late.credential))
    fetched = world.fetch("/b")
    assert fetched.verdict is Verdict.DONE
    assert world.site.charges == [("/a", 200), ("/b", 200)]
    world.require_conserved()


def test_a_balance_too_small_for_ten_pages_loads_one(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.bank = Bank(world.now_s, balance_micro=300)
    assert world.fetch("/a").verdict is Verdict.DONE
    assert world.bank.sold_micro == 200


def test_an_empty_account_refuses_before_anything_is_paid(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.bank = Bank(world.now_s, balance_micro=100)
    with pytest.raises(Unfunded, match="balance_too_low") as refused:
        world.fetch("/a")
    assert refused.value.detail.startswith("it costs 0.0002 EUR (0.02 cent), which the account at ")
    assert "farthing wallet topup" in refused.value.detail
    assert world.site.charges == []


def test_a_mint_that_does_not_answer_is_asked_again_with_the_same_key(world: World) -> None:
    world.bank.faults = ["reply_lost"] * 3
    with pytest.raises(Unavailable):
        world.fetch("/a")
    world.crash()
    world.fetch("/a")
    assert world.bank.sold_micro == 2_000
    world.require_conserved()


def test_a_price_above_the_budget_is_refused_without_a_payer_to_ask(world: World) -> None:
    world.limits = Limits(per_payment_micro=100)
    with pytest.raises(Overlimit, match="above_budget_per_payment"):
        world.fetch("/a")
    assert "AskPayer" in world.said
    assert world.site.charges == []
    assert world.bank.sold_micro == 0


def test_an_approved_payment_above_the_budget_is_made(world: World) -> None:
    world.limits = Limits(per_payment_micro=100)
    world.approves = True
    assert world.fetch("/a").verdict is Verdict.DONE


def test_the_days_budget_counts_what_was_paid_and_what_is_undecided(world: World) -> None:
    world.limits = Limits(per_day_micro=500)
    world.fetch("/a")
    world.site.faults = ["lost"] * 3
    world.fetch("/b")
    with pytest.raises(Overlimit, match="above_budget_per_day"):
        world.fetch("/c")
    world.now_ms += 86_400_000
    assert world.fetch("/c").verdict is Verdict.DONE


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(faults) or "none")
@pytest.mark.parametrize("loaded", [False, True], ids=["empty", "loaded"])
def test_killed_at_any_command_and_repeated_a_page_is_charged_once(
    tmp_path: Path, faults: list[str], *, loaded: bool
) -> None:
    for count in range(1, STEPS_MAX):
        world = _prepared(tmp_path / str(count), loaded=loaded)
        world.site.faults = list(faults)
        more = world.run_until(fetch(world.guide(), get("/a")), count)
        if not more:
            return
        world.crash()
        world.site.faults = []
        fetched = world.fetch("/a")
        assert fetched.verdict is Verdict.DONE, count
        assert [path for path, _ in world.site.charges].count("/a") == 1, count
        assert world.held_micro("offered") == 0, count
        world.run(recover(world.guide()))
        world.require_conserved()
    pytest.fail("the flow does not end")


@pytest.mark.parametrize("faults", FAULTS, ids=lambda faults: "-".join(faults) or "none")
def test_killed_at_any_command_nothing_stays_frozen_or_is_lost(
    tmp_path: Path, faults: list[str]
) -> None:
    for count in range(1, STEPS_MAX):
        world = _prepared(tmp_path / str(count), loaded=False)
        world.site.faults = list(faults)
        if not world.run_until(fetch(world.guide(), get("/a")), count):
            return
        world.crash()
        world.site.faults = []
        world.run(recover(world.guide()))
        assert world.fetch("/b").verdict is Verdict.DONE, count
        world.now_ms += ABSENT_FINAL_S * 1000
        world.crash()
        world.run(recover(world.guide()))
        assert world.held_micro("offered") == 0, count
        assert [path for path, _ in world.site.charges].count("/a") <= 1, count
        world.require_conserved()
    pytest.fail("the flow does not end")


def _prepared(folder: Path, *, loaded: bool) -> World:
    folder.mkdir()
    world = World(folder)
    if loaded:
        world.fetch("/before")
    return world


def test_recovery_killed_at_any_command_is_finished_by_the_next(tmp_path: Path) -> None:
    for count in range(1, STEPS_MAX):
        world = _prepared(tmp_path / str(count), loaded=True)
        world.site.faults = ["reply_lost"] * 3
        world.run_until(fetch(world.guide(), get("/a")), 5)
        world.crash()
        if not world.run_until(recover(world.guide()), count):
            return
        world.crash()
        world.now_ms += ABSENT_FINAL_S * 1000
        world.run(recover(world.guide()))
        assert world.held_micro("offered") == 0, count
        world.require_conserved()
    pytest.fail("the flow does not end")


def test_what_other_flows_took_first_is_waited_for(world: World) -> None:
    """On a busy machine eight images may be quicker than the flow that loaded the scrip."""
    taken = 40

    def answer(command: Any) -> Any:
        nonlocal taken
        if isinstance(command, Reserve) and taken:
            taken -= 1
            return Nothing(coming=True)
        return world.answer(command)

    assert drive(fetch(world.guide(), get("/a")), answer).verdict is Verdict.DONE
    assert world.bank.sold_micro <= LOADS_MAX * 2_000


@pytest.mark.parametrize("answer_ms", [0, 30])
def test_eight_requests_at_once_are_each_paid_once_and_never_busy(
    tmp_path: Path, answer_ms: int
) -> None:
    world = World(tmp_path)
    busy: list[Any] = []
    verdicts: list[Verdict | None] = []

    def answer(command: Any) -> Any:
        if isinstance(command, Wait):
            time.sleep(5 * command.delay_ms / 1000)  # a busy machine is five times as slow
            return None
        if isinstance(command, SendRequest):
            time.sleep(answer_ms / 1000)
        answered = world.answer(command)
        if isinstance(answered, Response) and answered.status == 409:
            busy.append(answered)
        return answered

    def image(number: int) -> None:
        verdicts.append(drive(fetch(world.guide(), get(f"/image-{number}")), answer).verdict)

    threads = [threading.Thread(target=image, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verdicts == [Verdict.DONE] * 8
    assert busy == []
    assert sorted(path for path, _ in world.site.charges) == [f"/image-{n}" for n in range(8)]
    assert world.bank.sold_micro <= 4 * 2_000, "not a piece for each, however busy the machine is"
    world.require_conserved()
