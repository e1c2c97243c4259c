"""A request is cancelled at its n-th suspension, for every n, with every registered scheme.

`farthing lab conformance` ends each party at every command; a request that is cancelled is the one
thing that it cannot do, since its gates run without an event loop.
"""

import asyncio

import pytest

from farthing import marks
from farthing.errors import Refusal
from farthing.lab.conformance.cases import Inapplicable
from farthing.lab.conformance.hand import Hand, Made
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes import registry
from farthing.schemes.contract import Json
from farthing.vendor.asgi import Serving
from farthing.vendor.commands import Answer
from farthing.vendor.driver import Exchange, Serials
from farthing.vendor.streaming import Bells
from tests.kit.page import SlowStore, answer_with, length, scope_of

TURNS_MAX = 200  # of the event loop; more than any request here takes
PAGE = answer_with(b"the ", b"page", headers=length(8), pause=2)


class AtTheBank:
    """The stage's broker, a turn of the event loop away."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def facilitate(self, call: str, message: Json) -> Json:
        await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        try:
            return self._stage.bank.facilitate(call, message, self._stage.shop.id)
        finally:
            asyncio._set_running_loop(loop)  # the stage's own has run in between


def serving(stage: Stage, made: Made, sent: list[int]) -> asyncio.Task[None]:
    """One paid request on its way through the gate, as a server would begin it."""
    shop, store = stage.shop, SlowStore(stage.shop.store)
    walk = shop.walk(made.request)
    assert not isinstance(walk, Answer), "a priced page"
    exchange = Exchange(
        walk, store, Serials(store), AtTheBank(stage), lambda: None, look=stage.room.at
    )
    headers = [(name.lower().encode(), value.encode()) for name, value in made.request.headers]
    scope = scope_of(*headers, path=made.request.url.removeprefix(shop.site))

    async def receive() -> dict[str, object]:
        raise AssertionError("the gate does not read bodies")

    async def send(message: object) -> None:
        await asyncio.sleep(0)
        if isinstance(message, dict) and "status" in message:
            sent.append(message["status"])

    gate = Serving(PAGE, scope, receive, send, bells=Bells())
    return asyncio.ensure_future(gate.run(exchange))


async def cancelled_after(stage: Stage, made: Made, turns: int) -> bool:
    """Cancel the request after so many turns of the loop; whether it had ended before."""
    task = serving(stage, made, [])
    for _ in range(turns):
        await asyncio.sleep(0)
    if task.done():
        task.result()
        return True
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return False


async def served(stage: Stage, made: Made) -> list[int]:
    """The status of the same request sent again."""
    sent: list[int] = []
    await serving(stage, made, sent)
    return sent


@pytest.mark.parametrize("scheme", [one.traits.name for one in registry.all_schemes()])
def test_cancelled_anywhere_it_is_confirmed_or_released(scheme: str) -> None:
    with Play(scheme, "cancelled").stage(dialect="mpp") as stage:
        for turns in range(TURNS_MAX):
            payer = stage.admit(f"payer{turns}")
            hand = Hand(stage, payer)
            try:
                made = hand.pay(stage.page(turns), hand.instrument())
            except (Inapplicable, Refusal) as wrong:
                pytest.skip(str(wrong))
            before_micro = stage.shop.charged_micro()
            ended = asyncio.run(cancelled_after(stage, made, turns))
            charged_micro = stage.shop.charged_micro() - before_micro
            found: marks.Payment | None = stage.shop.store.do_now(marks.Find(k=made.k))
            state = None if found is None else found.state
            assert state != "held", f"frozen at turn {turns}"
            is_confirmed = state == "confirmed"
            assert charged_micro == (stage.price_micro if is_confirmed else 0)
            assert asyncio.run(served(stage, made)) == [200]
            assert stage.shop.charged_micro() == before_micro + stage.price_micro
            if ended:
                return
    raise AssertionError("the request never ended")
