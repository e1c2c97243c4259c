"""A wallet that was lost, on the real parts: a bank, gates and two wallets of one account."""

from collections.abc import Iterator

import pytest

from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.line import Died
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.chain.agent.issued import DELTA_S
from farthing.schemes.chain.times import LAPSE_S
from farthing.wallet.commands import AskMint, FinishAsk, Look, OpenAsk
from farthing.wallet.reissuing import Reissued, reissue


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Play("agent", "reissuing").stage() as made:
        yield made


def lose(stage: Stage) -> int:
    """A page is bought and cleared, then the wallet is gone: what it held."""
    stage.buy("before")
    stage.shop.clear()
    held_micro = stage.payer.held_micro()
    stage.payer.save(stage.room.folder / "old")
    stage.payer.restore()
    return held_micro


def sums(done: tuple[Reissued, ...]) -> tuple[int, int]:
    return sum(each.returned_micro for each in done), sum(each.rest_micro for each in done)


def test_a_new_wallet_gets_the_same_unspent_value_in_two_parts(stage: Stage) -> None:
    before_micro = stage.bank.has_micro("payer")
    lost_micro = lose(stage)
    back_micro, rest_micro = sums(stage.payer.reissue())
    assert back_micro + rest_micro == lost_micro
    assert min(back_micro, rest_micro) > 0
    assert stage.bank.has_micro("payer") == before_micro - stage.price_micro - rest_micro
    stage.room.later(DELTA_S + LAPSE_S)
    stage.bank.tick()
    assert stage.bank.has_micro("payer") == before_micro - stage.price_micro


def test_it_says_when_the_rest_comes(stage: Stage) -> None:
    lose(stage)
    (found,) = stage.payer.reissue()
    assert found.rest_at_s == stage.room.now_s + DELTA_S + LAPSE_S
    assert (found.scheme, found.broker_id, found.currency) == ("agent", stage.bank.id, "eur")


def test_an_old_copy_says_what_it_has_opened_and_spends_nothing_of_it_again(stage: Stage) -> None:
    lose(stage)
    stage.payer.restore(stage.room.folder / "old")
    (found,) = stage.payer.reissue()
    assert stage.payer.held_micro() == 0
    assert stage.line.heard("broker take_back")[-1].count(b'"opened":1') == 1
    stage.buy("after")
    names = {each.id for each in stage.payer.instruments()}
    assert found.instrument_id not in names


def test_who_calls_a_wallet_lost_and_spends_it_gets_nothing_twice(stage: Stage) -> None:
    before_micro = stage.bank.has_micro("payer")
    lost_micro, other = lose(stage), stage.open_shop("daily")
    for shop in (stage.shop, other):
        shop.mirror(stage.room.now_s)
        shop.is_mirroring = False
    (ended,) = stage.payer.reissue()
    stage.payer.restore(stage.room.folder / "old")
    for number in range(3):  # two gates that have not heard of it yet
        stage.buy(number)
        stage.buy(number, shop=other)
    assert {each.id for each in stage.payer.instruments()} == {ended.instrument_id}
    stage.settle_up()
    assert stage.bank.has_micro("vendor") <= stage.price_micro + ended.rest_micro
    paid_micro = before_micro - stage.bank.has_micro("payer")
    assert paid_micro == stage.bank.has_micro("vendor"), "what vendors have is what payers lack"
    assert paid_micro <= stage.price_micro + lost_micro


def test_a_gate_that_has_heard_of_it_takes_nothing_of_it(stage: Stage) -> None:
    lose(stage)
    stage.payer.reissue()
    stage.payer.restore(stage.room.folder / "old")
    hand = Hand(stage)
    made = hand.pay(stage.page("late"), hand.instrument())
    with stage.unchanged("a payment with what was ended"):
        answer = stage.shop.serve(made.request)
    assert answer.status == 402
    assert b"certificate_revoked" in answer.body


def test_another_account_gets_nothing_of_it(stage: Stage) -> None:
    lose(stage)
    eve = stage.admit("eve")
    assert eve.reissue() == ()


def test_what_a_payment_has_is_left_to_it(stage: Stage) -> None:
    def die_at_the_paid_request(who: str, what: str) -> None:
        if who == stage.payer.id and stage.payer.said.count("SendRequest") == 2:
            raise Died(who)

    stage.line.before = die_at_the_paid_request
    with pytest.raises(Died):
        stage.payer.buy(stage.page())
    stage.payer.said.clear()
    stage.payer.restart()
    (found,) = stage.payer.reissue()
    assert found.is_in_use
    assert sums((found,)) == (0, 0)
    assert not stage.line.heard("broker take_back")


def test_a_scheme_that_reissues_nothing_is_not_asked() -> None:
    with Play("payword", "reissuing").stage() as other:
        other.buy()
        assert other.payer.reissue() == ()
        assert not other.line.heard("broker status")


def test_every_message_is_written_before_it_is_sent(stage: Stage) -> None:
    lose(stage)
    stage.payer.said.clear()
    seen: list[tuple[int, int]] = []
    flow = reissue(
        stage.payer.guide(), stage.payer.book, stage.bank.id, lambda *step: seen.append(step)
    )
    stage.payer.run_alone(flow)
    sent = [name for name in stage.payer.said if name != Look.__name__]
    assert sent == [OpenAsk.__name__, AskMint.__name__, FinishAsk.__name__] * 2
    assert seen == [(1, 1)]
