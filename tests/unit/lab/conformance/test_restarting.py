"""A crash at every step: what is lost by one is found."""

from typing import Any

import pytest

from farthing.lab.conformance import runner
from farthing.lab.conformance.line import Died
from farthing.lab.conformance.payer import CHEAP, PASSPHRASE, Payer
from farthing.lab.conformance.restarting import Steps
from farthing.lab.conformance.shop import Shop
from farthing.lab.conformance.stage import Play
from farthing.wallet.file import create
from tests.kit.broken import Broken, broken_in, require_found


@pytest.mark.parametrize("broken", broken_in("restarting"), ids=str)
def test_a_broken_rule_is_found(broken: Broken) -> None:
    require_found(broken)


def failing(case: str) -> str:
    [job] = runner.jobs_of(["payword"], case, seed=1)
    result = runner.run_job(job)
    assert result.state == "failed"
    return result.why


def test_a_gate_that_keeps_its_marks_in_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    restart = Shop.restart

    def forgetful(shop: Shop) -> None:
        shop.store = type(shop.store)()
        restart(shop)

    monkeypatch.setattr(Shop, "restart", forgetful)
    assert "charged once" in failing("restart-while-buying[after each command]")
    assert "earned" in failing("restart-between-messages[vendor]")


def test_a_wallet_that_forgets_what_it_wrote_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(payer: Payer) -> None:
        payer.close()
        payer.path.unlink()
        create(payer.path, PASSPHRASE, CHEAP).close()
        payer.open()

    monkeypatch.setattr(Payer, "restart", forgetful)
    assert "once" in failing("restart-while-buying[after each command]")


def test_a_party_dies_at_the_command_that_was_named() -> None:
    with Play("payword", "a").stage() as stage:
        steps = Steps(stage, 1, after=False)
        stage.line.before("news", "Hold")
        with pytest.raises(Died):
            stage.line.before("news", "Confirm")
        assert steps.died == "news at Confirm"
        done: Any = stage.line.before("news", "Answer")
        assert done is None
        stage.line.before = stage.line.after = lambda who, what: None
