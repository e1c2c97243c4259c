"""Answers that come in parts: a connection stays open, and may break between any two of them.

Parts arrive in their order, each after a while of its own. Where one is lost the connection is
broken for good: who waits learns it after that while, and who sends goes on into the void, as into
the buffers of a machine. An end that dies or hangs up breaks it for the other one.
"""

import asyncio
from collections import deque
from collections.abc import MutableMapping
from typing import Any

from farthing.lab.loop import VirtualLoop
from farthing.lab.network import Network, NoAnswer, Reply, head_of
from farthing.lab.trace import brief

BROKEN_S = 0.5  # until an end learns that the other one is gone without a word


class Connection:
    """One answer in parts, as whoever asked for it has it."""

    def __init__(self, loop: VirtualLoop) -> None:
        """Asked for, and not answered."""
        self._loop = loop
        self.head: asyncio.Future[Reply] = loop.create_future()
        self.gone: asyncio.Future[None] = loop.create_future()
        """Done once who asked has hung up, or the connection is broken."""
        self._parts: deque[bytes] = deque()
        self._ended = ""
        self._wake: asyncio.Future[None] | None = None
        self._due_s = 0.0
        self._is_claimed = False
        self._is_lost = False

    def outlet(self, network: Network, source: str, target: str) -> "Outlet":
        """The other end, where the request arrives; it may do so twice."""
        return Outlet(network, source, target, self)

    def claim(self) -> bool:
        """Whether nobody has answered before: then whoever asks does."""
        is_first, self._is_claimed = not self._is_claimed, True
        return is_first and not self.head.done()

    @property
    def is_open(self) -> bool:
        """Whether anything may still arrive."""
        return not self.gone.done()

    async def next_part(self, silence_s: float) -> bytes | None:
        """What comes next; None at the end, `NoAnswer` where it breaks off before that."""
        while not self._parts:
            if self._ended == "whole":
                return None
            if self._ended:
                raise NoAnswer(self._ended)
            self._wake = self._loop.create_future()
            timer = self._loop.call_later(silence_s, self.end, "nothing came in time")
            await self._wake
            timer.cancel()
        return self._parts.popleft()

    def hang_up(self) -> None:
        """Nobody wants the rest."""
        self.end("hung up")

    def end(self, how: str) -> None:
        """Nothing more arrives: it is whole, or it broke for this reason."""
        self._ended = self._ended or how
        if not self.gone.done():
            self.gone.set_result(None)
        if not self.head.done():
            self.head.set_exception(NoAnswer(how))
            self.head.exception()  # heard, in case whoever asked is dead
        self._rouse()

    def carry(self, delay_s: float | None, what: Reply | bytes | None) -> None:
        """Have the head, a part or the end arrive, after all that is under way before it.

        None: what is lost, and all that would come after it.
        """
        arrives_s = self._loop.time() + (BROKEN_S if delay_s is None else delay_s)
        self._due_s = max(self._due_s, arrives_s)
        if self._is_lost:
            return
        if delay_s is None:
            self._is_lost = True
            self._loop.outside_at(self._due_s, self.end, "the connection broke")
        else:
            self._loop.outside_at(self._due_s, self._arrive, what)

    def _arrive(self, what: Reply | bytes | None) -> None:
        if what is None:
            self.end("whole")
        elif not self.is_open:
            return
        elif isinstance(what, bytes):
            self._parts.append(what)
            self._rouse()
        elif not self.head.done():
            self.head.set_result(what)

    def _rouse(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)


class Outlet:
    """The same answer as whoever gives it has it: what an ASGI application sends."""

    def __init__(self, network: Network, source: str, target: str, asked: Connection) -> None:
        """`target` answers what `source` has asked."""
        self._network = network
        self._source, self._target = source, target
        self._connection = asked
        self._is_ours = False
        self._is_whole = False

    async def receive(self) -> dict[str, Any]:
        """After the request: that whoever asked is gone."""
        await asyncio.shield(self._connection.gone)
        return {"type": "http.disconnect"}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        """As ASGI has it."""
        if event["type"] == "http.response.start":
            self._is_ours = self._connection.claim()  # or the same request has arrived twice
            self._carry("answer", head_of(event), str(event["status"]), "-")
            return
        if part := bytes(event.get("body", b"")):
            self._carry("part", part, brief(part))
        if not event.get("more_body", False):
            self._is_whole = True
            self._carry("part", None, "-")

    def close(self) -> None:
        """The application is done with it; as servers do, break off what it left unfinished."""
        if self._is_ours and not self._is_whole:
            self._connection.carry(None, None)

    def _carry(self, kind: str, what: Reply | bytes | None, *told: str) -> None:
        if self._is_ours and self._connection.is_open:
            self._network.trace.note(kind, self._target, self._source, *told)
            delay_s = self._network.weather.travel_s(self._target, self._source)
            self._connection.carry(delay_s, what)
