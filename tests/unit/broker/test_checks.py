import asyncio
from collections.abc import Callable, Mapping

from farthing.broker.checks import TASKS_PER_CALL, Checks, Task, check_tasks
from farthing.errors import Forged, Malformed, Refusal
from farthing.schemes.contract import Account, At, Checked, Mint
from tests.unit.broker.coupon import mints, ring_for_tests

VENDOR = Account(id="v7", role="vendor")


def load() -> tuple[Mapping[str, Mint], Callable[[], object]]:
    return mints(ring_for_tests()), bool


def tasks() -> list[Task]:
    at = At(now_s=1, entropy=bytes(16))
    forged = b'{"id":"x","micro":5,"expires":9,"mac":"AAAA"}'
    return [
        Task(message=message, account=VENDOR, at=at)
        for message in (forged, b"{", b'{"payer":"p","index":1}')
    ]


def kinds(found: list[Checked | Refusal]) -> list[type]:
    return [type(outcome) for outcome in found]


def test_a_refusal_stands_for_its_own_message() -> None:
    found = check_tasks(load()[0]["coupon"], "redeem", tasks())
    assert kinds(found) == [Forged, Malformed, Malformed]
    assert isinstance(check_tasks(load()[0]["tab"], "redeem", tasks())[2], Checked)


def test_workers_say_the_same_as_this_process() -> None:
    many = tasks() * (TASKS_PER_CALL // 2)

    async def talk() -> None:
        inline = Checks(load()[0])
        workers = Checks(load()[0], load_mints=load, workers=1)
        try:
            here = await inline.check_all("tab", "redeem", many)
            there = await workers.check_all("tab", "redeem", many)
        finally:
            workers.close()
        assert kinds(here) == kinds(there)
        assert len(there) == len(many)

    asyncio.run(talk())
