"""Mistakes of our own: the log says where they are, never what they say, which may be secret.

Whatever runs beside requests goes on after one, and a request that meets one is answered.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from traceback import extract_tb

from farthing.errors import Broken

FRAMES_TOLD = 6  # the innermost: those before are the server's
AGAIN_S = 10  # what failed by a mistake fails once more, as a rule

_log = logging.getLogger("farthing.fault")


def tell(wrong: BaseException, where: str) -> None:
    """Log a mistake that `where` met."""
    _log.critical("%s: %s", where, place_of(wrong))


def place_of(wrong: BaseException) -> str:
    """The kind of the exception, and the lines that it came through."""
    frames = extract_tb(wrong.__traceback__)[-FRAMES_TOLD:]
    lines = " ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"{type(wrong).__name__} at {lines}"


def refusal_of(wrong: BaseException) -> Broken:
    """What whoever asked is told: nothing of it, and to ask again."""
    refusal = Broken("internal_fault", "a mistake of this server; repeat the same request")
    refusal.__cause__ = wrong
    return refusal


async def keep_on(work: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Run what runs until it is cancelled; anew after each mistake that ends it."""
    while True:
        try:
            await work(*arguments)
        except Exception as wrong:  # noqa: BLE001 - nobody waits for it: it would end unseen
            tell(wrong, work.__qualname__)
        await asyncio.sleep(AGAIN_S)
