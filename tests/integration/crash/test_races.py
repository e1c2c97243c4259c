"""The race matrix: 32 requests at once for one thing, of which as many win as may.

Every pair of the table, in one process over real stores, and in the full suite against a broker
and a gate of two workers in processes of their own. The losers are refused with the code that is
documented, within two seconds; asked again they are not busy any more; the books add up.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, cast

import pytest

from farthing.broker.purposes import ROTATING
from farthing.errors import Refusal
from farthing.stores.keys import make_signing_key
from tests.integration.crash.calls import Callers
from tests.integration.crash.errands import Errands
from tests.integration.crash.fleet import Fleet
from tests.integration.crash.middle import Message
from tests.integration.crash.moved import Moved, books, code_of, difference
from tests.integration.crash.place import Call
from tests.integration.crash.races import AT_ONCE, BUSY, SCHEMES, Race, Races
from tests.integration.crash.reckoning import audit
from tests.integration.crash.sizes import seed, size
from tests.integration.crash.test_lost_reply import books as books_of_fleet
from tests.kit.turns import IS_CI, schemes_in_turn
from tests.kit.village import Village

ANSWER_S = 2.0  # the last of them has its answer


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    with Village(tmp_path) as village:
        yield village


class Track(Protocol):
    """Where requests race."""

    def race(self, calls: Sequence[Call]) -> list[Message]: ...


class Fast:
    """A fleet of processes, each request on a thread and a connection of its own."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def race(self, calls: Sequence[Call]) -> list[Message]:
        with ThreadPoolExecutor(len(calls)) as pool:
            asked = [pool.submit(self._fleet.ask, call.to, call.request) for call in calls]
            return [one.result()[0] for one in asked]


def run(track: Track, race: Race, calls: list[Call]) -> float:
    """Seconds until the last answer; who has won and who has not is right.

    What wallets make counts for nothing: 32 blind signatures take their time on a busy machine.
    """
    began_s = time.monotonic()
    answers = track.race(calls)
    took_s = time.monotonic() - began_s
    codes = _codes(calls, answers)
    won = codes.count("")
    assert set(codes) <= {""} | race.codes | BUSY, f"{race.name}: {Counter(codes)}"
    assert won >= 1, f"{race.name}: {Counter(codes)}"
    assert race.winners in {won, None}, f"{race.name}: {Counter(codes)}"
    again = _codes(calls, [track.race([call])[0] for call in calls])
    for first, then in zip(codes, again, strict=True):
        assert then == "" if first == "" else then in {""} | race.codes, f"{race.name}: {then}"
    if race.winners is not None:
        assert again.count("") == race.winners, f"{race.name}: then {Counter(again)}"
    return 0.0 if race.is_costly else took_s


def _codes(calls: list[Call], answers: list[Message]) -> list[str]:
    return [code_of(call, answer) for call, answer in zip(calls, answers, strict=True)]


def money(moved: Moved) -> Moved:
    """Without the rows, some of which tell of refusals."""
    return Counter({name: by for name, by in moved.items() if "/" in name})


def in_village(village: Village, race: Race, rounds: int) -> float:
    """Seconds that the slowest round took; one winner moves what a single request moves."""
    village.end_overdue()
    alone: Moved = Counter()
    for _ in range(2 if race.winners else 0):  # the first may open an account that others find
        (first, *_) = race.make()
        before = books(village)
        village.race([first])
        alone = money(difference(before, books(village)))
    slowest_s = 0.0
    for _ in range(1 if race.is_costly else rounds):
        calls = race.make()
        before = books(village)
        slowest_s = max(slowest_s, run(village, race, calls))
        if race.winners is not None:
            assert money(difference(before, books(village))) == alone, race.name
    village.require_sound()
    return slowest_s


def all_races(callers: Callers, errands: Errands) -> list[Race]:
    """All of the table; orders of one account in larger suites, since each takes many wallets."""
    races, schemes = Races(callers), schemes_in_turn()
    found = [*races.all(), *races.of_schemes(errands, schemes)]
    return found if IS_CI else [*found, *races.of_accounts(errands, schemes, seed())]


@pytest.mark.timeout(900)  # the full suite's
def test_of_all_that_race_for_one_thing_as_many_win_as_may(village: Village) -> None:
    callers = Callers(village)
    errands = Errands(village, callers, lambda: books(village))
    races, rounds = all_races(callers, errands), size().rounds
    slowest_s = max(in_village(village, race, rounds) for race in races)
    assert slowest_s < ANSWER_S
    print(f"{len(races)} pairs, {slowest_s:.2f} s")  # noqa: T201 - the figures


@pytest.mark.full
@pytest.mark.serial
@pytest.mark.timeout(1_800)
def test_of_all_that_race_between_processes_as_many_win_as_may(tmp_path: Path) -> None:
    slowest_s = 0.0
    with Fleet(tmp_path, quiet=True) as fleet:
        callers = Callers(fleet)
        races = all_races(callers, Errands(fleet, callers, lambda: books_of_fleet(fleet)))
        for race in races:
            for _ in range(1 if race.is_costly else size().rounds):
                slowest_s = max(slowest_s, run(Fast(fleet), race, race.make()))
        found = audit(fleet)
    assert found["findings"] == []
    assert found["ledgerSumMicro"] == 0
    assert slowest_s < ANSWER_S
    print(f"{len(races)} pairs between processes, {slowest_s:.2f} s")  # noqa: T201 - likewise


def gathered(village: Village, *works: Awaitable[object]) -> list[str]:
    """The codes of what was refused, "" for what was done."""

    async def raced() -> list[Any]:
        return await asyncio.gather(*works, return_exceptions=True)

    found = village.run(raced())
    assert all(isinstance(one, Refusal) for one in found if isinstance(one, BaseException)), found
    return [one.code if isinstance(one, Refusal) else "" for one in found]


def asked(village: Village, calls: Sequence[Call]) -> list[Awaitable[Message]]:
    return [village.exchange(call) for call in calls]


def test_one_payment_is_refunded_once_however_often_at_once(village: Village) -> None:
    _, k = Callers(village).bought("millicent")
    codes = gathered(village, *(village.vendor.refund(k) for _ in range(AT_ONCE)))
    assert Counter(codes) == {"": 1, "already_refunded": AT_ONCE - 1}
    village.run(village.vendor.clear())
    village.require_sound()


def test_what_is_claimed_while_its_time_ends_is_paid_or_expired_and_not_both(
    village: Village,
) -> None:
    callers = Callers(village)
    claims = callers.claims("millicent")
    broker = village.brokers["broker"]
    query = "SELECT max(at_s) FROM due"
    ends_at_s = broker.engine.books.committer.read(lambda db: db.execute(query).get)
    village.later_s += cast(int, ends_at_s) - village.now_s()
    redeems = [callers.of_vendor("/redeem/millicent", {"claims": claims}) for _ in range(AT_ONCE)]
    ticks = [broker.engine.tick() for _ in range(AT_ONCE)]
    asks = asked(village, redeems)
    gathered(village, *(one for pair in zip(ticks, asks, strict=True) for one in pair))
    village.end_overdue()
    village.require_sound()
    out = [micro for name, micro in village.balances().items() if "outstanding/millicent" in name]
    assert sum(out) == 0, "paid or expired"


def test_payments_go_on_while_keys_are_rotated(village: Village) -> None:
    callers = Callers(village)
    ring = village.brokers["broker"].ring

    async def rotate(purpose: str) -> None:
        ring.add(make_signing_key(purpose, secrets.token_bytes(32)))
        await village.vendor.fetch_lists()

    calls = [callers.page(scheme, "mpp", "now") for _ in range(AT_ONCE // 4) for scheme in SCHEMES]
    turning = [rotate(purpose) for purpose in ROTATING for _ in range(4)]
    codes = gathered(village, *asked(village, calls), *turning)
    assert set(codes) == {""}
    answers = [village.race([call])[0].status for call in calls]
    assert set(answers) == {200}
    village.require_sound()
