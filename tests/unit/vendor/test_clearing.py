"""Claims from the outbox to a broker with real mints, whose answers get lost on the way."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farthing import codec, marks
from farthing.errors import Broken, Refusal, Unavailable, Undecided, row_of
from farthing.schemes.contract import Json
from farthing.schemes.mac.millicent.claims import body_of, claim_row
from farthing.stores.memory import MemoryMarks
from farthing.stores.sqlite import SqliteMarks
from farthing.vendor import clearing
from farthing.vendor.clearing import Cleared, sweep
from tests.kit.shop import PRICE_MICRO, SCHEMES, Buyer, Shop

every_scheme = pytest.mark.parametrize("scheme", SCHEMES)


class Desk:
    """The redeem endpoint over the mint of one buyer's broker."""

    def __init__(self, buyer: Buyer) -> None:
        self._broker = buyer.scene.broker
        self._answers: dict[str, list[Json]] = {}
        self.batches: list[list[Json]] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[list[Json]], Any] = lambda results: results

    async def redeem(self, scheme: str, batch_id: str, claims: list[Json]) -> Json:
        self.batches.append(claims)
        self.before()
        if batch_id not in self._answers:
            self._answers[batch_id] = [self._redeem(claim) for claim in claims]
        answer: Json = codec.read_json(codec.canonical(self._answers[batch_id]))
        return self.after(answer)

    def _redeem(self, claim: Json) -> Json:
        try:
            paid_micro = self._broker.redeem(claim)
            taken_micro = max(-paid_micro, 0)
            return {"state": "paid", "paidMicro": max(paid_micro, 0), "takenMicro": taken_micro}
        except Refusal as wrong:
            retry = row_of(wrong).retry
            return {"state": "refused", "code": wrong.code, "retry": retry, "detail": ""}


def lost(results: list[Json]) -> Json:
    raise Undecided("outcome_unknown")


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[marks.Marks]:
    if request.param == "memory":
        yield MemoryMarks()
        return
    opened = SqliteMarks(tmp_path / "marks.db")
    yield opened
    opened.close()


class Sales:
    """A shop that has sold some pages in one scheme, and where it clears."""

    def __init__(self, scheme: str, store: marks.Marks, pages: int = 3) -> None:
        self.shop, self.scheme = Shop(store=store), scheme
        self.buyer = Buyer(self.shop, scheme)
        self.desk = Desk(self.buyer)
        self.instrument = self.buyer.instrument()
        self.sell(pages)

    def sell(self, pages: int = 1) -> None:
        for _ in range(pages):
            if self.scheme == "millicent":
                self.instrument = self.buyer.instrument()
            payment = self.buyer.pay(instrument=self.instrument)
            assert self.shop.get(payment.header).status == 200
            self.instrument = payment.paid.after or self.instrument

    def sweep(self) -> Cleared:
        till, at = self.shop.gate.tills[self.scheme], self.shop.clock.at()
        return asyncio.run(sweep(self.scheme, till, self.shop.store, self.desk, at))

    @property
    def earned_micro(self) -> int:
        """At the broker."""
        balances = self.buyer.scene.broker.balances
        return sum(micro for name, micro in balances.items() if name.startswith("vendor/"))

    @property
    def pending(self) -> int:
        return len(self.shop.claims(self.scheme))


@every_scheme
def test_what_was_sold_is_paid_and_not_shown_again(scheme: str, store: marks.Marks) -> None:
    sales = Sales(scheme, store)
    cleared = sales.sweep()
    assert cleared.paid_micro == sales.earned_micro == 3 * PRICE_MICRO
    assert cleared.refused == {}
    assert cleared.claims == (3 if scheme == "millicent" else 1), "the last word only"
    assert sales.pending == 0
    assert sales.sweep() == Cleared(scheme=scheme)
    assert len(sales.desk.batches) == 1


@every_scheme
def test_a_lost_reply_is_fetched_again_and_paid_once(scheme: str, store: marks.Marks) -> None:
    sales = Sales(scheme, store)
    sales.desk.after = lost
    with pytest.raises(Undecided):
        sales.sweep()
    assert sales.pending > 0
    sales.desk.after = lambda results: results
    assert sales.sweep().paid_micro == 3 * PRICE_MICRO
    assert sales.earned_micro == 3 * PRICE_MICRO
    assert sales.pending == 0


@every_scheme
def test_a_lost_reply_followed_by_more_sales_is_paid_once(scheme: str, store: marks.Marks) -> None:
    """The next batch is another one, and holds claims that the broker has paid."""
    sales = Sales(scheme, store)
    sales.desk.after = lost
    with pytest.raises(Undecided):
        sales.sweep()
    sales.desk.after = lambda results: results
    sales.sell(2)
    cleared = sales.sweep()
    assert cleared.refused == {}
    assert sales.earned_micro == 5 * PRICE_MICRO
    assert sales.pending == 0


@every_scheme
@pytest.mark.parametrize("wrong", [Unavailable("broker_unreachable"), Undecided("no_answer")])
def test_a_broker_that_is_away_loses_nothing(
    scheme: str, wrong: Refusal, store: marks.Marks
) -> None:
    sales = Sales(scheme, store)

    def away() -> None:
        raise wrong

    sales.desk.before = away
    for _ in range(3):
        with pytest.raises(type(wrong)):
            sales.sweep()
    sales.desk.before = lambda: None
    sales.sweep()
    assert sales.earned_micro == 3 * PRICE_MICRO


def test_a_chain_shows_its_last_word_and_later_is_paid_the_difference(store: marks.Marks) -> None:
    sales = Sales("payword", store)
    assert sales.sweep().paid_micro == 3 * PRICE_MICRO
    sales.sell(2)
    second = sales.sweep()
    assert (second.claims, second.paid_micro) == (1, 2 * PRICE_MICRO)
    assert sales.earned_micro == 5 * PRICE_MICRO
    indices = [claims[0]["links"][0][1] for claims in sales.desk.batches]
    assert indices == [6, 10]


def test_what_is_sold_while_the_broker_answers_stays_pending(store: marks.Marks) -> None:
    sales = Sales("payword", store)
    sales.desk.before = sales.sell
    sales.sweep()
    assert sales.pending == 1
    sales.desk.before = lambda: None
    sales.sweep()
    assert sales.earned_micro == 4 * PRICE_MICRO


def test_a_claim_refused_for_good_is_reported_and_put_away(store: marks.Marks) -> None:
    """A vendor that shows more than it received gets what it is owed, and is told."""
    sales = Sales("millicent", store)
    true_rows = sales.shop.claims("millicent")
    true = body_of(true_rows[0], sales.shop.gate.setting.vendor_id)
    times = {"expires_at_s": true.expires_at_s, "price_micro": true.price_micro}
    invented = claim_row(marks.Once(id=b"invented", until_s=1), serial="00000000010000ff", **times)
    times["price_micro"] = 4_000_000
    more = claim_row(marks.Once(id=b"more", until_s=1), serial="00000000010000fe", **times)
    hold = marks.Hold(
        k="cheat",
        digest=b"d" * 32,
        marks=(),
        kept=b"",
        now_s=0,
        lease_until_s=0,
        until_s=2**40,
    )
    store.do_now(marks.Take(hold=hold, outcome=b"", claims=(invented, more)))
    cleared = sales.sweep()
    sold_micro = -sum(
        micro
        for name, micro in sales.buyer.scene.broker.balances.items()
        if name.startswith("payer/")
    )
    assert cleared.refused == {"more_than_was_sold": 1}
    assert sales.earned_micro <= sold_micro
    assert sales.pending == 0
    (total,) = store.do_now(marks.Tally())
    assert total.earned_micro == cleared.paid_micro, "what was refused is not earned"


def test_a_claim_that_may_come_again_stays(store: marks.Marks) -> None:
    sales = Sales("millicent", store)

    def busy(results: list[Json]) -> Json:
        held = {"state": "refused", "code": "busy", "retry": "same", "facts": {"untilS": 90}}
        return [held, *results[1:]]

    sales.desk.after = busy
    cleared = sales.sweep()
    assert (cleared.claims, cleared.refused) == (2, {})
    assert (cleared.waiting, cleared.waits_until_s) == ({"busy": 1}, 90)
    assert sales.pending == 1


def test_no_refusal_is_for_good_while_an_earlier_claim_is_open(store: marks.Marks) -> None:
    """A renewal that waits is what the payments with the fresh piece draw on."""
    sales = Sales("millicent", store)
    none_left = {"state": "refused", "code": "more_than_was_sold", "retry": "never"}
    busy = {"state": "refused", "code": "busy", "retry": "same"}
    sales.desk.after = lambda results: [results[0], busy, none_left]
    waiting = {"busy": 1, "more_than_was_sold": 1}
    assert sales.sweep() == Cleared(
        scheme="millicent", claims=1, paid_micro=PRICE_MICRO, waiting=waiting
    )
    assert sales.pending == 2
    sales.desk.after = lambda results: [none_left, results[1]]
    assert sales.sweep().refused == {"more_than_was_sold": 1}
    assert sales.pending == 0


@pytest.mark.parametrize("state", ["challenge", "waiting"])
def test_a_claim_that_is_not_decided_stays(state: str, store: marks.Marks) -> None:
    sales = Sales("payword", store)
    sales.desk.after = lambda results: [{"state": state, "untilS": 1, "answer": {}}]
    assert sales.sweep() == Cleared(scheme="payword", waiting={state: 1}, waits_until_s=1)
    assert sales.pending == 1


STRANGE: list[Json] = [None, {}, [], [1], [{"state": "lost"}], [{"state": "paid"}] * 2]


@pytest.mark.parametrize("answer", STRANGE)
def test_an_answer_that_does_not_fit_puts_nothing_away(answer: Json, store: marks.Marks) -> None:
    sales = Sales("payword", store)
    sales.desk.after = lambda results: answer
    with pytest.raises(Broken):
        sales.sweep()
    assert sales.pending == 1


def test_many_claims_go_in_bounded_batches(
    store: marks.Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "BATCH_ITEMS_MAX", 2)
    sales = Sales("millicent", store, pages=5)
    assert sales.sweep().claims == 5
    assert [len(batch) for batch in sales.desk.batches] == [2, 2, 1]
    assert sales.earned_micro == 5 * PRICE_MICRO


def test_a_till_may_keep_a_claim_for_later(
    store: marks.Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = Sales("millicent", store)
    till = sales.shop.gate.tills["millicent"]
    whole = till.sweep

    def one_later(*arguments: Any) -> list[Json]:
        return [None, *whole(*arguments)[1:]]

    monkeypatch.setattr(till, "sweep", one_later)  # as a scheme with windows does
    assert sales.sweep().claims == 2
    assert sales.pending == 1
