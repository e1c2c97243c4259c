"""A real broker engine beside dictionaries, whatever is asked of it in whatever order."""

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from farthing.broker.engine import Transfer
from farthing.broker.people import OpenAccount, PayOut
from farthing.broker.settling import Payment, Settled
from farthing.errors import Refusal
from farthing.ledger import accounts
from farthing.rails.manual import PayoutState
from tests.property.ledger_model import Coupon, Model, RefusedError
from tests.unit.broker.coupon import LIFE_S
from tests.unit.broker.desk import Desk

CENT_MICRO = 10_000
PAYERS, VENDORS = ("alice", "bob"), ("v7", "v8")
STEPS = 50  # of one history
HISTORIES = {"ci": 100, "full": 400, "long": 2_000}

payers, vendors = st.sampled_from(PAYERS), st.sampled_from(VENDORS)
amounts = st.integers(1, 3_000)


class Books(RuleBasedStateMachine):
    """Each rule asks the broker and the model for the same thing."""

    coupons = Bundle("coupons")
    reservations = Bundle("reservations")
    payouts = Bundle("payouts")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.desk = Desk(Path(self.folder.name) / "broker.db")
        self.model = Model(self.desk.now_s)
        self.number = 0
        self.asked: list[tuple[Callable[[], Awaitable[object]], object]] = []
        """What was asked before, with its answer, to be asked again."""

    def teardown(self) -> None:
        try:
            assert [str(finding) for finding in self.desk.audit().findings] == []
        finally:
            self.desk.committer.close()
            self.loop.close()
            self.folder.cleanup()

    def key(self) -> str:
        self.number += 1
        return f"k{self.number}"

    def ask(self, what: Callable[[], Awaitable[Any]], expect: Callable[[], None]) -> Any:
        """The answer of the broker, or None where both refuse; a refusal changes nothing."""
        before = self.desk.balances()
        try:
            expect()
            refused = False
        except RefusedError:
            refused = True
        try:
            answer = self.loop.run_until_complete(what())
        except Refusal:
            assert refused
            assert self.desk.balances() == before
            return None
        assert not refused
        if isinstance(answer, bytes):
            self.asked.append((what, answer))
        return answer

    @initialize()
    def open_everybody(self) -> None:
        for name in PAYERS:
            self.loop.run_until_complete(self.desk.open(name))
            self.model.open(name)
        for name in VENDORS:
            rate = 333 if name == "v7" else 0
            opened = self.desk.open(name, role="vendor", commission_e4=rate, payout_to="iban")
            self.loop.run_until_complete(opened)

    @rule(payer=payers, micro=st.integers(1, 100_000))
    def top_up(self, payer: str, micro: int) -> None:
        self.loop.run_until_complete(self.desk.top_up(payer, micro, f"bank-{self.key()}"))
        self.model.top_up(payer, micro)

    @rule(payer=payers, limit_micro=st.integers(0, 5_000))
    def change_limit(self, payer: str, limit_micro: int) -> None:
        asked, key = OpenAccount(id=payer, credit_limit_micro=limit_micro), self.key()
        self.ask(
            lambda: self.desk.engine.people.change(asked, key),
            lambda: self.model.limit.update({payer: limit_micro}),
        )

    @rule(payer=payers, to=st.sampled_from(PAYERS + VENDORS), micro=amounts)
    def transfer(self, payer: str, to: str, micro: int) -> None:
        self.number += 1
        side = "vendor" if to in VENDORS else "payer"
        asked = Transfer(id=f"{self.number:032x}", to=f"{side}/{to}", amount_micro=micro)

        def expect() -> None:
            if payer == to:
                raise RefusedError
            self.model.transfer(payer, to, micro)

        self.ask(lambda: self.desk.engine.transfer(payer, asked), expect)

    @rule(target=coupons, payer=payers, micro=amounts)
    def issue(self, payer: str, micro: int) -> Any:
        account, key = self.desk.account(payer), self.key()
        run = self.desk.engine.operations.run
        answer = self.ask(
            lambda: run("coupon", "issue", {"micro": micro}, account, key),
            lambda: self.model.issue(payer, micro),
        )
        if answer is None:
            return multiple()
        coupon = msgspec.json.decode(answer)["answer"]
        expires_s = self.desk.now_s + LIFE_S
        self.model.coupons[coupon["id"]] = Coupon(micro, expires_s + 1, expires_s)
        return coupon

    @rule(shown=st.lists(coupons, min_size=1, max_size=4), vendor=vendors, forge=st.booleans())
    def redeem(self, shown: list[Any], vendor: str, *, forge: bool) -> None:
        claims = [dict(coupon) for coupon in shown]
        if forge:
            claims[0]["micro"] += 1
        account, key = self.desk.account(vendor), self.key()
        raw = [msgspec.json.encode(claim) for claim in claims]
        expected = []
        for number, claim in enumerate(claims):
            try:
                if forge and number == 0:
                    raise RefusedError
                self.model.redeem(claim["id"], vendor)
                expected.append("paid")
            except RefusedError:
                expected.append("refused")
        redeem = self.desk.engine.redeeming.redeem
        answer = self.ask(lambda: redeem("coupon", raw, account, key), lambda: None)
        results = msgspec.json.decode(answer)["results"]
        assert [one["state"] for one in results] == expected
        if any(one.get("retry") == "same" for one in results):
            self.asked.pop()  # asked again, it may end otherwise

    @rule(coupon=coupons, payer=payers)
    def take_back(self, coupon: Any, payer: str) -> None:
        account, key = self.desk.account(payer), self.key()
        run = self.desk.engine.operations.run
        answer = self.ask(
            lambda: run("coupon", "take_back", coupon, account, key),
            lambda: self.model.take_back(coupon["id"], payer),
        )
        assert answer is None or msgspec.json.decode(answer)["answer"]["returnedMicro"] > 0

    @rule(payer=payers, vendor=vendors, index=amounts)
    def tab(self, payer: str, vendor: str, index: int) -> None:
        account, key = self.desk.account(vendor), self.key()
        raw = [msgspec.json.encode({"payer": payer, "index": index})]
        try:
            self.model.tab(payer, vendor, index)
            expected = "paid"
        except RefusedError:
            expected = "refused"
        redeem = self.desk.engine.redeeming.redeem
        answer = self.ask(lambda: redeem("tab", raw, account, key), lambda: None)
        assert msgspec.json.decode(answer)["results"][0]["state"] == expected

    @rule(
        target=reservations, coupon=coupons, vendor=vendors,
        at_end=st.sampled_from(["void", "capture"]),
    )  # fmt: skip  # - one call
    def reserve(self, coupon: Any, vendor: str, at_end: Any) -> Any:
        micro = self.model.coupons[coupon["id"]].micro
        if any(one.coupon == coupon["id"] for one in self.model.reserved.values()):
            return multiple()  # the same payment again: its answer is in test_settling.py
        self.model.end_overdue()
        payment = Payment(scheme="coupon", payload=coupon, amount_micro=micro)
        account = self.desk.account(vendor)

        def expect() -> None:
            self.model.live(coupon["id"])

        settle = self.desk.engine.settling.settle
        spent_here = self.model.coupons[coupon["id"]].state == "spent"
        if spent_here:
            return multiple()  # captured here or elsewhere: likewise
        settled = self.ask(lambda: settle(payment, account, at_end), expect)
        if settled is None:
            return multiple()
        assert isinstance(settled, Settled)
        self.model.reserve(coupon["id"], vendor, settled.tx, at_end)
        return (settled, vendor)

    @rule(reserved=consumes(reservations), end=st.sampled_from(["capture", "void"]))
    def end(self, reserved: Any, end: str) -> None:
        settled, vendor = reserved
        self.model.end_overdue()
        if settled.tx not in self.model.reserved:
            return
        account = self.desk.account(vendor)
        do = getattr(self.desk.engine.settling, end)
        model = getattr(self.model, end)
        self.ask(lambda: do(settled.tx, settled.reservation, account), lambda: model(settled.tx))

    @rule(target=payouts, vendor=vendors)
    def pay_out(self, vendor: str) -> Any:
        cents = self.model.vendor(vendor) // CENT_MICRO
        asked, key = PayOut(amount_micro=CENT_MICRO * max(cents, 1)), self.key()
        before = self.desk.balances()
        try:
            made = self.desk.engine.people.pay_out(vendor, asked, key)
            answer = msgspec.json.decode(self.loop.run_until_complete(made))
        except Refusal:
            assert cents == 0
            assert self.desk.balances() == before
            return multiple()
        self.model.pay_out(vendor, answer["payout"], answer["amountMicro"])
        return answer["payout"]

    @rule(payout=consumes(payouts), returned=st.booleans())
    def end_payout(self, payout: str, *, returned: bool) -> None:
        step = self.desk.engine.people.step_payout
        for state in (
            PayoutState.EXPORTED, PayoutState.RETURNED if returned else PayoutState.CONFIRMED,
        ):  # fmt: skip  # - one pair
            self.desk.engine.people.export_payouts()
            self.loop.run_until_complete(step(payout, state, self.key()))
        self.model.came_back(payout) if returned else self.model.paid_out(payout)

    @rule(seconds=st.sampled_from([1, 59, 61, 500, LIFE_S, LIFE_S + 1]))
    def wait(self, seconds: int) -> None:
        self.desk.now_s += seconds
        self.model.now_s = self.desk.now_s
        while self.loop.run_until_complete(self.desk.engine.tick()):
            pass
        self.model.tick()

    @rule(data=st.data())
    def ask_again(self, data: Any) -> None:
        """The same request has one effect and one answer."""
        if not self.asked:
            return
        what, answer = data.draw(st.sampled_from(self.asked))
        before = self.desk.balances()
        assert self.loop.run_until_complete(what()) == answer
        assert self.desk.balances() == before

    @invariant()
    def the_books_say_what_the_model_says(self) -> None:
        found: dict[str, int] = {}
        for name, micro in self.desk.balances().items():
            whole = "liability/hold" if name.startswith("liability/hold/") else name
            shown = accounts.shown_micro(name, micro)
            if shown:
                found[whole] = found.get(whole, 0) + shown
        assert found == self.model.balances()
        assert sum(self.desk.balances().values()) == 0
        marks = self.desk.committer.read(lambda db: db.execute("SELECT count(*) FROM once").get)
        assert marks == self.model.spent


@pytest.mark.timeout(900)  # a failure is made short before it is shown
def test_the_broker_does_what_the_model_does() -> None:
    suite = os.environ.get("FARTHING_SUITE", "ci")
    sized = settings(
        max_examples=HISTORIES[suite],
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    chosen = seed(int(os.environ.get("FARTHING_SEED", "1")))
    run_state_machine_as_test(chosen(Books), settings=sized)
