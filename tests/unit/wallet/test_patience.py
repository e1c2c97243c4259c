"""Who is asked to wait does so, as long as it is not long, and sends the same again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farthing import codec
from farthing.errors import Refusal, Throttled, Unavailable
from farthing.wallet.commands import (
    Answered,
    Ask,
    Failed,
    Refused,
    Request,
    Response,
    SendRequest,
    Wait,
)
from farthing.wallet.flow import recover
from farthing.wallet.patience import (
    PAUSE_MS,
    RETRY_AFTER_S_MAX,
    THROTTLED_S_MAX,
    after_s,
    patiently,
    pause_ms,
    throttled_s,
)
from farthing.wallet.settling import Verdict
from farthing.wire import problems
from tests.unit.wallet.farside import SITE
from tests.unit.wallet.world import World, get

ASKED = SendRequest(request=get("/a"), leg="first")


def throttled(after: str = "5") -> Response:
    """As a gate says it."""
    status, headers, body = problems.problem(Throttled("rate_limited", "wait a little"))
    kept = [(name.decode(), value.decode()) for name, value in headers]
    kept = [(name, after if name == "retry-after" else value) for name, value in kept]
    return Response(status=status, url=SITE + "/a", headers=tuple(kept), body=body)


def waited(*answers: object) -> tuple[list[int], Any]:
    """For how many seconds it is waited where these come in turn, and the answer in the end."""
    script, waits = list(answers), list[int]()
    steps = patiently(ASKED)
    command = next(steps)
    try:
        while True:
            if isinstance(command, Wait):
                assert command.throttled
                waits.append(command.delay_ms // 1000)
                command = steps.send(None)
            else:
                assert command == ASKED, "the same again"
                command = steps.send(script.pop(0))
    except StopIteration as end:
        assert not script
        return waits, end.value


def test_it_waits_as_it_is_told_and_asks_again() -> None:
    page = Response(status=200, url=SITE)
    assert waited(throttled("5"), throttled("2"), page) == ([5, 2], page)
    assert waited(page) == ([], page)


def test_it_waits_no_longer_than_is_reasonable() -> None:
    told = throttled("5")
    assert waited(*[told] * 7) == ([5] * (THROTTLED_S_MAX // 5), told)
    longest, longer = throttled(str(THROTTLED_S_MAX)), throttled(str(THROTTLED_S_MAX + 1))
    assert waited(longest, longest) == ([THROTTLED_S_MAX], longest)
    assert waited(longer) == ([], longer)


def test_what_a_site_of_its_own_says_is_the_programs_to_read() -> None:
    headers = (("retry-after", "5"),)
    for body in (b"slow down", codec.canonical({"retry": "never"})):
        own = Response(status=429, url=SITE, headers=headers, body=body)
        assert waited(own) == ([], own)
    busy = Response(status=409, url=SITE, headers=headers, body=throttled().body)
    assert waited(busy) == ([], busy)


def test_it_waits_a_second_where_nothing_is_said() -> None:
    for said in ("", "0", "Fri, 20 Nov 2026 12:00:00 GMT", "99999"):
        assert throttled_s(throttled(said)) == 1
    assert after_s("9999") == 9999
    assert throttled_s(Failed(reason="ReadError")) == 0


def test_a_mint_is_waited_for_too() -> None:
    told = Refused(refusal=Throttled("rate_limited"), retry="same", after_s=7)
    answer = Answered(value={})
    assert waited(told, answer) == ([7], answer)
    for refusal in (Unavailable("broker_busy"), Refusal("rate_limited")):
        assert throttled_s(Refused(refusal=refusal, retry="same", after_s=7)) == 0


def test_a_pause_is_as_long_as_is_said_up_to_its_limit() -> None:
    assert pause_ms(throttled("2"), 1) == 2_000
    assert pause_ms(throttled("3600"), 1) == RETRY_AFTER_S_MAX * 1000
    assert pause_ms(throttled("tomorrow"), 3) == 3 * PAUSE_MS
    assert pause_ms(Failed(reason="ReadError"), 2) == 2 * PAUSE_MS


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Flooded:
    """A site that sends away so many requests of each kind before it looks at one."""

    def __init__(self, world: World, first: int, paid: int) -> None:
        self._handle: Callable[[Request], Response | Failed] = world.site.handle
        self._left = {"first": first, "paid": paid}
        self.told = 0
        world.site.handle = self.handle

    def handle(self, request: Request) -> Response | Failed:
        if request.url.endswith("/outcome"):
            return self._handle(request)
        is_paid = any("pay" in f"{name}: {value}".lower() for name, value in request.headers)
        kind = "paid" if is_paid else "first"
        if self._left[kind]:
            self._left[kind] -= 1
            self.told += 1
            return throttled()
        return self._handle(request)


def test_a_page_of_a_flooded_site_comes_a_little_later_and_is_paid_once(world: World) -> None:
    flooded, before_ms = Flooded(world, 2, 3), world.now_ms
    fetched = world.fetch("/a")
    assert (fetched.verdict, flooded.told) == (Verdict.DONE, 5)
    assert world.now_ms - before_ms == 25_000
    assert world.site.charges == [("/a", 200)]
    world.require_conserved()


def test_a_flood_that_lasts_is_told_and_the_same_payment_is_sent_the_next_time(
    world: World,
) -> None:
    handle = world.site.handle
    Flooded(world, 100, 0)
    fetched = world.fetch("/a")
    assert isinstance(fetched.answer, Response)
    assert (fetched.answer.status, fetched.purchase) == (429, None)
    world.site.handle = handle
    Flooded(world, 0, 7)
    world.said.clear()
    sent = world.fetch("/b")
    assert (sent.verdict, world.said.count("SendRequest:paid")) == (Verdict.UNDECIDED, 7)
    again = world.fetch("/b")
    assert sent.purchase is not None
    assert again.purchase is not None
    assert (again.purchase.id, again.verdict) == (sent.purchase.id, Verdict.DONE)
    assert world.site.charges == [("/b", 200)]
    world.require_conserved()


def test_a_flooded_broker_sells_a_little_later_or_the_same_order_the_next_time(
    world: World,
) -> None:
    handle, left, asked = world.bank.handle, [100], list[str]()

    def flooded(ask: Ask) -> Any:
        asked.append(ask.id)
        if left[0]:
            left[0] -= 1
            return Refused(refusal=Throttled("rate_limited"), retry="same", after_s=5)
        return handle(ask)

    world.bank.handle = flooded
    with pytest.raises(Throttled):
        world.fetch("/a")
    world.crash()
    left[0] = 2
    assert world.run(recover(world.guide())).asks_finished == 1
    assert (len(asked), len(set(asked))) == (7 + 3, 1)
    assert world.held_micro("ready") == 2_000
