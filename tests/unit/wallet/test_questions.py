"""What is asked without an account and not written down."""

from typing import Any

import pytest

from farthing.errors import Refusal, Unavailable
from farthing.lab.conformance.payer import Payer
from farthing.lab.conformance.stage import Play
from farthing.schemes.contract import Asked
from farthing.wallet.commands import Answered, AskMint, Failed
from farthing.wallet.questions import answer_of


def asked(payer: Payer, message: dict[str, Any]) -> dict[str, object]:
    question = Asked(operation="issue", message=message, bearer=True)
    return payer.run_alone(answer_of("ecash", payer.bank.id, question))


def test_the_answer_comes_and_nothing_is_kept() -> None:
    with Play("ecash", "asking").stage() as stage:
        assert asked(stage.payer, {"list": "current"})["broker"] == stage.bank.id
        assert "OpenAsk" not in stage.payer.said
        with stage.payer.store.file.write():
            assert stage.payer.store.file.rows("SELECT 1 FROM asks") == []


def test_a_refusal_is_the_brokers_own() -> None:
    with Play("ecash", "asking").stage() as stage, pytest.raises(Refusal, match="list_malformed"):
        asked(stage.payer, {"list": "never"})


@pytest.mark.parametrize("said", [Failed(reason="ConnectError"), Answered(value=["a list"])])
def test_no_answer_is_unavailable(said: Any) -> None:
    flow = answer_of("ecash", "b", Asked(operation="issue", message={}, bearer=True))
    with Play("ecash", "asking").stage() as stage:
        payer, answer = stage.payer, stage.payer.answer
        payer.answer = lambda command, session: (  # type: ignore[method-assign]  # of one payer
            said if isinstance(command, AskMint) else answer(command, session)
        )
        with pytest.raises(Unavailable, match="broker_unreachable"):
            payer.run_alone(flow)
