"""Handing over on the real parts: a bank, a gate and two wallets."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest

from farthing.errors import (
    Busy,
    Denied,
    Expired,
    Forged,
    OutOfRange,
    Overlimit,
    Refusal,
    Unknown,
    Unsupported,
)
from farthing.lab.conformance.hand import Hand
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play, Stage
from farthing.schemes.chain.credit.pledge import SLOTS
from farthing.wallet import file as files
from farthing.wallet.address import new_address, seal, unseal
from farthing.wallet.choice import choose
from farthing.wallet.commands import Ask, Broker, OpenAsk, Request
from farthing.wallet.errand import CARRIED_MAX, Flow, load
from farthing.wallet.grants import Grant, Grants
from farthing.wallet.handing import Taken, Wanted, hand_over, receive, withdraw
from farthing.wallet.policy import Limits, Policy
from farthing.wallet.spending import Spending
from farthing.wire.published import KEYS_PATH
from tests.kit.canaries import draw

AMOUNT_MICRO = 4_000
HOUR_S = 3_600


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Play("ecoupon", "handing").stage() as made:
        yield made


def address_of(payer: Payer) -> Any:
    return new_address(payer.store.file.vault, payer.room.entropy(16))


def given(stage: Stage, to: Payer, **changes: Any) -> Grant:
    wanted = Wanted(url=stage.page(), amount_micro=AMOUNT_MICRO, to=address_of(to), lasts_s=HOUR_S)
    wanted = msgspec.structs.replace(wanted, **changes)
    payer = stage.payer
    return payer.run_alone(hand_over(payer.guide(), payer.store.file, wanted))


def received(payer: Payer, token: str) -> Taken:
    return payer.run_alone(receive(payer.guide(), payer.store.file, token))


def test_a_purse_is_spent_by_its_receiver_and_billed_to_its_owner(stage: Stage) -> None:
    agent = stage.admit("agent", 0, credit_micro=0)
    before_micro = stage.bank.has_micro("payer", "ann")
    taken = received(agent, given(stage, agent).token)
    assert (taken.instrument.worth_micro, taken.site) == (AMOUNT_MICRO, stage.shop.site)
    for number in range(3):
        agent.buy(stage.page(number))
    stage.buy("mine")
    stage.settle_up()
    assert stage.earned_micro == 4 * stage.price_micro
    assert before_micro - stage.bank.has_micro("payer", "ann") == 4 * stage.price_micro
    assert stage.bank.has_micro("credit", "agent") == 0


def test_a_part_binds_no_more_credit_than_it_takes(stage: Stage) -> None:
    """Eight slots of a certificate, each worth a quarter more than the part."""
    agent = stage.admit("agent", 0, credit_micro=0)
    part_micro = 10_000
    poor = stage.admit("poor", 0, credit_micro=SLOTS * part_micro * 5 // 4)
    wanted = Wanted(url=stage.page(), amount_micro=part_micro, to=address_of(agent), lasts_s=9)
    grant = poor.run_alone(hand_over(poor.guide(), poor.store.file, wanted))
    assert grant.amount_micro == part_micro


def test_the_receiver_spends_so_much_and_no_more(stage: Stage) -> None:
    agent = stage.admit("agent", 0, credit_micro=0)
    received(agent, given(stage, agent, amount_micro=2 * stage.price_micro).token)
    for number in range(2):
        agent.buy(stage.page(number))
    with pytest.raises(Refusal):
        agent.buy(stage.page("once more"))
    assert stage.shop.charged_micro() == 2 * stage.price_micro


def test_a_token_that_is_received_twice_is_received_once(stage: Stage) -> None:
    agent = stage.admit("agent", 0, credit_micro=0)
    token = given(stage, agent).token
    assert received(agent, token).is_new
    agent.buy(stage.page())
    left_micro = agent.held_micro()
    agent.restart()
    assert not received(agent, token).is_new
    assert agent.held_micro() == left_micro == AMOUNT_MICRO - stage.price_micro


def test_a_token_is_for_one_wallet(stage: Stage) -> None:
    agent, thief = stage.admit("agent", 0), stage.admit("thief", 0)
    token = given(stage, agent).token
    with pytest.raises(Forged, match="token_of_another"):
        received(thief, token)
    assert thief.held_micro() == 0


def test_a_wallet_without_an_account_learns_the_broker_and_buys_nothing_of_it(
    stage: Stage,
) -> None:
    agent = stage.admit("agent", 0)
    token = given(stage, agent).token
    guide = msgspec.structs.replace(agent.guide(), brokers={})
    agent.run_alone(receive(guide, agent.store.file, token))
    [broker] = agent.book.brokers().values()
    assert (broker.id, broker.url, broker.account) == (stage.bank.id, stage.bank.url, "")
    guide = msgspec.structs.replace(guide, brokers=agent.book.brokers())
    offered = (Hand(stage, agent).received(stage.page()),)
    choices = choose(guide, Request(method="GET", url=stage.page()), offered, stage.room.now_s)
    with pytest.raises(Refusal, match="broker_without_account"):
        agent.run_alone(load(guide, choices, stage.shop.site, patient=False))


def test_a_wallet_without_an_account_hears_why_it_cannot_hand_on(stage: Stage) -> None:
    agent = stage.admit("agent", 0)
    token = given(stage, agent).token
    guide = msgspec.structs.replace(agent.guide(), brokers={})
    agent.run_alone(receive(guide, agent.store.file, token))
    guide = msgspec.structs.replace(guide, brokers=agent.book.brokers())
    wanted = Wanted(
        url=stage.page(),
        amount_micro=stage.price_micro,
        to=address_of(stage.payer),
        lasts_s=HOUR_S,
    )
    with pytest.raises(Denied, match="delegation_not_allowed"):
        agent.run_alone(hand_over(guide, agent.store.file, wanted))


def test_an_account_that_is_known_is_not_replaced_by_a_token(stage: Stage) -> None:
    agent = stage.admit("agent", 0)
    own = Broker(id=stage.bank.id, url=stage.bank.url, account="agent", token="t", currency="eur")
    agent.book.put_broker(own)
    received(agent, given(stage, agent).token)
    assert agent.book.brokers()[own.id] == own


# --- the owner's side ---------------------------------------------------------------------------


def test_what_is_handed_over_counts_as_spent_and_is_asked_about_above_a_budget(
    stage: Stage,
) -> None:
    agent, payer = stage.admit("agent", 0), stage.payer
    file = payer.store.file
    given(stage, agent)
    with file.write():
        spent = Spending(file).today("eur", stage.shop.site, stage.room.now_s)
    assert (spent.site_micro, spent.total_micro) == (AMOUNT_MICRO, AMOUNT_MICRO)
    wanted = Wanted(
        url=stage.page(), amount_micro=AMOUNT_MICRO, to=address_of(agent), lasts_s=HOUR_S
    )
    limits = Limits(per_payment_micro=10**9, per_site_day_micro=AMOUNT_MICRO + 1_000)
    guide = msgspec.structs.replace(payer.guide(), policy=Policy(limits))
    before = Grants(file).listed()

    def refused() -> None:
        flow = hand_over(guide, file, wanted)
        with payer.session() as session:
            command = next(flow)
            while True:
                is_question = type(command).__name__ == "AskPayer"
                answer = False if is_question else payer.answer(command, session)
                command = flow.send(answer)

    with pytest.raises(Overlimit, match="above_budget_per_site_day"):
        refused()
    assert Grants(file).listed() == before
    payer.run_alone(hand_over(guide, file, wanted))  # who is asked says yes
    assert len(Grants(file).listed()) == 2


def test_two_that_hand_over_at_once_stay_within_the_budget_together(stage: Stage) -> None:
    """The second has asked before the first had written."""
    agent = stage.admit("agent", 0)
    payer = stage.payer
    file = payer.store.file
    wanted = Wanted(
        url=stage.page(), amount_micro=AMOUNT_MICRO, to=address_of(agent), lasts_s=HOUR_S
    )
    limits = Limits(per_payment_micro=10**9, per_site_day_micro=AMOUNT_MICRO + 1_000)
    guide = msgspec.structs.replace(payer.guide(), policy=Policy(limits))

    def race(slower: Grants, *rest: Any) -> Grant | None:
        monkey.undo()
        payer.run_alone(hand_over(guide, file, wanted))
        return slower.hand_over(*rest)

    with pytest.MonkeyPatch.context() as monkey:
        monkey.setattr(Grants, "hand_over", race)
        with pytest.raises(Overlimit, match="above_budget_per_site_day"):
            payer.run_alone(hand_over(guide, file, wanted))
    assert len(Grants(file).listed()) == 1


def test_a_crash_after_the_hand_over_loses_nothing(stage: Stage) -> None:
    agent = stage.admit("agent", 0)
    grant = given(stage, agent)
    stage.payer.restart()
    kept = Grants(stage.payer.store.file)
    [line] = kept.listed()
    assert (line.id, line.amount_micro, line.state) == (grant.id, AMOUNT_MICRO, "given")
    again = kept.find(line.id)
    assert again is not None
    assert again.token == grant.token
    assert received(agent, again.token).is_new


def test_a_crash_at_any_command_before_it_leaves_no_part_of_it(stage: Stage) -> None:
    agent, payer = stage.admit("agent", 0), stage.payer
    wanted = Wanted(
        url=stage.page(), amount_micro=AMOUNT_MICRO, to=address_of(agent), lasts_s=HOUR_S
    )
    made: Grant | None = None
    for count in range(1, 40):
        flow = hand_over(payer.guide(), payer.store.file, wanted)
        with payer.session() as session:
            try:
                command = next(flow)
                for _ in range(count):
                    command = flow.send(payer.answer(command, session))
            except StopIteration as end:
                made = end.value
                break
        flow.close()
        payer.restart()
        assert Grants(payer.store.file).listed() == ()
    assert len(Grants(payer.store.file).listed()) == 1
    assert made is not None
    assert received(agent, made.token).is_new


def test_the_owner_goes_on_spending_what_is_left(stage: Stage) -> None:
    agent = stage.admit("agent", 0)
    stage.buy("first")
    held_micro = stage.payer.held_micro()
    given(stage, agent, amount_micro=stage.price_micro)
    assert stage.payer.held_micro() <= held_micro
    stage.buy("second")
    assert stage.shop.charged_micro() == 2 * stage.price_micro


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"amount_micro": 150}, "portion_not_in_units"),
        ({"lasts_s": 0}, "portion_without_time"),
    ],
)
def test_a_part_that_cannot_be_made_is_refused_with_the_rule(
    stage: Stage, changes: dict[str, int], rule: str
) -> None:
    agent = stage.admit("agent", 0)
    with pytest.raises(OutOfRange, match=rule):
        given(stage, agent, **changes)
    assert Grants(stage.payer.store.file).listed() == ()


def test_a_site_that_takes_nothing_of_the_kind_is_unsupported() -> None:
    with Play("payword", "handing").stage() as other:
        agent = other.admit("agent", 0)
        with pytest.raises(Unsupported, match="share_unsupported"):
            given(other, agent)
        with pytest.raises(Unsupported, match="page_without_offer"):
            given(other, agent, url=other.shop.site + KEYS_PATH)


def test_a_purse_is_withdrawn_at_the_broker(stage: Stage) -> None:
    agent = stage.admit("agent", 0, credit_micro=0)
    grant = given(stage, agent)
    received(agent, grant.token)
    agent.buy(stage.page())
    payer = stage.payer
    payer.run_alone(withdraw(payer.guide(), payer.store.file, grant.id))
    [line] = Grants(payer.store.file).listed()
    assert line.state == "withdrawn"
    names = stage.bank.engine.operations.listed("ecoupon")
    assert names
    stage.shop.learn_list(b"ecoupon/revoked/", names)
    charged_micro = stage.shop.charged_micro()
    with suppress(Refusal):
        agent.buy(stage.page("after"))
    assert stage.shop.charged_micro() == charged_micro


@pytest.mark.parametrize("more", [0, 1])
def test_withdrawals_that_were_left_open_come_first_and_none_is_forgotten(
    stage: Stage, more: int
) -> None:
    agent, payer = stage.admit("agent", 0), stage.payer
    before = CARRIED_MAX - 1 + more
    grants = [given(stage, agent, amount_micro=stage.price_micro) for _ in range(before + 1)]
    payer.run_alone(left_open(grants[:before], stage.room.now_s))
    payer.restart()
    file = payer.store.file
    if more:
        with pytest.raises(Busy, match="asks_left_open"):
            payer.run_alone(withdraw(payer.guide(), file, grants[-1].id))
        assert {line.state for line in Grants(file).listed()} == {"given"}
    payer.run_alone(withdraw(payer.guide(), file, grants[-1].id))
    assert len(stage.bank.engine.operations.listed("ecoupon")) == before + 1


def left_open(grants: list[Grant], now_s: int) -> Flow[None]:
    for grant in grants:
        assert grant.withdrawal is not None
        ask = Ask(
            id=f"ask_{grant.id}", created_at_s=now_s, broker_id=grant.broker_id,
            scheme=grant.scheme, vendor_id=grant.vendor_id, site=grant.site,
            amount_micro=grant.amount_micro, asked=grant.withdrawal,
        )  # fmt: skip  # - an ask in one glance
        opened = yield OpenAsk(ask=ask, patient=False, now_s=now_s)
        assert opened == ask


def test_only_what_was_handed_over_is_withdrawn(stage: Stage) -> None:
    payer = stage.payer
    with pytest.raises(Unknown, match="grant_unknown"):
        payer.run_alone(withdraw(payer.guide(), payer.store.file, "g_none"))


def test_what_was_handed_on_is_not_withdrawn_by_who_did(stage: Stage) -> None:
    phone, agent = stage.admit("phone", 0), stage.admit("agent", 0)
    received(phone, given(stage, phone, passes_on=True).token)
    wanted = Wanted(
        url=stage.page(), amount_micro=stage.price_micro, to=address_of(agent), lasts_s=60
    )
    on = phone.run_alone(hand_over(phone.guide(), phone.store.file, wanted))
    assert received(agent, on.token).instrument.worth_micro == stage.price_micro
    with pytest.raises(Denied, match="grant_not_yours"):
        phone.run_alone(withdraw(phone.guide(), phone.store.file, on.id))


def test_a_purse_that_is_over_is_not_received(stage: Stage) -> None:
    agent = stage.admit("agent", 0)
    token = given(stage, agent).token
    stage.room.later(HOUR_S + 200)
    with pytest.raises(Expired, match="delegation_expired"):
        received(agent, token)


Change = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.mark.parametrize(
    "change",
    [
        lambda handed: handed | {"site": "http://elsewhere.example"},
        lambda handed: handed | {"site": "https://news.example/page"},
        lambda handed: handed | {"broker": handed["broker"] | {"id": "No Name"}},
        lambda handed: handed | {"broker": handed["broker"] | {"url": "ftp://x"}},
        lambda handed: handed | {"scheme": "gold"},
        lambda handed: {},
    ],
)
def test_a_token_of_another_form_is_refused(stage: Stage, change: Change) -> None:
    agent = stage.admit("agent", 0)
    vault = agent.store.file.vault
    message, _ = unseal(vault, given(stage, agent).token)
    wrong = msgspec.json.encode(change(msgspec.json.decode(message)))
    token = seal(address_of(agent), wrong, draw("token"))
    with pytest.raises(Refusal) as caught:
        received(agent, token)
    assert caught.value.code != "merkle_root_differs"
    assert agent.held_micro() == 0


def test_no_token_is_in_clear_in_the_file(stage: Stage) -> None:
    agent = stage.admit("agent", 0)
    grant = given(stage, agent)
    stage.payer.close()
    raw = stage.payer.path.read_bytes()
    stage.payer.open()
    assert grant.token[:40].encode() not in raw
    assert grant.token not in repr(grant)
    assert files.VERSION == 2
