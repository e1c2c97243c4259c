"""A refund at the vendor: found by a name, written once, seen by its payer when it is backed."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from farthing import codec, marks
from farthing.errors import Broken, Busy, Closed, Refusal, Replayed, Unknown, Unsupported
from farthing.stores.memory import MemoryMarks
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor import clearing, refunding
from farthing.vendor.commands import AskOrigin
from farthing.vendor.refunding import Refunded
from farthing.wire import published, receipts, x402
from tests.kit.parties import DAY_S
from tests.kit.shop import (
    PRICE_MICRO,
    ROUTE,
    Buyer,
    Payment,
    Shop,
    code_of,
    receipt_in,
    received_in,
    status,
)
from tests.unit.vendor.test_clearing import Desk
from tests.unit.vendor.test_endpoints import question


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[marks.Marks]:
    if request.param == "memory":
        yield MemoryMarks()
        return
    opened = SqliteMarks(tmp_path / "marks.db")
    yield opened
    opened.close()


class Sale:
    """One page that was bought."""

    def __init__(
        self, store: marks.Marks | None = None, scheme: str = "millicent", *, serve: bool = True
    ) -> None:
        self.shop = Shop(store=store or MemoryMarks())
        self.buyer = Buyer(self.shop, scheme)
        self.desk = Desk(self.buyer)
        self.payment: Payment = self.buyer.pay()
        if serve:
            paid = receipt_in(self.shop.get(self.payment.header))
            assert paid is not None
            self.receipt = paid

    def refund(self, name: str = "") -> Refunded:
        work = refunding.refund(
            name or self.payment.k, self.shop.gate.tills, self.shop.store, self.shop.clock.at()
        )
        return asyncio.run(work)

    def clear(self) -> clearing.Cleared:
        till = self.shop.gate.tills["millicent"]
        store, at = self.shop.store, self.shop.clock.at()
        return asyncio.run(clearing.sweep("millicent", till, store, self.desk, at))

    def said(self, **changed: Any) -> Any:
        """The outcome door's answer to the payer."""
        return self.shop.outcome(question(self.buyer, self.payment, **changed))

    def seen(self) -> Any:
        """What the payer sees of a refund; None without."""
        return msgspec.json.decode(self.said().body).get("refund")

    def refuses(self, kind: type[Refusal], code: str, name: str = "") -> None:
        before = self.facts()
        with pytest.raises(kind) as met:
            self.refund(name)
        assert met.value.code == code
        assert self.facts() == before

    def facts(self) -> object:
        store = self.shop.store
        pending = store.do_now(marks.Pending(scheme="millicent", count=99))
        found = [self.shop.find(k) for k in (self.payment.k, "refund/" + self.payment.k)]
        return pending, found, store.do_now(marks.LeaseSerials(series="millicent/x", count=0))


@pytest.mark.parametrize("name", ["k", "receipt_id", "reference"])
def test_a_payment_is_found_by_each_of_its_names(name: str, store: marks.Marks) -> None:
    sale = Sale(store)
    names = {"k": sale.payment.k} | {
        field: getattr(sale.receipt, field) for field in ("receipt_id", "reference")
    }
    done = sale.refund(names[name])
    assert (done.k, done.amount_micro, done.waits) == (sale.payment.k, PRICE_MICRO, True)
    assert done.reference == sale.receipt.reference


def test_the_payer_sees_it_when_the_broker_has_taken_the_claim(store: marks.Marks) -> None:
    sale = Sale(store)
    assert sale.seen() is None
    done = sale.refund()
    assert sale.seen() is None, "its value is in no pool yet"
    assert asyncio.run(refunding.is_waiting(done.k, store))
    cleared = sale.clear()
    assert (cleared.claims, cleared.paid_micro, cleared.refused) == (2, 0, {})
    assert not asyncio.run(refunding.is_waiting(done.k, store))
    piece = sale.buyer.purse.accept_refund(sale.payment.paid, sale.seen())
    assert piece.worth_micro == PRICE_MICRO
    assert sale.shop.earned_micro() == 0
    again = sale.buyer.pay(instrument=piece)
    assert sale.shop.get(again.header).status == 200
    assert sale.clear().paid_micro == PRICE_MICRO


def test_what_a_stream_was_topped_up_with_is_given_back_as_the_price_of_a_page(
    store: marks.Marks,
) -> None:
    sale = Sale(store)
    shop, buyer = sale.shop, sale.buyer
    shop.restart(prices=ROUTE + 'per = "1kB"\n')
    opening = buyer.pay()
    assert shop.get(opening.header).stream is not None
    path = published.top_up_path(opening.k, 3)
    sale.payment = buyer.pay(path=path, method="POST")
    assert shop.get(sale.payment.header, path=path, method="POST").status == 200
    assert sale.refund().amount_micro == 3 * PRICE_MICRO
    sale.clear()
    piece = buyer.purse.accept_refund(sale.payment.paid, sale.seen())
    assert piece.worth_micro == 3 * PRICE_MICRO
    assert shop.get(sale.payment.header, path=path, method="POST").status == 200, "as before"
    assert shop.earned_micro() == 2 * PRICE_MICRO, "the page and the opening"


def test_the_page_stays_the_payers(store: marks.Marks) -> None:
    sale = Sale(store)
    before = sale.shop.get(sale.payment.header)
    sale.refund()
    sale.clear()
    assert sale.shop.get(sale.payment.header) == before
    said = msgspec.json.decode(sale.said().body)
    assert receipts.from_json(said["receipt"]).reference == sale.receipt.reference


def test_a_payment_is_refunded_once(store: marks.Marks) -> None:
    sale = Sale(store)
    sale.refund()
    sale.refuses(Replayed, "already_refunded")
    sale.clear()
    sale.refuses(Replayed, "already_refunded")


def test_two_at_once_refund_once(store: marks.Marks) -> None:
    sale = Sale(store)
    waiting: list[Callable[[], None]] = []

    class Slow:
        """The other process is through between our look and our write."""

        async def do(self, command: marks.Command) -> Any:
            if isinstance(command, marks.Take) and waiting:
                waiting.pop()()
            return store.do_now(command)

    def other() -> None:
        with pytest.raises(StopIteration):
            refunding.refund(
                sale.payment.k, sale.shop.gate.tills, Slow(), sale.shop.clock.at()
            ).send(None)

    waiting.append(other)
    work = refunding.refund(sale.payment.k, sale.shop.gate.tills, Slow(), sale.shop.clock.at())
    with pytest.raises(Replayed, match="already_refunded"):
        asyncio.run(work)
    assert len(sale.shop.claims("millicent")) == 2


def test_what_is_no_confirmed_payment_is_refused_by_name_and_nothing_changes(
    store: marks.Marks,
) -> None:
    sale = Sale(store, serve=False)
    sale.refuses(Unknown, "payment_unknown")
    walking = sale.shop.start(sale.payment.header)
    walking.until(AskOrigin)
    sale.refuses(Busy, "payment_held")
    walking.drop()
    sale.shop.clock.now_s += 3600
    sale.refuses(Busy, "payment_held")
    sale.shop.origin = status(500)
    sale.shop.get(sale.payment.header)
    sale.refuses(Closed, "payment_released")
    for name in ("", "mc:", "mc:ffffffffffffffff", "the page"):
        sale.refuses(Unknown, "payment_unknown", name or "nothing")


def test_a_payment_whose_outcome_is_forgotten_is_unknown(store: marks.Marks) -> None:
    sale = Sale(store)
    found = sale.shop.find(sale.payment.k)
    assert found is not None
    store.do_now(marks.Forget(now_s=found.until_s + 1, count=99))
    sale.refuses(Unknown, "payment_unknown")


def test_nothing_is_refunded_twice_however_long_the_first_refund_is_ago(store: marks.Marks) -> None:
    sale = Sale(store)
    found = sale.shop.find(sale.payment.k)
    assert found is not None
    sale.refund()
    sale.clear()
    begins_s, ends_s = sale.shop.clock.now_s, found.until_s
    for now_s in (begins_s + DAY_S + 1, begins_s + 2 * DAY_S, ends_s - 1, ends_s):
        sale.shop.clock.now_s = now_s
        store.do_now(marks.Forget(now_s=now_s, count=99))
        sale.refuses(Replayed, "already_refunded")
    store.do_now(marks.Forget(now_s=ends_s + 1, count=99))
    sale.refuses(Unknown, "payment_unknown")


def test_a_refund_outlives_the_outcome_of_its_payment(store: marks.Marks) -> None:
    """Refunded on the last day, it waits for its payer as long as the new piece is worth some."""
    sale = Sale(store)
    found = sale.shop.find(sale.payment.k)
    assert found is not None
    sale.shop.clock.now_s = found.until_s - 60
    sale.refund()
    sale.clear()
    sale.shop.clock.now_s += 3600
    store.do_now(marks.Forget(now_s=sale.shop.clock.now_s, count=99))
    assert sale.shop.find(sale.payment.k) is None
    piece = sale.buyer.purse.accept_refund(sale.payment.paid, sale.seen())
    assert piece.expires_at_s > sale.shop.clock.now_s
    assert code_of(sale.said(proof="mac:" + "A" * 22)) == "outcome_proof_wrong"
    sale.refuses(Unknown, "payment_unknown")


def test_nobody_but_its_payer_sees_a_refund(store: marks.Marks) -> None:
    sale = Sale(store)
    sale.refund()
    sale.clear()
    assert code_of(sale.said(proof="mac:" + "A" * 22)) == "outcome_proof_wrong"
    own_name = "refund/" + sale.payment.k
    assert code_of(sale.said(k=own_name)) == "outcome_absent"
    sale.refuses(Unknown, "payment_unknown", own_name)


def test_a_payer_cannot_name_a_payment_like_the_receipt_of_another(store: marks.Marks) -> None:
    sale = Sale(store)
    buyer, name = sale.buyer, sale.receipt.receipt_id
    asked = received_in(sale.shop.get(), "x402")
    received = next(each for each in asked if each.offer.scheme == "millicent")
    made = buyer.answer(received, buyer.instrument())
    header = ("PAYMENT-SIGNATURE", x402.payment(received, made.payload, name))
    assert sale.shop.get(header).status == 200
    assert sale.shop.find(name) is not None, "it is a K too"
    assert sale.refund(name).k == sale.payment.k
    paid = receipt_in(sale.shop.get(header))
    assert paid is not None
    assert sale.refund(paid.receipt_id).k == name


def test_a_burned_piece_is_no_payment(store: marks.Marks) -> None:
    sale = Sale(store)
    piece = sale.buyer.instrument()
    asked = sale.buyer.purse.give_back(piece, sale.shop.clock.at())
    body = codec.canonical(asked.message)
    sale.shop.run(sale.shop.doors.mint("millicent", "take-back", body))
    k = "take-back/millicent/" + codec.b64u(codec.digest(asked.message))
    assert sale.shop.find(k) is not None
    sale.refuses(Unknown, "payment_unknown", k)


def test_a_payword_payment_is_not_given_back() -> None:
    sale = Sale(scheme="payword")
    sale.refuses(Unsupported, "refund_unsupported")
    with pytest.raises(Unsupported, match="refund_unsupported") as met:
        sale.refund()
    assert "forward" in met.value.detail


def test_a_scheme_that_was_given_up_is_said() -> None:
    sale = Sale()
    with pytest.raises(Unsupported, match="scheme_gone"):
        asyncio.run(refunding.refund(sale.payment.k, {}, sale.shop.store, sale.shop.clock.at()))


@pytest.mark.parametrize("dies_at", range(1, 8))
@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
def test_a_crash_at_any_command_neither_refunds_twice_nor_loses_it(
    dies_at: int,
    written: bool,  # noqa: FBT001 - a parameter of the test
    store: marks.Marks,
) -> None:
    """The process dies before or after its k-th command reached the disk; it is run again."""
    sale = Sale(store)

    class Dying:
        def __init__(self) -> None:
            self.done = 0

        async def do(self, command: marks.Command) -> Any:
            self.done += 1
            if self.done == dies_at and not written:
                raise Broken("died")
            answer = store.do_now(command)
            if self.done == dies_at:
                raise Broken("died")
            return answer

    dying = Dying()
    work = refunding.refund(sale.payment.k, sale.shop.gate.tills, dying, sale.shop.clock.at())
    died = False
    try:
        asyncio.run(work)
    except Broken:
        died = True
    assert died == (dies_at <= 4), "find, look, lease and write"
    sale.shop.restart()
    stood = sale.shop.find("refund/" + sale.payment.k) is not None
    if stood:
        sale.refuses(Replayed, "already_refunded")
    else:
        sale.refund()
    sale.clear()
    assert sale.seen()["scrip"]["valueMicro"] == PRICE_MICRO
    assert sale.shop.earned_micro() == 0
    assert sale.buyer.scene.broker.balances["vendor/news"] == 0
