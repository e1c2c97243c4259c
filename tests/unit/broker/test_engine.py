import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from farthing.broker.books import entry_id
from farthing.broker.engine import Transfer
from farthing.broker.reservations import RESERVED_S
from farthing.broker.settling import Payment
from farthing.errors import OutOfRange, Refusal, Reused, Unfunded, Unknown
from farthing.ledger import accounts
from tests.unit.broker.desk import Desk, open_desk, with_desk

ID = "%032x"


def test_a_transfer_moves_money_once(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.open("v7", role="vendor")
        await desk.top_up("alice", 1_000, "bank-1")
        asked = Transfer(id=ID % 1, to="vendor/v7", amount_micro=300, ref="page 1")
        first = await desk.engine.transfer("alice", asked)
        desk.now_s += 1_000_000
        assert await desk.engine.transfer("alice", asked) == first
        assert msgspec.json.decode(first)["amountMicro"] == 300
        assert desk.balance(accounts.vendor("v7")) == -300

    with_desk(tmp_path, talk)


def test_a_repeat_is_answered_when_the_money_is_gone(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.open("v7", role="vendor")
        await desk.top_up("alice", 300, "bank-1")
        asked = Transfer(id=ID % 1, to="vendor/v7", amount_micro=300)
        first = await desk.engine.transfer("alice", asked)
        assert await desk.engine.transfer("alice", asked) == first
        with pytest.raises(Reused):
            await desk.engine.transfer("alice", msgspec.structs.replace(asked, amount_micro=301))

    with_desk(tmp_path, talk)


def test_the_same_id_with_other_fields_is_reused(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.open("v7", role="vendor")
        await desk.top_up("alice", 1_000, "bank-1")
        asked = Transfer(id=ID % 1, to="vendor/v7", amount_micro=300)
        await desk.engine.transfer("alice", asked)
        with pytest.raises(Reused):
            await desk.engine.transfer("alice", msgspec.structs.replace(asked, amount_micro=301))

    with_desk(tmp_path, talk)


def test_nobody_takes_an_id_that_the_broker_or_another_payer_needs(tmp_path: Path) -> None:
    """The broker's own follow from what anybody can know: a name of the bank, a transaction."""

    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.open("mallory")
        await desk.open("v7", role="vendor")
        await desk.top_up("mallory", 1_000, "bank-1")
        coupon = await desk.coupon("mallory", 300, "k1")
        payment = Payment(scheme="coupon", payload=coupon, amount_micro=300)
        held = await desk.engine.settling.settle(payment, desk.account("v7"), "void")
        for cause in (("topup", "manual", "bank-2"), (held.tx, "1", "void")):
            taken = Transfer(id=entry_id(*cause).hex(), to="payer/alice", amount_micro=1)
            await desk.engine.transfer("mallory", taken)
            back = msgspec.structs.replace(taken, to="vendor/v7")
            await desk.engine.transfer("alice", back)
        await desk.top_up("alice", 500, "bank-2")
        desk.now_s += RESERVED_S
        await desk.engine.tick()
        assert desk.balance(accounts.hold(held.tx)) == 0
        assert desk.balance(accounts.payer("alice")) == -500

    with_desk(tmp_path, talk)


def test_a_refused_transfer_changes_nothing_and_stays_refused(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.open("v7", role="vendor")
        await desk.top_up("alice", 299, "bank-1")
        before = desk.balances()
        asked = Transfer(id=ID % 1, to="vendor/v7", amount_micro=300)
        with pytest.raises(Unfunded):
            await desk.engine.transfer("alice", asked)
        assert desk.balances() == before
        await desk.top_up("alice", 1_000, "bank-2")
        with pytest.raises(Unfunded):
            await desk.engine.transfer("alice", asked)
        await desk.engine.transfer("alice", msgspec.structs.replace(asked, id=ID % 2))

    with_desk(tmp_path, talk)


def test_nobody_transfers_out_of_anothers_account_or_to_nobody(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.open("bob")
        await desk.top_up("alice", 1_000, "bank-1")
        theft = Transfer(id=ID % 1, to="payer/bob", amount_micro=1, source="payer/alice")
        with pytest.raises(OutOfRange):
            await desk.engine.transfer("bob", theft)
        lost = Transfer(id=ID % 2, to="vendor/nobody", amount_micro=1)
        with pytest.raises(Unknown):
            await desk.engine.transfer("alice", lost)
        bank = Transfer(id=ID % 3, to="bank/manual", amount_micro=1)
        with pytest.raises(OutOfRange):
            await desk.engine.transfer("alice", bank)

    with_desk(tmp_path, talk)


def test_parallel_transfers_never_overdraw(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        await desk.open("alice")
        await desk.open("v7", role="vendor")
        await desk.top_up("alice", 10, "bank-1")

        async def one(number: int) -> bool:
            asked = Transfer(id=ID % number, to="vendor/v7", amount_micro=1)
            try:
                await desk.engine.transfer("alice", asked)
            except Unfunded:
                return False
            return True

        assert sum(await asyncio.gather(*(one(number) for number in range(32)))) == 10
        assert desk.balance(accounts.payer("alice")) == 0

    with_desk(tmp_path, talk)


class AgainstADictionary(RuleBasedStateMachine):
    """The engine and a model of dictionaries, told the same commands."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self._folder = tempfile.TemporaryDirectory()
        self._runner = asyncio.Runner()
        self._desk = Desk(Path(self._folder.name) / "broker.db")
        self._model = {"alice": 0, "bob": 0}
        self._coupons: list[dict[str, object]] = []
        self._number = 0
        for name in self._model:
            self._runner.run(self._desk.open(name))

    def teardown(self) -> None:
        assert self._desk.audit().findings == []
        self._desk.committer.close()
        self._runner.close()
        self._folder.cleanup()

    def _key(self) -> int:
        self._number += 1
        return self._number

    @rule(name=st.sampled_from(["alice", "bob"]), micro=st.integers(1, 1_000))
    def top_up(self, name: str, micro: int) -> None:
        self._runner.run(self._desk.top_up(name, micro, f"bank-{self._key()}"))
        self._model[name] += micro

    @rule(
        name=st.sampled_from(["alice", "bob"]), micro=st.integers(1, 1_500), times=st.integers(1, 2)
    )
    def transfer(self, name: str, micro: int, times: int) -> None:
        other = "bob" if name == "alice" else "alice"
        asked = Transfer(id=ID % self._key(), to=f"payer/{other}", amount_micro=micro)
        done = False
        for _ in range(times):
            with contextlib.suppress(Unfunded):
                self._runner.run(self._desk.engine.transfer(name, asked))
                done = True
        assert done == (micro <= self._model[name])
        if done:
            self._model[name] -= micro
            self._model[other] += micro

    @rule(name=st.sampled_from(["alice", "bob"]), micro=st.integers(1, 1_500))
    def issue(self, name: str, micro: int) -> None:
        key = f"issue {self._key()}"
        if micro > self._model[name]:
            with pytest.raises(Unfunded):
                self._runner.run(self._desk.coupon(name, micro, key))
            return
        self._coupons.append(self._runner.run(self._desk.coupon(name, micro, key)))
        self._model[name] -= micro

    @rule(name=st.sampled_from(["alice", "bob"]), index=st.integers(0, 100))
    def take_back(self, name: str, index: int) -> None:
        if not self._coupons:
            return
        coupon = self._coupons[index % len(self._coupons)]
        run = self._desk.engine.operations.run
        account = self._desk.account(name)
        try:
            self._runner.run(run("coupon", "take_back", coupon, account, f"back {self._key()}"))
        except Refusal:
            assert coupon.get("used")
            return
        assert not coupon.get("used")
        self._coupons[index % len(self._coupons)] = coupon | {"used": True}
        self._model[name] += int(str(coupon["micro"]))

    @invariant()
    def all_balances_agree_and_sum_to_zero(self) -> None:
        balances = self._desk.balances()
        assert sum(balances.values()) == 0
        for name, micro in self._model.items():
            assert balances[accounts.payer(name)] == -micro


AgainstADictionary.TestCase.settings = settings(
    max_examples=15, stateful_step_count=20, deadline=None
)
TestAgainstADictionary = AgainstADictionary.TestCase


CHILD = """
import asyncio, sys
from pathlib import Path
from farthing.broker.engine import Transfer
from tests.unit.broker.desk import Desk

async def main(path, first):
    desk = Desk(Path(path))
    async def payer(lane):
        number = 0
        while True:
            number += 1
            asked = Transfer(
                id=f"{first:08x}{lane:08x}{number:016x}", to="payer/bob", amount_micro=1
            )
            await desk.engine.transfer("alice", asked)
            print(asked.id, flush=True)
    await asyncio.gather(*(payer(lane) for lane in range(8)))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def test_kill_nine_loses_nothing_acknowledged_and_pays_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "broker.db"
    acknowledged: list[str] = []

    async def prepare() -> None:
        async with open_desk(path) as desk:
            await desk.open("alice")
            await desk.open("bob")
            await desk.top_up("alice", 10_000_000, "bank-1")

    async def repeat_and_count() -> None:
        async with open_desk(path) as desk:
            before = desk.balance(accounts.payer("bob"))
            assert -before >= len(acknowledged)
            for transfer_id in acknowledged:
                asked = Transfer(id=transfer_id, to="payer/bob", amount_micro=1)
                await desk.engine.transfer("alice", asked)
            assert desk.balance(accounts.payer("bob")) == before

    asyncio.run(prepare())
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    for run in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path), str(run)],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        assert child.stdout is not None
        acknowledged.append(child.stdout.readline().strip())
        time.sleep(0.1 + 0.07 * run)
        child.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in child.stdout.readlines() if len(line) == 33]
        child.wait()
        child.stdout.close()
        asyncio.run(repeat_and_count())
    assert len(acknowledged) > 10
