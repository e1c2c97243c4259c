"""A wallet that buys ahead at a real broker, for days of the room's clock."""

from collections.abc import Iterator
from random import Random
from typing import Any

import msgspec
import pytest

from farthing.errors import OutOfRange, Refusal, Unavailable, Unfunded, Unsupported
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.coin import values
from farthing.wallet.choice import Guide
from farthing.wallet.commands import AskMint, Command, Failed
from farthing.wallet.driver import Session
from farthing.wallet.policy import DAY_S, Limits, Policy
from farthing.wallet.rounding import SIZES_MICRO
from farthing.wallet.stocking import (
    PATIENCE_S,
    QUIET_S,
    SPREAD_S,
    Restocked,
    restock,
    set_level,
)
from farthing.wallet.stocks import Stock, Stocks
from tests.kit.turns import SEED

CENT = 10_000
CRON_S = 900


class Keeper:
    """A payer with a stock, and when it bought how much of its account."""

    def __init__(self, stage: Stage, level_cents: int, *, per_day_cents: int = 50) -> None:
        self.stage, self.payer = stage, stage.payer
        self.limits = Limits(per_day_micro=per_day_cents * CENT)
        self.bought: list[tuple[int, int]] = []
        self.away = False
        answer = self.payer.answer

        def watched(command: Command, session: Session) -> Any:
            if isinstance(command, AskMint) and not command.ask.asked.bearer:
                if self.away:
                    return Failed(reason="ConnectError")
                before_micro = self.has_micro()
                answered = answer(command, session)
                spent_micro = before_micro - self.has_micro()
                if spent_micro:
                    self.bought.append((stage.room.now_s, spent_micro))
                return answered
            return answer(command, session)

        self.payer.answer = watched  # type: ignore[method-assign]  # of one payer
        self.set(level_cents)

    def has_micro(self) -> int:
        """What the account has."""
        return self.stage.bank.has_micro("payer", self.payer.id)

    def guide(self) -> Guide:
        return msgspec.structs.replace(self.payer.guide(), policy=Policy(self.limits))

    def set(self, level_cents: int) -> Stock:
        wanted = Stock(
            broker_id=self.stage.bank.id,
            scheme=self.stage.scheme,
            level_micro=level_cents * CENT,
        )
        return self.payer.run_alone(set_level(self.guide(), self.payer.store.file, wanted))

    def stock(self) -> Stock:
        (found,) = Stocks(self.payer.store.file).listed()
        return found

    def restock(self, *, at_once: bool = False) -> Restocked:
        flow = restock(self.guide(), self.payer.store.file, self.stock(), at_once=at_once)
        return self.payer.run_alone(flow)

    def until_due(self) -> None:
        self.stage.room.later(max(0, self.stock().due_at_s - self.stage.room.now_s))


def keeper(stage: Stage, level_cents: int = 50, **options: Any) -> Keeper:
    return Keeper(stage, level_cents, **options)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Play("ecash", "stocking").stage() as made:
        yield made


def test_what_is_missing_is_bought_at_a_time_that_was_drawn_and_not_before(stage: Stage) -> None:
    kept = keeper(stage)
    due_at_s = kept.stock().due_at_s
    assert QUIET_S <= due_at_s - stage.room.now_s < QUIET_S + SPREAD_S
    assert kept.restock().state == "waiting"
    stage.room.later(due_at_s - stage.room.now_s - 1)
    assert kept.restock().state == "waiting"
    stage.room.later(1)
    done = kept.restock()
    assert (done.state, done.bought_micro, done.held_micro) == ("bought", 50 * CENT, 50 * CENT)
    assert kept.restock().state == "full"
    assert kept.stock().due_at_s == 0


def test_small_gaps_wait_until_they_are_worth_a_round_amount(stage: Stage) -> None:
    kept = keeper(stage, per_day_cents=100)
    kept.restock(at_once=True)
    stage.buy("dear", micro=12_300)
    assert kept.restock().state == "full"
    stage.buy("dearer", micro=100_000)
    assert kept.restock().state == "waiting"
    kept.until_due()
    done = kept.restock()
    assert (done.bought_micro, done.held_micro) == (10 * CENT, 50 * CENT - 12_300)


def test_soon_after_a_payment_it_is_put_off_and_not_for_ever(stage: Stage) -> None:
    kept = keeper(stage, 10)
    begun_s = stage.room.now_s
    states = []
    while not kept.bought and stage.room.now_s - begun_s < 2 * PATIENCE_S:
        kept.until_due()
        Stocks(kept.payer.store.file).put(kept.stock())
        with kept.payer.store.file.write() as db:
            db.execute("DELETE FROM instruments")
        stage.payer.buy(stage.page(stage.room.now_s))
        kept.bought = [entry for entry in kept.bought if entry[0] != stage.room.now_s]
        states.append(kept.restock().state)
    assert states[0] == "waiting"
    assert states[-1] == "bought"
    assert stage.room.now_s - begun_s >= PATIENCE_S


def test_all_that_is_missing_is_bought_at_once_where_the_payer_says_so(stage: Stage) -> None:
    kept = keeper(stage, 162, per_day_cents=1_000)
    done = kept.restock(at_once=True)
    assert (done.bought_micro, done.held_micro) == (160 * CENT, 160 * CENT)
    assert [micro for _, micro in kept.bought] == [100 * CENT, 50 * CENT, 10 * CENT]


def test_no_more_is_bought_on_a_day_than_its_budget(stage: Stage) -> None:
    kept = keeper(stage, 162, per_day_cents=60)
    assert kept.restock(at_once=True).held_micro == 60 * CENT
    assert kept.restock(at_once=True).state == "spent_for_today"
    assert kept.stock().due_at_s > stage.room.now_s
    stage.room.later(DAY_S)
    assert kept.restock(at_once=True).held_micro == 120 * CENT
    kept.limits = Limits(per_day_micro=CENT - 1)
    stage.room.later(DAY_S)
    assert kept.restock(at_once=True).state == "spent_for_today"


def test_where_money_is_short_less_is_bought_and_none_is_tried_later() -> None:
    with Play("ecash", "stocking").stage(funds_micro=30 * CENT + 1) as stage:
        kept = keeper(stage)
        assert kept.restock(at_once=True).bought_micro == 30 * CENT
        with pytest.raises(Unfunded):
            kept.restock(at_once=True)
        assert kept.stock().due_at_s > stage.room.now_s
        assert kept.stock().busy_until_s == 0
        assert kept.stock().bought_on(stage.room.now_s) == 30 * CENT


def test_an_order_without_an_answer_is_finished_and_not_made_twice(stage: Stage) -> None:
    kept = keeper(stage)
    kept.away = True
    with pytest.raises(Unavailable):
        kept.restock(at_once=True)
    assert kept.stock().due_at_s > stage.room.now_s, "it is tried again at another time"
    kept.away = False
    assert kept.restock().state == "waiting"
    kept.until_due()
    stage.room.later(DAY_S)
    assert kept.restock().held_micro == 50 * CENT
    assert [micro for _, micro in kept.bought] == [50 * CENT]
    assert kept.restock().state == "full"


def test_another_process_that_is_at_it_is_left_to_it(stage: Stage) -> None:
    kept = keeper(stage)
    assert Stocks(kept.payer.store.file).take(kept.stock(), stage.room.now_s) is not None
    assert kept.restock(at_once=True).state == "elsewhere"
    assert kept.bought == []


def test_a_crash_at_any_command_buys_no_more_than_the_level() -> None:
    for count in range(1, 40):
        with Play("ecash", "crash").stage() as stage:
            kept = keeper(stage, 10)
            flow = restock(kept.guide(), kept.payer.store.file, kept.stock(), at_once=True)
            with kept.payer.session() as session:
                command = next(flow)
                try:
                    for _ in range(count):
                        command = flow.send(kept.payer.answer(command, session))
                except StopIteration:
                    assert kept.bought == [(stage.room.now_s, 10 * CENT)]
                    return
            kept.payer.restart()
            stage.room.later(DAY_S)
            done = kept.restock(at_once=True)
            assert done.held_micro == 10 * CENT
            assert sum(micro for _, micro in kept.bought) == 10 * CENT, count
    pytest.fail("the flow does not end")


@pytest.mark.parametrize(
    ("scheme", "fields", "kind"),
    [
        ("millicent", {}, Unsupported),
        ("ecash", {"level_micro": CENT - 1}, OutOfRange),
        ("ecash", {"broker_id": "nobody"}, Unsupported),
    ],
)
def test_a_stock_that_cannot_be_is_refused(
    scheme: str, fields: dict[str, Any], kind: type[Refusal]
) -> None:
    with Play(scheme, "refused").stage() as stage:
        payer = stage.payer
        wanted = Stock(broker_id=stage.bank.id, scheme=scheme, level_micro=CENT)
        wanted = msgspec.structs.replace(wanted, **fields)
        with pytest.raises(kind):
            payer.run_alone(set_level(payer.guide(), payer.store.file, wanted))
        assert Stocks(payer.store.file).listed() == ()


def test_a_wallet_without_an_account_has_no_stock(stage: Stage) -> None:
    payer = stage.payer
    guide = payer.guide()
    bare = msgspec.structs.replace(guide.brokers[stage.bank.id], account="")
    guide = msgspec.structs.replace(guide, brokers={stage.bank.id: bare})
    wanted = Stock(broker_id=stage.bank.id, scheme="ecash", level_micro=CENT)
    with pytest.raises(Unfunded, match="broker_without_account"):
        payer.run_alone(set_level(guide, payer.store.file, wanted))


# --- a day --------------------------------------------------------------------------------------


def lived(kept: Keeper, payer: Payer, *, seed: int, days: int = 1) -> list[int]:
    """Days of pages at odd times and prices, and of cron; when pages were paid."""
    stage, random = kept.stage, Random(seed)
    begun_s, paid_s = stage.room.now_s, list[int]()
    ticks = range(begun_s, begun_s + days * DAY_S, CRON_S)
    visits = sorted(begun_s + random.randrange(days * DAY_S) for _ in range(24 * days))
    for at_s in sorted([*ticks, *visits]):
        stage.room.later(max(0, at_s - stage.room.now_s))
        if at_s in ticks:
            kept.restock()
        else:
            micro = random.choice([700, 12_300])
            fetched = payer.buy(stage.page(at_s, micro=micro))
            assert fetched.purchase is not None
            paid_s.append(stage.room.now_s)
    return paid_s


def test_over_days_withdrawals_are_round_and_do_not_line_up_with_payments(stage: Stage) -> None:
    kept = keeper(stage, per_day_cents=500)
    kept.restock(at_once=True)
    kept.bought.clear()
    paid_s = lived(kept, stage.payer, seed=SEED, days=3)
    assert kept.bought, "the day's pages cost more than a step"
    assert {micro for _, micro in kept.bought} <= set(SIZES_MICRO)
    for at_s, _ in kept.bought:
        before = [at_s - one for one in paid_s if one <= at_s]
        assert not before or min(before) >= QUIET_S
    assert all(micro != each for _, micro in kept.bought for each in (700, 12_300))


def test_without_a_stock_each_withdrawal_lines_up_with_a_payment(stage: Stage) -> None:
    """So the test above can fail; and what is bought on the spot is round, too."""
    kept = keeper(stage)
    kept.set(0)
    random, paid_s = Random(SEED), list[int]()
    for number in range(12):
        stage.room.later(random.randrange(1, 7_200))
        stage.buy(number, micro=random.choice([700, 12_300]))
        paid_s.append(stage.room.now_s)
    assert {at_s for at_s, _ in kept.bought} <= set(paid_s)
    assert {micro for _, micro in kept.bought} <= set(SIZES_MICRO)


def test_every_round_amount_is_one_withdrawal() -> None:
    assert all(len(values.ladder(size)) <= values.COUNT_MAX for size in SIZES_MICRO)
