"""What must hold of sticks, with the real broker, gate and wallet."""

import msgspec
import pytest

from farthing.broker.engine import Transfer
from farthing.broker.people import OpenAccount
from farthing.lab.conformance.shop import failing
from farthing.lab.conformance.stage import DAY_S, Play, Stage
from farthing.schemes.chain.netcard import FAMILY, NETCARD, NetcardStick
from farthing.wallet.commands import Response
from farthing.wallet.settling import Verdict

ON_LINE = {"auth": "online"}


def test_its_certificates_and_its_lists_are_its_own() -> None:
    assert FAMILY.domain(NetcardStick.message) == "farthing/netcard/stick/1"
    assert NETCARD.mint.signing == ("farthing/netcard/certificate/1",)
    assert NETCARD.mint.published == b"netcard/revoked/"


def test_an_authorised_stick_is_paid_in_full_whatever_becomes_of_the_account() -> None:
    with Play("netcard", "a", options=ON_LINE).stage() as stage:
        stage.buy("first")
        kept_micro = stage.bank.has_micro("outstanding", "netcard/ann")
        assert kept_micro > 0
        _empty(stage)
        for number in range(kept_micro // stage.price_micro):
            stage.buy(number)
        stage.shop.clear()
        assert stage.earned_micro == kept_micro + stage.price_micro
        assert stage.bank.has_micro("credit", "ann") == 0


def test_what_is_not_spent_comes_back_once_nothing_can_be_claimed() -> None:
    with Play("netcard", "b", options=ON_LINE).stage() as stage:
        had_micro = stage.bank.has_micro("payer", "ann")
        stage.buy("first")
        stage.buy("second")
        stage.shop.clear()
        assert stage.bank.has_micro("payer", "ann") < had_micro - 2 * stage.price_micro
        stage.room.later(DAY_S)
        stage.bank.tick()
        assert stage.bank.has_micro("outstanding", "netcard/ann") > 0
        stage.settle_up()
        assert stage.bank.has_micro("outstanding", "netcard/ann") == 0
        assert stage.bank.has_micro("payer", "ann") == had_micro - 2 * stage.price_micro


@pytest.mark.parametrize(
    ("credit_micro", "code"), [(0, "balance_too_low"), (1, "credit_limit_reached")]
)
def test_who_cannot_fund_a_stick_has_nothing_reserved_and_gets_no_page(
    credit_micro: int, code: str
) -> None:
    with Play("netcard", "c", options=ON_LINE).stage() as stage:
        stage.buy("first")  # so that the wallet has a certificate
        stage.room.later(DAY_S)  # and needs another stick
        _empty(stage)
        _limit(stage, credit_micro)
        before = stage.bank.balances()
        fetched = stage.payer.buy(stage.page("second"))
        assert isinstance(fetched.answer, Response)
        assert fetched.verdict is Verdict.RELEASED
        assert msgspec.json.decode(fetched.answer.body)["code"] == code
        assert stage.bank.balances() == before


def test_a_page_that_does_not_come_leaves_no_reservation() -> None:
    with Play("netcard", "d", options=ON_LINE).stage() as stage:
        before = stage.bank.balances()
        stage.shop.origin = failing
        stage.payer.buy(stage.page())
        after = {name: micro for name, micro in stage.bank.balances().items() if micro}
        assert after == {name: micro for name, micro in before.items() if micro}


def _empty(stage: Stage) -> None:
    """All that lies in the payer's account goes to somebody else."""
    stage.admit("bob", 0)
    amount_micro = stage.bank.has_micro("payer", "ann")
    asked = Transfer(id="0" * 32, to="payer/bob", amount_micro=amount_micro)
    stage.room.wait_for(stage.bank.engine.transfer("ann", asked))


def _limit(stage: Stage, credit_micro: int) -> None:
    asked = OpenAccount(id="ann", credit_limit_micro=credit_micro)
    stage.room.wait_for(stage.bank.engine.people.change(asked, "limit-ann"))
